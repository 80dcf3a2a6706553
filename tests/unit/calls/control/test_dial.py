"""Click to call: the agent's phone first, then the other party."""

from __future__ import annotations

import msgspec
import pytest

from media.remote import read_remote
from switchboard.calls.commands import Dial, Hold, SendDigits, Transfer
from tests.support.exchange import REAL
from tests.unit.calls.control.stage import BOSS, Stage, told

AUTO = ("Call-Info: <sip:127.0.0.1>;answer-after=0", "Alert-Info: <http://127.0.0.1>;info=alert-autoanswer")


def test_the_agents_phone_is_rung_first() -> None:
    """Then the number, which sees ours; the agent hears ringback, and then both talk."""
    stage = Stage()
    stage.x.settings = msgspec.structs.replace(stage.x.settings, auto_answer=AUTO)
    done = stage.do(Dial(to=f"number:{REAL}"))
    (invite,) = stage.peer("anna").received("INVITE")
    assert invite.headers.get("call-info") == AUTO[0].partition(": ")[2]
    assert invite.headers.get("alert-info") == AUTO[1].partition(": ")[2]
    assert not stage.world.agent.received("INVITE")
    stage.answers("anna")
    (invite,) = stage.world.agent.received("INVITE")
    assert REAL in invite.uri
    assert "01088880000" in (invite.headers.get("from") or "")
    assert "call-info" not in invite.headers.first
    assert stage.heard() == {"anna": "ringback"}
    stage.world.advance(3)
    stage.answers("number")
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    assert len(stage.world.agent.acks) == 1
    stage.world.advance(5)
    stage.hangs_up("anna")
    assert len(stage.world.agent.received("BYE")) == 1
    record = stage.over()
    assert (record.id, record.direction, record.called, record.ended_by) == (done.call, "out", "01088880000", "agent")
    assert (record.caller_masked, record.sip_status, record.agent) == ("139****1234", 200, "anna")
    assert told(record) == [("ring", "anna"), ("talk", "anna")]
    assert ("began", "anna", done.call) in stage.desk.told
    assert stage.desk.told[-1] == ("over", "anna", done.call)
    assert REAL.encode() not in b"".join(stage.peer("anna").wire)
    assert not any(REAL.encode() in payload for _, _, payload in stage.world.journal.entries)


def test_the_call_bar_works_on_a_call_that_was_dialled() -> None:
    """Hold, and a transfer to another agent."""
    stage = Stage()
    call = stage.do(Dial(to=f"number:{REAL}")).call
    stage.answers("anna")
    assert stage.fault(Hold(call=call)) == "wrong_state"
    stage.answers("number")
    stage.do(Hold(call=call))
    assert stage.heard() == {"caller": "music", "anna": ""}
    stage.do(Transfer(call=call, to="agent:ben"))
    stage.answers("ben")
    assert stage.heard() == {"caller": "ben", "ben": "caller"}
    stage.world.hang_up(stage.world.agent)
    record = stage.over()
    assert record.ended_by == "caller"


def test_what_the_network_says_is_heard() -> None:
    """Early media of the number instead of ringback."""
    stage = Stage()
    stage.do(Dial(to=f"number:{REAL}"))
    stage.answers("anna")
    stage.world.reply(stage.world.agent, 183, body=stage.world.agent.answer(stage.world.agent.requests[-1][1].body))
    call = next(iter(stage.x.calls.values()))
    assert call.agent is not None
    assert stage.hears(call.agent) == "caller"
    stage.refuses("number", 404)
    record = stage.over()
    assert (record.cause, record.sip_status, record.ended_by) == ("unknown", 404, "caller")


@pytest.mark.parametrize(("status", "cause"), [(486, "busy"), (480, "no_answer")])
def test_the_agents_phone_does_not_answer(status: int, cause: str) -> None:
    """Nobody else is called."""
    stage = Stage()
    stage.do(Dial(to=f"number:{REAL}"))
    stage.refuses("anna", status)
    assert not stage.world.agent.requests
    record = stage.over()
    assert (record.cause, record.ended_by) == (cause, "agent")


