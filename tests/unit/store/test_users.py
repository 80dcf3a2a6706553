"""Accounts: names in one form, locks, versions, and an administrator that is always left."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from routing.masks.secret import Vault
from switchboard.store import users as module
from switchboard.store.database import Database
from switchboard.store.tokens import RefreshTokenRepository
from switchboard.store.users import (
    LastAdminError,
    NameTakenError,
    UserRepository,
    UserRow,
    UserVersionError,
    login_name,
    open_totp,
    seal_totp,
)

NOW = 1_760_000_000_000_000


@pytest.fixture
def users(database: Database) -> UserRepository:
    """The accounts of an empty store."""
    return UserRepository(database)


@pytest.fixture
def vault() -> Vault:
    """Keys of its own."""
    return Vault({1: b"e" * 32}, b"h" * 32, os.urandom)


@pytest.fixture
def admin(users: UserRepository) -> UserRow:
    """The only administrator."""
    return users.create("root", "admin", "$argon2id$root", now_us=NOW)


def test_an_account_comes_back_as_it_was_made(users: UserRepository, vault: Vault) -> None:
    """By its id and by every spelling of its name; its second factor opens again."""
    made = users.create(
        "  Wáng.Li ",
        "agent",
        "$argon2id$x",
        now_us=NOW,
        agent="1001",
        must_change=True,
        totp_sealed=seal_totp(vault, "JBSWY3DPEHPK3PXP"),
    )
    assert users.get(made.id) == users.by_name("WÁNG.LI") == made
    assert (made.name, made.version, made.created_us, made.has_totp) == ("wáng.li", 1, NOW, True)
    assert b"JBSWY3" not in made.totp_sealed
    assert open_totp(vault, made) == "JBSWY3DPEHPK3PXP"
    assert users.by_name("no such name") is None
    assert users.by_name("nobody") is None
    assert users.get("nobody") is None


def test_an_account_prints_without_its_secrets(admin: UserRow) -> None:
    """Neither hash nor second factor appear in a log."""
    assert "argon2" not in repr(admin)
    assert "totp" not in repr(admin)


@pytest.mark.parametrize("name", ["", "  ", "a b", "a:b", "a/b", "a\x00", "x" * 65, "a\u200bb"])
def test_names_that_are_none(users: UserRepository, name: str) -> None:
    """Blanks, control characters and what would confuse an address are refused."""
    with pytest.raises(ValueError, match="a name has"):
        users.create(name, "agent", "h", now_us=NOW)


def test_full_width_names_are_the_same() -> None:
    """Compatible forms are one name."""
    assert login_name("ＡＬＩＣＥ") == login_name("alice") == "alice"


def test_a_name_is_taken_once(users: UserRepository, admin: UserRow) -> None:
    """At creation and at a change of name."""
    with pytest.raises(NameTakenError):
        users.create("ROOT", "agent", "h", now_us=NOW)
    other = users.create("other", "agent", "h", now_us=NOW)
    with pytest.raises(NameTakenError):
        users.update(other.id, now_us=NOW, name="Root")
    assert users.count() == 2


def test_roles_are_known_ones(users: UserRepository, admin: UserRow) -> None:
    """A role that does not exist is refused."""
    with pytest.raises(ValueError, match="a role is one of agent, supervisor, admin, auditor"):
        users.create("x", "owner", "h", now_us=NOW)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a role is one of"):
        users.update(admin.id, now_us=NOW, role="owner")  # type: ignore[typeddict-item]


def test_there_is_a_bound(users: UserRepository, admin: UserRow, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more accounts than the bound."""
    monkeypatch.setattr(module, "MAX_USERS", 1)
    with pytest.raises(ValueError, match="there are 1 accounts already"):
        users.create("x", "agent", "h", now_us=NOW)


def test_pages_by_name(users: UserRepository, admin: UserRow) -> None:
    """Filtered by role and agent, each page behind the last name of the one before."""
    for number in range(5):
        users.create(f"u{number}", "agent", "h", now_us=NOW, agent=f"100{number % 2}")
    first = users.page(limit=3)
    assert [user.name for user in first] == ["root", "u0", "u1"]
    assert [user.name for user in users.page(after=first[-1].name, limit=3)] == ["u2", "u3", "u4"]
    assert [user.name for user in users.page(role="admin")] == ["root"]
    assert [user.name for user in users.page(agent="1001")] == ["u1", "u3"]


def test_a_change_counts_the_version_up(users: UserRepository, admin: UserRow) -> None:
    """With a version the change is made only while it is the current one."""
    changed = users.update(admin.id, now_us=NOW + 5, version=1, agent="1001", must_change=True)
    assert changed == users.get(admin.id)
    assert changed is not None
    assert (changed.version, changed.changed_us, changed.agent, changed.must_change) == (2, NOW + 5, "1001", True)
    with pytest.raises(UserVersionError) as caught:
        users.update(admin.id, now_us=NOW, version=1, agent="1002")
    assert caught.value.current == 2
    assert users.update("nobody", now_us=NOW, agent="1") is None


