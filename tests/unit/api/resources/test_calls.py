"""Live calls and the call bar over the API."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from switchboard.api.principal import Principal
from switchboard.calls.call import Phase
from switchboard.calls.news import CallNews
from tests.support.api_switch import CALLER, ApiSwitch, Client


def test_a_call_is_shown_masked(switch: ApiSwitch, boss: Client) -> None:
    """Phase, people and legs; the caller's number without its middle, in nothing that is answered."""
    call, _ = switch.talk()
    view = boss("GET", f"/calls/{call.id}")
    assert (view["phase"], view["agents"], view["group"], view["called"]) == ("talking", ["anna"], "sales", "4003")
    assert view["caller"] == "139****9999"
    assert [(leg["role"], leg["agent"], leg["state"]) for leg in view["legs"]] == [
        ("caller", "", "confirmed"),
        ("agent", "anna", "confirmed"),
    ]
    assert len(view["contact"]) == 32
    assert CALLER not in boss.answer.text


def test_agents_see_their_own_calls(switch: ApiSwitch, anna: Client, carl: Client, boss: Client) -> None:
    """An agent of another group sees neither the list nor the call."""
    call, _ = switch.talk()
    assert [one["id"] for one in anna("GET", "/calls")["items"]] == [call.id]
    assert carl("GET", "/calls")["items"] == []
    carl("GET", f"/calls/{call.id}", 403)
    assert [one["id"] for one in boss("GET", "/calls?agent=anna")["items"]] == [call.id]
    assert boss("GET", "/calls?agent=ben")["items"] == []
    assert [one["id"] for one in boss("GET", "/calls?phase=talking&group=sales")["items"]] == [call.id]


def test_live_calls_are_paged(switch: ApiSwitch, boss: Client) -> None:
    """By their ids, which are the older ones first to the millisecond; each once."""
    switch.run(lambda now: switch.desk.sign_in("anna", "anna", now))
    for _ in range(3):
        switch.dial()
    seen, cursor = [], ""
    while True:
        page = boss("GET", f"/calls?limit=1{cursor}")
        seen += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == sorted(switch.x.calls)


def test_hold_and_resume_are_carried_out(switch: ApiSwitch, anna: Client) -> None:
    """The leg holds; the agent's state follows, and both commands are in the log."""
    call, _ = switch.talk()
    done = anna("POST", f"/calls/{call.id}/commands", 202, json={"command": "hold"})
    assert done["call"] == call.id
    assert [leg["held"] for leg in anna("GET", f"/calls/{call.id}")["legs"]] == [False, True]
    assert anna("GET", "/agents/anna")["state"] == "held"
    anna("POST", f"/calls/{call.id}/commands", 202, json={"command": "resume"})
    assert anna("GET", "/agents/anna")["state"] == "talking"
    assert [entry.action for entry in switch.store.audit.page()] == ["call.resume", "call.hold"]


def test_a_command_of_somebody_else_is_refused_and_logged(switch: ApiSwitch, carl: Client) -> None:
    """Another agent's call is left alone; that it was tried stands in the log."""
    call, _ = switch.talk()
    answer = carl("POST", f"/calls/{call.id}/commands", 403, json={"command": "hold"})
    assert answer["type"] == "/docs#not-yours"
    (entry,) = switch.store.audit.page()
    assert (entry.who, entry.action, entry.outcome) == ("carl", "call.hold", "not_yours")


def test_what_cannot_be_done_says_why(switch: ApiSwitch, anna: Client) -> None:
    """No call, a wrong state, no target, an unknown command."""
    anna("POST", "/calls/none/commands", 404, json={"command": "hold"})
    call, _ = switch.talk()
    anna("POST", f"/calls/{call.id}/commands", 409, json={"command": "resume"})
    anna("POST", f"/calls/{call.id}/commands", 404, json={"command": "transfer", "to": "agent:nobody"})
    anna("POST", f"/calls/{call.id}/commands", 400, json={"command": "explode"})
    anna("POST", f"/calls/{call.id}/commands", 400, json={"command": "transfer"})
    anna("POST", f"/calls/{call.id}/commands", 422, json={"command": "hold", "call": "other"})


