"""One side of a recording: where on its timeline the audio of each packet belongs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from media.recorder.protocol import PACKET
from media.rtp.packet import Packet, parse

RATE: Final = 8000
MAX_DRIFT: Final = 2400
"""Samples by which timestamps may leave the time of arrival: more is a clock that runs off or stood still."""
MAX_GAPS: Final = 1000
"""Gaps that are told one by one; beyond, they are only counted."""
_JUMP: Final = 8000

_FRAME: Final = 160
_STEPS: Final = np.arange(512, dtype=np.int64) * ((1 << 32) + _FRAME)
_USUAL: Final = np.dtype([("at", "f8"), ("size", "u2"), ("head", ">u8"), ("ssrc", ">u4"), ("payload", "u1", _FRAME)])
"""A packet of 20 ms behind its PACKET; `head` counts up by _STEPS."""
_SIZE: Final = (12 + _FRAME).to_bytes(2, sys.byteorder)

Codes = NDArray[np.uint8]


class Gap(Struct):
    """Samples that never came: lost on the network, or dropped before they reached the recorder."""

    start: int
    end: int
    why: str


class _Run:
    """Packets in a row of one source, whose timestamps belong together."""

    def __init__(self, ssrc: int) -> None:
        self.ssrc = ssrc
        self.packets: list[tuple[float, Packet]] = []


class Track:
    """Timestamps order a stream, its arrival tells where it begins; what comes late fills its place."""

    def __init__(self, origin: float, begins: int = 0, missing: str = "") -> None:
        """`missing`: why the audio from the position `begins` to the first packet is not there, if it is a gap."""
        self.gaps: list[Gap] = []
        self.gap_count = 0
        self._origin = origin
        self._ssrc = -1
        self._ts = 0  # the timestamp expected next
        self._position = 0  # and where it belongs
        self._seq = -1  # -1: whatever comes next, nothing is missing before it
        self._end = begins  # of all that was placed
        self._why = missing

    @property
    def end(self) -> int:
        """Where all that was placed so far ends."""
        return self._end

    def skip(self) -> None:
        """What is not sent to the recorder from now on is not missing."""
        self._seq = -1

    def place(self, packets: bytes, payload_type: int, dropped: bool) -> Iterator[tuple[int, Codes]]:
        """Positions with the codes that begin there."""
        if dropped and not self._why:
            self._why = "dropped"
        block = self._usual(packets, payload_type)
        if block is not None:
            yield block
            return
        for run in self._runs(packets, payload_type):
            if not self._align(run, payload_type):
                continue
            for _, packet in run.packets:
                position = self._put(packet, packet.payload_type == payload_type)
                if position is not None:
                    yield position, np.frombuffer(packet.payload, np.uint8)

    def _usual(self, packets: bytes, payload_type: int) -> tuple[int, Codes] | None:
        """The codes of packets of 20 ms that follow one another and what came before; None if they do not."""
        if self._why or not packets or len(packets) % _USUAL.itemsize:
            return None
        block = np.frombuffer(packets, _USUAL)
        count = len(block)
        if not 0 < count <= len(_STEPS):
            return None
        head = block["head"].astype(np.int64)
        first = int(head[0])
        head -= _STEPS[:count]
        # That all are the same is told faster by octets than by comparing numbers.
        if (
            first >> 48 != -0x8000 + payload_type
            or first & 0xFFFFFFFF != self._ts
            or first >> 32 & 0xFFFF != self._seq
            or head.tobytes() != head[:1].tobytes() * count
            or block["ssrc"].tobytes() != self._ssrc.to_bytes(4, "big") * count
            or block["size"].tobytes() != _SIZE * count
        ):
            return None
        length = count * _FRAME
        position = self._position
        late = min(
            self._arrival(PACKET.unpack_from(packets)[0], _FRAME) - position,
            self._arrival(PACKET.unpack_from(packets, len(packets) - _USUAL.itemsize)[0], _FRAME)
            - position
            - length
            + _FRAME,
        )
        if abs(late) > MAX_DRIFT:
            return None
        self._position = self._end = position + length
        self._ts = (self._ts + length) & 0xFFFFFFFF
        self._seq = (self._seq + count) & 0xFFFF
        return position, block["payload"].reshape(-1)

    def _arrival(self, at: float, length: int) -> int:
        """Where `length` samples belong that came at `at`: a packet leaves when its last sample was taken."""
        return round((at - self._origin) * RATE) - length

    def _runs(self, packets: bytes, payload_type: int) -> list[_Run]:
        runs: list[_Run] = []
        at = 0
        last: tuple[float, Packet] | None = None
        while at + PACKET.size <= len(packets):
            time, size = PACKET.unpack_from(packets, at)
            at += PACKET.size + size
            packet = parse(packets[at - size : at])
            if packet is None or len(packet.payload) > RATE:
                continue
            if packet.payload_type == payload_type:
                if last is None or packet.ssrc != last[1].ssrc or _jumps(last, time, packet):
                    runs.append(_Run(packet.ssrc))
                last = time, packet
            elif not runs:
                runs.append(_Run(packet.ssrc))
            if packet.ssrc == runs[-1].ssrc:
                # Keys of another source stand for nothing that is missing here.
                runs[-1].packets.append((time, packet))
        return runs

    def _align(self, run: _Run, payload_type: int) -> bool:
        """Lets the timeline of a new source, or of one whose clock has left ours, begin where it arrived.

        False for packets that belong to no source of audio.
        """
        audio = [
            (self._arrival(at, len(packet.payload)), packet.ts)
            for at, packet in run.packets
            if packet.payload_type == payload_type
        ]
        begins = run.ssrc != self._ssrc
        if not audio:
            return not begins
        first = audio[0][1]
        here = 0 if begins else self._position + _signed(first - self._ts)
        # The packet that was least delayed tells.
        late = min(came - here - _signed(ts - first) for came, ts in audio)
        if begins or abs(late) > MAX_DRIFT:
            self._ssrc = run.ssrc
            self._position = here + late
            self._ts = first
            self._seq = -1
        return True

    def _put(self, packet: Packet, is_audio: bool) -> int | None:
        """Where a packet belongs, None when it holds no audio; notes what is missing before it."""
        ahead = _signed(packet.ts - self._ts)
        steps = 1 if self._seq < 0 else ((packet.seq - self._seq + 0x8000) & 0xFFFF) - 0x8000 + 1
        if steps <= 0:
            position = self._position + ahead
            if is_audio:
                self._filled(position, position + len(packet.payload))
            return position if is_audio else None
        if not is_audio:
            # What it stands for lasts as long as it takes: the next audio tells.
            self._seq = (packet.seq + 1) & 0xFFFF
            return None
        position = self._position + ahead
        if self._why:
            self._missing(self._end, position, self._why)
            self._why = ""
        elif self._seq >= 0 and steps > 1:
            self._missing(self._position, position, "lost")
        self._position = self._end = position + len(packet.payload)
        self._ts = (packet.ts + len(packet.payload)) & 0xFFFFFFFF
        self._seq = (packet.seq + 1) & 0xFFFF
        return position

    def _missing(self, start: int, end: int, why: str) -> None:
        if start >= end:
            return
        self.gap_count += 1
        if len(self.gaps) < MAX_GAPS:
            self.gaps.append(Gap(start, end, why))

    def _filled(self, start: int, end: int) -> None:
        """A late packet has come: its place is no gap."""
        for n in range(len(self.gaps) - 1, -1, -1):
            gap = self.gaps[n]
            if gap.start <= start and end <= gap.end:
                rest = [Gap(gap.start, start, gap.why), Gap(end, gap.end, gap.why)]
                self.gaps[n : n + 1] = [part for part in rest if part.start < part.end]
                self.gap_count += len([part for part in rest if part.start < part.end]) - 1
                return


def _jumps(last: tuple[float, Packet], time: float, packet: Packet) -> bool:
    """Whether the timestamps have made a leap that the time between two packets does not explain."""
    return abs(_signed(packet.ts - last[1].ts) - (time - last[0]) * RATE) > _JUMP


def _signed(difference: int) -> int:
    """A difference of timestamps (32 bits) with its sign."""
    return ((difference + 0x80000000) & 0xFFFFFFFF) - 0x80000000
