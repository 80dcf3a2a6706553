"""Continuity of what is sent to a peer while its source changes (RFC 3550 §5.1, RFC 3551 §4.1)."""

from __future__ import annotations

from typing import Final

FRAME: Final = 160
"""Timestamp units of 20 ms at 8 kHz."""


class Outgoing:
    """The stream to one peer: a single SSRC, sequence and timestamp that go on from source to source.

    `seq`, `ts` and `at` are those of the last packet sent; `started` tells whether there was one. `clock` is that of
    its timestamps, in Hz.
    """

    __slots__ = ("at", "clock", "seq", "ssrc", "started", "ts")

    def __init__(self, ssrc: int, seq: int, ts: int) -> None:
        """The first values, which should be random (RFC 3550 §5.1)."""
        self.ssrc = ssrc
        self.seq = seq
        self.ts = ts
        self.at = 0.0
        self.clock = 8000
        self.started = False

    def resume(self, now: float) -> tuple[int, int]:
        """The sequence and timestamp of a new source's first packet, at `now`."""
        gap = self.clock // 50
        if self.started:
            gap = max(gap, round((now - self.at) * self.clock))
        return (self.seq + 1) & 0xFFFF, (self.ts + gap) & 0xFFFFFFFF

    def sent(self, seq: int, ts: int, now: float) -> None:
        """Notes the last packet of a source."""
        self.seq = seq
        self.ts = ts
        self.at = now
        self.started = True
