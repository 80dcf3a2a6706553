"""Asking somebody while the caller waits, and what comes of it."""

from __future__ import annotations

import pytest

from switchboard.calls.call import Phase
from switchboard.calls.commands import Back, Complete, Consult, HangUp, Hold, Merge, SendDigits, Transfer
from tests.unit.calls.control.stage import Stage, seconds, told


def consulting(*, answered: bool = True) -> tuple[Stage, str]:
    """Anna asks ben while the caller waits."""
    stage = Stage()
    call = stage.talk()
    stage.do(Consult(call=call.id, to="agent:ben"))
    if answered:
        stage.world.advance(2)
        stage.answers("ben")
    return stage, call.id


def test_the_caller_hears_music_while_both_talk() -> None:
    """Ringback for the agent first; keys go to the party consulted; the record measures the consultation."""
    stage, call = consulting(answered=False)
    assert stage.heard() == {"caller": "music", "anna": "ringback"}
    stage.answers("ben")
    assert stage.heard() == {"caller": "music", "anna": "ben", "ben": "anna"}
    for cmd in (Hold(call=call), Transfer(call=call, to="agent:carl"), Consult(call=call, to="agent:carl")):
        assert stage.fault(cmd) == "wrong_state"
    stage.do(SendDigits(call=call, digits="5"))
    ben = stage.x.calls[call].leg_of("ben")
    assert ben is not None
    assert ben.lease is not None
    assert stage.world.plane.named("send_digits") == [("send_digits", ben.lease.port, "5")]
    stage.world.advance(6)
    stage.do(Back(call=call))
    assert len(stage.peer("ben").received("BYE")) == 1
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    record = stage.finish()
    assert told(record)[2:] == [("talk", "anna"), ("consult", "anna"), ("talk", "anna")]
    assert (seconds(record.segments[3]), record.consult_us) == (6.0, 6_000_000)
    assert stage.feed.steps.count("consult_ended") == 1


def test_complete_hands_the_caller_over() -> None:
    """The agent is hung up, the others talk, and each agent is credited with their own part."""
    stage, call = consulting()
    stage.do(Complete(call=call))
    assert len(stage.peer("anna").received("BYE")) == 1
    assert not stage.peer("ben").received("BYE")
    assert stage.heard() == {"caller": "ben", "ben": "caller"}
    stage.world.advance(9)
    stage.hangs_up("ben")
    record = stage.over()
    assert told(record)[2:] == [("talk", "anna"), ("consult", "anna"), ("talk", "ben")]
    assert seconds(record.segments[-1]) == 9.0
    assert (record.transfers, record.agent, record.ended_by) == (1, "ben", "agent")


def test_complete_before_the_answer_lets_the_caller_wait_for_it() -> None:
    """Ringback for the caller; the answer connects, a refusal rings the agent again."""
    for answered in (True, False):
        stage, call = consulting(answered=False)
        stage.do(Complete(call=call))
        assert stage.heard() == {"caller": "ringback"}
        assert stage.x.calls[call].phase is Phase.PARKED
        if answered:
            stage.answers("ben")
            assert stage.heard() == {"caller": "ben", "ben": "caller"}
        else:
            stage.refuses("ben")
            stage.answers("anna")
            assert stage.heard() == {"caller": "anna", "anna": "caller"}
        stage.finish()


@pytest.mark.parametrize("status", [486, 603, 480])
def test_a_party_who_refuses_leaves_the_agent_with_the_caller(status: int) -> None:
    """Both hear each other again at once."""
    stage, call = consulting(answered=False)
    stage.refuses("ben", status)
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    assert stage.feed.steps[-1] == "consult_ended"
    assert stage.fault(Complete(call=call)) == "wrong_state"
    assert stage.fault(Back(call=call)) == "wrong_state"
    stage.finish()


