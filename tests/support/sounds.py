"""Sounds made and looked through: what a caller says as a capture for SIPp, and what a recorder has written."""

from __future__ import annotations

import struct
import wave
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from media.g711 import encode

RATE: Final = 8000
FRAME: Final = 160
TICK: Final = FRAME / RATE
EVENT_TYPE: Final = 101
FIRST: Final = 8000
"""The timestamp of a capture's beginning; at 0 rtpengine overlooks a key."""
LOOPBACK: Final = bytes((127, 0, 0, 1))
AMPLITUDE: Final = 8000.0
KEYS: Final[dict[str, tuple[int, int]]] = {
    key: (low, high)
    for low, keys in ((697, "123"), (770, "456"), (852, "789"), (941, "*0#"))
    for key, high in zip(keys, (1209, 1336, 1477), strict=True)
}
"""The two frequencies of each key (ITU-T Q.23)."""

Sound = NDArray[np.float64]


def tone(seconds: float, *hertz: int) -> Sound:
    """Tones at once; silence without any."""
    at = np.arange(round(seconds * RATE)) / RATE
    sound: Sound = sum((np.sin(2 * np.pi * hz * at) for hz in hertz), np.zeros_like(at))
    return AMPLITUDE / max(1, len(hertz)) * sound


def keyed(keys: str, on: float = 0.1, off: float = 0.1) -> Sound:
    """Keys as tones in the audio."""
    return np.concatenate([part for key in keys for part in (tone(on, *KEYS[key]), tone(off))])


def write_capture(
    path: Path, sound: Sound, events: Mapping[float, str] = MappingProxyType({}), stream: int = 0, after: int = 0
) -> Path:
    """A capture of the sound as PCMA in RTP, a packet every 20 ms, as SIPp replays it.

    `events` are keys by the second at which they are pressed: they are told of by RFC 4733 beside their tones.
    `stream` tells its SSRC from those of others; `after` so many packets of the same stream it goes on.
    """
    codes = encode("PCMA", np.round(sound).astype("<i2").tobytes())
    packets = [(at * TICK, 8, at * FRAME, codes[at * FRAME :][:FRAME]) for at in range(len(codes) // FRAME)]
    for second, key in events.items():
        begun = round(second / TICK) * FRAME
        for step in range(1, 8):
            body = struct.pack("!BBH", "0123456789*#".index(key), 0x8A if step > 5 else 10, min(step, 6) * FRAME)
            packets.append((second + step * TICK + 0.001, EVENT_TYPE, begun, body))
    file = bytearray(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    for number, (at, payload_type, timestamp, payload) in enumerate(sorted(packets)):
        stamp = FIRST + after * FRAME + timestamp
        rtp = struct.pack("!BBHII", 128, payload_type, after + number, stamp, 0x5EC0DE00 + stream) + payload
        udp = struct.pack("!HHHH", 6000, 6000, 8 + len(rtp), 0) + rtp
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), number, 0, 64, 17, 0, LOOPBACK, LOOPBACK) + udp
        frame = bytes(12) + b"\x08\x00" + ip
        seconds, micros = divmod(round(at * 1e6), 1_000_000)
        file += struct.pack("<IIII", seconds, micros, len(frame), len(frame)) + frame
    path.write_bytes(file)
    return path


def read_wav(path: Path) -> Sound:
    """The samples of a playable file at 8 kHz, a column a channel."""
    with wave.open(str(path), "rb") as file:
        assert (file.getframerate(), file.getsampwidth()) == (RATE, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        assert len(samples) == file.getnframes() * file.getnchannels()
        return samples.reshape(-1, file.getnchannels()).astype(np.float64)


def loudness(sound: Sound, window: float = 0.05) -> Sound:
    """Root mean square of each window."""
    found: Sound = np.sqrt((_windows(sound, window) ** 2).mean(axis=1))
    return found


def strength(sound: Sound, hz: float, window: float = 0.05) -> Sound:
    """The amplitude that a frequency has in each window (Goertzel's sum, by numpy)."""
    rows = _windows(sound, window)
    turns: NDArray[np.complex128] = np.exp(-2j * np.pi * hz * np.arange(rows.shape[1]) / RATE)
    found: Sound = np.abs(rows @ turns) * 2 / rows.shape[1]
    return found


def tones_in(sound: Sound, hertz: Iterable[int], least: float = 500.0) -> set[int]:
    """Those of the tones that are in most of it with at least this amplitude; none in what is shorter than a window."""
    heard = {each: strength(sound, each, 0.1) for each in hertz}
    return {each for each, found in heard.items() if len(found) and float(np.median(found)) > least}


def seconds_of(sound: Sound, hz: float, window: float = 0.05) -> float:
    """For how long a frequency is the loudest thing there."""
    heard = strength(sound, hz, window)
    return float(((heard > 1000) & (heard > loudness(sound, window))).sum()) * window


def _windows(sound: Sound, window: float) -> Sound:
    size = round(window * RATE)
    return sound[: len(sound) // size * size].reshape(-1, size)
