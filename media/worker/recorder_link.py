"""The worker's connection to the recorder: never waited for, made anew when the recorder was restarted."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from media.control import ControlError, FrameReader
from media.recorder.protocol import Done, ToRecorder, append_frame, decode_for_worker
from media.worker.line import Reader
from media.worker.log import complain

MAX_UNSENT: Final = 16 << 20
"""Octets for a recorder that is slow: two seconds of four hundred recordings."""
ENOUGH: Final = 1 << 17
"""Octets that wait for no more before they are sent: what 70 ms of a hundred recordings leave."""
RETRY: Final = 0.25
"""Seconds between two attempts to connect."""
_READ: Final = 1 << 16
_BUFFER: Final = 4 << 20


class Outlet(Protocol):
    """Where recordings go."""

    connected: bool

    def connect(self, now: float) -> None:
        """Tries to reach the recorder, now and then."""

    def send(self, messages: Sequence[ToRecorder], force: bool = True) -> bool:
        """Takes messages for the recorder, which may wait; False where there is no room and nothing was forced."""

    def flush(self) -> None:
        """Sends what can be sent."""


class RecorderLink:
    """One connection at a time; what was on its way when it broke is lost."""

    def __init__(self, path: str, epoll: select.epoll, readers: dict[int, Reader]) -> None:
        self.connected = False
        self.on_up: Callable[[], None] = lambda: None
        self.on_done: Callable[[Done, float], None] = lambda done, now: None
        self._path = path
        self._epoll = epoll
        self._readers = readers
        self._socket: socket.socket | None = None
        self._frames = FrameReader()
        self._unsent = bytearray()
        self._waits = False
        self._next_attempt = 0.0

    def connect(self, now: float) -> None:
        """Connects, if it is not and was not tried a moment ago; `on_up` is called then."""
        if self.connected or now < self._next_attempt:
            return
        self._next_attempt = now + RETRY
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            sock.connect(self._path)
        except OSError:
            sock.close()
            return
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        self._socket = sock
        self._frames = FrameReader()
        self._unsent.clear()
        self._waits = False
        self._readers[sock.fileno()] = self._exchange
        self._epoll.register(sock.fileno(), select.EPOLLIN)
        self.connected = True
        self.on_up()

    def send(self, messages: Sequence[ToRecorder], force: bool = True) -> bool:
        """Takes messages; False, and none is taken, when the recorder is too far behind."""
        if not self.connected or (not force and len(self._unsent) > MAX_UNSENT):
            return False
        append_frame(self._unsent, messages)
        if len(self._unsent) > ENOUGH:
            self.flush()
        return True

    def flush(self) -> None:
        """Sends what can be sent; the rest when the socket has room."""
        sock = self._socket
        if sock is None or self._waits or not self._unsent:
            return
        self._write(sock)

    def _write(self, sock: socket.socket) -> None:
        try:
            sent = sock.send(self._unsent)
            del self._unsent[:sent]
        except BlockingIOError:
            pass
        except OSError as error:
            self._drop(str(error))
            return
        if bool(self._unsent) is not self._waits:
            self._waits = bool(self._unsent)
            self._epoll.modify(sock.fileno(), select.EPOLLIN | (select.EPOLLOUT if self._waits else 0))

    def _exchange(self, now: float) -> None:
        """The connection is readable or, after it was full, writable."""
        sock = self._socket
        if sock is not None and self._waits:
            self._write(sock)
            sock = self._socket
        if sock is None:
            return
        try:
            data = sock.recv(_READ)
        except BlockingIOError:
            return
        except OSError as error:
            self._drop(str(error))
            return
        if not data:
            self._drop("end of file")
            return
        try:
            for body in self._frames.feed(data):
                for done in decode_for_worker(body):
                    self.on_done(done, now)
        except ControlError as error:
            self._drop(str(error))

    def _drop(self, why: str) -> None:
        sock = self._socket
        assert sock is not None
        complain(f"recorder disconnected: {why}")
        self._socket = None
        self.connected = False
        self._unsent.clear()
        self._epoll.unregister(sock.fileno())
        # Events of this descriptor may still wait in the batch that the loop works on.
        self._readers[sock.fileno()] = _nothing
        sock.close()


def _nothing(now: float) -> None:
    pass
