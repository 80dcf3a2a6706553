"""Live calls and the call bar over the API."""

from __future__ import annotations

from switchboard.calls.call import Phase
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
    anna("POST", f"/calls/{call}/commands", 202, json={"command": "pick"})
    assert len(switch.phones["anna"].received("INVITE")) == 1
