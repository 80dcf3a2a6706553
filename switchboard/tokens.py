"""Unguessable text and octets, drawn from the kernel in large pieces: one system call serves hundreds."""

from __future__ import annotations

import os
import threading
from typing import Final

_OCTETS: Final = 10
_POOL: Final = 512


class TokenPool:
    """Calling it gives 80 random bits as 20 hexadecimal digits (RFC 3261 §19.3 asks for 32 bits or more).

    Any thread may call: of two that draw at once, one's tokens are lost.
    """

    __slots__ = ("_tokens",)

    def __init__(self) -> None:
        self._tokens: list[str] = []

    def __call__(self) -> str:
        """Return a token that was never given before."""
        try:
            return self._tokens.pop()
        except IndexError:
            digits = os.urandom(_OCTETS * _POOL).hex()
            size = 2 * _OCTETS
            drawn = [digits[at : at + size] for at in range(0, len(digits), size)]
            token = drawn.pop()
            self._tokens = drawn
            return token


class OctetPool:
    """Calling it with a size gives so many random octets, as `os.urandom` does; any thread may call."""

    __slots__ = ("_at", "_lock", "_octets")

    def __init__(self) -> None:
        self._octets = b""
        self._at = 0
        # Octets given twice would be a nonce used twice.
        self._lock = threading.Lock()

    def __call__(self, size: int) -> bytes:
        """Return octets that were never given before."""
        with self._lock:
            end = self._at + size
            if end > len(self._octets):
                self._octets = os.urandom(max(_OCTETS * _POOL, size))
                self._at, end = 0, size
            octets = self._octets[self._at : end]
            self._at = end
            return octets
