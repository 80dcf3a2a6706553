"""Requests too large for a datagram go by TCP, and come back to UDP where a peer has no TCP (RFC 3261 §18.1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from switchboard.sip.flow import StreamAddress, on_transport

if TYPE_CHECKING:
    from switchboard.sip.outgoing import Address, OutgoingRequest

REMEMBERED: Final = 300.0
"""Seconds that a peer without TCP is not tried again."""
MOST: Final = 4096


class LargeRequests:
    """Moves requests between UDP and TCP, and remembers who has no TCP."""

    __slots__ = ("_tcp", "_without")

    def __init__(self, tcp: bool) -> None:
        """Without `tcp` of our own nothing is ever moved: what is listened on is what is spoken."""
        self._tcp = tcp
        self._without: dict[Address, float] = {}

    def move(self, out: OutgoingRequest, now: float) -> bool:
        """Send a request by TCP if that is open to it; False: it stays where it is.

        Nobody can connect to a peer behind a NAT: to try would only delay the request.
        """
        there = out.destination
        if not self._tcp or out.nat or isinstance(there, StreamAddress) or self._without.get(there, 0.0) > now:
            return False
        out.destination = on_transport(there, "tcp")
        out.moved = True
        return True

    def bring_back(self, out: OutgoingRequest, now: float) -> bool:
        """Send a moved request by UDP after all; False: it never was moved."""
        if not out.moved:
            return False
        out.moved = False
        out.destination = there = on_transport(out.destination, "udp")
        if len(self._without) >= MOST:
            self._without.clear()
        self._without[there] = now + REMEMBERED
        return True
