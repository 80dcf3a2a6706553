"""Groups, queues and callbacks over the API."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from routing.acd.model import Group
from routing.masks.secret import RealNumber
from switchboard.store.records import CallbackRecord
from tests.support.api_switch import CALLER, ApiSwitch, Client


def wait_in_queue(switch: ApiSwitch) -> str:
    """A caller waits, since nobody is free; the call's id."""
    switch.run(lambda now: switch.desk.sign_in("anna", "anna", now))
    switch.run(lambda now: switch.desk.set_state("anna", "break", "anna", now))
    switch.dial()
    return next(reversed(switch.x.calls))


def test_a_group_tells_who_waits_and_who_works(switch: ApiSwitch, boss: Client) -> None:
    """Waiting, the longest wait, agents by state."""
    wait_in_queue(switch)
    switch.world.advance(7)
    view = boss("GET", "/groups/sales")
    assert (view["waiting"], view["longest_wait"], view["agents"], view["signed_in"]) == (1, 7.0, 2, 1)
    assert view["states"] == {"break": 1, "offline": 1}
    assert [one["name"] for one in boss("GET", "/groups")["items"]] == ["care", "sales"]


def test_a_queue_shows_callers_masked(switch: ApiSwitch, anna: Client) -> None:
    """Position, age, and the caller without the middle of the number."""
    call = wait_in_queue(switch)
    switch.world.advance(3)
    (entry,) = anna("GET", "/groups/sales/queue")["items"]
    assert (entry["id"], entry["position"], entry["kind"], entry["waited"]) == (call, 1, "call", 3.0)
    assert entry["caller"] == "139****9999"
    assert CALLER not in anna.answer.text


def test_a_queue_is_seen_by_its_agents(switch: ApiSwitch, carl: Client, boss: Client) -> None:
    """Agents of other groups do not see who waits."""
    wait_in_queue(switch)
    carl("GET", "/groups/sales/queue", 403)
    assert len(boss("GET", "/groups/sales/queue")["items"]) == 1
    boss("GET", "/groups/nowhere/queue", 404)


def test_service_level_counts_those_in_time(switch: ApiSwitch, boss: Client) -> None:
    """One is answered at once, one hangs up: a half."""
    assert boss("GET", "/groups/sales")["service_level"] is None
    _, out = switch.talk()
    switch.hang_up(out)
    wait_in_queue(switch)
    out, _ = switch.world.dial("4003", caller=CALLER)
    switch.world.advance(1)
    boss("POST", f"/calls/{next(reversed(switch.x.calls))}/commands", 202, json={"command": "hang_up"})
    switch.world.advance(1)
    view = boss("GET", "/groups/sales")
    assert (view["answered"], view["abandoned"], view["service_level"]) == (1, 1, 0.5)


def test_a_group_is_changed_while_callers_wait(switch: ApiSwitch, admin: Client) -> None:
    """The new rules count, and who waits keeps the place."""
    call = wait_in_queue(switch)
    group = {**admin("GET", "/groups/sales/settings")["group"], "strategy": "ring_all", "requirement": "en>=2"}
    done = admin("PUT", "/groups/sales/settings", json=group, headers={"If-Match": '"0"'})
    assert (done["version"], done["group"]["strategy"]) == (1, "ring_all")
    assert [one["id"] for one in admin("GET", "/groups/sales/queue")["items"]] == [call]
    admin("PUT", "/groups/sales/settings", 412, json=group, headers={"If-Match": '"0"'})


def test_of_two_who_make_the_same_group_one_is_told(switch: ApiSwitch, http: TestClient[Litestar]) -> None:
    """At the same moment; the queue works by what is stored."""
    headers = {**switch.headers("admin"), "If-None-Match": "*"}

    def make(name: str, weight: int) -> int:
        body = {"name": name, "weight": weight}
        return http.put(f"/api/v1/groups/{name}/settings", json=body, headers=headers).status_code

    with ThreadPoolExecutor(2) as threads:
        for number in range(5):
            name = f"new-{number}"
            assert sorted(threads.map(make, (name, name), (1, 2))) == [200, 412]
            stored = switch.store.desk.groups.get(name)
            assert stored is not None
            assert switch.desk.groups[name] == stored.value