def test_supervision_is_for_supervisors(switch: ApiSwitch, anna: Client) -> None:
    """Agents do not listen to each other."""
    call, _ = switch.talk()
    anna("POST", f"/calls/{call.id}/commands", 403, json={"command": "supervise"})


@pytest.mark.parametrize("mode", ["listen", "whisper"])
def test_who_listens_is_told_to_supervisors_alone(
    switch: ApiSwitch, anna: Client, boss: Client, auditor: Client, mode: str
) -> None:
    """Not to the agent: by no event and in no answer, during the call or later. Who speaks is heard anyway."""
    call, out = switch.talk()
    ben = Principal(id="b", name="ben", role="supervisor", agent="ben", session="b")
    watching, _ = switch.api.stream.subscribe(ben)
    agents, _ = switch.api.stream.subscribe(Principal(id="a", name="anna", role="agent", agent="anna", session="a"))
    boss("POST", f"/calls/{call.id}/commands", 202, json={"command": "supervise", "mode": mode, "supervisor": "ben"})
    switch.world.agent_answers(switch.phones["ben"])
    boss("POST", f"/calls/{call.id}/commands", 202, json={"command": "stop_supervising", "supervisor": "ben"})
    boss("POST", f"/calls/{call.id}/commands", 202, json={"command": "supervise", "mode": mode, "supervisor": "ben"})
    switch.world.agent_answers(switch.phones["ben"])

    def agents_in(view: dict[str, Any]) -> list[str]:
        return [leg["agent"] for leg in view["legs"]]

    hidden = mode == "listen"
    path = f"/calls/{call.id}"
    assert agents_in(boss("GET", path)) == ["", "anna", "ben", "ben"]
    assert agents_in(anna("GET", path)) == ["", "anna", *([] if hidden else ["ben", "ben"])]
    assert anna("GET", "/calls")["items"][0]["agents"] == (["anna"] if hidden else ["anna", "ben"])
    switch.hang_up(out)
    steps = [entry.news.step for entry in watching._queue if isinstance(entry.news, CallNews)]
    assert [step for step in steps if step.startswith("superv")] == [
        "supervised", "supervision_ended", "supervised",
    ]  # fmt: skip
    assert steps[-1] == "ended"
    told = [entry.news for entry in agents._queue if isinstance(entry.news, CallNews)]
    assert any(news.agent == "ben" for news in told) is not hidden
    assert told[-1].step == "ended"
    path = f"/records/{call.id}"
    assert agents_in(anna("GET", path)) == ["", "anna", *([] if hidden else ["ben", "ben"])]
    assert [leg["mode"] for leg in auditor("GET", path)["legs"]] == ["", "", mode, mode]


def test_a_call_is_told_from_its_begin_to_its_end(switch: ApiSwitch, anna: Client) -> None:
    """Supervisors hear of all of it, the agent from the ringing on, 180 or not; at the end the record is there."""
    principal = Principal(id="b", name="boss", role="supervisor", agent="", session="b")
    watching, _ = switch.api.stream.subscribe(principal)
    own, _ = switch.api.stream.subscribe(Principal(id="a", name="anna", role="agent", agent="anna", session="a"))
    call, out = switch.talk()
    switch.hang_up(out)
    told = [entry.news for entry in watching._queue if isinstance(entry.news, CallNews)]
    assert [(news.step, news.call) for news in told] == [
        (step, call.id) for step in ("opened", "ringing", "answered", "ended")
    ]  # fmt: skip
    assert (told[0].detail, told[-1].detail) == ("bench", "normal")
    assert [entry.news for entry in own._queue if isinstance(entry.news, CallNews)] == told[1:]
    assert anna("GET", f"/records/{call.id}")["cause"] == "normal"
    assert switch.api.stream.counts()["stream_calls"] == 0, "nothing is kept of a call that is over"


