"""What is heard in place of lost audio: the last pitch period again, fading (after G.711 Appendix I, but simpler)."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from media.g711 import CodecName, decode, encode

HISTORY: Final = 320
"""Samples before the loss that tell how it goes on: two periods of the lowest voice."""
FADED: Final = 480
"""Samples (60 ms) after which nothing is left: a voice that goes on for longer sounds like a machine."""
JOIN: Final = 40
"""Samples in which what is made up gives way to what comes again."""

_SHORTEST: Final = 40
"""Samples of a pitch period: 200 Hz ..."""
_LONGEST: Final = 160
"""... to 50 Hz; higher voices repeat several periods."""
_TEMPLATE: Final = 160
_RISE: Final = np.arange(1, JOIN + 1, dtype=np.float32) / np.float32(JOIN + 1)
_QUIET: Final = 100.0
"""The mean magnitude below which there is no period to look for."""


def extend(codec: CodecName, history: bytes, offset: int, count: int) -> bytes:
    """Codes `offset` to `offset + count` after the end of `history`, as they may have been."""
    past = _samples(codec, history)
    places = np.arange(offset, offset + count)
    period = find_period(past)
    faded = np.clip(1.0 - places / FADED, 0.0, None).astype(np.float32)
    return _codes(codec, past[len(past) - period + places % period] * faded)


def join(codec: CodecName, made_up: bytes, real: bytes) -> bytes:
    """`real`, beginning as `made_up`, which is JOIN codes long."""
    a, b = _samples(codec, made_up), _samples(codec, real[:JOIN])
    a = a[: len(b)]
    return _codes(codec, a + (b - a) * _RISE[: len(b)]) + real[JOIN:]


def shorten(codec: CodecName, first: bytes, second: bytes) -> bytes:
    """One frame in place of two: it begins as the first and ends as the second."""
    a, b = _samples(codec, first), _samples(codec, second)
    rise = np.arange(1, len(a) + 1, dtype=np.float32) / np.float32(len(a) + 1)
    return _codes(codec, a + (b - a) * rise)


def find_period(past: NDArray[np.float32]) -> int:
    """The distance at which the end of `past` is most like what was before it."""
    longest = min(_LONGEST, len(past) - _SHORTEST)
    width = min(_TEMPLATE, len(past) - longest)
    if longest <= _SHORTEST or float(np.abs(past[-width:]).mean()) < _QUIET:
        return min(_LONGEST, len(past))
    end = past[-width:]
    windows = np.lib.stride_tricks.sliding_window_view(past[-width - longest : -_SHORTEST], width)
    energy = np.einsum("ij,ij->i", windows, windows) + 1.0
    alike = windows @ end / np.sqrt(energy)
    return longest - int(alike.argmax())


def _samples(codec: CodecName, codes: bytes) -> NDArray[np.float32]:
    return np.frombuffer(decode(codec, codes), "<i2").astype(np.float32)


def _codes(codec: CodecName, samples: NDArray[np.float32]) -> bytes:
    return encode(codec, np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes())
