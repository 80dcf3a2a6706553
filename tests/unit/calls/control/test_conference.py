"""More than two: parties come and go, supervisors take part, the last two are a plain call again."""

from __future__ import annotations

import pytest

from switchboard.calls.commands import (
    Add,
    Consult,
    Drop,
    HangUp,
    Hold,
    Mute,
    Park,
    Resume,
    StopSupervising,
    Supervise,
    Transfer,
)
from switchboard.calls.news import CallNews
from tests.support.exchange import REAL
from tests.unit.calls.control.stage import BOSS, SYSTEM, Stage, told


def three() -> tuple[Stage, str]:
    """Caller, anna and ben."""
    stage = Stage()
    call = stage.talk()
    stage.do(Add(call=call.id, to="agent:ben"))
    stage.answers("ben")
    return stage, call.id


def test_the_talk_goes_on_while_one_more_is_called() -> None:
    """Then all are in one room; the record says conference, credited to who leads."""
    stage = Stage()
    call = stage.talk()
    stage.do(Add(call=call.id, to="agent:ben"))
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    stage.answers("ben")
    assert stage.heard() == {"caller": "room:party", "anna": "room:party", "ben": "room:party"}
    stage.do(Add(call=call.id, to=f"number:{REAL}"))
    stage.answers("number")
    assert set(stage.heard().values()) == {"room:party"}
    assert len(stage.heard()) == 4
    stage.hangs_up("caller")
    for name in ("anna", "ben", "number"):
        assert len(stage.peer(name).received("BYE")) == 1
    assert told(stage.over())[-1] == ("conference", "anna")


def test_a_phone_that_acknowledges_nothing_leaves_the_others_alone() -> None:
    """The ACK of its re-INVITE is missing for 64*T1: it is hung up, caller and agent talk on (RFC 3261 §13.3.1.4)."""
    stage, _ = three()
    stage.describes("ben", "sendrecv", acknowledged=False)
    stage.world.advance(33)
    assert len(stage.peer("ben").received("BYE")) == 1
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    record = stage.finish()
    assert [leg.cause for leg in record.legs if leg.agent == "ben"] == ["no_ack"]


def test_an_answer_in_an_ack_that_cannot_be_used_ends_only_who_has_sent_it() -> None:
    """A re-INVITE without an offer, whose ACK answers ours with a codec that nobody has offered."""
    stage, _ = three()
    peer = stage.peer("ben")
    stage.describes("ben", "", bare=True, ack=peer.sdp(41000).replace(b" 8 0 101", b" 18").replace(b"PCMA", b"G729"))
    assert len(peer.received("BYE")) == 1
    assert stage.heard() == {"caller": "anna", "anna": "caller"}


def test_who_does_not_come_changes_nothing() -> None:
    """A refusal, or a phone that rings out."""
    stage = Stage(ring_timeout=6)
    call = stage.talk()
    for refused in (True, False):
        stage.do(Add(call=call.id, to="agent:ben"))
        if refused:
            stage.refuses("ben")
        else:
            stage.world.advance(7)
        assert stage.heard() == {"caller": "anna", "anna": "caller"}
    assert told(stage.finish())[-1] == ("talk", "anna")


def test_a_party_is_dropped() -> None:
    """Also one who rings; nobody else, and not by others."""
    stage, call = three()
    (ben,) = stage.x.calls[call].others
    assert stage.fault(Drop(call=call, leg=stage.x.calls[call].caller.id)) == "no_target"
    assert stage.fault(Drop(call=call, leg=ben.id), "ben") == "not_yours"
    carl = stage.do(Add(call=call, to="agent:carl")).leg
    stage.world.reply(stage.peer("carl"), 180)
    stage.do(Drop(call=call, leg=carl))
    assert len(stage.peer("carl").cancelled) == 1
    assert set(stage.heard().values()) == {"room:party"}
    stage.do(Drop(call=call, leg=ben.id))
    assert len(stage.peer("ben").received("BYE")) == 1
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    assert stage.fault(Drop(call=call, leg=ben.id)) == "no_target"
    assert told(stage.finish())[-2:] == [("conference", "anna"), ("talk", "anna")]


