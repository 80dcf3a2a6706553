"""An agent who has dialled from the own phone has the call bar: the party called is held, asked about, handed on."""

from __future__ import annotations

import pytest

from switchboard.calls.call import Call
from switchboard.calls.commands import (
    Add,
    Back,
    CancelTransfer,
    Command,
    Complete,
    Consult,
    Hold,
    Merge,
    Park,
    RecordTalk,
    Resume,
    Transfer,
    Unpark,
)
from tests.support.exchange import Peer
from tests.unit.calls.control.stage import Stage, told
from tests.unit.calls.phone_lines import Line, Phone


class Dialled(Stage):
    """Alice, an agent, dials 4011 with her phone, and anna answers."""

    def __init__(self) -> None:
        super().__init__()
        peer = self.phones["alice"] = Peer(("127.0.1.9", 5190), self.world.token, "alice")
        self.phone = Phone(self.world, peer, "alice").register()
        self.line: Line = self.phone.dialled("4011")
        self.answers("anna")
        self.phone.confirmed(self.line)
        (self.call,) = self.x.calls.values()

    @property
    def leads(self) -> str:
        """Who does."""
        return self.call.agent.agent_id if self.call.agent is not None else ""


def test_hold() -> None:
    """The party called hears music, and nobody changes parts for it."""
    stage = Dialled()
    stage.do(Hold(call=stage.call.id), "alice")
    assert stage.heard() == {"anna": "music", "alice": ""}
    stage.do(Resume(call=stage.call.id), "alice")
    assert stage.heard() == {"anna": "alice", "alice": "anna"}
    assert stage.leads == "anna"
    stage.finish()


def test_transfer() -> None:
    """The party called waits with music until the target answers; then the phone that dialled is hung up."""
    stage = Dialled()
    stage.do(Transfer(call=stage.call.id, to="agent:ben"), "alice")
    assert stage.heard() == {"anna": "music", "alice": "ringback"}
    assert not stage.line.over
    stage.answers("ben")
    assert stage.line.over
    assert stage.heard() == {"anna": "ben", "ben": "anna"}
    assert ("over", "alice", stage.call.id) in stage.desk.told
    assert ("over", "anna", stage.call.id) not in stage.desk.told
    stage.hangs_up("ben")
    record = stage.over()
    assert (record.transfers, record.agent, record.ended_by) == (1, "ben", "agent")
    assert told(record)[-3:] == [("talk", "anna"), ("ring", "ben"), ("talk", "ben")]


def test_a_transfer_that_comes_to_nothing() -> None:
    """Refused, cancelled or blind and refused, the party called is with the phone that dialled again."""
    stage = Dialled()
    stage.do(Transfer(call=stage.call.id, to="agent:ben"), "alice")
    stage.refuses("ben")
    assert stage.heard() == {"anna": "alice", "alice": "anna"}
    stage.do(Transfer(call=stage.call.id, to="agent:ben"), "alice")
    stage.do(CancelTransfer(call=stage.call.id), "alice")
    assert stage.heard() == {"anna": "alice", "alice": "anna"}
    stage.do(Transfer(call=stage.call.id, to="agent:ben", blind=True), "alice")
    assert stage.line.over
    stage.refuses("ben")
    stage.answers("alice")
    assert stage.heard() == {"anna": "alice", "alice": "anna"}
    stage.finish()


def test_consult_and_complete() -> None:
    """Asked first, the third takes the party called."""
    stage = Dialled()
    stage.do(Consult(call=stage.call.id, to="agent:ben"), "alice")
    stage.answers("ben")
    assert stage.heard() == {"anna": "music", "alice": "ben", "ben": "alice"}
    stage.do(Back(call=stage.call.id), "alice")
    assert stage.heard() == {"anna": "alice", "alice": "anna"}
    stage.do(Consult(call=stage.call.id, to="agent:carl"), "alice")
    stage.answers("carl")
    stage.do(Complete(call=stage.call.id), "alice")
    assert stage.line.over
    assert stage.heard() == {"anna": "carl", "carl": "anna"}
    stage.finish()


def test_consult_and_merge() -> None:
    """All three talk; whoever has dialled leads, and the party called may not hand the others on."""
    stage = Dialled()
    stage.do(Consult(call=stage.call.id, to="agent:ben"), "alice")
    stage.answers("ben")
    assert stage.fault(Complete(call=stage.call.id), "anna") == "not_yours"
    assert stage.fault(Transfer(call=stage.call.id, to="agent:carl"), "anna") == "not_yours"
    stage.do(Merge(call=stage.call.id), "alice")
    assert set(stage.heard()) == {"anna", "alice", "ben"}
    assert stage.fault(Add(call=stage.call.id, to="agent:carl"), "anna") == "not_yours"
    stage.finish()


def test_park() -> None:
    """The party called waits in a slot, and another agent takes it."""
    stage = Dialled()
    stage.do(Park(call=stage.call.id), "alice")
    assert stage.line.over
    assert stage.heard() == {"anna": "music"}
    assert stage.call.control is not None
    stage.do(Unpark(slot=stage.call.control.slot), "ben")
    stage.answers("ben")
    assert stage.heard() == {"anna": "ben", "ben": "anna"}
    stage.finish()


def test_either_of_two_agents_may_lead() -> None:
    """The one who was called does as always, and the other one when that is over."""
    stage = Dialled()
    stage.do(Transfer(call=stage.call.id, to="agent:ben"), "anna")
    assert stage.fault(Transfer(call=stage.call.id, to="agent:carl"), "alice") == "not_yours"
    stage.refuses("ben")
    assert stage.leads == "anna"
    stage.do(Consult(call=stage.call.id, to="agent:carl"), "alice")
    assert stage.leads == "alice"
    stage.do(Back(call=stage.call.id), "alice")
    stage.do(Transfer(call=stage.call.id, to="agent:ben"), "anna")
    assert stage.leads == "anna"
    stage.finish()


def _nowhere(call: Call) -> list[Command]:
    return [
        Transfer(call=call.id, to="agent:nobody"),
        Transfer(call=call.id, to="nonsense"),
        Consult(call=call.id, to="flow:menu"),
        Consult(call=call.id, to="agent:anna"),
        Add(call=call.id, to="agent:nobody"),
    ]


@pytest.mark.parametrize("number", range(5))
def test_what_is_refused_changes_nothing(number: int) -> None:
    """Not even who leads."""
    stage = Dialled()
    assert stage.fault(_nowhere(stage.call)[number], "alice")
    assert stage.leads == "anna"
    assert stage.fault(Transfer(call=stage.call.id, to="agent:ben"), "carl") == "not_yours"
    stage.finish()


def test_a_recording_goes_on() -> None:
    """With the party called: one file ends, the next begins."""
    stage = Dialled()
    stage.do(RecordTalk(call=stage.call.id, do="start"), "alice")
    first = stage.call.recording
    stage.do(Transfer(call=stage.call.id, to="agent:ben"), "alice")
    assert stage.call.recording not in ("", first)
    stage.answers("ben")
    record = stage.finish()
    assert len(record.recordings) == 2
