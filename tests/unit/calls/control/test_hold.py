"""Hold and mute: by a command and by the phone's own key."""

from __future__ import annotations

import pytest

from switchboard.calls.commands import HangUp, Hold, Mute, Resume, SendDigits
from tests.unit.calls.control.stage import BOSS, Stage, seconds, told


def test_the_other_party_hears_music_until_the_agent_is_back() -> None:
    """Nothing is said to either phone; the record tells hold from talk, with its agent."""
    stage = Stage()
    stage.talk()
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    sent = len(stage.world.sent)
    stage.do(Hold(call=_id(stage)))
    assert stage.heard() == {"caller": "music", "anna": ""}
    stage.world.advance(7)
    stage.do(Resume(call=_id(stage)))
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    assert len(stage.world.sent) == sent
    stage.hangs_up("caller")
    record = stage.over()
    assert told(record) == [("queue", ""), ("ring", "anna"), ("talk", "anna"), ("hold", "anna"), ("talk", "anna")]
    assert seconds(record.segments[3]) == 7.0
    assert record.hold_us == 7_000_000
    assert [what for what, agent, _ in stage.desk.told if agent == "anna"][-3:] == ["held", "resumed", "talk_ended"]
    assert {"held", "resumed"} <= set(stage.feed.steps)


def _id(stage: Stage) -> str:
    return next(iter(stage.x.calls))


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
@pytest.mark.parametrize(("direction", "address"), [("sendonly", ""), ("inactive", ""), ("sendrecv", "0.0.0.0")])
def test_a_phone_holds_by_its_own_key(method: str, direction: str, address: str) -> None:
    """Whatever form it takes, the caller hears music and the answer mirrors it; sendrecv brings both together."""
    stage = Stage()
    stage.talk()
    answer = stage.describes("anna", direction, method=method, address=address)
    assert (b"a=recvonly" in answer) is (direction == "sendonly" or bool(address))
    assert stage.heard() == {"caller": "music", "anna": ""}
    assert stage.fault(Resume(call=_id(stage))) == "wrong_state"
    stage.describes("anna", "sendrecv", method=method)
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    assert [what for what, _, _ in stage.desk.told if what in ("held", "resumed")] == ["held", "resumed"]
    record = stage.finish()
    assert [kind for kind, _ in told(record)] == ["queue", "ring", "talk", "hold", "talk"]


def test_the_caller_holds_too() -> None:
    """The agent hears music; both holding, nobody hears anything, and each comes back on their own."""
    stage = Stage()
    stage.talk()
    world = stage.world
    assert stage.out is not None
    body = world.carrier.sdp().replace(b"a=sendrecv", b"a=sendonly")
    world.within(world.carrier, stage.out, "INVITE", 2, body=body)
    assert stage.heard() == {"caller": "", "anna": "music"}
    stage.do(Hold(call=_id(stage)))
    assert stage.heard() == {"caller": "", "anna": ""}
    world.within(world.carrier, stage.out, "ACK", 2)
    world.within(world.carrier, stage.out, "INVITE", 3, body=world.carrier.sdp())
    assert stage.heard() == {"caller": "music", "anna": ""}
    stage.do(Resume(call=_id(stage)))
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    record = stage.finish()
    assert [segment.detail for segment in record.segments if segment.kind == "hold"] == ["caller", "agent", "agent"]


def test_a_silent_phone_that_holds_is_not_lost() -> None:
    """Who holds may send nothing; who talks may not, and is hung up."""
    stage = Stage()
    call = stage.talk()
    stage.describes("anna", "sendonly")
    assert call.agent is not None
    assert call.agent.lease is not None
    stage.world.plane.silence(call.agent.lease)
    assert _id(stage)
    stage.describes("anna", "sendrecv")
    stage.world.plane.silence(call.agent.lease)
    stage.world.run()
    assert len(stage.peer("anna").received("BYE")) == 1
    assert stage.over().cause == "media_silent"


def test_who_leaves_while_the_call_is_on_hold() -> None:
    """The caller's hang-up ends it, and so does the agent's where no flow goes on."""
    for who in ("caller", "anna"):
        stage = Stage()
        stage.talk()
        stage.do(Hold(call=_id(stage)))
        stage.hangs_up(who)
        record = stage.over()
        assert record.ended_by == ("caller" if who == "caller" else "agent")
        assert record.segments[-1].kind == "hold"
        assert ("talk_ended", "anna", record.id) in stage.desk.told


def test_what_cannot_be_held_or_resumed() -> None:
    """Twice, not at all, by others, of no call, and while nobody talks."""
    stage = Stage()
    call = stage.ring()
    assert stage.fault(Hold(call=call.id)) == "not_yours"
    assert stage.fault(Hold(call=call.id), BOSS) == "not_yours"
    stage.answers("anna")
    assert stage.fault(Resume(call=call.id)) == "wrong_state"
    assert stage.fault(Hold(call=call.id), "ben") == "not_yours"
    assert stage.fault(Hold(call="?")) == "no_call"
    stage.do(Hold(call=call.id))
    assert stage.fault(Hold(call=call.id)) == "wrong_state"
    stage.do(HangUp(call=call.id))
    assert stage.fault(Resume(call=call.id)) == "no_call"


def test_a_supervisor_holds_for_the_agent() -> None:
    """One who is not in the call commands the agent's leg."""
    stage = Stage()
    call = stage.talk()
    stage.do(Hold(call=call.id), BOSS)
    assert stage.heard() == {"caller": "music", "anna": ""}
    stage.finish()


def test_mute_is_for_the_media_plane_alone() -> None:
    """Nobody is told by SIP; twice is once."""
    stage = Stage()
    call = stage.talk()
    assert call.agent is not None
    assert call.agent.lease is not None
    for _ in range(2):
        stage.do(Mute(call=call.id))
    assert stage.world.plane.muted == {call.agent.lease.port}
    assert stage.world.plane.named("mute") == [("mute", call.agent.lease.port, True)]
    stage.do(Mute(call=call.id, on=False))
    assert stage.world.plane.muted == set()
    assert stage.feed.steps[-2:] == ["muted", "unmuted"]
    stage.finish()


def test_keys_go_to_who_hears_the_agent() -> None:
    """The caller, while both talk; nobody while the caller is on hold; only keys."""
    stage = Stage()
    call = stage.talk()
    assert call.caller.lease is not None
    stage.do(SendDigits(call=call.id, digits="12#a"))
    assert stage.world.plane.named("send_digits") == [("send_digits", call.caller.lease.port, "12#A")]
    assert stage.fault(SendDigits(call=call.id, digits="1 2")) == "invalid"
    assert stage.fault(SendDigits(call=call.id, digits="")) == "invalid"
    stage.do(Hold(call=call.id))
    assert stage.fault(SendDigits(call=call.id, digits="1")) == "wrong_state"
    stage.finish()
