"""What may wait when more comes than can be served at once: thousands of phones that register, before any call does."""

from __future__ import annotations

from itertools import islice
from typing import Final

from switchboard.net.udp import Batch
from switchboard.sip.outgoing import Address

PATIENT: Final = (b"REGISTER ", b"SUBSCRIBE ", b"OPTIONS ")
"""Requests that nobody hears anything of when they are answered a second later."""
MOST: Final = 30_000
"""So many may wait; what comes beyond them is lost, and sent again by the phones (RFC 3261 §17.1.2.2)."""
MOST_OCTETS: Final = 48 << 20
"""So many octets of them: a phone's are few hundred each, but a datagram may have 64 KiB."""


class Aside:
    """Datagrams that wait, in the order in which they came; copies of one that waits already are dropped."""

    __slots__ = ("_octets", "_waiting", "dropped")

    def __init__(self) -> None:
        self.dropped = 0
        """How many were lost because too many waited."""
        self._octets = 0
        self._waiting: dict[tuple[bytes, Address], None] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def sort(self, batch: Batch) -> Batch:
        """Put aside what may wait; what may not."""
        urgent: Batch = []
        waiting = self._waiting
        for datagram in batch:
            if not datagram[0].startswith(PATIENT):
                urgent.append(datagram)
            elif datagram in waiting:
                continue
            elif len(waiting) < MOST and self._octets < MOST_OCTETS:
                waiting[datagram] = None
                self._octets += len(datagram[0])
            else:
                self.dropped += 1
        return urgent

    def take(self, count: int) -> Batch:
        """The first so many of those that wait."""
        taken = list(islice(self._waiting, count))
        for datagram in taken:
            del self._waiting[datagram]
            self._octets -= len(datagram[0])
        return taken
