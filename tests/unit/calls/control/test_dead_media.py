"""One-way audio and dead media in a talk: what is told, and when the rule ends the call."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest

from switchboard.calls.call import Call
from switchboard.calls.causes import NORMAL
from switchboard.calls.ending import end_call
from tests.support.exchange import World
from tests.unit.calls.test_direct_call import connected


def talk(rule: str) -> tuple[World, Call, list[str]]:
    """Two who talk under a rule, and what is logged."""
    world, _ = connected()
    logged: list[str] = []
    world.exchange.log = lambda event, **values: logged.append(event)
    world.exchange.settings = msgspec.structs.replace(world.exchange.settings, dead_media=rule)
    (call,) = world.exchange.calls.values()
    return world, call, logged


def silence(world: World, call: Call, *who: Literal["caller", "agent"], alive: bool = False) -> None:
    """Nothing comes from them any more."""
    for one in who:
        leg = call.caller if one == "caller" else call.agent
        assert leg is not None
        assert leg.lease is not None
        world.plane.silence(leg.lease, alive=alive)
    world.run()


@pytest.mark.parametrize(
    ("rule", "who", "ends"),
    [
        ("either", ["caller"], True),
        ("either", ["agent"], True),
        ("both", ["caller"], False),
        ("both", ["agent", "caller"], True),
        ("off", ["agent", "caller"], False),
    ],
)
def test_dead_media_ends_a_call_by_rule(rule: str, who: list[Literal["caller", "agent"]], ends: bool) -> None:
    """With a cause of its own; what it leaves is told of in any case."""
    world, call, logged = talk(rule)
    silence(world, call, *who)
    assert logged.count("call.one_way") == len(who)
    assert [record.cause for record in world.journal.records] == (["media_silent"] if ends else [])


def test_who_reports_by_rtcp_is_not_dead() -> None:
    """Muted with silence suppression: one-way audio, but no lost phone, until its reports end too."""
    world, call, logged = talk("either")
    silence(world, call, "caller", alive=True)
    assert (logged, call.caller.unheard, world.journal.records) == (["call.one_way"], "alive", [])
    silence(world, call, "caller")
    assert world.journal.records[0].cause == "media_silent"


def test_who_is_heard_again_is_not_counted_as_dead() -> None:
    """Both have to be dead at the same time."""
    world, call, logged = talk("both")
    silence(world, call, "caller")
    assert call.caller.lease is not None
    world.plane.heard(call.caller.lease)
    silence(world, call, "agent")
    assert logged == ["call.one_way", "call.heard_again", "call.one_way"]
    assert world.journal.records == []


def test_a_leg_that_is_heard_no_more_is_marked_in_the_record() -> None:
    """Though it was heard before."""
    world, call, _ = talk("off")
    silence(world, call, "agent")
    call.caller.record.answered_us = None

    end_call(world.exchange, call, NORMAL, "switch", world.now)
    world.run()
    world.advance(40)
    (record,) = world.journal.records
    assert [leg.media is not None and leg.media.silent for leg in record.legs] == [False, True]
