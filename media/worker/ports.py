"""RTP ports: socket pairs bound by the supervisor, handed over as descriptors."""

from __future__ import annotations

import ctypes
import fcntl
import functools
import os
import socket
import termios
from collections.abc import Iterable
from typing import Final

Address = tuple[str, int]

MAX_DATAGRAM: Final = 2048
"""More than any RTP packet of ours; what is longer is cut."""
BUFFER: Final = bytearray(MAX_DATAGRAM)
"""The datagram that is being worked on: all sockets read into it, a relay rewrites and sends it in place."""
VIEWS: Final = [memoryview(BUFFER)[:size] for size in range(MAX_DATAGRAM + 1)]
"""BUFFER's first octets, by their number."""
SO_TIMESTAMPNS: Final = 35
"""SO_TIMESTAMPNS of Linux, which the socket module does not name."""
_DRAIN_LIMIT: Final = 4096
_WAITING: Final = bytearray(4)
"""How many octets the next datagram of a socket has, as an int of C."""
_EXPEDITED: Final = 0xB8  # DSCP EF, RFC 3246: audio goes before other traffic

_libc = ctypes.CDLL(None, use_errno=True)
# A sockaddr of AF_UNSPEC: connecting a datagram socket to it takes its peer away (POSIX connect).
_UNSPECIFIED: Final = bytes(16)


class PortError(Exception):
    """Descriptors that are no pair of bound datagram sockets."""


class Port:
    """An even RTP port with its RTCP neighbour, in use again and again for one session after the other."""

    __slots__ = ("family", "number", "rtcp", "rtcp_fd", "rtp", "rtp_fd")

    def __init__(self, rtp: socket.socket, rtcp: socket.socket) -> None:
        """Takes over both sockets, free of whatever peer and packets they had; raises PortError."""
        for sock in (rtp, rtcp):
            sock.setblocking(False)
            bound = _local_port(sock)
            if sock.type != socket.SOCK_DGRAM or not bound:
                raise PortError("not a bound datagram socket")
            # After a crash of the worker before us they may still be connected.
            disconnect(sock)
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 0)
            drain(sock)
            if _local_port(sock) != bound:
                raise PortError(f"port {bound} was not bound by its number")
            _mark_expedited(sock)
        self.rtp = rtp
        self.rtcp = rtcp
        self.rtp_fd = rtp.fileno()
        self.rtcp_fd = rtcp.fileno()
        self.family = rtp.family
        self.number = _local_port(rtp)

    def close(self) -> None:
        """Gives the sockets up."""
        self.rtp.close()
        self.rtcp.close()

    def address(self, ip: str, port: int) -> Address | None:
        """`ip` in its canonical spelling with `port`; None where nothing can be sent to.

        Names are refused: resolving one would stop the audio of every call.
        """
        canonical = _canonical(self.family, ip)
        return (canonical, port) if canonical and 0 < port < 65536 else None

    def canonical(self, ip: str) -> str:
        """The one spelling of an address of the port's family; empty when it is none."""
        return _canonical(self.family, ip)


def pairs(descriptors: Iterable[int]) -> tuple[list[Port], list[str]]:
    """The ports made of descriptors in the order rtp, rtcp, rtp, rtcp...; what was wrong with others."""
    ports: list[Port] = []
    faults: list[str] = []
    sockets = [socket.socket(fileno=fd) for fd in descriptors]
    for rtp, rtcp in zip(sockets[::2], sockets[1::2], strict=False):
        try:
            ports.append(Port(rtp, rtcp))
        except (PortError, OSError) as error:
            faults.append(str(error))
            rtp.close()
            rtcp.close()
    if len(sockets) % 2:
        faults.append("an odd number of descriptors")
        sockets[-1].close()
    return ports, faults


def disconnect(sock: socket.socket) -> None:
    """Takes the peer of a connected datagram socket away, so that anybody may send to it again."""
    if _libc.connect(sock.fileno(), _UNSPECIFIED, len(_UNSPECIFIED)) != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno))


def has_waiting(sock: socket.socket) -> bool:
    """Whether a datagram is queued; one without content is not seen. It costs less than a read in vain."""
    fcntl.ioctl(sock, termios.FIONREAD, _WAITING)
    return any(_WAITING)


def drain(sock: socket.socket) -> int:
    """Throws away what is queued; how many datagrams that were."""
    count = 0
    for _ in range(_DRAIN_LIMIT):
        try:
            sock.recv_into(BUFFER)
        except BlockingIOError:
            break
        except OSError:
            continue  # an ICMP error waiting on the socket, ECONNREFUSED mostly
        count += 1
    return count


@functools.lru_cache(maxsize=1024)
def _canonical(family: int, ip: str) -> str:
    """The one spelling of an address; empty when it is none."""
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, ip))
    except (OSError, ValueError):
        return ""


def _local_port(sock: socket.socket) -> int:
    name = sock.getsockname()
    return int(name[1]) if isinstance(name, tuple) else 0


def _mark_expedited(sock: socket.socket) -> None:
    try:
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _EXPEDITED)
        else:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _EXPEDITED)
    except OSError:
        pass  # a container may forbid it; audio flows all the same
