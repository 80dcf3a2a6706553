"""Agents and groups over the API."""

from __future__ import annotations

from tests.support.api_switch import ApiSwitch, Client


def test_an_agent_signs_in_and_out(switch: ApiSwitch, anna: Client, boss: Client) -> None:
    """An agent is idle from sign-in on; who did it is known to supervisors and in the log."""
    assert anna("GET", "/agents/anna")["state"] == "offline"
    assert anna("POST", "/agents/anna/sign-in")["state"] == "idle"
    view = boss("GET", "/agents/anna")
    assert (view["state"], view["signed_in"], view["by"]) == ("idle", True, "anna")
    assert anna("POST", "/agents/anna/sign-out", json={"reason": "home"})["state"] == "offline"
    actions = [(entry.who, entry.action, entry.subject) for entry in switch.store.audit.page()]
    assert actions == [("anna", "agent.sign_out", "anna"), ("anna", "agent.sign_in", "anna")]
