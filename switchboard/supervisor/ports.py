"""RTP/RTCP port pairs, bound in chunks ahead of demand and never the whole range at once."""

from __future__ import annotations

import errno
import socket
from collections import deque
from ipaddress import ip_address
from typing import Final, NamedTuple

from config.values import PortRange

CHUNK: Final = 64
"""Pairs bound at a time; their descriptors fit one message."""


class Pair(NamedTuple):
    """An even RTP port and the odd RTCP port above it (RFC 3550 section 11), both bound and non-blocking."""

    port: int
    rtp: socket.socket
    rtcp: socket.socket

    def descriptors(self) -> tuple[int, int]:
        """Both descriptors in the order in which workers take them."""
        return self.rtp.fileno(), self.rtcp.fileno()


class PortPool:
    """Binds pairs of a range on one local address of each family, passing over ports that others hold.

    A port is bound on one of them only: its number names it.
    """

    __slots__ = ("_address", "_candidates", "_six", "bound", "limit")

    def __init__(self, address: str, ports: PortRange, limit: int, six: str = "") -> None:
        """`six` is the address on IPv6 beside one on IPv4; "" where there is one address only."""
        self._address = address
        self._six = six
        self._candidates = deque(range(ports.first, ports.last, 2))
        self.limit = min(limit, ports.pairs)
        self.bound = 0

    def bind(self, count: int, *, six: bool = False) -> list[Pair]:
        """Up to ``count`` further pairs; fewer when the range or the limit on open files is used up."""
        address = self._six if six else self._address
        pairs: list[Pair] = []
        untried = len(self._candidates)
        while untried and len(pairs) < count and self.bound < self.limit:
            untried -= 1
            port = self._candidates.popleft()
            try:
                pair = _bind_pair(address, port)
            except OSError as problem:
                if problem.errno in (errno.EMFILE, errno.ENFILE):
                    self._candidates.appendleft(port)
                    break
                self._candidates.append(port)  # somebody else's now, perhaps not later
                continue
            pairs.append(pair)
            self.bound += 1
        return pairs

    def give_back(self, pairs: list[Pair]) -> None:
        """Close pairs that nobody uses any more; they are bound again after all the others."""
        for pair in pairs:
            pair.rtp.close()
            pair.rtcp.close()
            self._candidates.append(pair.port)
        self.bound -= len(pairs)


def _bind_pair(address: str, port: int) -> Pair:
    kind = family(address)
    rtp = bind_udp(kind, address, port)
    try:
        return Pair(port, rtp, bind_udp(kind, address, port + 1))
    except OSError:
        rtp.close()
        raise


def family(address: str) -> socket.AddressFamily:
    """The address family of an IP literal."""
    return socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET


def bind_udp(kind: socket.AddressFamily, address: str, port: int) -> socket.socket:
    """A non-blocking UDP socket that shares its port with nobody."""
    sock = socket.socket(kind, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if kind == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock
