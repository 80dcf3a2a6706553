"""Handing the caller on: what each side hears, and who has the caller when the target does not."""

from __future__ import annotations

import pytest

from switchboard.calls.call import Call, Phase
from switchboard.calls.commands import (
    Actor,
    Add,
    CancelTransfer,
    CommandError,
    Consult,
    Dial,
    HangUp,
    Hold,
    Transfer,
)
from switchboard.calls.control import command
from switchboard.calls.news import CallNews
from tests.support.exchange import REAL
from tests.unit.calls.control.stage import BOSS, NUMBER, Stage, seconds, told
from tests.unit.calls.queue_stage import QueueStage

FLOW_TO_ANNA = """
start: anna
nodes:
  anna: {type: dial, target: "aor:anna", ring_timeout: 9s, next: stay, on: {other: stay}}
  stay: {type: play, prompts: [music/hold], next: bye}
  bye: {type: hangup}
"""


def test_the_agent_stays_until_the_other_agent_answers() -> None:
    """Music for the caller, ringback for the agent; then a BYE for the agent, and both others talk."""
    stage = Stage()
    call = stage.talk()
    stage.world.advance(3)
    done = stage.do(Transfer(call=call.id, to="agent:ben"))
    assert stage.heard() == {"caller": "music", "anna": "ringback"}
    assert ("began", "ben", call.id) in stage.desk.told
    stage.world.advance(4)
    assert not stage.peer("anna").received("BYE")
    stage.answers("ben")
    assert len(stage.peer("anna").received("BYE")) == 1
    assert stage.heard() == {"caller": "ben", "ben": "caller"}
    assert call.agent is not None
    assert call.agent.id == done.leg
    stage.world.advance(5)
    stage.hangs_up("caller")
    record = stage.over()
    assert told(record)[2:] == [("talk", "anna"), ("ring", "ben"), ("talk", "ben")]
    assert [seconds(segment) for segment in record.segments[2:]] == [3.0, 4.0, 5.0]
    assert (record.agent, record.transfers, [leg.agent for leg in record.legs]) == ("ben", 1, ["", "anna", "ben"])
    assert [what for what in stage.desk.told if what[0] in ("talk_ended", "over")] == [
        ("talk_ended", "anna", call.id),
        ("over", "ben", call.id),
    ]
    assert [step for step in stage.feed.steps if step.startswith("transfer")] == ["transfer_started", "transferred"]


@pytest.mark.parametrize(("status", "detail"), [(486, "busy"), (480, "no_answer"), (500, "failed")])
def test_a_target_that_refuses_leaves_the_caller_with_the_agent(status: int, detail: str) -> None:
    """Both hear each other again, and the news say why."""
    stage = Stage()
    call = stage.talk()
    stage.do(Transfer(call=call.id, to="agent:ben"))
    stage.refuses("ben", status)
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    assert stage.feed.steps[-2:] == ["ring_ended", "transfer_failed"]
    assert stage.feed.news[-1].detail == detail  # type: ignore[union-attr]
    assert ("over", "ben", call.id) in stage.desk.told
    record = stage.finish()
    assert told(record)[2:] == [("talk", "anna"), ("ring", "ben"), ("talk", "anna")]
    assert record.transfers == 0


def test_a_target_that_does_not_answer_rings_out() -> None:
    """After the ring timeout: a CANCEL there, the caller is back with the agent."""
    stage = Stage(ring_timeout=6)
    call = stage.talk()
    stage.do(Transfer(call=call.id, to="agent:ben"))
    stage.world.reply(stage.peer("ben"), 180)
    stage.world.advance(6.1)
    assert len(stage.peer("ben").cancelled) == 1
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    stage.finish()