@pytest.mark.parametrize("by_phone", [True, False])
def test_who_leads_leaves_and_another_leads(by_phone: bool) -> None:
    """The next party has the caller, and may command."""
    stage, call = three()
    stage.do(Add(call=call, to="agent:carl"))
    stage.answers("carl")
    if by_phone:
        stage.hangs_up("anna")
    else:
        stage.do(HangUp(call=call))
    assert stage.heard() == {"caller": "room:party", "ben": "room:party", "carl": "room:party"}
    stage.do(HangUp(call=call), "carl")
    assert stage.heard() == {"caller": "ben", "ben": "caller"}
    stage.do(Hold(call=call), "ben")
    stage.do(Resume(call=call), "ben")
    record = stage.finish()
    assert told(record)[2:] == [
        ("talk", "anna"),
        ("conference", "anna"),
        ("conference", "ben"),
        ("talk", "ben"),
        ("hold", "ben"),
        ("talk", "ben"),
    ]
    assert [what for what in stage.desk.told if what[0] == "over"] == [("over", "carl", call), ("over", "ben", call)]


def test_one_of_a_conference_holds() -> None:
    """The others talk on; when two hold, who is left hears music."""
    stage, call = three()
    stage.do(Hold(call=call), "anna")
    assert stage.heard() == {"caller": "ben", "ben": "caller", "anna": ""}
    stage.describes("ben", "inactive")
    assert stage.heard() == {"caller": "music", "ben": "", "anna": ""}
    stage.do(Resume(call=call), "anna")
    assert stage.heard() == {"caller": "anna", "anna": "caller", "ben": ""}
    stage.describes("ben", "sendrecv")
    assert set(stage.heard().values()) == {"room:party"}
    stage.finish()


def test_from_a_conference_somebody_is_asked() -> None:
    """The others talk on meanwhile; transfer and parking are refused."""
    stage, call = three()
    assert stage.fault(Transfer(call=call, to="agent:carl")) == "wrong_state"
    assert stage.fault(Park(call=call)) == "wrong_state"
    stage.do(Consult(call=call, to="agent:carl"))
    assert stage.heard() == {"caller": "ben", "ben": "caller", "anna": "ringback"}
    stage.answers("carl")
    assert stage.heard() == {"caller": "ben", "ben": "caller", "anna": "carl", "carl": "anna"}
    stage.hangs_up("carl")
    assert set(stage.heard().values()) == {"room:party"}
    stage.finish()


def test_a_room_takes_thirty_two() -> None:
    """The thirty-third is refused."""
    stage = Stage()
    call = stage.talk()
    for _ in range(30):
        stage.do(Add(call=call.id, to=f"number:{REAL}"))
        stage.answers("number")
    assert len(call.legs) == 32
    assert stage.fault(Add(call=call.id, to="agent:ben")) == "wrong_state"
    assert stage.fault(Supervise(call=call.id), BOSS) == "wrong_state"
    stage.finish()


@pytest.mark.parametrize(
    ("mode", "boss", "others"),
    [("listen", "room:listener", "room:party"), ("whisper", "room:coach:anna", "room:party"),
     ("barge", "room:party", "room:party")],
)  # fmt: skip
def test_a_supervisor_takes_part(mode: str, boss: str, others: str) -> None:
    """Caller and agent notice nothing of the leg; leaving brings the plain call back."""
    stage = Stage()
    call = stage.talk()
    caller_sent, anna_sent = len(stage.world.carrier.wire), len(stage.peer("anna").wire)
    stage.do(Supervise(call=call.id, mode=mode), BOSS)  # type: ignore[arg-type]
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    stage.answers("dora")
    assert stage.heard() == {"caller": others, "anna": others, "dora": boss}
    stage.do(StopSupervising(call=call.id), BOSS)
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    assert (len(stage.world.carrier.wire), len(stage.peer("anna").wire)) == (caller_sent, anna_sent)
    record = stage.finish()
    assert told(record)[-1] == ("talk", "anna")
    assert record.agent == "anna"


