"""Sockets of the edge: of a range towards browsers, of the system's choice towards workers."""

from __future__ import annotations

import errno
import socket
from collections import deque
from ipaddress import ip_address
from typing import Final

BUFFER: Final = 256 << 10
"""Octets that a socket keeps while the loop is busy with a handshake."""


class PortRange:
    """Binds ports of a range, the longest unused first, passing over those that others hold."""

    def __init__(self, first: int, last: int) -> None:
        self._free = deque(range(first, last + 1))

    def bind(self, address: str) -> socket.socket | None:
        """A socket, None where none can be had."""
        for _ in range(len(self._free)):
            port = self._free.popleft()
            try:
                return bind(address, port)
            except OSError as problem:
                self._free.append(port)
                if problem.errno != errno.EADDRINUSE:
                    return None
        return None

    def give_back(self, port: int) -> None:
        """A port whose socket was closed."""
        self._free.append(port)


def bind(address: str, port: int = 0) -> socket.socket:
    """A non-blocking UDP socket; raises OSError."""
    six = ip_address(address).version == 6
    sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        _mark_expedited(sock, six)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock


def _mark_expedited(sock: socket.socket, six: bool) -> None:
    """DSCP EF (RFC 3246, RFC 8837): audio goes before other traffic."""
    try:
        if six:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 0xB8)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0xB8)
    except OSError:
        pass  # a container may forbid it; audio flows all the same
