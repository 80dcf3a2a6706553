"""Accounts: what each is challenged with, and what proves it."""

from __future__ import annotations

import pytest

from switchboard.accounts import Accounts
from switchboard.sip.digest import answer

REALM, URI = "switchboard.local", "sip:switchboard.local"


@pytest.fixture
def accounts() -> Accounts:
    """One account as usual, one of a phone that knows MD5 alone, one that insists on SHA-256."""
    passwords = [("alice", "a"), ("old", "o"), ("strict", "s")]
    return Accounts(REALM, passwords, bytes(32), lambda: "salt", {"old": ("MD5",), "strict": ("SHA-256",)})


@pytest.mark.parametrize(
    ("user", "algorithms"),
    [("alice", ["SHA-256", "MD5"]), ("old", ["MD5"]), ("strict", ["SHA-256"]), ("nobody", ["SHA-256", "MD5"])],
)
def test_what_is_offered(accounts: Accounts, user: str, algorithms: list[str]) -> None:
    """In the account's order; nobody's account looks like most."""
    offered = [value.partition("algorithm=")[2].partition(",")[0] for value in accounts.challenge(0.0, user)]
    assert offered == algorithms


@pytest.mark.parametrize(
    ("user", "password", "algorithm", "proved"),
    [
        ("alice", "a", "SHA-256", True),
        ("alice", "a", "MD5", True),
        ("old", "o", "MD5", True),
        ("old", "o", "SHA-256", False),
        ("strict", "s", "SHA-256", True),
        ("strict", "s", "MD5", False),
    ],
)
def test_what_proves_it(accounts: Accounts, user: str, password: str, algorithm: str, *, proved: bool) -> None:
    """An algorithm that the account was not challenged with proves nothing, whoever's challenge is answered."""
    (challenge,) = (value for value in accounts.challenge(0.0, "nobody") if f"algorithm={algorithm}," in value)
    value = answer(challenge, "REGISTER", URI, user, password=password, cnonce="c")
    assert accounts.user(value, "REGISTER", URI, 1.0) == (user if proved else None, False)
    assert accounts.knows(user)