def test_a_transfer_is_cancelled() -> None:
    """By the agent who began it, or a supervisor; by nobody else, and not twice."""
    for actor in ("anna", BOSS):
        stage = Stage()
        call = stage.talk()
        stage.do(Transfer(call=call.id, to="agent:ben"))
        stage.world.reply(stage.peer("ben"), 180)
        assert stage.fault(CancelTransfer(call=call.id), "carl") == "not_yours"
        assert stage.fault(Transfer(call=call.id, to="agent:carl")) == "wrong_state"
        assert stage.fault(Hold(call=call.id)) == "wrong_state"
        assert stage.fault(Consult(call=call.id, to="agent:carl")) == "wrong_state"
        stage.do(CancelTransfer(call=call.id), actor)
        assert len(stage.peer("ben").cancelled) == 1
        assert stage.heard() == {"caller": "anna", "anna": "caller"}
        assert stage.fault(CancelTransfer(call=call.id), actor) == "wrong_state"
        assert stage.finish().transfers == 0


def test_an_answer_that_crosses_the_cancellation_is_hung_up() -> None:
    """ACK and BYE; the caller stays with the agent."""
    stage = Stage()
    call = stage.talk()
    stage.do(Transfer(call=call.id, to="agent:ben"))
    stage.world.reply(stage.peer("ben"), 180)
    ben = stage.peer("ben")
    index = next(i for i, (_, request) in enumerate(ben.requests) if request.method == "INVITE")
    tx, request = ben.requests[index]
    ben.core.respond(tx, 200, headers=(f"Contact: <sip:ben@{ben.address[0]}:5190>",), body=ben.answer(request.body),
                     now=stage.world.now)  # fmt: skip
    stage.do(CancelTransfer(call=call.id))
    assert (len(ben.acks), len(ben.received("BYE"))) == (1, 1)
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    stage.finish()


def test_a_blind_transfer_to_an_agent() -> None:
    """The agent is hung up at once, the caller hears ringback."""
    stage = Stage()
    call = stage.talk()
    stage.do(Transfer(call=call.id, to="agent:ben", blind=True))
    assert len(stage.peer("anna").received("BYE")) == 1
    assert stage.heard() == {"caller": "ringback"}
    assert call.phase is Phase.PARKED
    stage.answers("ben")
    assert stage.heard() == {"caller": "ben", "ben": "caller"}
    record = stage.finish()
    assert told(record)[2:] == [("talk", "anna"), ("ring", "ben"), ("talk", "ben")]


def test_a_blind_transfer_that_fails_comes_back() -> None:
    """The agent who left is rung again; when that fails too the call ends."""
    stage = Stage()
    call = stage.talk()
    stage.do(Transfer(call=call.id, to="agent:ben", blind=True))
    stage.refuses("ben")
    assert len(stage.peer("anna").received("INVITE")) == 2
    assert stage.heard() == {"caller": "ringback"}
    assert stage.fault(CancelTransfer(call=call.id)) == "wrong_state"
    stage.answers("anna")
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    assert call.record.transfers == 0
    stage.do(Transfer(call=call.id, to="agent:ben", blind=True))
    stage.refuses("ben")
    stage.refuses("anna", 480)
    record = stage.over()
    assert (record.cause, record.ended_by) == ("no_answer", "switch")
    assert [segment.detail for segment in record.segments if segment.kind == "ring"][1:] == [
        "transfer",
        "recall",
        "transfer",
        "recall",
    ]


def test_to_a_number_the_mask_holds() -> None:
    """The trunk is asked, shown the configured number; no party sees a real number of another."""
    stage = Stage()
    call = stage.talk()
    stage.do(Transfer(call=call.id, to=f"number:{REAL}"))
    (invite,) = stage.world.agent.received("INVITE")
    assert REAL in invite.uri
    assert "01088880000" in (invite.headers.get("from") or "")
    assert b"13900009999" not in b"".join(stage.world.agent.wire)
    stage.answers("number")
    assert stage.heard() == {"caller": "number", "number": "caller"}
    record = stage.finish()
    assert REAL.encode() not in b"".join(stage.world.carrier.wire) + b"".join(stage.peer("anna").wire)
    assert not any(REAL.encode() in payload for _, _, payload in stage.world.journal.entries)
    assert REAL not in str(stage.feed.news)
    assert told(record)[-1] == ("talk", "")


