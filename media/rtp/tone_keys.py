"""Keys sent as tones in the audio (ITU-T Q.23), to peers that take neither telephone-events nor INFO."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np

from media.rtp.inband import COLUMNS, KEYS, RATE, ROWS

HELD: Final = 5
"""Frames of 20 ms that a key sounds ..."""
REST: Final = 4
"""... and that it is quiet after it, which a receiver needs to tell two of the same."""
_AMPLITUDE: Final = 32768 * 10 ** ((-8 - 3.14) / 20)
"""-8 dBm0 each: within what Q.24 has receivers take, and below what would be clipped."""
_FRAME: Final = RATE // 50


@lru_cache(maxsize=16)
def sound(key: str) -> bytes:
    """The samples of a key at 8 kHz: HELD frames, rising and falling in 2 ms; raises ValueError for what is no key."""
    row = next((n for n, keys in enumerate(KEYS) if key and key in keys), None)
    if row is None:
        raise ValueError(f"{key!r} is no key")
    at = np.arange(HELD * _FRAME) / RATE
    tones = np.sin(2 * np.pi * ROWS[row] * at) + np.sin(2 * np.pi * COLUMNS[KEYS[row].index(key)] * at)
    edge = np.minimum(1.0, np.minimum(at, at[::-1]) * 500.0)
    return np.rint(_AMPLITUDE * tones * edge).astype("<i2").tobytes()


class ToneSender:
    """Renders keys for a sender that steps every 20 ms."""

    __slots__ = ("_at", "_keys")

    def __init__(self, keys: str) -> None:
        """Raises ValueError for what is no key."""
        self._keys = ""
        self._at = 0
        self.append(keys)

    def append(self, keys: str) -> None:
        """Sounds `keys` after the others; raises ValueError for what is no key."""
        for key in keys.upper():
            sound(key)
        self._keys += keys.upper()

    @property
    def done(self) -> bool:
        """Whether every key has sounded."""
        return self._at >= (HELD + REST) * len(self._keys)

    def step(self) -> bytes:
        """The next 20 ms, samples at 8 kHz."""
        key, step = divmod(self._at, HELD + REST)
        self._at += 1
        if step >= HELD:
            return bytes(2 * _FRAME)
        return sound(self._keys[key])[2 * step * _FRAME : 2 * (step + 1) * _FRAME]
