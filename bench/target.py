"""What is measured: a SIP server at an address, and the process whose CPU it costs."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; the port is 5060 unless given."""
    host, _, port = text.partition(":")
    if not host or not (port or "5060").isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host, int(port or 5060)


def bound(table: str, address: tuple[str, int]) -> bool:
    """Whether a socket in the text of /proc/net/udp is bound to this address, or to all of them."""
    number = int.from_bytes(socket.inet_aton(address[0]), sys.byteorder)
    wanted = {f"{host:08X}:{address[1]:04X}" for host in (number, 0)}
    return any(line.split()[1] in wanted for line in table.splitlines()[1:])


def listens(address: tuple[str, int], transport: str = "udp") -> bool:
    """Whether a socket is open at a loopback address; of another machine nobody can tell."""
    if not address[0].startswith("127."):
        return True
    return bound(Path("/proc/net", transport).read_text("ascii"), address)


@dataclass(frozen=True, slots=True)
class Target:
    """A SIP server under load."""

    address: tuple[str, int]
    pids: tuple[int, ...]

    @property
    def text(self) -> str:
        """HOST:PORT."""
        return f"{self.address[0]}:{self.address[1]}"

    def check(self) -> None:
        """Raise when nothing listens there or a process is not there."""
        for pid in self.pids:
            if not os.path.exists(f"/proc/{pid}"):
                raise BenchError(f"there is no process {pid}; --pid wants the server's main process")
        if not listens(self.address):
            raise BenchError(f"nothing listens at {self.text}; start the server first, or use --self")

    def load_cpus(self) -> frozenset[int]:
        """The CPUs left for the load: those the target is not pinned to, if there are any."""
        everything = os.sched_getaffinity(0)
        taken = {cpu for pid in self.pids for cpu in os.sched_getaffinity(pid)}
        return frozenset(everything - taken or everything)


def wait_until_answering(address: tuple[str, int], within: float) -> bool:
    """Send OPTIONS until something answers."""
    deadline = time.monotonic() + within
    number = 0
    while time.monotonic() < deadline:
        number += 1
        if _options(address, number):
            return True
    return False


def _options(address: tuple[str, int], number: int) -> bool:
    """Whether one OPTIONS is answered within 100 ms, by whatever status."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(address)
        sock.settimeout(0.1)
        host, port = sock.getsockname()
        request = (
            f"OPTIONS sip:{address[0]}:{address[1]} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bKready{port}x{number};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:bench@{host}>;tag={number}\r\nTo: <sip:{address[0]}>\r\n"
            f"Call-ID: ready-{port}-{number}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
        try:
            sock.send(request.encode())
            return sock.recv(2048).startswith(b"SIP/2.0 ")
        except ConnectionRefusedError:
            time.sleep(0.02)
        except TimeoutError:
            pass
        return False
