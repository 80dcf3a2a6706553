"""The recorder's sockets: workers that connect, and their recordings."""

from __future__ import annotations

import select
import socket
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

from media.control import ControlError, FrameReader
from media.recorder.files import Files
from media.recorder.finishing import GRACE, Finisher
from media.recorder.protocol import Audio, Begin, Done, End, KeysForUs, Mark, ToRecorder, decode_for_recorder, encode
from media.recorder.recording import PLAIN, Recording, describe
from media.worker.listener import listen
from media.worker.log import complain

_INTO: Final = memoryview(bytearray(1 << 18))
"""What workers sent last."""
_BUFFER: Final = 4 << 20

Reader = Callable[[], None]


class Server:
    """Listens on a Unix socket; each connection is a worker with recordings of its own."""

    def __init__(
        self,
        path: str,
        epoll: select.epoll,
        readers: dict[int, Reader],
        finisher: Finisher | None = None,
        files: Files = PLAIN,
    ) -> None:
        """`finisher` is told of files that are complete, `files` makes them."""
        self._files = files
        self._finisher = finisher
        self._path = path
        self._epoll = epoll
        self._readers = readers
        self.connections: set[Connection] = set()
        self._listener = listen(path)
        self.watch(self._listener, self._accept)

    def watch(self, sock: socket.socket, reader: Reader) -> None:
        """Calls `reader` when there is something to be read."""
        self._readers[sock.fileno()] = reader
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def close(self) -> None:
        """Completes all that is open and takes the socket away from the file system."""
        for connection in list(self.connections):
            connection.drop()
        Path(self._path).unlink(missing_ok=True)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        connection = Connection(sock, self._dropped, self._finisher, self._files)
        self.connections.add(connection)
        self.watch(sock, connection.read)

    def _dropped(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self._epoll.unregister(connection.sock.fileno())
        # Events of this descriptor may still wait in the batch that the loop works on.
        self._readers[connection.sock.fileno()] = _nothing
        connection.sock.close()


class Connection:
    """One worker: what it tells is done at once, and no fault of one recording touches another."""

    def __init__(
        self,
        sock: socket.socket,
        dropped: Callable[[Connection], None],
        finisher: Finisher | None = None,
        files: Files = PLAIN,
    ) -> None:
        self._files = files
        self.sock = sock
        self.recordings: dict[int, Recording] = {}
        self._dropped = dropped
        self._finisher = finisher
        self._frames = FrameReader()

    def read(self) -> None:
        """Takes what has come."""
        try:
            size = self.sock.recv_into(_INTO)
        except BlockingIOError:
            return
        except OSError:
            size = 0
        if not size:
            self.drop()
            return
        try:
            for body in self._frames.feed(_INTO[:size]):
                for message in decode_for_recorder(body):
                    self._take(message)
        except ControlError as error:
            complain(f"recorder: {error}")
            self.drop()

    def drop(self) -> None:
        """Ends the connection; its recordings are completed with what they have."""
        for recording in self.recordings.values():
            try:
                recording.break_off()
                self._finish(recording, GRACE)
            except OSError as error:
                complain(f"recorder: a recording could not be completed: {describe(error)}")
        self.recordings.clear()
        self._dropped(self)

    def _take(self, message: ToRecorder) -> None:
        if isinstance(message, Begin):
            self._begin(message)
            return
        recording = self.recordings.get(message.key)
        if recording is None:
            return  # it has failed, which the worker learns or has learnt
        try:
            if isinstance(message, Audio):
                recording.audio(message)
            elif isinstance(message, Mark):
                recording.mark(message)
            elif isinstance(message, KeysForUs):
                recording.keys_for_us(message)
            else:
                self._end(recording, message)
        except OSError as error:
            self._fail(recording, describe(error))
        except ControlError:
            raise
        except Exception as error:  # noqa: BLE001 - boundary: what others have said in the same read goes on
            complain(f"recorder: {traceback.format_exc()}")
            if isinstance(message, End):
                self._fail(recording, type(error).__name__)

    def _begin(self, message: Begin) -> None:
        if message.key in self.recordings:
            return
        try:
            self.recordings[message.key] = recording = Recording(message, self._files)
            if message.resume and self._finisher is not None:
                self._finisher.forget(recording.path)
        except OSError as error:
            complain(f"recorder: {message.recording_id} cannot be recorded: {describe(error)}")
            self._answer(Done(message.key, 0.0, 0, 0, describe(error)))

    def _end(self, recording: Recording, message: End) -> None:
        done = recording.end(message)
        del self.recordings[recording.key]
        self._finish(recording)
        self._answer(done)

    def _fail(self, recording: Recording, reason: str) -> None:
        complain(f"recorder: a recording ends early: {reason}")
        self.recordings.pop(recording.key, None)
        try:
            done = recording.break_off(reason)
            self._finish(recording)
        except OSError:
            done = Done(recording.key, 0.0, 0, 0, reason)
        self._answer(done)

    def _finish(self, recording: Recording, delay: float = 0.0) -> None:
        """Its file is complete, if there is one."""
        if self._finisher is not None and not recording.discarded:
            try:
                self._finisher.add(recording.path, time.monotonic(), delay, recording.error)
            except OSError as error:
                complain(f"recorder: {recording.path.name}: its checksum is not noted to be due: {describe(error)}")

    def _answer(self, done: Done) -> None:
        answer = encode([done])
        try:
            complete = self.sock.send(answer) == len(answer)
        except BlockingIOError:
            complete = False
        except OSError:
            return  # its end is noticed by reading
        if not complete:
            raise ControlError("a worker reads no answers")


def _nothing() -> None:
    pass
