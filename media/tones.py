"""Call progress tones, plain tones and silence, synthesised by name."""

from __future__ import annotations

import math
import sys
from array import array
from typing import Final

RATE: Final = 8000

# -10 dBm0, the nominal level of ITU-T E.180; a full-scale sine is +3.14 dBm0 (G.711 §4).
_AMPLITUDE: Final = 32768 * 10 ** ((-10 - 3.14) / 20)
# Tones rise and fall in 5 ms: a square edge clicks.
_RAMP: Final = RATE // 200

#: Chinese call progress tones: frequency in Hz, seconds on, seconds off (GB/T 3380, ITU-T E.180).
CADENCES: Final[dict[str, tuple[int, float, float]]] = {
    "ringback": (450, 1.0, 4.0),
    "busy": (450, 0.35, 0.35),
    "congestion": (450, 0.7, 0.7),
    "dial": (450, 1.0, 0.0),
    "waiting": (450, 0.4, 4.0),
}

#: Sounded once: frequency in Hz and seconds. After a voicemail's greeting, and where a prompt cannot be had.
SIGNALS: Final[dict[str, tuple[int, float]]] = {"beep": (1000, 0.4)}

#: One frame: a prompt of none could not be looped.
MIN_SECONDS: Final = 0.02
#: Longer ones would stall the worker that encodes them.
MAX_SECONDS: Final = 60.0


class ToneError(Exception):
    """A name that stands for no tone."""


def is_tone(name: str) -> bool:
    """True for names this module answers for: those that begin with "tone:" or "silence:"."""
    return name.startswith(("tone:", "silence:"))


def synthesise(name: str) -> bytes:
    """Return a tone as 16-bit little-endian samples at 8 kHz.

    "tone:ringback", "tone:busy", "tone:congestion", "tone:dial" and "tone:waiting" are one period of their
    cadence, to be looped; "tone:beep" is sounded once; "tone:1000:2.0" is 1000 Hz for two seconds; "silence:1.5" is
    silence.
    """
    kind, *fields = name.split(":")
    if kind == "silence" and len(fields) == 1:
        return bytes(2 * _samples(name, fields[0]))
    if kind == "tone" and len(fields) == 1 and fields[0] in CADENCES:
        frequency, on, off = CADENCES[fields[0]]
        return _sine(frequency, round(on * RATE), ramp=off > 0) + bytes(2 * round(off * RATE))
    if kind == "tone" and len(fields) == 1 and fields[0] in SIGNALS:
        frequency, seconds = SIGNALS[fields[0]]
        return _sine(frequency, round(seconds * RATE), ramp=True)
    if kind == "tone" and len(fields) == 2:
        frequency = int(fields[0]) if fields[0].isdecimal() and len(fields[0]) <= 4 else 0
        if not 20 <= frequency <= 3800:
            raise ToneError(f"{name[:40]!a}: the frequency must be a whole number from 20 to 3800 Hz")
        return _sine(frequency, _samples(name, fields[1]), ramp=True)
    known = ", ".join(f"tone:{cadence}" for cadence in [*CADENCES, *SIGNALS])
    raise ToneError(f"{name[:40]!a} is no tone; there are {known}, tone:HZ:SECONDS and silence:SECONDS")


def _samples(name: str, text: str) -> int:
    """Return a duration in samples."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise ToneError(f"{name[:40]!a}: the duration must be from {MIN_SECONDS} to {MAX_SECONDS:g} seconds")
    return round(seconds * RATE)


def _sine(frequency: int, length: int, *, ramp: bool) -> bytes:
    """Return a sine; a whole number of Hz repeats each second, so one second is computed."""
    step = 2 * math.pi * frequency / RATE
    second = [round(_AMPLITUDE * math.sin(step * n)) for n in range(min(length, RATE))]
    samples = array("h", second) * (length // RATE or 1)
    samples.extend(samples[: length - len(samples)])
    if ramp:
        for n in range(min(_RAMP, length // 2)):
            gain = 0.5 - 0.5 * math.cos(math.pi * n / _RAMP)
            samples[n] = round(samples[n] * gain)
            samples[-1 - n] = round(samples[-1 - n] * gain)
    if sys.byteorder == "big":  # pragma: no cover - no such machine runs the tests
        samples.byteswap()
    return samples.tobytes()