def test_nobody_answers_in_time() -> None:
    """First the agent's phone, then the number: CANCEL there, BYE to the agent."""
    stage = Stage(ring_timeout=9)
    stage.do(Dial(to=f"number:{REAL}"))
    stage.world.reply(stage.peer("anna"), 180)
    stage.world.advance(9.1)
    assert len(stage.peer("anna").cancelled) == 1
    assert stage.over().cause == "no_answer"
    stage = Stage(ring_timeout=9)
    stage.do(Dial(to=f"number:{REAL}"))
    stage.answers("anna")
    stage.world.reply(stage.world.agent, 180)
    stage.world.advance(9.1)
    assert len(stage.world.agent.cancelled) == 1
    assert len(stage.peer("anna").received("BYE")) == 1
    assert stage.over().ended_by == "switch"


def test_the_agent_hangs_up_before_anybody_answers() -> None:
    """The number is rung no more."""
    stage = Stage()
    stage.do(Dial(to=f"number:{REAL}"))
    stage.answers("anna")
    stage.world.reply(stage.world.agent, 180)
    stage.hangs_up("anna")
    assert len(stage.world.agent.cancelled) == 1
    assert stage.over().ended_by == "agent"


def test_from_agent_to_agent() -> None:
    """An internal call; both are known to the desk."""
    stage = Stage()
    call = stage.do(Dial(to="agent:ben")).call
    stage.answers("anna")
    stage.answers("ben")
    assert stage.heard() == {"ben": "anna", "anna": "ben"}
    assert {("began", "anna", call), ("began", "ben", call)} <= set(stage.desk.told)
    record = stage.finish()
    assert (record.direction, record.caller_sealed) == ("internal", b"")
    assert {("over", "anna", call), ("over", "ben", call)} <= set(stage.desk.told)


def test_what_is_not_dialled() -> None:
    """For others, to nowhere, with a number that is not ours, when there is no room; nothing is begun."""
    stage = Stage()
    dial = Dial(to=f"number:{REAL}")
    assert stage.fault(msgspec.structs.replace(dial, agent="ben")) == "forbidden"
    assert stage.fault(dial, "nobody") == "no_target"
    assert stage.fault(Dial(to="flow:survey")) == "invalid"
    assert stage.fault(Dial(to="agent:nobody")) == "no_target"
    assert stage.fault(Dial(to="agent:anna")) == "wrong_state"
    assert stage.fault(msgspec.structs.replace(dial, shown="02155556666")) == "invalid"
    while stage.world.plane.lease() is not None:
        pass
    assert stage.fault(dial) == "congestion"
    stage.x.draining = True
    assert stage.fault(dial, BOSS) == "congestion"
    assert stage.x.counts()["calls"] == 0
    assert stage.x.started == 0


def test_a_number_of_ours_may_be_shown() -> None:
    """One that the dial plan knows."""
    stage = Stage()
    stage.do(Dial(to=f"number:{REAL}", agent="ben", shown="02188880000"), BOSS)
    stage.answers("ben")
    (invite,) = stage.world.agent.received("INVITE")
    assert "02188880000" in (invite.headers.get("from") or "")
    assert stage.finish().called == "02188880000"


def test_the_other_party_is_as_its_trunk_is() -> None:
    """It is offered the trunk's codecs, and gets keys in the trunk's form."""
    stage = Stage()
    carriers = stage.x.carriers
    trunk = msgspec.structs.replace(carriers.trunks["bench"], codecs=("PCMU",), keys="info")
    carriers.change({"bench": trunk}, stage.world.now)
    done = stage.do(Dial(to=f"number:{REAL}"))
    stage.answers("anna")
    (invite,) = stage.world.agent.received("INVITE")
    assert [codec.name for codec in read_remote(invite.body).audio] == ["PCMU"]
    stage.answers("number")
    stage.do(SendDigits(call=done.call, digits="7"))
    (info,) = stage.world.agent.received("INFO")
    assert b"Signal=7" in info.body
    stage.hangs_up("anna")
    stage.over()
