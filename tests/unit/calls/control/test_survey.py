"""After the agent: surveys and ratings, hanging up, notes."""

from __future__ import annotations

from typing import Literal

import pytest

from switchboard.calls.call import Phase
from switchboard.calls.commands import (
    Consult,
    HangUp,
    Hold,
    InviteRating,
    Pick,
    RecordTalk,
    Resume,
    ToSurvey,
    Transfer,
    Verified,
)
from tests.unit.calls.control.stage import BOSS, SYSTEM, Stage, told


def test_the_agent_leaves_and_the_survey_takes_the_caller() -> None:
    """At once; what is keyed goes into the call's record."""
    stage = Stage()
    call = stage.talk()
    stage.do(ToSurvey(call=call.id))
    assert len(stage.peer("anna").received("BYE")) == 1
    assert call.phase is Phase.FLOW
    assert stage.heard() == {"caller": "zh/survey_satisfied"}
    stage.world.keys("4")
    stage.world.keys("1")
    stage.world.run()
    stage.hangs_up("caller")
    record = stage.over()
    assert record.survey == {"satisfied": "4", "solved": "1"}
    assert (record.flow, record.agent) == ("survey", "anna")
    assert told(record)[-2:] == [("talk", "anna"), ("ivr", "")]


@pytest.mark.parametrize("by_phone", [True, False])
def test_a_rating_waits_for_the_agent_to_hang_up(by_phone: bool) -> None:
    """By the phone or the call bar; until then both talk on."""
    stage = Stage()
    call = stage.talk()
    stage.do(InviteRating(call=call.id))
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    if by_phone:
        stage.hangs_up("anna")
    else:
        stage.do(HangUp(call=call.id))
    assert stage.heard() == {"caller": "zh/survey_satisfied"}
    stage.world.keys("5")
    stage.hangs_up("caller")
    assert stage.over().survey == {"satisfied": "5"}


def test_a_caller_who_leaves_first_is_not_asked() -> None:
    """The call is over."""
    stage = Stage()
    call = stage.talk()
    stage.do(InviteRating(call=call.id))
    stage.hangs_up("caller")
    record = stage.over()
    assert (record.ended_by, record.flow) == ("caller", "")


def test_surveys_that_cannot_be() -> None:
    """An unknown flow, a consultation under way, nobody's call."""
    stage = Stage()
    call = stage.talk()
    assert stage.fault(ToSurvey(call=call.id, flow="none")) == "no_target"
    assert stage.fault(InviteRating(call=call.id, flow="none")) == "no_target"
    assert stage.fault(ToSurvey(call=call.id), "ben") == "not_yours"
    stage.do(Consult(call=call.id, to="agent:ben"))
    assert stage.fault(ToSurvey(call=call.id)) == "wrong_state"
    stage.finish()


def test_who_hangs_up_what() -> None:
    """An agent the own part, of which nothing is left here; a supervisor or the system the call; others nothing."""
    for actor, by in (("anna", "agent"), (BOSS, "switch"), (SYSTEM, "switch")):
        stage = Stage()
        call = stage.talk()
        assert stage.fault(HangUp(call=call.id), "ben") == "not_yours"
        stage.do(HangUp(call=call.id), actor)
        assert len(stage.world.carrier.received("BYE")) == 1
        assert len(stage.peer("anna").received("BYE")) == 1
        assert stage.over().ended_by == by


def test_the_agent_has_verified_the_caller() -> None:
    """The record says so; too long is refused."""
    stage = Stage()
    call = stage.talk()
    assert stage.fault(Verified(call=call.id, subject="x" * 65)) == "invalid"
    stage.do(Verified(call=call.id, subject="C-7"))
    identity = stage.finish().identity
    assert identity is not None
    assert (identity.status, identity.method, identity.subject) == ("verified", "by_hand", "C-7")


