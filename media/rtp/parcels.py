"""Frames of 20 ms put into packets as long as the peer wants them (a=ptime, RFC 8866 §6.4)."""

from __future__ import annotations

from typing import Final, Protocol

FRAME_MS: Final = 20
SHORTEST: Final = 10
LONGEST: Final = 60
OCTETS_A_MS: Final = {"PCMA": 8, "PCMU": 8, "G722": 8}
"""Codecs whose packets may be cut anywhere; an octet is one tick of their clock."""
_OPUS_TICKS: Final = 960
_ONE_BYTE: Final = 252


class Parcel(Protocol):
    """Collects frames."""

    def add(self, frame: bytes, ts: int) -> list[tuple[int, bytes]]:
        """Takes the frame of a timestamp; packets that are full now, each with its timestamp."""

    def rest(self) -> list[tuple[int, bytes]]:
        """Nothing follows: what there is, in a shorter packet."""


class OctetParcel:
    """Of a codec whose octets follow one another."""

    __slots__ = ("_data", "_size", "_ts")

    def __init__(self, ptime: int, octets_a_ms: int) -> None:
        self._size = ptime * octets_a_ms
        self._data = b""
        self._ts = -1

    def add(self, frame: bytes, ts: int) -> list[tuple[int, bytes]]:
        """Takes the frame of a timestamp; packets that are full now, each with its timestamp."""
        if ts != (self._ts + len(self._data)) & 0xFFFFFFFF:
            # Another source: what is left of the last one is too late.
            self._data, self._ts = b"", ts
        data = self._data + frame
        full = len(data) // self._size * self._size
        packets = [((self._ts + at) & 0xFFFFFFFF, data[at : at + self._size]) for at in range(0, full, self._size)]
        self._data, self._ts = data[full:], (self._ts + full) & 0xFFFFFFFF
        return packets

    def rest(self) -> list[tuple[int, bytes]]:
        """Nothing follows: what there is, in a shorter packet."""
        data, self._data = self._data, b""
        return [(self._ts, data)] if data else []


class OpusParcel:
    """Of Opus frames, which go into one packet where they are of one configuration (RFC 6716 §3.2.5)."""

    __slots__ = ("_count", "_frames", "_ts")

    def __init__(self, ptime: int) -> None:
        self._count = ptime // FRAME_MS
        self._frames: list[bytes] = []
        self._ts = -1

    def add(self, frame: bytes, ts: int) -> list[tuple[int, bytes]]:
        """Takes the frame of a timestamp; packets that are full now, each with its timestamp."""
        frames = self._frames
        if frames and ts != (self._ts + _OPUS_TICKS * len(frames)) & 0xFFFFFFFF:
            frames.clear()
        if frames and frame[0] != frames[0][0]:
            packets = [((self._ts + n * _OPUS_TICKS) & 0xFFFFFFFF, one) for n, one in enumerate(frames)]
            self._frames, self._ts = [frame], ts
            return packets
        if not frames:
            self._ts = ts
        frames.append(frame)
        return self.rest() if len(frames) == self._count else []

    def rest(self) -> list[tuple[int, bytes]]:
        """Nothing follows: what there is, in a shorter packet."""
        frames, self._frames = self._frames, []
        return [(self._ts, join_opus(frames))] if frames else []


def join_opus(frames: list[bytes]) -> bytes:
    """One packet of frames that are packets of one frame each and of the same configuration: code 3, VBR."""
    if any(frame[0] & 3 for frame in frames):
        raise ValueError("a packet of several frames")
    head = bytearray((frames[0][0] | 3, 0x80 | len(frames)))
    for frame in frames[:-1]:
        length = len(frame) - 1
        if length < _ONE_BYTE:
            head.append(length)
        else:
            first = _ONE_BYTE + (length & 3)
            head += bytes((first, (length - first) >> 2))
    return bytes(head) + b"".join([frame[1:] for frame in frames])


def parcel_for(codec: str, ptime: int, most: int) -> Parcel | None:
    """What packs frames for a peer that wants packets of `ptime` and takes none above `most` (0: any); None: as is."""
    ptime = min(max(ptime, SHORTEST), LONGEST, most or LONGEST)
    if ptime == FRAME_MS:
        return None
    if codec in OCTETS_A_MS:
        return OctetParcel(ptime, OCTETS_A_MS[codec])
    return OpusParcel(ptime) if codec == "opus" and ptime >= 2 * FRAME_MS else None
