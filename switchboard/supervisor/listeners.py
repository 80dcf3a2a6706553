"""The SIP sockets, and who holds a port that should be ours."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import Final

from config.loader import config_error
from config.schema import Config, Listen
from switchboard.supervisor.ports import bind_udp, family

BUFFER: Final = 4 << 20
"""Wanted octets of each SIP socket's buffers: 4 MiB hold about 4,000 messages while the loop is busy."""

_FORCE: Final = ((socket.SO_RCVBUF, 33), (socket.SO_SNDBUF, 32))
"""Each size option with its privileged twin (SO_RCVBUFFORCE, SO_SNDBUFFORCE), which no sysctl bounds."""


class ListenError(Exception):
    """An address that cannot be listened on; one line."""


def bind_listeners(config: Config, file: Path) -> list[tuple[Listen, socket.socket]]:
    """Bind every ``sip.listen``; raises ConfigError naming what is wrong with the first that fails."""
    bound: list[tuple[Listen, socket.socket]] = []
    for index, listen in enumerate(config.sip.listen):
        try:
            sock = bind_udp(family(listen.host), listen.host, listen.port)
        except OSError as problem:
            for _, other in bound:
                other.close()
            reason, advice = _explain(problem, listen)
            where = config_error(file, f"sip.listen[{index}]", "").place
            message = f"cannot listen on {listen.host}:{listen.port}/udp: {reason}; {advice} in {where}"
            raise ListenError(message) from None
        _enlarge(sock)
        bound.append((listen, sock))
    return bound


def check_media_address(config: Config, file: Path) -> None:
    """Raise ListenError when RTP cannot be received on ``media.address`` at all."""
    address = config.media.address
    try:
        bind_udp(family(address), address, 0).close()
    except OSError as problem:
        where = config_error(file, "media.address", "").place
        reason = (problem.strerror or str(problem)).lower()
        message = f"cannot receive audio on {address}: {reason}; change media.address in {where}"
        raise ListenError(message) from None


def _explain(problem: OSError, listen: Listen) -> tuple[str, str]:
    if problem.errno == errno.EADDRINUSE:
        owner = port_owner(listen.host, listen.port)
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


def port_owner(host: str, port: int) -> tuple[int, str] | None:
    """Pid and name of the process that holds a UDP port here, if /proc tells."""
    try:
        inodes = _inodes(host, port)
        if not inodes:
            return None
        for name in os.listdir("/proc"):
            if name.isdigit() and _holds(f"/proc/{name}", inodes):
                return int(name), Path("/proc", name, "comm").read_text().strip()
    except (OSError, ValueError, IndexError):
        return None
    return None


def _inodes(host: str, port: int) -> set[str]:
    six = family(host) == socket.AF_INET6
    found = set()
    for line in Path("/proc/net/udp6" if six else "/proc/net/udp").read_text().splitlines()[1:]:
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
