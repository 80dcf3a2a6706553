"""Agents over the API."""

from __future__ import annotations

import pytest

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


def test_a_state_is_chosen_for_a_time(switch: ApiSwitch, anna: Client) -> None:
    """A break of ten minutes ends by itself."""
    anna("POST", "/agents/anna/sign-in")
    view = anna("POST", "/agents/anna/state", json={"state": "break", "reason": "lunch", "lasts": 600})
    assert (view["state"], view["reason"]) == ("break", "lunch")
    switch.world.advance(601)
    assert anna("GET", "/agents/anna")["state"] == "idle"


def test_agents_act_for_themselves_supervisors_for_all(anna: Client, boss: Client) -> None:
    """Nobody signs a colleague in, but a supervisor may."""
    for path, body in (("sign-in", None), ("sign-out", {}), ("state", {"state": "idle"}), ("wrap-up-done", None)):
        anna("POST", f"/agents/ben/{path}", 403, json=body)
    assert boss("POST", "/agents/ben/sign-in")["state"] == "idle"


def test_a_state_needs_somebody_signed_in(anna: Client) -> None:
    """Who is not at work has no break."""
    answer = anna("POST", "/agents/anna/state", 409, json={"state": "break"})
    assert answer["type"] == "/docs#wrong-state"


def test_wrap_up_ends_when_it_is_done(switch: ApiSwitch, anna: Client) -> None:
    """After a call there is work; when it is done the agent is idle."""
    _, out = switch.talk()
    switch.world.within(switch.world.carrier, out, "BYE", 2)
    assert anna("GET", "/agents/anna")["state"] == "wrap_up"
    assert anna("POST", "/agents/anna/wrap-up-done")["state"] == "idle"


def test_agents_see_less_of_others(anna: Client, boss: Client) -> None:
    """The phone and the calls of a colleague are a supervisor's business; one's own are one's own."""
    boss("POST", "/agents/ben/sign-in")
    assert anna("GET", "/agents/ben")["phone"] == ""
    assert anna("GET", "/agents/anna")["phone"].startswith("sip:anna@")
    assert boss("GET", "/agents/ben")["phone"].startswith("sip:ben@")


def test_the_list_is_paged_and_filtered(boss: Client) -> None:
    """Pages go on behind the last id; group and state leave others out."""
    page = boss("GET", "/agents?limit=2")
    assert [one["id"] for one in page["items"]] == ["anna", "ben"]
    rest = boss("GET", f"/agents?limit=2&cursor={page['next']}")
    assert ([one["id"] for one in rest["items"]], rest["next"]) == (["carl"], None)
    assert [one["id"] for one in boss("GET", "/agents?group=care")["items"]] == ["carl"]
    boss("POST", "/agents/ben/sign-in")
    assert [one["id"] for one in boss("GET", "/agents?state=idle")["items"]] == ["ben"]
    boss("GET", "/agents?cursor=nonsense", 400)


def test_nobody_of_that_name(boss: Client, admin: Client) -> None:
    """404 for all that is asked of somebody unknown."""
    boss("GET", "/agents/nobody", 404)
    boss("POST", "/agents/nobody/sign-in", 404)
    boss("GET", "/agents/nobody/settings", 404)
    admin("DELETE", "/agents/nobody/settings", 404, headers={"If-Match": '"0"'})


def test_settings_are_changed_as_they_were_seen(switch: ApiSwitch, admin: Client) -> None:
    """The ETag of what was read is the condition; a second change with the same one is refused."""
    seen = admin("GET", "/agents/anna/settings")
    tag = admin.answer.headers["etag"]
    assert (seen["version"], seen["origin"], tag) == (0, "configuration", '"0"')
    agent = {**seen["agent"], "groups": {"care": 2}}
    admin("PUT", "/agents/anna/settings", 428, json=agent)
    done = admin("PUT", "/agents/anna/settings", json=agent, headers={"If-Match": tag})
    assert (done["version"], done["origin"]) == (1, "stored")
    admin("PUT", "/agents/anna/settings", 412, json=agent, headers={"If-Match": tag})
    assert switch.engine.agents["anna"].groups == {"care": 2}
    stored = switch.store.desk.agents.get("anna")
    assert stored is not None
    assert stored.value is not None
    assert stored.value.groups == {"care": 2}


def test_an_agent_is_made_and_removed(switch: ApiSwitch, admin: Client) -> None:
    """Made only where there is none; removed with the version that was seen."""
    agent = {"id": "dora", "phone": "aor:alice", "groups": {"sales": 1}}
    new = {"If-None-Match": "*"}
    assert admin("PUT", "/agents/dora/settings", json=agent, headers=new)["version"] == 1
    admin("PUT", "/agents/dora/settings", 412, json=agent, headers=new)
    admin("DELETE", "/agents/dora/settings", 412, headers={"If-Match": '"7"'})
    admin("DELETE", "/agents/dora/settings", 204, headers={"If-Match": '"1"'})
    assert "dora" not in switch.engine.agents
    admin("GET", "/agents/dora", 404)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"phone": "tel:1"}, "/phone"),
        ({"phone": "aor:nobody"}, "/phone"),
        ({"groups": {"nowhere": 1}}, "/groups/nowhere"),
        ({"groups": {"sales": 0}}, "/groups/sales"),
        ({"skills": {"en": 11}}, "/skills/en"),
        ({"skills": {"a b": 1}}, "/skills/a b"),
        ({"wrap_up": -1.0}, "/wrap_up"),
        ({"ring_timeout": 0.0}, "/ring_timeout"),
        ({"order": -2}, "/order"),
    ],
)
def test_what_is_wrong_with_an_agent_is_pointed_at(
    switch: ApiSwitch, admin: Client, change: dict[str, object], pointer: str
) -> None:
    """Nothing changes, and the fault has its place."""
    agent = {"id": "anna", "phone": "aor:alice", **change}
    answer = admin("PUT", "/agents/anna/settings", 422, json=agent, headers={"If-Match": '"0"'})
    assert [fault["pointer"] for fault in answer["errors"]] == [pointer]
    assert switch.store.desk.agents.get("anna") is None


def test_the_id_of_the_path_counts(admin: Client) -> None:
    """A body that names somebody else is a mistake."""
    admin("PUT", "/agents/anna/settings", 422, json={"id": "ben", "phone": "aor:alice"}, headers={"If-Match": '"0"'})


def test_skills_tell_who_has_them(anna: Client) -> None:
    """Every skill with its people and levels."""
    assert anna("GET", "/skills") == [{"name": "en", "agents": {"anna": 3, "ben": 3, "carl": 3}}]