def test_an_agent_records_the_talk() -> None:
    """Start, pause, resume, stop; each only where it makes sense, and not against the caller's will."""
    stage = Stage()
    call = stage.talk()
    refused: tuple[Literal["stop", "pause", "resume"], ...] = ("stop", "pause", "resume")
    for do in refused:
        assert stage.fault(RecordTalk(call=call.id, do=do)) == "wrong_state"
    stage.do(RecordTalk(call=call.id, do="start"))
    assert stage.fault(RecordTalk(call=call.id, do="start")) == "wrong_state"
    stage.do(RecordTalk(call=call.id, do="pause"))
    stage.do(RecordTalk(call=call.id, do="resume"))
    stage.do(RecordTalk(call=call.id, do="stop"))
    names = [command[0] for command in stage.world.plane.commands]
    assert [name for name in names if "record" in name] == ["record", "pause_record", "pause_record", "stop_record"]
    call.ask_consent = True
    assert stage.fault(RecordTalk(call=call.id, do="start")) == "forbidden"
    assert len(stage.finish().recordings) == 1


def test_one_who_waits_is_taken_out_of_turn() -> None:
    """The queue is asked; what it cannot do is refused."""
    stage = Stage()
    stage.desk.ready = ""
    call = stage.ring()
    assert call.phase is Phase.QUEUED
    assert stage.fault(Pick(call=call.id, agent="ben"), "carl") == "forbidden"
    assert stage.fault(Pick(call=call.id, agent="nobody"), BOSS) == "no_target"
    assert call.wait is not None
    waits_for, call.wait.group = call.wait.group, "elsewhere"
    assert stage.fault(Pick(call=call.id), "carl") == "not_yours"
    call.wait.group = waits_for
    stage.do(Pick(call=call.id), "carl")
    assert stage.fault(Pick(call=call.id), "ben") == "wrong_state"
    stage.answers("carl")
    assert stage.heard() == {"caller": "carl", "carl": "caller"}
    assert stage.fault(Pick(call=call.id), "ben") == "wrong_state"
    stage.finish()


FLOW = """
start: line
nodes:
  line: {type: queue, group: sales, prompts: [music/hold], max_wait: 60s, next: rate, on: {other: bye}}
  rate: {type: survey, questions: [{name: score, prompts: [zh/survey_satisfied], keys: "12345"}], timeout: 5s,
         next: party, on_none: bye}
  party: {type: dial, target: "sip:agent@127.0.0.3:5190", ring_timeout: 9s, next: bye, on: {other: bye}}
  bye: {type: hangup, prompts: [zh/goodbye]}
"""


@pytest.mark.parametrize("held", [True, False])
def test_the_flow_goes_on_when_the_agent_leaves(held: bool) -> None:
    """As after any talk, also of one on hold; whom it calls next talks to the caller as if nothing had been."""
    stage = Stage(flow=FLOW)
    call = stage.talk("4008")
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    stage.do(Hold(call=call.id))
    if not held:
        stage.do(Resume(call=call.id))
    stage.do(HangUp(call=call.id))
    assert stage.heard() == {"caller": "zh/survey_satisfied"}
    stage.world.keys("3")
    stage.answers("number")
    assert stage.heard() == {"caller": "number", "number": "caller"}
    assert call.agent is not None
    stage.world.hang_up(stage.world.agent)
    assert stage.heard() == {"caller": "zh/goodbye"}
    stage.hangs_up("caller")
    record = stage.over()
    assert record.survey == {"score": "3"}
    assert [kind for kind, _ in told(record)][-3:] == ["ring", "talk", "ivr"]


def test_what_earlier_flows_have_learned_stays_in_the_record() -> None:
    """A transfer to a flow keeps way, keys and answers of the one before."""
    stage = Stage(flow=FLOW)
    call = stage.talk("4008")
    stage.do(HangUp(call=call.id))
    stage.world.keys("3")
    stage.answers("number")
    stage.do(Transfer(call=call.id, to="flow:survey"), SYSTEM)
    stage.world.keys("5")
    stage.hangs_up("caller")
    record = stage.over()
    assert record.survey == {"score": "3", "satisfied": "5"}
    assert record.path[:3] == ["line", "rate", "party"]
    assert "ask" in record.path[3:]
