"""Where log lines go: a bounded queue and a thread that writes, so that a stalled reader stalls nobody else."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from pathlib import Path
from typing import Final

LINES: Final = 10_000
"""Lines that may wait for the writer; further ones are dropped and counted."""

_BATCH: Final = 256


class LogSink:
    """Writes lines to a descriptor or a file in a thread of its own; ``write`` never blocks.

    A file that was moved away (log rotation) is opened anew under its name.
    """

    def __init__(self, target: int | Path, limit: int = LINES) -> None:
        self.dropped = 0
        self._limit = limit
        self._path = target if isinstance(target, Path) else None
        self._descriptor = target if isinstance(target, int) else _open(target)
        self._lines: deque[str] = deque()
        self._wake = threading.Event()
        self._stopping = False
        self._reported = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Queue one line, which ends without a line break."""
        if len(self._lines) >= self._limit:
            self.dropped += 1
            return
        self._lines.append(line)
        if not self._wake.is_set():
            self._wake.set()

    def close(self, timeout: float = 2.0) -> None:
        """Write what waits, for at most ``timeout`` seconds, and end the thread."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout)
        if self._path is not None and not self._thread.is_alive():
            os.close(self._descriptor)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._lines:
                self._write_batch()
            if self._stopping and not self._lines:
                return

    def _write_batch(self) -> None:
        lines = [self._lines.popleft() for _ in range(min(len(self._lines), _BATCH))]
        if (dropped := self.dropped) != self._reported:
            lines.append(f"log.dropped lines={dropped - self._reported}")
            self._reported = dropped
        text = "\n".join(lines) + "\n"
        with contextlib.suppress(OSError):  # a full disk or a closed terminal: there is nobody to tell
            if self._path is not None:
                self._follow(self._path)
            data = memoryview(text.encode("utf-8", "backslashreplace"))
            while data:
                data = data[os.write(self._descriptor, data) :]

    def _follow(self, path: Path) -> None:
        ours = os.fstat(self._descriptor)
        try:
            named = path.stat()
        except FileNotFoundError:
            named = None
        if named is None or (named.st_dev, named.st_ino) != (ours.st_dev, ours.st_ino):
            fresh = _open(path)
            os.close(self._descriptor)
            self._descriptor = fresh


def _open(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
