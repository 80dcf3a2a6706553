"""What callers and agents do to a call: hang up at any moment, refuse, send twice; nothing is left of any of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.phone import Answer, Call, Never, Refuse
from tests.support.stage import (
    BUSY,
    CLOSED,
    FAILED,
    MASKED,
    NO_ANSWER,
    NUMBER,
    PROMPT,
    UNAVAILABLE,
    Pair,
    Stage,
    stage_config,
    together,
)
from tests.support.switch import running_switch


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A switch with a desk for every scenario."""
    with running_switch(tmp_path_factory.mktemp("stage"), **stage_config()) as switch:
        yield Stage(switch)


async def cancelled(pair: Pair, far: Call) -> None:
    """The desk stops ringing because of a CANCEL."""
    await far.ended()
    assert far.status == 487
    assert len(pair.desk.received("CANCEL")) == 1


async def hung_up(call: Call) -> None:
    """The call is ended by a BYE from the switch."""
    await call.ended()
    assert call.ended_by is not None
    assert call.ended_by.method == "BYE"


# --- the caller hangs up ---


async def hangs_up_in_the_prompt(stage: Stage) -> None:
    """BYE as soon as the prompt is heard."""
    async with stage.pair() as pair:
        call = await pair.caller.dial(NUMBER)
        await call.hears(PROMPT)
        await call.hang_up()
        await stage.ended(pair, "caller", "normal", legs=1)


async def hangs_up_while_keying(stage: Stage) -> None:
    """BYE after five digits of six: nobody is called."""
    async with stage.pair() as pair:
        call = await pair.caller.dial(NUMBER)
        await call.answered()
        await call.rtp.key(pair.extension[:5])
        await call.hang_up()
        record = await stage.ended(pair, "caller", "normal", legs=1)
        assert pair.desk.received("INVITE") == []
        assert record["extension"] == ""


async def hangs_up_while_it_rings(stage: Stage) -> None:
    """The call is answered, so the caller says BYE; the desk hears CANCEL."""
    async with stage.pair(Never()) as pair:
        call, far = await pair.reach()
        await call.hears(450)
        await call.hang_up()
        await cancelled(pair, far)
        record = await stage.ended(pair, "caller", "normal")
        assert [segment["kind"] for segment in record["segments"]] == ["ivr", "ring"]
        assert record["legs"][1]["answered_us"] is None


async def cancels_while_it_rings(stage: Stage, suffix: str = "") -> None:
    """A number without a flow is not answered: the caller says CANCEL and hears 487."""
    async with stage.pair(Never()) as pair:
        call = await pair.caller.dial(f"{MASKED};ext={pair.extension}" if suffix else pair.direct)
        far = await pair.desk.next_call()
        await call.ringing()
        assert await call.cancel() == 487
        await cancelled(pair, far)
        record = await stage.ended(pair, "caller", "cancelled")
        assert (record["sip_status"], record["answered_us"]) == (487, None)


async def cancels_before_the_desk_says_a_word(stage: Stage) -> None:
    """The desk may not be sent CANCEL before it has answered at all (RFC 3261 9.1)."""
    async with stage.pair(Never(ring=False)) as pair:
        call = await pair.caller.dial(pair.direct)
        far = await pair.desk.next_call()
        assert await call.cancel() == 487
        await stage.ended(pair, "caller", "cancelled")
        assert pair.desk.received("CANCEL") == []
        far.ring()
        await cancelled(pair, far)


async def cancels_while_the_desk_answers(stage: Stage) -> None:
    """The desk's 200 crosses the CANCEL: it is acknowledged and hung up (RFC 3261 13.2.2.4)."""
    async with stage.pair(Never()) as pair:
        pair.desk.endpoint.drop = lambda direction, message: message.method == "CANCEL"
        call = await pair.caller.dial(pair.direct)
        far = await pair.desk.next_call()
        await call.ringing()
        assert await call.cancel() == 487
        far.accept()
        await far.confirmed()
        await hung_up(far)
        await stage.ended(pair, "caller", "cancelled")


async def hangs_up_while_talking(stage: Stage) -> None:
    """BYE at both ends; the record has the counters of both streams."""
    async with stage.pair(Answer(after=0.2)) as pair:
        call, far = await pair.talk()
        await call.hang_up()
        await far.ended(within=2)
        record = await stage.ended(pair, "caller", "normal")
        assert [segment["kind"] for segment in record["segments"]] == ["ivr", "ring", "talk"]
        for leg in record["legs"]:
            assert (leg["codec"], leg["lost"], leg["strangers"]) == ("PCMA", 0, 0)
            assert leg["received"] >= 20
            assert leg["sent"] >= 20


async def the_desk_hangs_up(stage: Stage) -> None:
    """The caller hears BYE."""
    async with stage.pair() as pair:
        call, far = await pair.talk()
        await far.hang_up()
        await hung_up(call)
        await stage.ended(pair, "agent", "normal")


async def everything_twice(stage: Stage) -> None:
    """A carrier that sends every message twice: one call, one BYE, one record."""
    async with stage.pair(Answer(after=0.2), copies=2) as pair:
        call, far = await pair.talk()
        await call.hang_up()
        await far.ended()
        await stage.ended(pair, "caller", "normal")
        assert len(pair.desk.received("INVITE")) == 1
        assert len(pair.desk.received("BYE")) == 1


async def everything_twice_and_cancelled(stage: Stage) -> None:
    """The same with a call that is given up: one CANCEL."""
    async with stage.pair(Never(), copies=2) as pair:
        call = await pair.caller.dial(pair.direct)
        far = await pair.desk.next_call()
        await call.ringing()
        assert await call.cancel() == 487
        await far.ended()
        await stage.ended(pair, "caller", "cancelled")
        assert len(pair.desk.received("CANCEL")) == 1


