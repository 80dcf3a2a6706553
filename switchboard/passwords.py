"""Passwords of accounts: argon2id (RFC 9106), with parameters small enough for a switch that has calls to carry.

Hashing takes some 30 ms of one core and 19 MB, so a running switch does it in a thread, one at a time.
"""

from __future__ import annotations

import functools
import secrets
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST: Final = 10
LONGEST: Final = 256
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS: Final = 4

_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)


def hash_password(password: str) -> str:
    """The hash to store, with its salt and parameters."""
    return _HASHER.hash(password)


def verify_password(stored: str | None, password: str) -> bool:
    """Whether it is the password; for None, an account that does not exist, it takes the same time and is False."""
    try:
        _HASHER.verify(stored or _nobodys_hash(), password)
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def needs_rehash(stored: str) -> bool:
    """Whether a hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(stored)


def password_fault(password: str, name: str = "") -> str:
    """Why a new password is not taken; "" when it is."""
    if len(password) < SHORTEST:
        return f"A password has at least {SHORTEST} characters."
    if len(password) > LONGEST:
        return f"A password has at most {LONGEST} characters."
    if name and name.casefold() in password.casefold() and len(password) < len(name) + SHORTEST:
        return "A password is more than the name."
    if len(set(password)) < 5:
        return "A password has at least five different characters."
    return ""


def new_password() -> str:
    """A password to be told to somebody once, as `k7mt-x2fp-9qwe-hd4r`: 79 random bits, nothing to mistake."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(_GROUPS))


@functools.cache
def _nobodys_hash() -> str:
    return _HASHER.hash(secrets.token_hex(16))
