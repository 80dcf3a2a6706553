"""`switchboard users`: accounts by the command line, with the switch running or not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pyotp
import pytest
from typer.testing import Result

from switchboard import users_cli
from switchboard.first_admin import NAME, first_admin
from switchboard.passwords import verify_password
from switchboard.store.audit import AuditLog
from switchboard.store.records import utc_us
from switchboard.store.store import Store
from switchboard.store.tokens import RefreshTokenRepository
from switchboard.store.users import UserRepository, UserRow, open_totp
from switchboard.users_cli import app
from tests.unit.cli.conftest import World

PASSWORD = "seven blue lamps"
ONE_TIME = re.compile(r"first sign-in: ([a-z0-9]{4}(?:-[a-z0-9]{4}){3})\n")


def add(world: World, name: str, role: str = "agent", *more: str) -> Result:
    """Add an account with a password from the input."""
    return world.run(app, "add", name, "--role", role, *more, given=f"{PASSWORD}\n")


def stored(world: World, name: str) -> UserRow:
    """An account as it is in the database."""
    user = UserRepository(world.database).by_name(name)
    assert user is not None
    return user


@pytest.fixture
def admin(world: World) -> UserRow:
    """An administrator, who has to be there."""
    assert add(world, "root", "admin").exit_code == 0
    return stored(world, "root")


class TestAdd:
    """Adding accounts."""

    def test_with_a_password_from_the_input(self, world: World) -> None:
        """It is hashed, is not printed, and what was done is in the audit log."""
        result = add(world, "Wang.Li", "agent", "--agent", "1001")
        assert (result.exit_code, result.output) == (0, "wang.li is an agent now, as agent 1001\n")
        user = stored(world, "wang.li")
        assert (user.role, user.agent, user.must_change) == ("agent", "1001", False)
        assert user.password_hash.startswith("$argon2id$")
        assert verify_password(user.password_hash, PASSWORD)
        (line,) = AuditLog(world.database).page()
        assert (line.action, line.subject, line.detail) == ("user.add", "wang.li", "role agent, agent 1001")
        assert PASSWORD not in repr(line)

    def test_with_a_drawn_password(self, world: World) -> None:
        """It is printed once and must be changed."""
        output = world.run(app, "add", "chen", "--role", "supervisor", "--one-time").output
        assert output.startswith("chen is a supervisor now\n")
        found = ONE_TIME.search(output)
        assert found is not None
        user = stored(world, "chen")
        assert user.must_change
        assert verify_password(user.password_hash, found[1])

    def test_a_password_is_asked_for_twice(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        """At a terminal it is typed unseen, and again until both are the same."""
        monkeypatch.setattr(users_cli, "_interactive", lambda: True)
        given = f"{PASSWORD}\nanother one\n{PASSWORD}\n{PASSWORD}\n"
        result = world.run(app, "add", "chen", "--role", "auditor", given=given)
        assert result.exit_code == 0
        assert "do not match" in result.output
        assert PASSWORD not in result.output
        assert verify_password(stored(world, "chen").password_hash, PASSWORD)

    @pytest.mark.parametrize(
        ("name", "password", "says"),
        [
            ("a b", PASSWORD, "a name has no blanks"),
            ("chen", "", "a password has at least 10 characters"),
            ("chen", "x" * 300, "a password has at most 256 characters"),
            ("chen", "aaaaaaaaaaaa", "a password has at least five different characters"),
        ],
    )
    def test_what_is_refused(self, world: World, name: str, password: str, says: str) -> None:
        """One line, and no account."""
        result = world.run(app, "add", name, "--role", "agent", given=f"{password}\n")
        assert (result.exit_code, result.output.count("\n")) == (1, 1)
        assert says in result.output
        assert UserRepository(world.database).count() == 0

    def test_a_name_is_taken_once(self, world: World, admin: UserRow) -> None:
        """Said before a password is asked for."""
        result = world.run(app, "add", "ROOT", "--role", "agent")
        assert (result.exit_code, result.output) == (1, "another account has the name root\n")

    def test_a_password_is_no_argument(self, world: World) -> None:
        """There is no way to write it into the history of commands."""
        assert world.run(app, "add", "chen", PASSWORD, "--role", "agent").exit_code == 2
        assert world.run(app, "add", "chen", "--role", "agent", "--password", PASSWORD).exit_code == 2

    def test_an_unknown_role(self, world: World) -> None:
        """The roles are named."""
        result = world.run(app, "add", "chen", "--role", "owner")
        assert result.exit_code == 2
        assert "auditor" in result.output


class TestList:
    """Listing accounts."""

    def test_states(self, world: World, admin: UserRow) -> None:
        """Who is locked and how, who must change the password, who has a second factor."""
        users = UserRepository(world.database)
        for name in ("a", "b", "c"):
            add(world, f"{name}-user")
        users.update(stored(world, "a-user").id, now_us=utc_us(), locked=True, totp_sealed=b"s")
        users.update(stored(world, "b-user").id, now_us=utc_us(), locked_until_us=utc_us() + 3_600_000_000)
        users.update(stored(world, "c-user").id, now_us=utc_us(), must_change=True)
        users.note_success(admin.id, now_us=utc_us())
        lines = world.run(app, "list").output.splitlines()
        assert [line.split()[0] for line in lines] == ["name", "a-user", "b-user", "c-user", "root"]
        assert lines[1].split()[1:] == ["agent", "-", "yes", "locked", "never"]
        assert "locked until" in lines[2]
        assert "must change password" in lines[3]
        assert lines[4].split()[4] == "active"
        assert "never" not in lines[4]

    def test_as_json(self, world: World, admin: UserRow) -> None:
        """Filtered by role, without hashes."""
        add(world, "chen")
        output = world.run(app, "list", "--role", "admin", "--format", "json").output
        (shown,) = json.loads(output)
        assert (shown["name"], shown["role"], shown["state"], shown["totp"]) == ("root", "admin", "active", False)
        assert "argon2" not in output

    def test_none(self, world: World) -> None:
        """Said in words."""
        assert world.run(app, "list").output == "no accounts\n"


class TestChange:
    """Changing accounts."""

    def test_another_password(self, world: World, admin: UserRow) -> None:
        """The old one serves no more, sign-ins end, locks by wrong passwords too."""
        tokens = RefreshTokenRepository(world.database, world.vault)
        family = tokens.issue(admin.id, "t", now_us=utc_us(), expires_us=utc_us() + 10**9)
        UserRepository(world.database).update(admin.id, now_us=utc_us(), locked_until_us=utc_us() + 10**9)
        result = world.run(app, "passwd", "root", given="nine green doors\n")
        assert result.output == "root has a new password\n"
        user = stored(world, "root")
        assert verify_password(user.password_hash, "nine green doors")
        assert (user.must_change, user.locked_until_us) == (False, 0)
        assert not tokens.alive(family, utc_us())
        found = ONE_TIME.search(world.run(app, "passwd", "root", "--one-time").output)
        assert found is not None
        assert verify_password(stored(world, "root").password_hash, found[1])
        assert stored(world, "root").must_change

    def test_another_role(self, world: World, admin: UserRow) -> None:
        """With the agent or without touching it."""
        add(world, "chen", "agent", "--agent", "1001")
        assert world.run(app, "role", "chen", "supervisor").output == "chen is a supervisor now, as agent 1001\n"
        assert world.run(app, "role", "chen", "auditor", "--agent", "").output == "chen is an auditor now\n"
        assert (stored(world, "chen").role, stored(world, "chen").agent) == ("auditor", "")

    def test_lock_and_unlock(self, world: World, admin: UserRow) -> None:
        """By hand, and out of a lock by wrong passwords."""
        add(world, "chen")
        assert world.run(app, "lock", "chen").exit_code == 0
        assert not stored(world, "chen").may_sign_in(utc_us())
        assert world.run(app, "unlock", "chen").output == "chen may sign in now\n"
        UserRepository(world.database).note_failure(stored(world, "chen").id, now_us=utc_us(), limit=1, lock_us=10**9)
        assert not stored(world, "chen").may_sign_in(utc_us())
        world.run(app, "unlock", "chen")
        assert stored(world, "chen").may_sign_in(utc_us())

    def test_delete(self, world: World, admin: UserRow) -> None:
        """After asking, or without."""
        add(world, "chen")
        result = world.run(app, "delete", "chen", given="n\n")
        assert (result.exit_code, "nothing was deleted" in result.output) == (1, True)
        assert world.run(app, "delete", "chen", "--yes").output == "chen is deleted\n"
        assert world.run(app, "delete", "chen", "--yes").output == "no account has the name chen\n"
        assert [line.action for line in AuditLog(world.database).page(limit=1)] == ["user.delete"]

    @pytest.mark.parametrize("command", [("delete", "root", "-y"), ("lock", "root"), ("role", "root", "agent")])
    def test_the_last_administrator_stays(self, world: World, admin: UserRow, command: tuple[str, ...]) -> None:
        """With a word on what to do, and nothing in the audit log."""
        result = world.run(app, *command)
        assert (result.exit_code, result.output) == (
            1,
            "nobody would be left who may manage accounts; make another admin first\n",
        )
        assert stored(world, "root") == admin
        assert len(AuditLog(world.database).page()) == 1

    @pytest.mark.parametrize("command", ["passwd", "lock", "unlock", "totp", "delete"])
    def test_nobody(self, world: World, command: str) -> None:
        """A name that is none is one line."""
        result = world.run(app, command, "nobody")
        assert (result.exit_code, result.output) == (1, "no account has the name nobody\n")


class TestTotp:
    """The second factor."""

    def test_on_and_off(self, world: World, admin: UserRow) -> None:
        """The secret is printed for an app, stored sealed, and taken back."""
        lines = world.run(app, "totp", "root").output.splitlines()
        secret, uri = lines[1].strip(), lines[2].strip()
        assert open_totp(world.vault, stored(world, "root")) == secret
        parsed = pyotp.parse_uri(uri)
        assert (parsed.secret, parsed.name, parsed.issuer) == (secret, "root", "switchboard")
        assert secret not in repr(AuditLog(world.database).page())
        assert world.run(app, "totp", "root", "--off").output == "root is no longer asked for codes\n"
        assert not stored(world, "root").has_totp
        assert world.run(app, "totp", "root", "--off").output == "root has no second factor\n"


class TestRunningSwitch:
    """The switch that runs on the store is told who changed."""

    def test_it_is_told(self, world: World, admin: UserRow, switch: Callable[[bytes], list[dict[str, object]]]) -> None:
        """Which account, so that its sessions end; one that is let in again need not wait for its wrong passwords."""
        add(world, "chen")
        user = stored(world, "chen")
        got = switch(b'{"ok": true, "result": {"users": 1}}\n')
        for command in (("lock", "chen"), ("unlock", "chen"), ("delete", "chen", "-y")):
            result = world.run(app, *command)
            assert (result.exit_code, "could not be told" in result.output) == (0, False)
        assert got == [
            {"command": "users-changed", "users": [user.id], "pardoned": pardoned} for pardoned in ([], ["chen"], [])
        ]

    def test_it_does_not_know_the_command(
        self, world: World, admin: UserRow, switch: Callable[[bytes], list[dict[str, object]]]
    ) -> None:
        """Then a word says what that means; the change is made all the same."""
        add(world, "chen")
        switch(b'{"ok": false, "error": "unknown command; there are status"}\n')
        result = world.run(app, "lock", "chen")
        assert "the running switch could not be told (unknown command; there are status)" in result.output
        assert stored(world, "chen").locked


def test_a_database_that_cannot_be_used_is_one_line(world: World, admin: UserRow) -> None:
    """What it says, without a traceback or the statement."""
    with world.database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE users RENAME TO lost")
    result = world.run(app, "lock", "root")
    assert (result.exit_code, result.output) == (1, f"{world.database.path}: no such table: users\n")


def test_the_first_start_makes_an_administrator(tmp_path: Path) -> None:
    """Once: with accounts there is nothing to make."""
    store = Store(tmp_path)
    password = first_admin(store)
    assert password is not None
    user = store.users.by_name(NAME)
    assert user is not None
    assert (user.role, user.must_change) == ("admin", True)
    assert verify_password(user.password_hash, password)
    assert password not in repr(store.audit.page())
    assert first_admin(store) is None
    store.close()
