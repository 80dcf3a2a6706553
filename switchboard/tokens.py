"""Unguessable text for branches, tags and Call-IDs, drawn from the kernel in large pieces."""

from __future__ import annotations

import os
from typing import Final

_OCTETS: Final = 10
_POOL: Final = 512


class TokenPool:
    """Calling it gives 80 random bits as 20 hexadecimal digits (RFC 3261 §19.3 asks for 32 bits or more)."""

    __slots__ = ("_tokens",)

    def __init__(self) -> None:
        self._tokens: list[str] = []

    def __call__(self) -> str:
        """Return a token that was never given before."""
        if not self._tokens:
            digits = os.urandom(_OCTETS * _POOL).hex()
            size = 2 * _OCTETS
            self._tokens = [digits[at : at + size] for at in range(0, len(digits), size)]
        return self._tokens.pop()