def test_who_supervises_has_answered_nothing(switch: ApiSwitch, boss: Client) -> None:
    """The call is none of the supervisor's own in figures and lists of agents."""
    call, out = switch.talk()
    boss("POST", f"/calls/{call.id}/commands", 202, json={"command": "supervise", "mode": "barge", "supervisor": "ben"})
    switch.world.agent_answers(switch.phones["ben"])
    switch.hang_up(out)
    assert [one["id"] for one in boss("GET", "/records?agent=anna")["items"]] == [call.id]
    assert boss("GET", "/records?agent=ben")["items"] == []


def test_a_transfer_rings_the_target(switch: ApiSwitch, anna: Client) -> None:
    """The target's phone gets an INVITE that shows nothing of the caller's real number."""
    call, _ = switch.talk()
    switch.run(lambda now: switch.desk.sign_in("ben", "ben", now))
    anna("POST", f"/calls/{call.id}/commands", 202, json={"command": "transfer", "to": "agent:ben"})
    assert len(switch.phones["ben"].received("INVITE")) == 1
    switch.world.agent_answers(switch.phones["ben"])
    view = anna("GET", f"/calls/{call.id}", 403)
    assert view["type"] == "/docs#not-yours"
    assert switch.x.calls[call.id].agent is not None
    assert switch.x.calls[call.id].agent.agent_id == "ben"


def test_a_parked_call_is_taken_by_its_slot(switch: ApiSwitch, anna: Client, carl: Client, boss: Client) -> None:
    """By an agent who was not in it; once, by one who has a phone, and only while somebody is there."""
    call, _ = switch.talk()
    slot = anna("POST", f"/calls/{call.id}/commands", 202, json={"command": "park"})["slot"]
    assert "no agent" in boss("POST", f"/parked/{slot}/take", 422)["detail"]
    carl("POST", "/parked/99/take", 404)
    done = carl("POST", f"/parked/{slot}/take", 202)
    assert (done["call"], done["slot"]) == (call.id, slot)
    assert len(switch.phones["carl"].received("INVITE")) == 1
    anna("POST", f"/parked/{slot}/take", 409)
    assert [(entry.action, entry.outcome) for entry in switch.store.audit.page()][:3] == [
        ("call.unpark", "wrong_state"), ("call.unpark", "ok"), ("call.unpark", "no_call"),
    ]  # fmt: skip


def test_the_same_key_is_carried_out_once(switch: ApiSwitch, anna: Client) -> None:
    """A command that is sent again after a lost answer has the first one's outcome, and one line in the log."""
    call, _ = switch.talk()
    key = {"Idempotency-Key": "k1"}
    first = anna("POST", f"/calls/{call.id}/commands", 202, json={"command": "hold"}, headers=key)
    assert anna("POST", f"/calls/{call.id}/commands", 202, json={"command": "hold"}, headers=key) == first
    assert len(switch.store.audit.page()) == 1
    anna("POST", f"/calls/{call.id}/commands", 409, json={"command": "resume"}, headers=key)
    assert switch.x.calls[call.id].phase is Phase.TALKING
    assert anna("GET", "/agents/anna")["state"] == "held"


def test_a_refusal_is_told_again_too(switch: ApiSwitch, anna: Client) -> None:
    """What was refused the first time is refused, though it would be possible by now."""
    call, _ = switch.talk()
    key = {"Idempotency-Key": "k2"}
    anna("POST", f"/calls/{call.id}/commands", 409, json={"command": "resume"}, headers=key)
    anna("POST", f"/calls/{call.id}/commands", 202, json={"command": "hold"})
    anna("POST", f"/calls/{call.id}/commands", 409, json={"command": "resume"}, headers=key)


def test_keys_belong_to_accounts(switch: ApiSwitch, anna: Client, boss: Client) -> None:
    """Two people may choose the same key."""
    call, _ = switch.talk()
    key = {"Idempotency-Key": "k3"}
    anna("POST", f"/calls/{call.id}/commands", 202, json={"command": "hold"}, headers=key)
    boss("POST", f"/calls/{call.id}/commands", 202, json={"command": "hang_up"}, headers=key)


