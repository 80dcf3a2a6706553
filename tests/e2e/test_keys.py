"""What callers key: right, wrong, too little, nothing, by RFC 4733 with losses or by INFO."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from bench.phone import Answer, Call, Dialled, Never
from tests.support.stage import (
    AGAIN,
    GOODBYE,
    NUDGE,
    NUMBER,
    PROMPT,
    Stage,
    hear_each_other,
    stage_config,
    together,
)
from tests.support.switch import running_switch

UNHURRIED = "4008001237"
"""Asks for an extension as well, and waits longer for each key."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A switch with a desk for every scenario."""
    config = stage_config()
    config["numbers"].append({"number": UNHURRIED, "flow": "extension"})
    config["masks"].append({**config["masks"][0], "number": UNHURRIED})
    with running_switch(tmp_path_factory.mktemp("stage"), **config) as switch:
        yield Stage(switch)


async def keyed_wrong(call: Call, extension: str) -> None:
    """Key an extension of nobody and hear that it is wrong; what was heard before does not count."""
    await call.rtp.key(extension)
    call.rtp.received.clear()
    await call.hears(AGAIN)


async def wrong_twice_then_right(stage: Stage) -> None:
    """Two extensions of nobody, then the right one."""
    async with stage.pair() as pair:
        call = await pair.caller.dial(NUMBER)
        await call.answered()
        await keyed_wrong(call, "999999")
        await keyed_wrong(call, "999998")
        await call.rtp.key(pair.extension)
        far = await pair.desk.next_call()
        await far.confirmed()
        await hear_each_other(call, far)
        await call.hang_up()
        record = await stage.ended(pair, "caller", "normal")
        assert record["extension"] == pair.extension


async def wrong_three_times(stage: Stage) -> None:
    """Unknown, too short, unknown: goodbye."""
    async with stage.pair() as pair:
        call = await pair.caller.dial(NUMBER)
        await call.answered()
        await keyed_wrong(call, "999999")
        await keyed_wrong(call, "123")
        await call.rtp.key("999997")
        await call.hears(GOODBYE)
        await call.ended()
        await stage.ended(pair, "switch", "normal", legs=1)


async def no_key_at_all(stage: Stage) -> None:
    """The prompt, a nudge, goodbye."""
    async with stage.pair() as pair:
        call = await pair.caller.dial(NUMBER)
        for tone in (PROMPT, NUDGE, GOODBYE):
            await call.hears(tone)
        await call.ended()
        await stage.ended(pair, "switch", "normal", legs=1)


async def keys_by_info(stage: Stage) -> None:
    """SIP INFO with application/dtmf-relay, from a carrier that offers no telephone-event."""
    async with stage.pair() as pair:
        call = await pair.caller.dial(NUMBER, Dialled(codecs=("PCMA",)))
        await call.answered()
        for digit in pair.extension:
            assert (await call.info(digit)).status == 200
        far = await pair.desk.next_call()
        await far.confirmed()
        await call.hang_up()
        await far.ended()
        record = await stage.ended(pair, "caller", "normal")
        assert record["extension"] == pair.extension


async def a_long_key_in_both_forms(stage: Stage) -> None:
    """The INFO of a key that is held comes long after its first event, and does not say how long it was held."""
    async with stage.pair() as pair:
        call = await pair.caller.dial(UNHURRIED)
        await call.answered()
        first, rest = pair.extension[0], pair.extension[1:]
        pressed = asyncio.create_task(call.rtp.key(first, on=1.2))
        await asyncio.sleep(0.7)
        told = await call.send("INFO", [("Content-Type", "application/dtmf-relay")], f"Signal={first}\r\n".encode())
        assert told.status == 200
        await pressed
        await call.rtp.key(rest)
        far = await pair.desk.next_call()
        await far.confirmed()
        await call.hang_up()
        record = await stage.ended(pair, "caller", "normal")
        assert record["extension"] == pair.extension


async def keys_that_lose_packets(stage: Stage) -> None:
    """The first three packets and two of the three ends of every digit are lost."""
    async with stage.pair() as pair:
        call = await pair.caller.dial(NUMBER)
        await call.answered()
        await call.rtp.key(pair.extension, lose_start=3, lose_end=2)
        far = await pair.desk.next_call()
        await far.confirmed()
        await call.hang_up()
        await stage.ended(pair, "caller", "normal")


async def the_extension_is_dialled_with_the_number(stage: Stage) -> None:
    """Nothing is asked."""
    async with stage.pair() as pair:
        call = await pair.caller.dial(f"{NUMBER};ext={pair.extension}")
        await call.answered()
        far = await pair.desk.next_call()
        await far.confirmed()
        await hear_each_other(call, far)
        await call.hang_up()
        record = await stage.ended(pair, "caller", "normal")
        assert (record["called"], record["extension"]) == (NUMBER, pair.extension)


async def keys_again_after_early_media(stage: Stage) -> None:
    """A far side that speaks before it refuses has had the keys; then they are the flow's again."""
    async with stage.pair(Never(ring=False)) as pair:
        call, far = await pair.reach()
        far.ring(early=True)
        far.rtp.play(880)
        await call.hears(880)
        far.refuse(404)
        call.rtp.received.clear()
        await call.hears(AGAIN)
        pair.desk.behaviour = Answer()
        await call.rtp.key(pair.extension)
        again = await pair.desk.next_call()
        await again.confirmed()
        await hear_each_other(call, again)
        await call.hang_up()
        await stage.ended(pair, "caller", "normal", legs=3)


async def test_keys_are_understood_whatever_the_caller_does(stage: Stage) -> None:
    """Wrong, none, too few, by INFO, with packets lost, dialled ahead: each leads where it should."""
    await together(
        wrong_twice_then_right(stage),
        wrong_three_times(stage),
        no_key_at_all(stage),
        keys_by_info(stage),
        a_long_key_in_both_forms(stage),
        keys_that_lose_packets(stage),
        the_extension_is_dialled_with_the_number(stage),
        keys_again_after_early_media(stage),
    )
    await stage.switch.nothing_left()
