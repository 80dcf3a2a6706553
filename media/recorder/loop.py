"""The loop of the recorder: plain, on one epoll, busy only with what workers send."""

from __future__ import annotations

import select
import socket
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from media.recorder.files import Files, left
from media.recorder.finishing import GRACE, Finisher
from media.recorder.recording import PLAIN, describe
from media.recorder.server import Reader, Server
from media.recording_keys import KeyRing
from media.worker.log import complain
from media.worker.supervisor import Supervisor


class Loop:
    """Runs until told to stop, or until no worker is connected when draining or orphaned."""

    def __init__(
        self,
        path: str,
        supervisor: socket.socket | None,
        directories: Sequence[Path],
        spool: Path | None = None,
        files: Files = PLAIN,
        keys: KeyRing | None = None,
        ogg: bool = False,
    ) -> None:
        """Completes what an earlier recorder left unfinished in `directories`; checksums are told by `spool`."""
        self._finisher = None if spool is None else Finisher(spool, keys, ogg=ogg)
        for directory in directories:
            for path_of in mend(directory, files):
                self._finish(path_of)
        self._epoll = select.epoll()
        self._readers: dict[int, Reader] = {}
        self._server = Server(path, self._epoll, self._readers, self._finisher, files)
        self._supervisor: Supervisor | None = None
        if supervisor is not None:
            told = self._supervisor = Supervisor(supervisor, "recorder")
            self._server.watch(supervisor, lambda: told.read(0.0))

    def _finish(self, path: Path) -> None:
        if self._finisher is not None:
            try:
                self._finisher.add(path, time.monotonic(), GRACE)
            except OSError as error:
                complain(f"recorder: {path.name}: its checksum is not noted to be due: {describe(error)}")

    def run(self) -> None:
        """Serves until the end."""
        supervisor = self._supervisor
        if supervisor is not None:
            supervisor.ready()
        while supervisor is None or not (supervisor.stopped or (supervisor.draining and not self._server.connections)):
            for fd, _ in self._epoll.poll():
                try:
                    self._readers[fd]()
                except Exception:  # noqa: BLE001 - a fault in one recording must not end the others
                    complain(f"recorder: {traceback.format_exc()}")
        self._server.close()
        if self._finisher is not None:
            self._finisher.close()


def mend(directory: Path, files: Files = PLAIN) -> Iterator[Path]:
    """Completes the files below `directory` that nobody writes any more; those that have audio."""
    for part in left(directory):
        try:
            path = files.mend(part)
            if path is not None:
                yield path
        except OSError as error:
            complain(f"recorder: {part.name} stays unfinished: {describe(error)}")
