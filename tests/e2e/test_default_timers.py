"""The timers as they are shipped: T1 is 500 ms, so whatever has to linger does so for 32 s."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest

from bench.phone import Never, Phone
from bench.wire import Message
from tests.support.stage import Stage, stage_config, together
from tests.support.switch import running_switch

T1 = 0.5


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A switch that was told nothing of timers."""
    changes = {**stage_config(), "limits": {"ring_timeout": "20s", "drain": "1s"}}
    with running_switch(tmp_path_factory.mktemp("stage"), timers={}, **changes) as switch:
        yield Stage(switch)


async def seen(phone: Phone, count: int, wanted: Callable[[Message], bool]) -> list[float]:
    """When so many copies of a message arrived, in seconds from the first one; none of them is acted upon."""
    times: list[float] = []
    enough = asyncio.Event()

    def drop(direction: str, message: Message) -> bool:
        found = direction == "in" and len(times) < count and wanted(message)
        if found:
            times.append(time.monotonic())
            if len(times) == count:
                enough.set()
        return found

    phone.endpoint.drop = drop
    async with asyncio.timeout(12):
        await enough.wait()
    return [at - times[0] for at in times]


async def an_invite_is_repeated(stage: Stage) -> None:
    """Timer A: after T1, then twice as long each time (RFC 3261 17.1.1.2)."""
    async with stage.pair(Never()) as pair:
        call = await pair.caller.dial(pair.direct)
        arrived = await seen(pair.desk, 3, lambda message: message.start.startswith("INVITE"))
        assert arrived == pytest.approx([0, T1, 3 * T1], abs=0.25)
        assert await call.cancel() == 487
        await stage.ended(pair, "caller", "cancelled")


async def an_answer_is_repeated(stage: Stage) -> None:
    """A 200 that seems to get lost comes again after T1, then twice as long each time (RFC 3261 13.3.1.4)."""
    async with stage.pair() as pair:
        call = await pair.caller.dial(pair.direct)
        arrived = await seen(pair.caller, 3, lambda message: message.start.startswith("SIP/2.0 200"))
        assert arrived == pytest.approx([0, T1, 3 * T1], abs=0.25)
        await call.answered()
        await call.hang_up()
        await stage.ended(pair, "caller", "normal")


async def a_whole_call(stage: Stage) -> None:
    """Keys, ringing, talk, hang-up."""
    async with stage.pair() as pair:
        call, far = await pair.talk()
        await call.hang_up()
        await far.ended()
        await stage.ended(pair, "caller", "normal")


async def a_call_that_is_given_up(stage: Stage) -> None:
    """CANCEL while it rings."""
    async with stage.pair(Never()) as pair:
        call = await pair.caller.dial(pair.direct)
        far = await pair.desk.next_call()
        await call.ringing()
        assert await call.cancel() == 487
        await far.ended()
        await stage.ended(pair, "caller", "cancelled")


async def test_with_the_shipped_timers_nothing_is_left_after_32_seconds(stage: Stage) -> None:
    """Messages are repeated as RFC 3261 says; transactions linger for 64*T1, and then nothing is left."""
    began = time.monotonic()
    await together(
        an_invite_is_repeated(stage),
        an_answer_is_repeated(stage),
        a_whole_call(stage),
        a_call_that_is_given_up(stage),
    )
    held = stage.switch.held()
    assert held["server_transactions"] >= 4
    # The INVITE that was never answered waits for a first response, as its CANCEL may not go before that.
    assert held["invites_out"] == 1
    gone_at_once = ("calls", "dialogs", "media_legs", "invites_in", "call_timers", "media_ports_leased", "tasks")
    assert not held.keys() & set(gone_at_once)
    await stage.switch.nothing_left(within=64 * T1 + 2)
    assert time.monotonic() - began > 32
