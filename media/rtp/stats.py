"""What a receiver counts of a stream (RFC 3550 A.1, A.3, A.8)."""

from __future__ import annotations

from typing import Final

MAX_DROPOUT: Final = 3000
"""A jump ahead of more packets than this is no loss but a restarted sender (RFC 3550 A.1)."""
MAX_MISORDER: Final = 100
"""Packets that far behind are late ones (RFC 3550 A.1)."""
_MAX_STEP: Final = 80_000.0
"""Ten seconds of transit difference: the timestamps have jumped or wrapped, which is no jitter."""
_NONE: Final[set[int]] = set()
"""Shared by all streams without a gap; nothing is ever put into it."""


class Reception:
    """Counts one stream; a changed SSRC or a jump starts anew and keeps what was lost before."""

    __slots__ = ("_awaited", "_bad_seq", "_base", "_doubled_before", "_lost_before", "_received_before", "_transit",
                 "bursts", "clock", "doubled", "highest", "jitter", "jitter_max", "received", "ssrc")  # fmt: skip

    def __init__(self) -> None:
        self.received = 0
        self.doubled = 0
        """Those received that came twice, or from before the first one."""
        self.bursts = 0
        """Gaps in the sequence: one for packets that were lost in a row."""
        self.clock = 8000.0
        """Of its timestamps, in Hz."""
        self.highest = -1
        self.ssrc = -1
        self.jitter = 0.0
        self.jitter_max = 0.0
        self._base = 0
        self._awaited = _NONE
        """Of the numbers that a late packet may have, those that have not come."""
        self._doubled_before = 0
        self._received_before = 0
        self._lost_before = 0
        self._transit = 0.0
        self._bad_seq = -1

    @property
    def lost(self) -> int:
        """Packets that never came; a duplicate is none of them, which it is in reports (RFC 3550 A.3)."""
        expected = self.highest - self._base + 1 if self.ssrc >= 0 else 0
        came = self.received - self._received_before - (self.doubled - self._doubled_before)
        return self._lost_before + max(0, expected - came)

    def stream(self) -> tuple[tuple[int, int], int, int]:
        """The source and where it began, how many packets of it there should be by now, and how many there are.

        Duplicates count, as RFC 3550 §6.4.1 has it.
        """
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
        if ahead == 0:
            self.doubled += 1
        elif ahead < MAX_DROPOUT:
            if ahead > 1:
                self.bursts += 1
                self._await(ahead)
            self.highest += ahead
        elif ahead <= 0x10000 - MAX_MISORDER:
            if seq != self._bad_seq:
                # Two in sequence make a restarted sender, a single one is a stray (RFC 3550 A.1).
                self._bad_seq = (seq + 1) & 0xFFFF
                return False
            self._restart(seq, ssrc)
            return True
        else:
            self._late(self.highest + ahead - 0x10000)
        self.received += 1
        return False

    def _await(self, ahead: int) -> None:
        """A gap before the packet that is so far ahead: what is missing may come late."""
        number = self.highest + ahead
        oldest = number - MAX_MISORDER
        self._awaited = {one for one in self._awaited if one >= oldest}
        self._awaited.update(range(max(self.highest + 1, oldest), number))

    def _late(self, number: int) -> None:
        awaited = self._awaited
        if number not in awaited:
            self.doubled += 1
            return
        awaited.discard(number)
        # It closes a gap, makes one shorter, or two of one.
        self.bursts += (number - 1 in awaited) + (number + 1 in awaited) - 1

    def _restart(self, seq: int, ssrc: int) -> None:
        self._lost_before = self.lost
        self.ssrc = ssrc
        self._base = self.highest = seq
        self._received_before, self._doubled_before = self.received, self.doubled
        self.received += 1
        self._awaited = _NONE
        self._bad_seq = -1
