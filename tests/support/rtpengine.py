"""rtpengine on ports of the lane, for as long as a test needs it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media.rtpengine.bencode import decode, encode
from tests.support.ports import MEDIA_RANGE, free_port, halves

PROJECT = Path(__file__).parents[2]
START_SECONDS = 30.0
BOTH = ("127.0.0.1", "::1")
"""Where it receives, the first of each family."""


def missing() -> str:
    """Why there is no rtpengine, or ""."""
    return "" if shutil.which("rtpengine") else "rtpengine is missing; on Debian: apt-get install rtpengine-daemon"


def ask(address: tuple[str, int], **command: Any) -> dict[str, Any]:
    """The answer of the one that listens there to a command of a test's own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5.0)  # where nobody listens it is refused at once
        sock.connect(address)
        sock.send(b"test%d " % time.monotonic_ns() + encode(command))
        answer = decode(sock.recv(65535).partition(b" ")[2])
    assert isinstance(answer, dict)
    return answer


def calls_at(address: tuple[str, int]) -> int:
    """How many calls the one that listens there has."""
    return len(ask(address, command="list", limit=500)["calls"])


@dataclass
class Rtpengine:
    """One that runs."""

    process: subprocess.Popen[bytes]
    port: int
    keys: int
    ports: str
    """A range, shared with the workers behind it."""

    @property
    def media(self) -> dict[str, Any]:
        """The section of a configuration that makes a switch use it; the workers behind it have the other ports."""
        workers, own = halves(self.ports)
        first, last = map(int, own.split("-"))
        addresses = {"address": f"127.0.0.1:{self.port}", "keys": f"127.0.0.1:{self.keys}"}
        # As many at once as scenes begin, of four ports each; most ports are for the calls there are.
        spare = min(64, (last + 1 - first) // 10)
        return {"plane": "rtpengine", "ports": workers, "rtpengine": {**addresses, "spare": spare}}

    def ask(self, **command: Any) -> dict[str, Any]:
        """A command of a test's own."""
        return ask(("127.0.0.1", self.port), **command)

    def calls(self) -> int:
        """How many it has."""
        return calls_at(("127.0.0.1", self.port))

    def stop(self) -> None:
        """Ends it."""
        self.process.terminate()
        self.process.wait(10)


def start(
    directory: Path, port: int = 0, keys: int = 0, addresses: Sequence[str] = BOTH, ports: str = MEDIA_RANGE
) -> Rtpengine:
    """Start one and wait until it answers; `directory` gets its log."""
    found = Rtpengine(subprocess.Popen(["true"]), port or free_port(), keys or free_port(), ports)
    found.process.wait()
    first, last = halves(ports)[1].split("-")
    command = ["rtpengine", "--foreground", "--log-stderr", f"--config-file={PROJECT / 'config' / 'rtpengine.conf'}"]
    command += [f"--listen-ng=127.0.0.1:{found.port}", f"--dtmf-log-dest=127.0.0.1:{found.keys}"]
    command += [f"--port-min={first}", f"--port-max={last}", "--num-threads=2", f"--pidfile={directory}/rtpengine.pid"]
    command += [f"--interface={address}" for address in addresses]
    with (directory / "rtpengine.log").open("ab") as log:
        found.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=directory)
    until = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError):
            if found.ask(command="ping").get("result") == "pong":
                return found
        if time.monotonic() > until or found.process.poll() is not None:
            found.process.kill()
            raise AssertionError((directory / "rtpengine.log").read_text())
        time.sleep(0.02)


@contextlib.contextmanager
def running_rtpengine(
    directory: Path, addresses: Sequence[str] = BOTH, ports: str = MEDIA_RANGE
) -> Iterator[Rtpengine]:
    """One for the time of a test."""
    found = start(directory, addresses=addresses, ports=ports)
    try:
        yield found
    finally:
        found.process.kill()
        found.process.wait(10)