def test_secret_digits_are_in_no_log(switch: ApiSwitch, anna: Client) -> None:
    """Keys that are sent may be a secret of the caller's."""
    call, _ = switch.talk()
    anna("POST", f"/calls/{call.id}/commands", 202, json={"command": "send_digits", "digits": "4711"})
    assert "4711" not in str(switch.store.audit.page())


def test_click_to_call_rings_the_agent_first(switch: ApiSwitch, anna: Client) -> None:
    """The agent's own phone gets the first INVITE; the answer names the new call."""
    anna("POST", "/agents/anna/sign-in")
    done = anna("POST", "/calls", 202, json={"command": "dial", "to": "number:01099990000"})
    assert done["call"] in switch.x.calls
    assert len(switch.phones["anna"].received("INVITE")) == 1
    assert "01099990000" not in str(switch.store.audit.page())


@pytest.mark.parametrize("number", [
    "010-9999-0000", "0 1 0 9 9 9 9 0 0 0 0", "(010)99990000", "+86 10 9999 0000", "０１０９９９９００００", "not one",
])  # fmt: skip
def test_a_number_is_masked_in_the_log_however_it_is_written(switch: ApiSwitch, anna: Client, number: str) -> None:
    """Blanks, hyphens and brackets take nothing of that."""
    anna("POST", "/agents/anna/sign-in")
    status = 422 if number == "not one" else 202
    anna("POST", "/calls", status, json={"command": "dial", "to": f"number:{number}"})
    entry = switch.store.audit.page()[0]
    assert entry.action == "call.dial"
    masked = {"not one": "n****e"}.get(number, "+86****0000" if "+" in number else "010****0000")
    assert entry.detail.split(", ")[0] == f"to number:{masked}"


def test_one_who_was_called_by_a_colleague_hangs_up(
    switch: ApiSwitch, anna: Client, http: TestClient[Litestar]
) -> None:
    """The one who is the call's caller ends it for both: nobody is left talking to nobody."""
    ben = Client(http, switch.headers("agent", "ben"))
    for name, client in (("anna", anna), ("ben", ben)):
        client("POST", f"/agents/{name}/sign-in")
    call = anna("POST", "/calls", 202, json={"command": "dial", "to": "agent:ben"})["call"]
    for name in ("anna", "ben"):
        switch.world.agent_answers(switch.phones[name])
    assert anna("GET", f"/calls/{call}")["phase"] == "talking"
    ben("POST", f"/calls/{call}/commands", 202, json={"command": "hang_up"})
    for name, client in (("anna", anna), ("ben", ben)):
        assert len(switch.phones[name].received("BYE")) == 1
        assert client("GET", f"/agents/{name}")["state"] == "idle"
    assert call not in switch.x.calls


def test_agents_call_from_their_own_phone(anna: Client) -> None:
    """Nobody makes a colleague's phone ring."""
    anna("POST", "/calls", 403, json={"command": "dial", "to": "agent:carl", "agent": "ben"})


def test_who_waits_is_seen_by_those_who_could_serve(switch: ApiSwitch, anna: Client, carl: Client) -> None:
    """A call that waits for a group is seen by its agents, and may be picked by them."""
    switch.run(lambda now: switch.desk.sign_in("anna", "anna", now))
    switch.run(lambda now: switch.desk.set_state("anna", "break", "anna", now))
    switch.dial()
    call = next(reversed(switch.x.calls))
    assert anna("GET", f"/calls/{call}")["phase"] == "queued"
    carl("GET", f"/calls/{call}", 403)
    carl("POST", "/agents/carl/sign-in")
    carl("POST", f"/calls/{call}/commands", 403, json={"command": "pick"})
    anna("POST", f"/calls/{call}/commands", 202, json={"command": "pick"})
    assert len(switch.phones["anna"].received("INVITE")) == 1