def test_to_an_extension_through_the_mask() -> None:
    """The binding's number is called, and shown what the binding says."""
    stage = Stage()
    call = stage.talk()
    stage.do(Transfer(call=call.id, to=f"extension:{NUMBER},345678"))
    (invite,) = stage.world.agent.received("INVITE")
    assert REAL in invite.uri
    assert "01088880000" in (invite.headers.get("from") or "")
    stage.finish()


def test_to_a_group_the_agent_leaves_at_once() -> None:
    """The caller waits there and is served by the next agent, who is credited alone with their talk."""
    stage = Stage()
    call = stage.talk()
    stage.desk.ready = "carl"
    stage.do(Transfer(call=call.id, to="group:care"))
    assert len(stage.peer("anna").received("BYE")) == 1
    assert len(stage.peer("carl").received("INVITE")) == 1
    stage.answers("carl")
    assert stage.heard() == {"caller": "carl", "carl": "caller"}
    stage.hangs_up("carl")
    record = stage.over()
    assert told(record) == [
        ("queue", ""),
        ("ring", "anna"),
        ("talk", "anna"),
        ("queue", ""),
        ("ring", "carl"),
        ("talk", "carl"),
    ]
    assert [segment.group for segment in record.segments if segment.kind == "talk"] == ["sales", "care"]
    assert [what for what in stage.desk.told if what[0] == "talk_ended"] == [
        ("talk_ended", "anna", call.id),
        ("talk_ended", "carl", call.id),
    ]


def test_a_group_that_takes_nobody_leaves_the_caller_with_the_agent() -> None:
    """It is closed, and nothing would become of the caller there."""
    stage = Stage()
    call = stage.talk()
    stage.desk.refusing = "closed"
    assert stage.fault(Transfer(call=call.id, to="group:care")) == "unreachable"
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    assert call.record.transfers == 0
    stage.finish()


def test_to_a_flow_with_the_variables_of_the_call() -> None:
    """The agent leaves, the flow plays to the caller."""
    stage = Stage()
    call = stage.talk()
    call.variables = {"extension": "100001"}
    stage.do(Transfer(call=call.id, to="flow:hold_music"))
    assert stage.heard() == {"caller": "music"}
    assert call.position is not None
    assert call.position.variables["extension"] == "100001"
    assert (call.record.flow, call.phase) == ("hold_music", Phase.FLOW)
    stage.hangs_up("caller")
    record = stage.over()
    assert told(record)[-1] == ("ivr", "")
    assert record.path


@pytest.mark.parametrize(
    ("to", "fault"),
    [
        ("agent:nobody", "no_target"),
        ("agent:anna", "wrong_state"),
        ("group:none", "no_target"),
        ("flow:none", "no_target"),
        ("number:12", "invalid"),
        ("number:abc", "invalid"),
        (f"extension:{NUMBER},999999", "no_target"),
        ("aor:alice", "unreachable"),
        ("sip:x@127.0.0.9", "invalid"),
        ("agent:", "invalid"),
    ],
)
def test_places_that_cannot_be_reached_change_nothing(to: str, fault: str) -> None:
    """The command is refused, caller and agent talk on."""
    stage = Stage()
    call = stage.talk()
    assert stage.fault(Transfer(call=call.id, to=to)) == fault
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    stage.finish()


def test_without_a_port_for_the_target_nothing_changes() -> None:
    """`congestion`, and both talk on."""
    stage = Stage()
    call = stage.talk()
    while stage.world.plane.lease() is not None:
        pass
    assert stage.fault(Transfer(call=call.id, to="agent:ben")) == "congestion"
    assert stage.heard() == {"caller": "anna", "anna": "caller"}


