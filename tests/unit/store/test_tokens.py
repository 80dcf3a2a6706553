"""Refresh tokens: each serves once, one met again ends its family, none is kept in clear."""

from __future__ import annotations

import os

import pytest
from sqlalchemy.exc import IntegrityError

from routing.masks.secret import Vault
from switchboard.store import tokens as module
from switchboard.store.database import Database
from switchboard.store.tokens import RefreshTokenRepository
from switchboard.store.users import UserRepository

NOW = 1_760_000_000_000_000


@pytest.fixture
def tokens(database: Database) -> RefreshTokenRepository:
    """No tokens yet."""
    return RefreshTokenRepository(database, Vault({1: b"e" * 32}, b"h" * 32, os.urandom))


@pytest.fixture
def user(database: Database) -> str:
    """The id of an account."""
    return UserRepository(database).create("alice", "agent", "h", now_us=NOW).id


def test_a_chain_of_tokens(tokens: RefreshTokenRepository, user: str) -> None:
    """Each one gives the next; all know when the sign-in was."""
    family = tokens.issue(user, "one", now_us=NOW, expires_us=NOW + 100)
    assert tokens.rotate("one", "two", now_us=NOW + 5, expires_us=NOW + 105) == ("ok", user, family, NOW)
    assert tokens.rotate("two", "three", now_us=NOW + 6, expires_us=NOW + 106) == ("ok", user, family, NOW)
    assert tokens.alive(family, NOW + 7)


def test_a_token_met_again_ends_the_sign_in(tokens: RefreshTokenRepository, user: str) -> None:
    """Whoever of the two is the thief: neither the old token nor the newest serve any more; other sign-ins do."""
    other = tokens.issue(user, "elsewhere", now_us=NOW, expires_us=NOW + 100)
    family = tokens.issue(user, "one", now_us=NOW, expires_us=NOW + 100)
    tokens.rotate("one", "two", now_us=NOW, expires_us=NOW + 100)
    assert tokens.rotate("one", "evil", now_us=NOW, expires_us=NOW + 100) == ("reused", user, family, NOW)
    assert tokens.rotate("two", "three", now_us=NOW, expires_us=NOW + 100) == ("unknown", "", "", 0)
    assert tokens.rotate("evil", "four", now_us=NOW, expires_us=NOW + 100).verdict == "unknown"
    assert not tokens.alive(family, NOW)
    assert tokens.alive(other, NOW)


def test_a_used_token_is_told_even_when_it_has_expired(tokens: RefreshTokenRepository, user: str) -> None:
    """Reuse weighs more than age."""
    tokens.issue(user, "one", now_us=NOW, expires_us=NOW + 10)
    tokens.rotate("one", "two", now_us=NOW, expires_us=NOW + 100)
    assert tokens.rotate("one", "x", now_us=NOW + 50, expires_us=NOW + 100).verdict == "reused"


def test_tokens_expire(tokens: RefreshTokenRepository, user: str) -> None:
    """At their time they serve no more, and pruning takes them away, piece by piece."""
    family = tokens.issue(user, "one", now_us=NOW, expires_us=NOW + 10)
    assert not tokens.alive(family, NOW + 10)
    assert tokens.rotate("one", "two", now_us=NOW + 10, expires_us=NOW + 100).verdict == "expired"
    assert tokens.prune(NOW + 9) == 0
    assert tokens.prune(NOW + 10) == 1
    assert tokens.rotate("one", "two", now_us=NOW, expires_us=NOW + 100).verdict == "unknown"


def test_pruning_goes_by_pieces(tokens: RefreshTokenRepository, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than a piece is pruned too."""
    monkeypatch.setattr(module, "_PIECE", 3)
    for number in range(7):
        tokens.issue(user, f"t{number}", now_us=NOW, expires_us=NOW + 10 * (number == 6))
    assert tokens.prune(NOW) == 6


def test_signing_out(tokens: RefreshTokenRepository, user: str, database: Database) -> None:
    """One sign-in by its family, and those of an account that is deleted."""
    tokens.issue(user, "a", now_us=NOW, expires_us=NOW + 10)
    family = tokens.issue(user, "b", now_us=NOW, expires_us=NOW + 10)
    assert tokens.revoke_family(family)
    assert not tokens.revoke_family(family)
    last = tokens.issue(user, "e", now_us=NOW, expires_us=NOW + 10)
    assert UserRepository(database).delete(user)
    assert not tokens.alive(last, NOW)


def test_the_oldest_sign_in_gives_way(
    tokens: RefreshTokenRepository, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account has a bounded number of them."""
    monkeypatch.setattr(module, "FAMILIES", 2)
    families = [tokens.issue(user, f"t{number}", now_us=NOW + number, expires_us=NOW + 100) for number in range(3)]
    assert [tokens.alive(family, NOW) for family in families] == [False, True, True]


def test_no_token_for_nobody(tokens: RefreshTokenRepository) -> None:
    """An account that was deleted meanwhile gets none."""
    with pytest.raises(IntegrityError):
        tokens.issue("nobody", "t", now_us=NOW, expires_us=NOW + 1)


def test_the_file_does_not_hold_the_token(tokens: RefreshTokenRepository, user: str, database: Database) -> None:
    """A copy of the database lets nobody in, and without the key no guess can be checked."""
    tokens.issue(user, "a-secret-token", now_us=NOW, expires_us=NOW + 10)
    stored = b"".join(path.read_bytes() for path in database.path.parent.glob("test.db*"))
    assert b"a-secret-token" not in stored
    other = RefreshTokenRepository(database, Vault({1: b"e" * 32}, b"x" * 32, os.urandom))
    assert other.rotate("a-secret-token", "n", now_us=NOW, expires_us=NOW + 10).verdict == "unknown"
