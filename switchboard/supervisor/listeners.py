"""The SIP sockets, and who holds a port that should be ours."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import Final

from config.loader import config_error
from config.schema import Config
from config.sip_schema import Listen
from switchboard.supervisor.ports import bind_udp, family

BUFFER: Final = 4 << 20
"""Wanted octets of each SIP socket's buffers: 4 MiB hold about 4,000 messages while the loop is busy."""

BACKLOG: Final = 1024
"""Connections that may wait to be taken, as the phones of a town do after a power cut."""

_FORCE: Final = ((socket.SO_RCVBUF, 33), (socket.SO_SNDBUF, 32))
"""Each size option with its privileged twin (SO_RCVBUFFORCE, SO_SNDBUFFORCE), which no sysctl bounds."""


class ListenError(Exception):
    """An address that cannot be listened on; one line."""


def bind_listeners(config: Config, file: Path) -> list[tuple[Listen, socket.socket]]:
    """Bind every ``sip.listen``; raises ConfigError naming what is wrong with the first that fails."""
    bound: list[tuple[Listen, socket.socket]] = []
    for index, listen in enumerate(config.sip.listen):
        try:
            sock = _bind(listen)
        except OSError as problem:
            for _, other in bound:
                other.close()
            reason, advice = _explain(problem, listen)
            where = config_error(file, f"sip.listen[{index}]", "").place
            message = f"cannot listen on {listen.host}:{listen.port}/{listen.transport}: {reason}; {advice} in {where}"
            raise ListenError(message) from None
        if listen.transport == "udp":
            _enlarge(sock)
        bound.append((listen, sock))
    return bound


def _bind(listen: Listen) -> socket.socket:
    kind = family(listen.host)
    if listen.transport == "udp":
        return bind_udp(kind, listen.host, listen.port)
    sock = socket.socket(kind, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        # Connections of an earlier run that the kernel still remembers are no hindrance.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if kind == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((listen.host, listen.port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def check_media_address(config: Config, file: Path) -> None:
    """Raise ListenError when RTP cannot be received on ``media.address`` or ``media.address6`` at all."""
    for name in ("address", "address6"):
        if getattr(config.media, name):
            _check_media_address(config, file, name)


def _check_media_address(config: Config, file: Path, name: str) -> None:
    address = getattr(config.media, name)
    try:
        bind_udp(family(address), address, 0).close()
    except OSError as problem:
        where = config_error(file, f"media.{name}", "").place
        reason = (problem.strerror or str(problem)).lower()
        message = f"cannot receive audio on {address}: {reason}; change media.{name} in {where}"
        raise ListenError(message) from None


def _explain(problem: OSError, listen: Listen) -> tuple[str, str]:
    if problem.errno == errno.EADDRINUSE:
        owner = port_owner(listen.host, listen.port, "udp" if listen.transport == "udp" else "tcp")
        by = f" (by pid {owner[0]} {owner[1]})" if owner else ""
        return f"the port is in use{by}", "stop it or change sip.listen"
    if problem.errno == errno.EADDRNOTAVAIL:
        return "this machine does not have that address", "change sip.listen"
    if problem.errno == errno.EACCES:
        return "ports below 1024 need more rights", "run with CAP_NET_BIND_SERVICE or change sip.listen"
    return (problem.strerror or str(problem)).lower(), "change sip.listen"


def _enlarge(sock: socket.socket) -> None:
    for plain, force in _FORCE:
        try:
            sock.setsockopt(socket.SOL_SOCKET, force, BUFFER)
        except OSError:
            sock.setsockopt(socket.SOL_SOCKET, plain, BUFFER)  # the kernel lowers it to net.core.?mem_max


def port_owner(host: str, port: int, protocol: str = "udp") -> tuple[int, str] | None:
    """Pid and name of the process that holds a port of "udp" or "tcp" here, if /proc tells."""
    try:
        inodes = _inodes(host, port, protocol)
        if not inodes:
            return None
        for name in os.listdir("/proc"):
            if name.isdigit() and _holds(f"/proc/{name}", inodes):
                return int(name), Path("/proc", name, "comm").read_text().strip()
    except (OSError, ValueError, IndexError):
        return None
    return None


def _inodes(host: str, port: int, protocol: str) -> set[str]:
    six = family(host) == socket.AF_INET6
    found = set()
    for line in Path(f"/proc/net/{protocol}6" if six else f"/proc/net/{protocol}").read_text().splitlines()[1:]:
        fields = line.split()
        address, _, number = fields[1].rpartition(":")
        wanted = (_kernel_form(host), "0" * len(address))
        if int(number, 16) == port and address in wanted:
            found.add(f"socket:[{fields[9]}]")
    return found


def _kernel_form(host: str) -> str:
    """An address as /proc/net writes it: words of 32 bits in the byte order of the machine, in hex."""
    raw = socket.inet_pton(family(host), host)
    return "".join(raw[i : i + 4][::-1].hex().upper() for i in range(0, len(raw), 4))


def _holds(process: str, inodes: set[str]) -> bool:
    try:
        return any(os.readlink(f"{process}/fd/{name}") in inodes for name in os.listdir(f"{process}/fd"))
    except OSError:
        return False  # gone, or not ours to look at