def test_the_caller_leaves_while_the_target_rings() -> None:
    """Everybody is told: BYE to the agent, CANCEL to the target."""
    for blind in (False, True):
        stage = Stage()
        call = stage.talk()
        stage.do(Transfer(call=call.id, to="agent:ben", blind=blind))
        stage.world.reply(stage.peer("ben"), 180)
        stage.hangs_up("caller")
        assert len(stage.peer("anna").received("BYE")) == 1
        assert len(stage.peer("ben").cancelled) == 1
        assert stage.over().ended_by == "caller"


def test_the_agent_who_hangs_up_meanwhile_lets_the_caller_wait_for_the_target() -> None:
    """By the phone or the call bar: the transfer goes on as a blind one."""
    for by_phone in (True, False):
        stage = Stage()
        call = stage.talk()
        stage.do(Transfer(call=call.id, to="agent:ben"))
        if by_phone:
            stage.hangs_up("anna")
        else:
            stage.do(HangUp(call=call.id))
        assert stage.heard() == {"caller": "ringback"}
        stage.answers("ben")
        assert stage.heard() == {"caller": "ben", "ben": "caller"}
        stage.finish()


def test_a_target_whose_phone_vanishes_is_given_up() -> None:
    """No answer of any kind: Timer B, or the ring timeout; the caller is back with the agent."""
    stage = Stage(ring_timeout=60)
    call = stage.talk()
    stage.world.lost = lambda destination, data: destination == stage.peer("ben").address
    stage.do(Transfer(call=call.id, to="agent:ben"))
    stage.world.advance(33)
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    assert call.agent is not None
    stage.finish()


def test_a_target_that_only_rings_may_be_silent() -> None:
    """Nothing is expected of it before it answers."""
    stage = Stage()
    call = stage.talk()
    stage.do(Transfer(call=call.id, to="agent:ben"))
    (target,) = call.others
    assert target.lease is not None
    stage.world.plane.silence(target.lease)
    stage.answers("ben")
    assert stage.heard() == {"caller": "ben", "ben": "caller"}
    stage.finish()


def test_a_media_worker_that_dies_ends_all_of_a_call() -> None:
    """Everybody is told, one record is written."""
    stage = Stage()
    call = stage.talk()
    stage.do(Transfer(call=call.id, to="agent:ben"))
    stage.world.reply(stage.peer("ben"), 180)
    stage.world.plane.lose_worker()
    stage.world.run()
    assert len(stage.peer("anna").received("BYE")) == 1
    assert len(stage.peer("ben").cancelled) == 1
    assert stage.over().cause == "media_lost"


def test_an_agent_who_was_called_directly_commands_the_call_too() -> None:
    """The desk knows them to be in a call from the first ring to the end, answered or not."""
    stage = Stage()
    call = stage.talk("4011")
    assert ("began", "anna", call.id) in stage.desk.told
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    stage.do(Transfer(call=call.id, to="aor:ben"))
    assert stage.heard() == {"caller": "music", "anna": "ringback"}
    stage.answers("ben")
    assert [what for what in stage.desk.told if what[0] in ("began", "over")] == [
        ("began", "anna", call.id),
        ("began", "ben", call.id),
        ("over", "anna", call.id),
    ]
    assert told(stage.finish()) == [("ring", "anna"), ("talk", "anna"), ("ring", "ben"), ("talk", "ben")]
    stage = Stage()
    call = stage.ring("4011")
    stage.refuses("anna")
    assert stage.desk.told == [("began", "anna", call.id), ("over", "anna", call.id)]
    stage.over()


