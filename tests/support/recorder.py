"""A real recorder process for tests, with its supervisor's end in the test's hands."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]


class RecorderProcess:
    """A running recorder that looks after the files below `directory`."""

    def __init__(self, directory: Path, *options: str) -> None:
        self._options = options
        self.path = str(directory / "recorder.sock")
        self.directory = directory
        self._log = directory / "recorder.log"
        self.start()

    def start(self) -> None:
        """Starts the process (again) and waits until it listens."""
        self.supervisor, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.supervisor.settimeout(20.0)
        with theirs, self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "media.recorder", "--socket", self.path),
                    *("--supervisor-fd", str(theirs.fileno()), "--directory", str(self.directory)),
                    *self._options,
                ],
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
                stderr=log,
            )
        assert msgspec.msgpack.decode(self.supervisor.recv(65536)) == {"ready": True}

    def tell(self, message: dict[str, object]) -> None:
        """A message of the supervisor."""
        self.supervisor.send(msgspec.msgpack.encode(message))

    def log(self) -> str:
        """What it complained of."""
        return self._log.read_text()

    def ended(self) -> int:
        """Its exit status, once there is one."""
        return self.process.wait(10.0)

    def kill(self) -> None:
        """Ends the process as a crash would."""
        self.process.kill()
        self.process.wait()
        self.supervisor.close()

    def close(self) -> None:
        """Ends everything."""
        if self.process.poll() is None:
            self.kill()
        self.supervisor.close()


@contextlib.contextmanager
def recorder(directory: Path, *options: str) -> Iterator[RecorderProcess]:
    """A recorder for the time of a test; `options` of its command line."""
    running = RecorderProcess(directory, *options)
    try:
        yield running
    finally:
        running.close()
