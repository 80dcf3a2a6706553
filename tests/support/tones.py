"""Sine waves in G.711, and how loud a frequency is in what was heard."""

from __future__ import annotations

import numpy as np

from media.g711 import CodecName, decode, encode

RATE = 8000


def sine(frequency: float, seconds: float, codec: CodecName = "PCMA", level: float = 8000.0) -> bytes:
    """Codes of a tone."""
    times = np.arange(round(seconds * RATE)) / RATE
    samples = np.rint(level * np.sin(2 * np.pi * frequency * times)).astype("<i2")
    return encode(codec, samples.tobytes())


def level_of(frequency: float, codes: bytes, codec: CodecName = "PCMA") -> float:
    """The amplitude of a frequency in codes, as a Goertzel filter over all of them tells it."""
    samples = np.frombuffer(decode(codec, codes), "<i2").astype(float)
    if not len(samples):
        return 0.0
    angles = 2 * np.pi * frequency * np.arange(len(samples)) / RATE
    window = np.hanning(len(samples))
    found = np.abs((samples * window) @ np.exp(-1j * angles))
    return float(2 * found / window.sum())
