"""Unguessable numbers, drawn from the kernel in large pieces: each session wants three."""

from __future__ import annotations

import os
from typing import Final

_OCTETS: Final = 4096


class RandomBits:
    """Calling it with a number of bits, 32 at most, gives so many random ones, as `secrets.randbits` does."""

    __slots__ = ("_words",)

    def __init__(self) -> None:
        self._words: list[int] = []

    def __call__(self, bits: int) -> int:
        """Return a number that was never given before."""
        if not self._words:
            self._words = memoryview(os.urandom(_OCTETS)).cast("I").tolist()
        return self._words.pop() >> (32 - bits)
