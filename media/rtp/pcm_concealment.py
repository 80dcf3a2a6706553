"""What is heard in place of lost samples: the last pitch period again, fading, as for codes but at either rate."""

from __future__ import annotations

from typing import Final

import numpy as np

from media.rtp.concealment import FADED, HISTORY, find_period

CROSSING: Final = 5
"""Milliseconds in which one signal gives way to another."""


def extend(history: bytes, offset: int, count: int, rate: int) -> bytes:
    """Samples `offset` to `offset + count` after the end of `history`, at `rate`, as they may have been."""
    scale = rate // 8000
    past = np.frombuffer(history, "<i2").astype(np.float32)[-HISTORY * scale :]
    if len(past) < HISTORY // 2 * scale or offset >= FADED * scale:
        return bytes(2 * count)
    period = find_period(past[::scale]) * scale
    places = np.arange(offset, offset + count)
    faded = np.clip(1.0 - places / (FADED * scale), 0.0, None).astype(np.float32)
    return _samples(past[len(past) - period + places % period] * faded)


def cross(first: bytes, second: bytes) -> bytes:
    """`second`, beginning as `first`."""
    a, b = (np.frombuffer(samples, "<i2").astype(np.float32) for samples in (first, second))
    count = min(len(a), len(b))
    rise = np.arange(1, count + 1, dtype=np.float32) / np.float32(count + 1)
    return _samples(a[:count] + (b[:count] - a[:count]) * rise) + second[2 * count :]


def _samples(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> bytes:
    return np.clip(np.rint(values), -32768, 32767).astype("<i2").tobytes()