def test_the_last_administrator_stays(users: UserRepository, admin: UserRow) -> None:
    """Not deleted, locked or made less, unless there is another one who may sign in."""
    with pytest.raises(LastAdminError):
        users.delete(admin.id)
    with pytest.raises(LastAdminError):
        users.update(admin.id, now_us=NOW, role="auditor")
    second = users.create("second", "admin", "h", now_us=NOW)
    users.update(second.id, now_us=NOW, locked=True)
    with pytest.raises(LastAdminError):
        users.update(admin.id, now_us=NOW, locked=True)
    assert users.get(admin.id) == admin
    assert users.delete(second.id)
    assert not users.delete(second.id)
    users.create("third", "admin", "h", now_us=NOW)
    assert users.delete(admin.id)


def test_wrong_passwords_lock_for_a_while(users: UserRepository, admin: UserRow) -> None:
    """The third one locks; afterwards counting begins anew; a right one forgets them."""
    for count in (1, 2):
        row = users.note_failure(admin.id, now_us=NOW, limit=3, lock_us=60)
        assert row is not None
        assert (row.failed, row.may_sign_in(NOW)) == (count, True)
    row = users.note_failure(admin.id, now_us=NOW, limit=3, lock_us=60)
    assert row is not None
    assert (row.failed, row.may_sign_in(NOW), row.may_sign_in(NOW + 60)) == (0, False, True)
    assert users.note_success(admin.id, now_us=NOW + 61)
    row = users.get(admin.id)
    assert row is not None
    assert (row.locked_until_us, row.failed, row.signed_in_us) == (0, 0, NOW + 61)
    assert users.note_failure("nobody", now_us=NOW, limit=3, lock_us=60) is None
    assert not users.note_success("nobody", now_us=NOW)


def test_attempts_at_the_same_time_all_count(users: UserRepository, admin: UserRow) -> None:
    """Eight threads guess: none of the guesses is lost."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: users.note_failure(admin.id, now_us=NOW, limit=100, lock_us=60), range(24)))
    row = users.get(admin.id)
    assert row is not None
    assert row.failed == 24


def test_a_lock_by_hand_lasts(users: UserRepository, admin: UserRow) -> None:
    """Time does not end it, unlocking does."""
    other = users.create("other", "agent", "h", now_us=NOW)
    locked = users.update(other.id, now_us=NOW, locked=True)
    assert locked is not None
    assert not locked.may_sign_in(NOW + 10**15)
    free = users.update(other.id, now_us=NOW, locked=False, locked_until_us=0, failed=0)
    assert free is not None
    assert free.may_sign_in(NOW)


def test_a_code_serves_once(users: UserRepository, admin: UserRow) -> None:
    """The same or an older time step is refused; without a code the step stays."""
    assert users.note_success(admin.id, now_us=NOW, totp_step=100)
    assert not users.note_success(admin.id, now_us=NOW, totp_step=100)
    assert not users.note_success(admin.id, now_us=NOW, totp_step=99)
    assert users.note_success(admin.id, now_us=NOW)
    assert users.note_success(admin.id, now_us=NOW, totp_step=101)


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        ({"password_hash": "other"}, True),
        ({"role": "auditor"}, True),
        ({"agent": "1002"}, True),
        ({"totp_sealed": b"s"}, True),
        ({"locked": True}, True),
        ({"must_change": True}, False),
        ({"name": "renamed"}, False),
        ({"locked": False}, False),
    ],
)
def test_what_ends_sign_ins(
    users: UserRepository, admin: UserRow, vault: Vault, database: Database, changes: dict[str, object], ends: bool
) -> None:
    """Whatever changes who may get in ends the refresh tokens of the account, in the same transaction."""
    tokens = RefreshTokenRepository(database, vault)
    other = users.create("other", "agent", "h", now_us=NOW)
    family = tokens.issue(other.id, "t", now_us=NOW, expires_us=NOW + 100)
    users.update(other.id, now_us=NOW, **changes)  # type: ignore[arg-type]
    assert tokens.alive(family, NOW) is not ends


def test_a_rehash_does_not_undo_a_change(users: UserRepository, admin: UserRow) -> None:
    """It needs the hash it replaces, and is no change that others must know of."""
    assert users.rehash(admin.id, admin.password_hash, "newer")
    assert not users.rehash(admin.id, admin.password_hash, "late")
    assert users.get(admin.id) == msgspec.structs.replace(admin, password_hash="newer")
