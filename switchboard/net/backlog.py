"""How much waits in the kernel for us to read it: signalling that is late before anybody has seen it."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from typing import Final, NamedTuple

_SO_MEMINFO: Final = 55
_FIELDS: Final = struct.Struct("=9I")
"""linux/sock_diag.h: what waits to be read stands first, what was dropped last."""
MEAN: Final = 1500
"""Octets that the kernel takes for a datagram of usual size, headers and rounding included; a rough mean."""


class Waiting(NamedTuple):
    """Octets that wait to be read, and how many datagrams were lost since the start because there was no room."""

    octets: int
    lost: int


def waiting(sock: socket.socket) -> Waiting:
    """What waits in a socket; nothing where the system does not tell, or the socket is closed."""
    try:
        fields = _FIELDS.unpack(sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _FIELDS.size))
    except (OSError, struct.error):
        return Waiting(0, 0)
    return Waiting(fields[0], fields[8])


class Backlog:
    """Estimates the delay of a socket: what waits, by what is read in the time."""

    def __init__(self, sock: socket.socket, received: Callable[[], int]) -> None:
        """`received` tells how many datagrams were read so far."""
        self._socket = sock
        self._received = received
        self._read = 0
        self.lost = 0
        """Datagrams that the kernel dropped for want of room."""

    def delay(self, elapsed: float) -> float:
        """Seconds that a datagram which comes now will wait; `elapsed` are the seconds since the last look."""
        received = self._received()
        read, self._read = received - self._read, received
        found = waiting(self._socket)
        self.lost = found.lost
        if not found.octets:
            return 0.0
        return found.octets / MEAN * elapsed / max(read, 1)
