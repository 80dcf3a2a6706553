"""Sound files of several formats for tests."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 8000


def sine(frequency: float, seconds: float, rate: int, *, amplitude: float = 0.4) -> NDArray[np.float32]:
    """Return a sine as mono samples."""
    at = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency * at)).astype(np.float32)


def encoded(samples: NDArray[np.float32], rate: int, form: str, subtype: str | None = None) -> bytes:
    """Return samples as the content of a file: WAV, FLAC, OGG or MP3."""
    content = io.BytesIO()
    soundfile.write(content, samples, rate, format=form, subtype=subtype)
    return content.getvalue()


def write_sine(path: Path, *, frequency: float = 1000, seconds: float = 1.0, rate: int = 44100) -> Path:
    """Write a file of the format its name tells, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(sine(frequency, seconds, rate), rate, path.suffix[1:].upper()))
    return path


def spectrum_peak(pcm: bytes) -> float:
    """Return the strongest frequency of 16-bit samples at 8 kHz, in Hz."""
    samples = np.frombuffer(pcm, "<i2").astype(float)
    strength = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(strength)) * RATE / len(samples)