@pytest.mark.parametrize("number", ["4003", "4011"])
@pytest.mark.parametrize("rings", [True, False])
def test_a_phone_that_answers_without_ringing_is_told_of_all_the_same(number: str, rings: bool) -> None:
    """What the agent is to see comes with `ringing`: once, before `answered`, also of a call that has no queue."""
    stage = Stage()
    call = stage.ring(number)
    if rings:
        stage.refuses("anna", 180)
        stage.refuses("anna", 180)
    stage.answers("anna")
    told = [(news.step, news.agent, news.call) for news in stage.feed.news if isinstance(news, CallNews)]
    steps = [one for one in told if one[0] in ("ringing", "answered")]
    assert steps == [("ringing", "anna", call.id), ("answered", "anna", call.id)]
    stage.finish()


def test_a_phone_that_refuses_a_call_without_a_queue_rings_no_more() -> None:
    """The call goes on in its flow, so its end does not say so."""
    stage = Stage(flow=FLOW_TO_ANNA)
    stage.ring("4008")
    stage.refuses("anna", 180)
    stage.refuses("anna", 486)
    assert [step for step in stage.feed.steps if step.startswith("ring")] == ["ringing", "ring_ended"]
    stage.finish()


def two_talks() -> tuple[QueueStage, Call]:
    """Anna and ben each talk with a caller of the queue; the call of anna's."""
    stage = QueueStage("anna", "ben")
    for name in ("anna", "ben"):
        stage.caller()
        stage.answers(name)
    x = stage.world.exchange
    return stage, next(call for call in x.calls.values() if call.agent is not None and call.agent.agent_id == "anna")


@pytest.mark.parametrize("make", [Transfer, Consult, Add])
@pytest.mark.parametrize("blind", [True, False])
def test_nobody_is_rung_who_is_in_another_call(make: type[Transfer | Consult | Add], blind: bool) -> None:
    """The agent is told `busy` and keeps the caller; when the other is free again it can be done."""
    stage, call = two_talks()
    cmd = make(call=call.id, to="agent:ben")
    if isinstance(cmd, Transfer):
        cmd = Transfer(call=call.id, to="agent:ben", blind=blind)
    x, world = stage.world.exchange, stage.world
    with pytest.raises(CommandError) as refused:
        command(x, cmd, Actor("anna", "anna"), world.now)
    assert refused.value.fault == "busy"
    world.run()
    assert len(stage.peers["ben"].received("INVITE")) == 1
    assert (stage.state("anna"), len(call.legs)) == ("talking", 2)
    stage.hangs_up("ben")
    command(x, cmd, Actor("anna", "anna"), world.now)
    world.run()
    assert len(stage.rings("ben")) == 1
    stage.ends_clean()


def test_nobody_is_rung_whose_phone_rings_for_another() -> None:
    """An offer is a call already; nor is one called by click who talks."""
    stage = QueueStage("anna", "ben")
    stage.caller()
    stage.answers("anna")
    stage.caller()
    assert len(stage.rings("ben")) == 1
    x, world = stage.world.exchange, stage.world
    call = next(iter(x.calls.values()))
    with pytest.raises(CommandError, match="another call"):
        command(x, Transfer(call=call.id, to="agent:ben"), Actor("anna", "anna"), world.now)
    stage.refuses("ben")
    with pytest.raises(CommandError, match="another call"):
        command(x, Dial(to="agent:anna"), Actor("ben", "ben"), world.now)
    stage.ends_clean()


def test_what_a_phone_that_has_left_did_not_acknowledge_disturbs_nobody() -> None:
    """Its re-INVITE was answered, the ACK is lost and its call over: who took the caller talks on after 64*T1."""
    stage = Stage()
    call = stage.talk()
    stage.describes("anna", "sendrecv", acknowledged=False)
    stage.do(Transfer(call=call.id, to="agent:ben"))
    stage.answers("ben")
    assert len(stage.peer("anna").received("BYE")) == 1
    stage.world.advance(33)
    assert stage.heard() == {"caller": "ben", "ben": "caller"}
    assert not stage.peer("ben").received("BYE")