def test_settings_are_read_with_their_version(switch: ApiSwitch, admin: Client) -> None:
    """What is stored and does not count yet comes with its own version, not with that of before."""
    admin("PUT", "/groups/new/settings", json={"name": "new"}, headers={"If-None-Match": "*"})
    switch.store.desk.groups.put("new", Group(name="new", weight=7), by="another", at_us=1, expected=1)
    told = admin("GET", "/groups/new/settings")
    assert (told["version"], told["group"]["weight"]) == (2, 7)
    switch.store.desk.groups.remove("new", by="another", at_us=2, expected=2)
    admin("GET", "/groups/new/settings", 404)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"requirement": "en>="}, "/requirement"),
        ({"hours": "never"}, "/hours"),
        ({"callbacks": {"hours": "x"}}, "/callbacks/hours"),
        ({"ring_timeout": 0.0}, "/ring_timeout"),
        ({"max_length": 0}, "/max_length"),
        ({"overflow": [{"to": "nowhere", "on": ["full"]}]}, "/overflow/0/to"),
        ({"overflow": [{"to": "group:sales", "on": ["full"]}]}, "/overflow/0/to"),
        ({"overflow": [{"to": "flow:nothing", "on": ["full"]}]}, "/overflow/0/to"),
        ({"overflow": [{"to": "hangup"}]}, "/overflow/0"),
        ({"callbacks": {"attempts": 0}}, "/callbacks/attempts"),
        ({"announcements": {"every": 0.0}}, "/announcements"),
    ],
)
def test_what_is_wrong_with_a_group_is_pointed_at(admin: Client, change: dict[str, object], pointer: str) -> None:
    """Nothing changes, and the fault has its place."""
    body = {"name": "sales", **change}
    answer = admin("PUT", "/groups/sales/settings", 422, json=body, headers={"If-Match": '"0"'})
    assert [fault["pointer"] for fault in answer["errors"]] == [pointer]


def test_a_group_is_removed(switch: ApiSwitch, admin: Client) -> None:
    """Those who wait in it leave it; it is gone after a restart too, though the configuration names it."""
    wait_in_queue(switch)
    admin("DELETE", "/groups/sales/settings", 204, headers={"If-Match": '"0"'})
    admin("GET", "/groups/sales", 404)
    assert switch.store.desk.groups.overlay({"sales": switch.desk.groups["care"]}) == {}


def request_of(switch: ApiSwitch, number: int, group: str = "sales") -> str:
    """Somebody wants to be called back; the id."""
    real = RealNumber(f"1390000{number:04d}")
    vault = switch.store.vault
    record = CallbackRecord(
        id=f"request-{number}", group=group, asked_us=1_000_000 * number, number_masked=real.masked,
        number_sealed=vault.seal(real), number_fingerprint=vault.fingerprint(real),
    )  # fmt: skip
    assert switch.store.callbacks.add(record) == "new"
    return record.id


def test_callbacks_are_listed_and_withdrawn(switch: ApiSwitch, anna: Client, boss: Client) -> None:
    """Those who wait longest come first; one that is withdrawn is over, and cannot be withdrawn again."""
    first, second = request_of(switch, 1), request_of(switch, 2)
    request_of(switch, 3, "care")
    page = boss("GET", "/callbacks?group=sales&limit=1")
    assert [one["id"] for one in page["items"]] == [first]
    rest = boss("GET", f"/callbacks?group=sales&limit=1&cursor={page['next']}")
    assert [one["id"] for one in rest["items"]] == [second]
    anna("DELETE", f"/callbacks/{first}", 403)
    boss("DELETE", f"/callbacks/{first}", 204)
    assert boss("GET", f"/callbacks/{first}")["state"] == "cancelled"
    boss("DELETE", f"/callbacks/{first}", 409)
    assert [one["id"] for one in anna("GET", "/callbacks?group=sales")["items"]] == [second]


def test_agents_ask_for_callbacks_of_their_groups(switch: ApiSwitch, anna: Client) -> None:
    """Another group's are not theirs to see, nor all at once."""
    other = request_of(switch, 3, "care")
    anna("GET", "/callbacks", 422)
    anna("GET", "/callbacks?group=care", 403)
    anna("GET", f"/callbacks/{other}", 403)
