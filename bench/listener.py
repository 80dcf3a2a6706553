"""One port where the audio of many callers arrives, counted in a process of its own.

All callers name this port in their SDP and are told apart by the port that the switch sends from. What is kept of each
is what hearing needs: packets, packets missing between them, and how often a new talkspurt began (the marker of
RFC 3551 section 4.1), as it does when something is played after an end.

    python -m bench.listener PORT     reads until its standard input ends, then prints one line of JSON
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bench.errors import BenchError

_SO_RCVBUFFORCE: Final = 33
_BUFFER: Final = 64 << 20
_AT_ONCE: Final = 2000
_HEADER: Final = 12


@dataclass(slots=True)
class Heard:
    """What arrived from one port of the switch."""

    port: int
    packets: int = 0
    missing: int = 0
    spurts: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    """Seconds since the epoch."""


@dataclass(slots=True)
class Audio:
    """What arrived in all."""

    streams: list[Heard] = field(default_factory=list)
    seconds: dict[int, int] = field(default_factory=dict)
    """Packets by second since the epoch."""


def count(sock: socket.socket, stop: int) -> Audio:
    """Read until the descriptor `stop` ends; the socket does not block."""
    streams: dict[int, list[float]] = {}
    seconds: dict[int, int] = {}
    buffer = bytearray(2048)
    receive = sock.recvfrom_into
    while True:
        ready, _, _ = select.select([sock.fileno(), stop], [], [])
        now = time.time()
        taken = 0
        with contextlib.suppress(BlockingIOError):
            while taken < _AT_ONCE:
                size, source = receive(buffer)
                if size < _HEADER:
                    continue
                taken += 1
                seq = buffer[2] << 8 | buffer[3]
                one = streams.get(source[1])
                if one is None:
                    streams[source[1]] = one = [0, 0, 0, now, now, seq - 1]
                one[0] += 1
                step = (seq - int(one[5])) & 0xFFFF
                if 1 < step < 0x8000:
                    one[1] += step - 1
                if buffer[1] & 0x80:
                    one[2] += 1
                one[4], one[5] = now, seq
        second = int(now)
        seconds[second] = seconds.get(second, 0) + taken
        if stop in ready and not taken and not os.read(stop, 1):
            return Audio([Heard(port, *map(int, o[:3]), *o[3:5]) for port, o in sorted(streams.items())], seconds)


class Listener:
    """The process that counts, for as long as the context lasts; `audio` is there afterwards."""

    def __init__(self, port: int, cpus: frozenset[int] = frozenset()) -> None:
        """`cpus`: where it may run, anywhere if empty."""
        self.port = port
        self.audio = Audio()
        self._cpus = cpus
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it and wait until it listens."""
        command = [sys.executable, "-m", "bench.listener", str(self.port)]
        root = Path(__file__).parent.parent
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root)
        assert self._process.stdout is not None
        if self._cpus:
            os.sched_setaffinity(self._process.pid, self._cpus)
        if self._process.stdout.readline() != b"ready\n":
            self._process.communicate(timeout=5)
            raise BenchError(f"UDP port {self.port} is taken; it belongs to the load")
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None) -> None:
        """Let it report what it heard."""
        assert self._process is not None
        try:
            told, _ = self._process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return
        if self._process.returncode == 0:
            document = json.loads(told)
            self.audio = Audio(
                [Heard(**one) for one in document["streams"]],
                {int(second): number for second, number in document["seconds"].items()},
            )


def main(arguments: Sequence[str]) -> int:
    """Count at a port of loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        try:
            sock.bind(("127.0.0.1", int(arguments[0])))
        except OSError:
            return 1
        sock.setblocking(False)
        print("ready", flush=True)
        audio = count(sock, sys.stdin.fileno())
    print(json.dumps(asdict(audio)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
