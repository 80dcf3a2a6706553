"""Unguessable text and octets, drawn from the kernel in large pieces: one system call serves hundreds."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final

_OCTETS: Final = 10
_POOL: Final = 512


def token_pool() -> Callable[[], str]:
    """A function that gives 80 random bits as 20 hexadecimal digits (RFC 3261 §19.3 asks for 32 bits or more).

    No token is given twice. Any thread may call: of two that draw at once, one's tokens are lost.
    """
    tokens: list[str] = []

    def token() -> str:
        nonlocal tokens
        try:
            return tokens.pop()
        except IndexError:
            digits = os.urandom(_OCTETS * _POOL).hex()
            size = 2 * _OCTETS
            drawn = [digits[at : at + size] for at in range(0, len(digits), size)]
            last = drawn.pop()
            tokens = drawn
            return last

    return token


def octet_pool() -> Callable[[int], bytes]:
    """A function that gives so many random octets, as `os.urandom` does, and none twice; any thread may call."""
    pool, at = b"", 0
    # Octets given twice would be a nonce used twice.
    lock = threading.Lock()

    def octets(size: int) -> bytes:
        nonlocal pool, at
        with lock:
            begin, at = at, at + size
            if at > len(pool):
                pool = os.urandom(max(_OCTETS * _POOL, size))
                begin, at = 0, size
            return pool[begin:at]

    return octets
