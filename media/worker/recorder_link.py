"""The worker's connection to the recorder: never waited for, made anew when the recorder was restarted."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from media.recorder.protocol import Done, ToRecorder, append_frame, decode_for_worker
from media.worker.framed_stream import FramedStream
from media.worker.line import Reader
from media.worker.log import complain

MAX_UNSENT: Final = 16 << 20
"""Octets for a recorder that is slow: two seconds of four hundred recordings."""
ENOUGH: Final = 1 << 17
"""Octets that wait for no more before they are sent: what 70 ms of a hundred recordings leave."""
RETRY: Final = 0.25
"""Seconds between two attempts to connect."""
_BUFFER: Final = 4 << 20


class Outlet(Protocol):
    """Where recordings go."""

    @property
    def connected(self) -> bool:
        """Whether there is a recorder that takes messages."""

    def connect(self, now: float) -> None:
        """Tries to reach the recorder, now and then."""

    def send(self, messages: Sequence[ToRecorder], force: bool = True) -> bool:
        """Takes messages for the recorder, which may wait; False where there is no room and nothing was forced."""

    def flush(self) -> None:
        """Sends what can be sent."""


class RecorderLink:
    """One connection at a time; what was on its way when it broke is lost."""

    def __init__(self, path: str, epoll: select.epoll, readers: dict[int, Reader]) -> None:
        self.on_up: Callable[[], None] = lambda: None
        self.on_done: Callable[[Done, float], None] = lambda done, now: None
        self._path = path
        self._epoll = epoll
        self._readers = readers
        self._stream: FramedStream | None = None
        self._next_attempt = 0.0

    @property
    def connected(self) -> bool:
        """Whether there is a recorder that takes messages."""
        return self._stream is not None

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
        self._stream = FramedStream(sock, self._epoll, self._readers, self._take, self._lost)
        self.on_up()

    def send(self, messages: Sequence[ToRecorder], force: bool = True) -> bool:
        """Takes messages; False, and none is taken, when the recorder is too far behind."""
        stream = self._stream
        if stream is None or (not force and len(stream.unsent) > MAX_UNSENT):
            return False
        append_frame(stream.unsent, messages)
        if len(stream.unsent) > ENOUGH:
            stream.flush()
        return True

    def flush(self) -> None:
        """Sends what can be sent; the rest when the socket has room."""
        if self._stream is not None:
            self._stream.flush()

    def _take(self, body: bytes, now: float) -> None:
        for done in decode_for_worker(body):
            self.on_done(done, now)

    def _lost(self, why: str) -> None:
        complain(f"recorder disconnected: {why}")
        self._stream = None