async def test_a_call_may_be_hung_up_at_any_moment(stage: Stage) -> None:
    """In the prompt, while keying, while it rings, while talking, by a carrier that repeats itself, by the desk."""
    await together(
        hangs_up_in_the_prompt(stage),
        hangs_up_while_keying(stage),
        hangs_up_while_it_rings(stage),
        cancels_while_it_rings(stage),
        cancels_while_it_rings(stage, "by the extension dialled with a number"),
        cancels_before_the_desk_says_a_word(stage),
        cancels_while_the_desk_answers(stage),
        hangs_up_while_talking(stage),
        the_desk_hangs_up(stage),
        everything_twice(stage),
        everything_twice_and_cancelled(stage),
    )
    await stage.switch.nothing_left()


# --- the agent does not take the call ---


async def refuses(stage: Stage, status: int, expected: int, cause: str, q850: int) -> None:
    """Nobody has answered the caller, so it hears a status with the cause in Reason."""
    async with stage.pair(Refuse(status, after=0.1, ring=True)) as pair:
        call = await pair.caller.dial(pair.direct)
        assert await call.decided() == expected
        assert call.final is not None
        assert f"Q.850;cause={q850}" in call.final.get("reason")
        record = await stage.ended(pair, "agent", cause)
        assert (record["sip_status"], record["q850"]) == (expected, q850)
        assert record["legs"][1]["sip_status"] == status


async def does_not_answer(stage: Stage) -> None:
    """After limits.ring_timeout the desk hears CANCEL and the caller 480."""
    async with stage.pair(Never()) as pair:
        call = await pair.caller.dial(pair.direct)
        far = await pair.desk.next_call()
        assert await call.decided() == 480
        await cancelled(pair, far)
        record = await stage.ended(pair, "switch", "no_answer")
        assert record["q850"] == 19


async def is_not_registered(stage: Stage) -> None:
    """Nobody is called; 480."""
    async with stage.pair(registered=False) as pair:
        call = await pair.caller.dial(pair.direct)
        assert await call.decided() == 480
        await stage.ended(pair, "switch", "unregistered", legs=1)


async def has_registered_and_gone(stage: Stage) -> None:
    """The binding is still there, the phone is not."""
    async with stage.pair() as pair:
        await pair.desk.close()
        call = await pair.caller.dial(pair.direct)
        assert await call.decided() == 480
        await stage.ended(pair, "switch", "no_answer")


async def has_unregistered(stage: Stage) -> None:
    """A binding that was taken back is no binding."""
    async with stage.pair() as pair:
        await pair.desk.register(0, "*")
        call = await pair.caller.dial(pair.direct)
        assert await call.decided() == 480
        await stage.ended(pair, "switch", "unregistered", legs=1)


async def is_nobody(stage: Stage, number: str, status: int, cause: str, legs: int) -> None:
    """A number or extension that leads nowhere."""
    async with stage.pair(registered=False) as pair:
        call = await pair.caller.dial(number)
        assert await call.decided() == status
        await stage.ended(pair, "switch", cause, legs)


async def test_a_desk_that_does_not_take_a_direct_call(stage: Stage) -> None:
    """Busy, declined, failed, silent, absent, unknown: the caller hears a status, and the record says why."""
    await together(
        refuses(stage, 486, 486, "busy", 17),
        refuses(stage, 603, 603, "declined", 21),
        refuses(stage, 480, 480, "no_answer", 19),
        refuses(stage, 500, 500, "failed", 41),
        refuses(stage, 302, 480, "unreachable", 3),
        does_not_answer(stage),
        is_not_registered(stage),
        has_registered_and_gone(stage),
        has_unregistered(stage),
        is_nobody(stage, CLOSED, 480, "no_answer", legs=2),
        is_nobody(stage, f"{MASKED};ext=999999", 404, "unknown", legs=1),
        is_nobody(stage, "075588886666", 404, "unknown", legs=1),
    )
    await stage.switch.nothing_left()


async def is_told(stage: Stage, behaviour: Never | Refuse, tone: int, cause: str) -> None:
    """The flow has answered, so the caller hears a notice, then BYE."""
    async with stage.pair(behaviour) as pair:
        call, _ = await pair.reach()
        await call.hears(tone)
        await hung_up(call)
        record = await stage.ended(pair, "switch", cause)
        assert [segment["kind"] for segment in record["segments"]] == ["ivr", "ring", "ivr"]


async def is_told_of_absence(stage: Stage, *, gone: bool) -> None:
    """A desk that never registered is told at once, one that has gone when its time to ring is over."""
    async with stage.pair(registered=gone) as pair:
        if gone:
            await pair.desk.close()
        call = await pair.caller.dial(NUMBER)
        await call.answered()
        await call.rtp.key(pair.extension)
        await call.hears(NO_ANSWER if gone else UNAVAILABLE)
        await call.ended()
        await stage.ended(pair, "switch", "no_answer" if gone else "unregistered", legs=2 if gone else 1)


async def test_a_desk_that_does_not_take_a_call_of_the_flow(stage: Stage) -> None:
    """Busy, declined, silent, failed, absent: the caller hears a spoken notice and is hung up."""
    await together(
        is_told(stage, Refuse(486), BUSY, "busy"),
        is_told(stage, Refuse(603, ring=True, after=0.2), BUSY, "busy"),
        is_told(stage, Refuse(500), FAILED, "failed"),
        is_told(stage, Never(), NO_ANSWER, "no_answer"),
        is_told(stage, Never(ring=False), NO_ANSWER, "no_answer"),
        is_told_of_absence(stage, gone=False),
        is_told_of_absence(stage, gone=True),
    )
    await stage.switch.nothing_left()