def test_a_supervisor_changes_how_they_take_part() -> None:
    """By the same command, without another call; also while their phone still rings."""
    stage = Stage()
    call = stage.talk()
    stage.do(Supervise(call=call.id), BOSS)
    stage.do(Supervise(call=call.id, mode="whisper"), BOSS)
    stage.answers("dora")
    assert stage.heard()["dora"] == "room:coach:anna"
    stage.do(Supervise(call=call.id, mode="barge"), BOSS)
    assert stage.heard()["dora"] == "room:party"
    assert len(stage.peer("dora").received("INVITE")) == 1
    stage.do(Mute(call=call.id, on=True), "anna")
    stage.hangs_up("dora")
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    assert stage.feed.steps[-1] == "supervision_ended"
    stage.finish()


def test_a_supervisor_who_goes_back_to_listening_is_gone_for_the_others() -> None:
    """Who whispered and listens now is heard no more: the others are told so, and not of the listening."""
    stage = Stage()
    call = stage.talk()
    stage.do(Supervise(call=call.id, mode="whisper"), BOSS)
    stage.answers("dora")
    before = len(stage.feed.news)
    stage.do(Supervise(call=call.id, mode="listen"), BOSS)
    told = [news for news in stage.feed.news[before:] if isinstance(news, CallNews)]
    assert [(news.step, news.agent, news.aside) for news in told] == [
        ("supervision_ended", "dora", False),
        ("supervised", "dora", True),
    ]
    assert stage.heard()["dora"] == "room:listener"
    stage.finish()


def test_a_supervisor_stays_with_the_agent() -> None:
    """Hears what the agent hears in a consultation, nothing while the caller is alone, and goes when nobody talks."""
    stage = Stage()
    call = stage.talk()
    stage.do(Supervise(call=call.id, mode="whisper"), BOSS)
    stage.answers("dora")
    stage.do(Hold(call=call.id))
    assert stage.heard() == {"caller": "music", "anna": "", "dora": ""}
    stage.do(Resume(call=call.id))
    stage.do(Consult(call=call.id, to="agent:ben"))
    assert stage.heard() == {"caller": "music", "anna": "ringback", "dora": ""}
    stage.answers("ben")
    assert stage.heard() == {"caller": "music", "anna": "room:party", "ben": "room:party", "dora": "room:coach:anna"}
    stage.hangs_up("ben")
    stage.do(Transfer(call=call.id, to="flow:hold_music"))
    assert len(stage.peer("dora").received("BYE")) == 1
    assert stage.heard() == {"caller": "music"}
    stage.finish()


def test_who_may_not_supervise() -> None:
    """Agents; where nobody talks; a supervisor without a phone; one who does not take part cannot stop."""
    stage = Stage()
    call = stage.ring()
    assert stage.fault(Supervise(call=call.id), BOSS) == "wrong_state"
    stage.answers("anna")
    assert stage.fault(Supervise(call=call.id), "ben") == "forbidden"
    assert stage.fault(StopSupervising(call=call.id), "ben") == "forbidden"
    assert stage.fault(StopSupervising(call=call.id), BOSS) == "wrong_state"
    assert stage.fault(Supervise(call=call.id, supervisor="nobody"), BOSS) == "no_target"
    assert stage.fault(Supervise(call=call.id), SYSTEM) == "invalid"
    stage.finish()


def test_a_supervisor_whose_phone_is_busy_is_not_missed() -> None:
    """The talk goes on."""
    stage = Stage()
    call = stage.talk()
    stage.do(Supervise(call=call.id), BOSS)
    stage.refuses("dora")
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    assert call.others == []
    stage.finish()
