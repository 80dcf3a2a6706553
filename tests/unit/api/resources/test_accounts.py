"""Accounts and the audit log over the API."""

from __future__ import annotations

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from switchboard.api.principal import Principal
from switchboard.passwords import verify_password
from tests.support.api_switch import ApiSwitch, Client


@pytest.fixture
def lin(admin: Client) -> dict[str, str]:
    """An account was made: what was answered."""
    return dict(admin("POST", "/users", 201, json={"name": "Lin", "role": "agent", "agent": "anna"}))


def test_a_new_account_has_a_password_for_one_use(switch: ApiSwitch, admin: Client, lin: dict[str, str]) -> None:
    """It is answered once, stored as a hash, must be changed, and is in no log."""
    row = switch.store.users.by_name("lin")
    assert row is not None
    assert row.must_change
    assert verify_password(row.password_hash, lin["password"])
    assert admin("GET", "/users/lin")["must_change"] is True
    assert lin["password"] not in admin.answer.text + str(switch.store.audit.page())
    assert [(entry.action, entry.subject) for entry in switch.store.audit.page()] == [("user.add", "lin")]


def test_names_are_taken_once(admin: Client, lin: dict[str, str]) -> None:
    """Whatever the case; a name that cannot be one is refused."""
    admin("POST", "/users", 409, json={"name": "LIN", "role": "agent"})
    admin("POST", "/users", 400, json={"name": "a b", "role": "agent"})
    admin("POST", "/users", 400, json={"name": "zhao", "role": "boss"})


def test_a_repeated_request_makes_one_account(admin: Client) -> None:
    """With the same key the same password is answered again."""
    key = {"Idempotency-Key": "u1"}
    body = {"name": "zhao", "role": "supervisor"}
    first = admin("POST", "/users", 201, json=body, headers=key)
    assert admin("POST", "/users", 201, json=body, headers=key) == first


def test_a_change_needs_the_version_that_was_seen(switch: ApiSwitch, admin: Client, lin: dict[str, str]) -> None:
    """ETag and If-Match; what is left out stays; tokens of before are void."""
    row = switch.store.users.by_name("lin")
    assert row is not None
    admin("PATCH", "/users/lin", 428, json={"role": "supervisor"})
    admin("GET", "/users/lin")
    tag = admin.answer.headers["etag"]
    changed = admin("PATCH", "/users/lin", json={"role": "supervisor"}, headers={"If-Match": tag})
    assert (changed["role"], changed["agent"]) == ("supervisor", "anna")
    admin("PATCH", "/users/lin", 412, json={"role": "admin"}, headers={"If-Match": tag})


def test_a_changed_account_loses_its_tokens(switch: ApiSwitch, admin: Client, lin: dict[str, str]) -> None:
    """Whoever was an agent a moment ago cannot go on with the old token."""
    row = switch.store.users.by_name("lin")
    assert row is not None
    token = switch.services.tokens.issue(Principal(id=row.id, name="lin", role="agent", agent="anna"))
    mine = {"Authorization": f"Bearer {token}"}
    admin("GET", "/agents/anna", headers=mine)
    admin("PATCH", "/users/lin", json={"locked": True}, headers={"If-Match": '"1"'})
    admin("GET", "/agents/anna", 401, headers=mine)


def test_a_password_is_drawn_anew(switch: ApiSwitch, admin: Client, lin: dict[str, str]) -> None:
    """The old one serves no more."""
    new = admin("POST", "/users/lin/password")["password"]
    row = switch.store.users.by_name("lin")
    assert row is not None
    assert verify_password(row.password_hash, new)
    assert not verify_password(row.password_hash, lin["password"])
    admin("POST", "/users/nobody/password", 404)


def test_the_last_admin_stays(admin: Client) -> None:
    """Nobody locks everybody out."""
    admin("POST", "/users", 201, json={"name": "root", "role": "admin"})
    admin("DELETE", "/users/root", 409)
    admin("PATCH", "/users/root", 409, json={"role": "agent"}, headers={"If-Match": '"1"'})
    admin("POST", "/users", 201, json={"name": "other", "role": "admin"})
    admin("DELETE", "/users/root", 204)
    admin("GET", "/users/root", 404)


def test_accounts_are_listed_without_secrets(admin: Client, boss: Client, lin: dict[str, str]) -> None:
    """By name and role, in pages; for admins only."""
    admin("POST", "/users", 201, json={"name": "zhao", "role": "supervisor"})
    page = admin("GET", "/users?limit=1")
    rest = admin("GET", f"/users?limit=1&cursor={page['next']}")
    assert [one["name"] for one in (*page["items"], *rest["items"])] == ["lin", "zhao"]
    assert "argon2" not in admin.answer.text
    assert [one["name"] for one in admin("GET", "/users?role=agent")["items"]] == ["lin"]
    boss("GET", "/users", 403)


def test_the_audit_log_is_read_in_pages(switch: ApiSwitch, admin: Client, auditor: Client, boss: Client) -> None:
    """Newest first, by who, action and subject; supervisors do not read it."""
    for name in ("one", "two", "three"):
        admin("POST", "/users", 201, json={"name": name, "role": "agent"})
    page = auditor("GET", "/audit?limit=2")
    rest = auditor("GET", f"/audit?limit=2&cursor={page['next']}")
    assert [one["subject"] for one in (*page["items"], *rest["items"])] == ["three", "two", "one"]
    assert (page["items"][0]["who"], page["items"][0]["role"], page["items"][0]["outcome"]) == ("admin", "admin", "ok")
    assert len(auditor("GET", "/audit?action=user.*")["items"]) == 3
    assert auditor("GET", "/audit?action=call.*")["items"] == []
    assert len(auditor("GET", "/audit?subject=two")["items"]) == 1
    boss("GET", "/audit", 403)


def test_who_is_let_in_again_need_not_wait(switch: ApiSwitch, admin: Client, http: TestClient[Litestar]) -> None:
    """After too many wrong passwords an admin unlocks the account, or gives a new password: the next try counts."""
    password = switch.account("mo", "agent", "anna")

    def login(password: str) -> int:
        return http.post("/api/v1/auth/login", json={"name": "mo", "password": password}).status_code

    for _ in range(5):
        assert login("wrong") == 401
    assert login(password) == 429
    admin("GET", "/users/mo")
    admin("PATCH", "/users/mo", json={"locked": False}, headers={"If-Match": admin.answer.headers["etag"]})
    assert login(password) == 200
    for _ in range(5):
        assert login("wrong") == 401
    assert login(password) == 429
    assert login(admin("POST", "/users/mo/password")["password"]) == 200


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
@pytest.mark.parametrize("path", ["/audit", "/records", "/records/export", "/recordings"])
def test_every_moment_is_understood(admin: Client, path: str, at: str) -> None:
    """The first and the last ones that can be written, with an offset or without."""
    admin("GET", path, params={"since": at, "until": at})