def test_the_party_consulted_hangs_up() -> None:
    """The agent is back with the caller."""
    stage, _ = consulting()
    stage.hangs_up("ben")
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    assert told(stage.finish())[-2:] == [("consult", "anna"), ("talk", "anna")]


def test_the_caller_hangs_up_meanwhile() -> None:
    """The call is over for all."""
    for answered in (True, False):
        stage, _ = consulting(answered=answered)
        stage.world.reply(stage.peer("ben"), 180) if not answered else None
        stage.hangs_up("caller")
        assert len(stage.peer("anna").received("BYE")) == 1
        assert len(stage.peer("ben").received("BYE")) + len(stage.peer("ben").cancelled) == 1
        record = stage.over()
        assert (record.ended_by, record.segments[-1].kind) == ("caller", "consult")


def test_the_agent_hangs_up_while_both_talk() -> None:
    """The caller goes to the party consulted: nobody is lost."""
    for by_phone in (True, False):
        stage, call = consulting()
        if by_phone:
            stage.hangs_up("anna")
        else:
            stage.do(HangUp(call=call))
        assert stage.heard() == {"caller": "ben", "ben": "caller"}
        assert stage.finish().transfers == 1


def test_the_agent_hangs_up_while_it_rings() -> None:
    """The consultation is over, and the call as after any hang-up of the agent."""
    stage, _ = consulting(answered=False)
    stage.world.reply(stage.peer("ben"), 180)
    stage.hangs_up("anna")
    assert len(stage.peer("ben").cancelled) == 1
    assert len(stage.world.carrier.received("BYE")) == 1
    assert stage.over().ended_by == "agent"


def test_merge_makes_three() -> None:
    """All in one room; whoever of the two agents leaves, the others talk on as a plain call."""
    for leaver, stays in (("ben", "anna"), ("anna", "ben")):
        stage, call = consulting()
        stage.do(Merge(call=call))
        assert stage.heard() == {"caller": "room:party", "anna": "room:party", "ben": "room:party"}
        stage.hangs_up(leaver)
        assert stage.heard() == {"caller": stays, stays: "caller"}
        record = stage.finish()
        assert told(record)[-2:] == [("conference", "anna"), ("talk", stays)]


def test_merge_waits_for_the_answer() -> None:
    """Who rings cannot be merged."""
    stage, call = consulting(answered=False)
    assert stage.fault(Merge(call=call)) == "wrong_state"
    stage.answers("ben")
    stage.do(Merge(call=call))
    stage.finish()


def test_of_a_group_somebody_free_is_asked() -> None:
    """Whom the desk names; nobody free is said at once, and a flow cannot be asked."""
    stage = Stage()
    call = stage.talk()
    stage.desk.ready = ""
    assert stage.fault(Consult(call=call.id, to="group:care")) == "unreachable"
    assert stage.fault(Consult(call=call.id, to="flow:hold_music")) == "invalid"
    stage.desk.ready = "carl"
    stage.do(Consult(call=call.id, to="group:care"))
    assert len(stage.peer("carl").received("INVITE")) == 1
    stage.finish()


def test_a_consulted_party_is_asked_by_holding_its_own_phone() -> None:
    """Who is consulted may hold too: the agent hears music, the caller goes on hearing theirs."""
    stage, _ = consulting()
    stage.describes("ben", "sendonly")
    assert stage.heard() == {"caller": "music", "anna": "music", "ben": ""}
    stage.describes("ben", "sendrecv")
    assert stage.heard() == {"caller": "music", "anna": "ben", "ben": "anna"}
    assert told(stage.finish())[-1] == ("consult", "anna")


def test_others_may_not_complete_a_consultation() -> None:
    """Neither the party consulted nor a stranger."""
    stage, call = consulting()
    for cmd in (Complete(call=call), Back(call=call), Merge(call=call), Transfer(call=call, to="agent:carl")):
        assert stage.fault(cmd, "ben") == "not_yours"
        assert stage.fault(cmd, "carl") == "not_yours"
    stage.finish()
