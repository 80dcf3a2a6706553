"""What a receiver counts of a stream (RFC 3550 A.1, A.3, A.8)."""

from __future__ import annotations

from typing import Final

MAX_DROPOUT: Final = 3000
"""A jump ahead of more packets than this is no loss but a restarted sender (RFC 3550 A.1)."""
MAX_MISORDER: Final = 100
"""Packets that far behind are late ones (RFC 3550 A.1)."""
_MAX_STEP: Final = 80_000.0
"""Ten seconds of transit difference: the timestamps have jumped or wrapped, which is no jitter."""


class Reception:
    """Counts one stream; a changed SSRC or a jump starts anew and keeps what was lost before."""

    __slots__ = ("_bad_seq", "_base", "_lost_before", "_received_before", "_transit", "bursts",
                 "clock", "highest", "jitter", "jitter_max", "received", "ssrc")  # fmt: skip

    def __init__(self) -> None:
        self.received = 0
        self.bursts = 0
        """Gaps in the sequence: one for packets that were lost in a row, and for those that came late."""
        self.clock = 8000.0
        """Of its timestamps, in Hz."""
        self.highest = -1
        self.ssrc = -1
        self.jitter = 0.0
        self.jitter_max = 0.0
        self._base = 0
        self._received_before = 0
        self._lost_before = 0
        self._transit = 0.0
        self._bad_seq = -1

    @property
    def lost(self) -> int:
        """Packets that never came, never negative though duplicates count as received (RFC 3550 A.3)."""
        expected = self.highest - self._base + 1 if self.ssrc >= 0 else 0
        return self._lost_before + max(0, expected - self.received + self._received_before)

    def stream(self) -> tuple[tuple[int, int], int, int]:
        """The source and where it began, how many packets of it there should be by now, and how many there are."""
        expected = self.highest - self._base + 1 if self.ssrc >= 0 else 0
        return (self.ssrc, self._base), expected, self.received - self._received_before

    @property
    def jitter_ms(self) -> float:
        """The interarrival jitter of RFC 3550 §6.4.1, in milliseconds."""
        return self.jitter * 1000.0 / self.clock

    @property
    def jitter_max_ms(self) -> float:
        """The highest value that the interarrival jitter reached."""
        return self.jitter_max * 1000.0 / self.clock

    def audio(self, seq: int, ts: int, ssrc: int, now: float) -> None:
        """Counts an audio packet that arrived at `now`."""
        if ssrc == self.ssrc and (seq - self.highest) & 0xFFFF == 1:
            self.highest += 1
            self.received += 1
        elif self.other(seq, ssrc):
            self._transit = now * self.clock - ts
            return
        # A.8; floats hold these numbers exactly enough: 2^53 units of 1/8000 s are 35,000 years.
        transit = now * self.clock - ts
        step = transit - self._transit
        self._transit = transit
        if step < 0.0:
            step = -step
        if step < _MAX_STEP:
            jitter = self.jitter + (step - self.jitter) * 0.0625
            self.jitter = jitter
            if jitter > self.jitter_max:
                self.jitter_max = jitter

    def other(self, seq: int, ssrc: int) -> bool:
        """Counts a packet without timing, such as a telephone event; True when it began a new stream."""
        if ssrc != self.ssrc:
            self._restart(seq, ssrc)
            return True
        ahead = (seq - self.highest) & 0xFFFF
        if ahead < MAX_DROPOUT:
            self.highest += ahead
            if ahead > 1:
                self.bursts += 1
        elif ahead <= 0x10000 - MAX_MISORDER:
            if seq != self._bad_seq:
                # Two in sequence make a restarted sender, a single one is a stray (RFC 3550 A.1).
                self._bad_seq = (seq + 1) & 0xFFFF
                return False
            self._restart(seq, ssrc)
            return True
        self.received += 1
        return False

    def _restart(self, seq: int, ssrc: int) -> None:
        self._lost_before = self.lost
        self.ssrc = ssrc
        self._base = self.highest = seq
        self._received_before = self.received
        self.received += 1
        self._bad_seq = -1
