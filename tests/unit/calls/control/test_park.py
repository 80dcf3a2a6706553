"""Parking: a slot, who takes the call from it, and what happens when nobody does."""

from __future__ import annotations

import msgspec
import pytest

from switchboard.calls.call import Phase
from switchboard.calls.commands import CancelTransfer, HangUp, Hold, Park, Unpark
from tests.unit.calls.control.stage import SYSTEM, Stage, seconds, told


def parked(**settings: object) -> tuple[Stage, str]:
    """Anna has parked the caller."""
    stage = Stage()
    stage.x.settings = msgspec.structs.replace(stage.x.settings, **settings)
    call = stage.talk()
    done = stage.do(Park(call=call.id))
    assert done.slot == "1"
    return stage, call.id


def test_the_caller_hears_music_and_another_takes_the_call() -> None:
    """Ringback while that phone rings; the slot is free again, and the record tells all three."""
    stage, call = parked()
    assert stage.heard() == {"caller": "music"}
    assert len(stage.peer("anna").received("BYE")) == 1
    assert ("talk_ended", "anna", call) in stage.desk.told
    stage.world.advance(8)
    stage.do(Unpark(slot="1"), "ben")
    assert stage.heard() == {"caller": "ringback"}
    assert stage.fault(Unpark(slot="1"), "carl") == "wrong_state"
    stage.answers("ben")
    assert stage.heard() == {"caller": "ben", "ben": "caller"}
    assert stage.x.slots == {}
    assert stage.fault(Unpark(slot="1"), "carl") == "no_call"
    record = stage.finish()
    assert told(record)[2:] == [("talk", "anna"), ("park", ""), ("ring", "ben"), ("talk", "ben")]
    assert (seconds(record.segments[3]), record.segments[3].detail) == (8.0, "1")


def test_nobody_takes_it_and_the_agent_is_rung_again() -> None:
    """After the time that is configured; who parked it has the call again."""
    stage, _ = parked(park_timeout=30.0)
    stage.world.advance(30.1)
    assert len(stage.peer("anna").received("INVITE")) == 2
    assert stage.heard() == {"caller": "ringback"}
    stage.answers("anna")
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    assert stage.x.slots == {}
    assert told(stage.finish())[-2:] == [("ring", "anna"), ("talk", "anna")]


@pytest.mark.parametrize("known", [True, False])
def test_nobody_at_all_ends_the_call(known: bool) -> None:
    """The agent does not answer either, or is no more; the caller is told by a BYE."""
    stage, _ = parked(park_timeout=30.0)
    if not known:
        del stage.phones["anna"]
    stage.world.advance(30.1)
    if known:
        stage.refuses("anna", 480)
    assert len(stage.world.carrier.received("BYE")) == 1
    record = stage.over()
    assert (record.cause, record.ended_by) == ("no_answer", "switch")


def test_a_taker_who_does_not_answer_leaves_it_parked() -> None:
    """The caller hears music again, in the same slot, and another may take the call."""
    stage, call = parked()
    stage.do(Unpark(call=call), "ben")
    stage.refuses("ben")
    assert stage.heard() == {"caller": "music"}
    assert stage.x.calls[call].phase is Phase.PARKED
    stage.do(Unpark(slot="1"), "carl")
    stage.answers("carl")
    assert stage.heard() == {"caller": "carl", "carl": "caller"}
    stage.finish()


def test_the_caller_leaves_while_parked() -> None:
    """The slot is free, and a phone that rings for the call stops."""
    stage, _ = parked()
    stage.do(Unpark(slot="1"), "ben")
    stage.world.reply(stage.peer("ben"), 180)
    stage.hangs_up("caller")
    assert len(stage.peer("ben").cancelled) == 1
    assert stage.x.slots == {}
    assert stage.over().ended_by == "caller"


def test_slots_that_are_taken_unknown_or_used_up() -> None:
    """Nothing changes; a call that is parked already has no agent to park it."""
    stage, first = parked(park_slots=2)
    call = stage.talk()
    assert stage.fault(Park(call=call.id, slot="1")) == "wrong_state"
    assert stage.fault(Park(call=call.id, slot="3")) == "invalid"
    assert stage.fault(Unpark(call=call.id), "ben") == "wrong_state"
    assert stage.do(Park(call=call.id)).slot == "2"
    assert stage.fault(Park(call=first)) == "not_yours"
    assert stage.fault(Hold(call=first)) == "not_yours"
    assert stage.fault(CancelTransfer(call=first)) == "wrong_state"
    assert stage.fault(Unpark(slot="1"), "nobody") == "no_target"
    stage.do(HangUp(call=first), SYSTEM)
    stage.do(HangUp(call=call.id), SYSTEM)
    assert stage.x.slots == {}
