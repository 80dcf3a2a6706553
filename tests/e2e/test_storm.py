"""Whatever is commanded about real calls, in any order: afterwards who hears whom is as it should be, and all along
nobody hears another call. Telephones, with and without SRTP, and browsers take part; the logic alone has longer
histories (`tests/property`).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Iterable
from pathlib import Path

from switchboard.api.types import CallView, LegView
from switchboard.calls import commands
from switchboard.client import ApiError
from tests.support.call_bar import add_users, at_the_bar
from tests.support.patience import PATIENCE
from tests.support.storm import WINDOW, End, Storm, settings
from tests.support.switch import running_switch
from tests.support.web_peer import on_loopback
from tests.support.worker_churn import WorkerChurn

SEED = 4
ROUNDS, AT_MOST = 2, 6
"""More than two where what a storm must have shown has not come up yet."""
SHOWN = {"talking", "muted", "held", "browser", "secured", "plain"}
SHOWN_OF_WORKERS = {"talking", "add", "drain", "kill", "normal", "media_lost"}
BLOWS = 6.0
"""Seconds of storm in a round."""
CALM = 3.0
"""Seconds until whoever rings is answered or given up."""
LEAST_CALLS, LEAST_COMMANDS = 5, 10
LATE = 1.0
"""Seconds for which a voice may wait in jitter buffers."""
WORKERS = 3
"""Media workers at first, where these come and go."""
STILL = 6.0
"""Seconds within which everybody must hear whom they should."""


def hearers(call: CallView) -> dict[str, set[str]] | None:
    """Whose voices each leg of a call should hear; None where that is not said here."""
    legs = {leg.id: leg for leg in call.legs if leg.answered is not None and leg.ended is None}
    if call.phase in ("parked", "queued"):
        return {leg: set() for leg, one in legs.items() if one.role == "caller"}
    if call.phase != "talking" or call.consulted or call.transfer_to:
        return None
    up = {leg for leg, one in legs.items() if not one.held}
    if sum(not legs[leg].mode for leg in up) < 2:
        return {leg: set() for leg in legs}
    if sum(one.role == "agent" and not one.mode for one in legs.values()) > 1 and _coached(legs.values()):
        return None
    return {
        leg: {other for other in up if other != leg and _is_heard(legs[other], legs[leg])} if leg in up else set()
        for leg in legs
    }


def _coached(legs: Iterable[LegView]) -> bool:
    """Whether somebody whispers; to which of several agents is not told."""
    return any(one.mode == "whisper" for one in legs)


def _is_heard(speaker: LegView, listener: LegView) -> bool:
    by_agent = listener.role == "agent" and not listener.mode
    return not speaker.muted and (speaker.mode in ("", "barge") or (speaker.mode == "whisper" and by_agent))


async def obeys(storm: Storm, call: CallView) -> None:
    """Whatever a call has been through, its ends hear whom they should, and do after each further command."""
    await settled(storm, call)
    for order in (commands.Mute(on=True), commands.Mute(on=False), commands.Hold(), commands.Resume()):
        with contextlib.suppress(ApiError):  # not of every call
            await storm.client.calls.command(call.id, order)
        await settled(storm, call)


async def settled(storm: Storm, call: CallView) -> None:
    """The ends of a call hear soon whom they should, unless it changes meanwhile."""
    until = time.monotonic() + STILL * PATIENCE
    said = ""
    while time.monotonic() < until:
        await asyncio.sleep(2 * WINDOW)
        now = [one for one in (await storm.client.calls.list(limit=100)).items if one.id == call.id]
        if not now:
            return
        said = await differs(storm, now[0])
        if not said:
            return
    raise AssertionError(said)


async def differs(storm: Storm, call: CallView) -> str:
    """What somebody hears that is not meant for them, or does not hear."""
    wanted = hearers(call)
    if wanted is None:
        return ""
    ends = await by_leg(storm, call)
    if any(end.call.direction != "sendrecv" for end in ends.values()):
        return ""
    now = time.monotonic()
    for leg, voices in wanted.items():
        if leg not in ends or not voices <= ends.keys():
            return f"{call.phase}: no phone is known for a leg of {call.legs}"
        heard, tones = ends[leg].hears(now - WINDOW, now), {ends[voice].tone for voice in voices}
        if heard != tones:
            return f"{call.phase}: {ends[leg].name} hears {heard}, not {tones}: {call.legs}"
    storm.compared.update([call.phase, *(ends[leg].kind for leg in wanted)])
    for one in call.legs:
        storm.compared.update(name for name in ("muted", "held", "mode") if one.ended is None and getattr(one, name))
    return ""


async def by_leg(storm: Storm, call: CallView) -> dict[str, End]:
    """The phones in a call, by the ids of their legs."""
    dialogs = await storm.dialogs(call.id)
    up = [end for end in storm.ends if end.call.call_id in dialogs and not end.call.is_over]
    return {
        leg.id: end
        for leg in call.legs
        for end in up
        if (leg.role == "caller" and end.call.outgoing) or (leg.agent == end.name and not end.call.outgoing)
    }


async def crosstalk(storm: Storm) -> list[str]:
    """What anybody has ever heard of a call that was not theirs."""
    rows = storm.switch.rows("select id from calls")
    call_of = {dialog: row["id"] for row in rows for dialog in await storm.dialogs(row["id"])}
    told = []
    for end in storm.ends:
        mine = call_of.get(end.call.call_id)
        others = [one for one in storm.ends if one is not end and call_of.get(one.call.call_id) == mine]
        for since, tones in end.heard():
            told += [
                f"{end.name} hears {tone} in {mine} though nobody says that there"
                for tone in tones
                if not any(one.tone == tone and one.spoke(since - LATE, since + WINDOW) for one in others)
            ]
    return told


async def calm(storm: Storm) -> None:
    """It is over for a moment: who is still in a call offers again, and hears whom they should."""
    storm.blows = False
    await asyncio.sleep(CALM)
    await storm.refresh()
    async with asyncio.TaskGroup() as group:
        for call in (await storm.client.calls.list(limit=100)).items:
            group.create_task(obeys(storm, call))


async def over(storm: Storm) -> None:
    """All hang up: nothing is left but records, and nobody has heard another call."""
    await storm.hang_up()
    await storm.switch.nothing_left()
    assert all(end.call.is_over for end in storm.ends)
    assert await crosstalk(storm) == []
    assert storm.complaints() == []
    callers = sum(end.call.outgoing for end in storm.ends)
    assert len(storm.switch.rows("select id from calls")) == callers > LEAST_CALLS
    assert storm.switch.rows("select * from segments where ended_us is null") == []
    assert storm.carried_out.total() > LEAST_COMMANDS


async def test_a_storm(tmp_path: Path) -> None:
    """Rounds of it, each followed by a calm; then all hang up and nothing is left."""
    with running_switch(tmp_path, **settings()) as switch, on_loopback():
        add_users(switch, {"boss": "admin"})
        async with at_the_bar(switch, "boss") as client:
            storm = Storm(switch, client, random.Random(SEED))
            async with storm.gathered():
                for done in range(AT_MOST):
                    if done >= ROUNDS and storm.compared.keys() >= SHOWN:
                        break
                    storm.blows = True
                    await asyncio.sleep(BLOWS)
                    await calm(storm)
                await over(storm)
                assert storm.compared.keys() >= SHOWN


def shown_of_workers(storm: Storm, churn: WorkerChurn) -> set[str]:
    """What was compared, what was done to workers, and the causes by which calls have ended."""
    causes = {str(row["cause"]) for row in storm.switch.rows("select distinct cause from calls")}
    return {*storm.compared, *churn.done, *causes}


async def test_a_storm_over_workers_that_come_and_go(tmp_path: Path) -> None:
    """Media workers are added, drained and killed meanwhile; calls end with theirs, the others go on as they should."""
    config = settings()
    config["media"]["workers"] = WORKERS
    with running_switch(tmp_path, but="media.worker_lost", **config) as switch, on_loopback():
        add_users(switch, {"boss": "admin"})
        async with at_the_bar(switch, "boss") as client:
            storm, churn = Storm(switch, client, random.Random(SEED)), WorkerChurn(switch, random.Random(SEED))
            async with storm.gathered():
                for done in range(AT_MOST):
                    if done >= ROUNDS and shown_of_workers(storm, churn) >= SHOWN_OF_WORKERS:
                        break
                    storm.blows = True
                    await churn.goes_on(BLOWS)
                    await calm(storm)
                # An added one costs a task for its link.
                switch.idle_tasks += max(0, len(await churn.workers()) - WORKERS)
                await over(storm)
                assert shown_of_workers(storm, churn) >= SHOWN_OF_WORKERS
