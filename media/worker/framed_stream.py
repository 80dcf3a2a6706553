"""A stream of frames between the worker's loop and another process; neither side is ever waited for."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from typing import Final

from media.control import ControlError, FrameReader
from media.worker.line import Reader

END_OF_FILE: Final = "end of file"
"""Why a stream was lost when the other process closed it."""

_READ: Final = 1 << 16
"""Octets read at a time."""


class FramedStream:
    """One connection, from its registration with epoll to its end.

    `take(body, now)` gets the octets of each frame, without its length, and raises `ControlError` when they are no
    message, which ends the stream. `lost(why)` is called once, when it has ended for whatever reason.
    """

    def __init__(
        self,
        sock: socket.socket,
        epoll: select.epoll,
        readers: dict[int, Reader],
        take: Callable[[bytes, float], None],
        lost: Callable[[str], None],
    ) -> None:
        self.unsent = bytearray()
        """Whole frames, or the rest of one, for `flush`; whoever appends to it bounds it."""
        self.full = False
        """Whether the socket took less than there was; what is left follows as soon as it has room."""
        self._socket = sock
        self._epoll = epoll
        self._readers = readers
        self._take = take
        self._lost = lost
        self._open = True
        self._frames = FrameReader()
        sock.setblocking(False)
        readers[sock.fileno()] = self._exchange
        epoll.register(sock.fileno(), select.EPOLLIN)

    def flush(self) -> None:
        """Sends what the socket takes."""
        if self.unsent and not self.full:
            self._write()

    def drop(self, why: str) -> None:
        """Closes the connection, unless that was done before; nothing unsent is sent any more."""
        if not self._open:
            return
        fd = self._socket.fileno()
        self._open = False
        self._epoll.unregister(fd)
        # Events of this descriptor may still wait in the batch that the loop works on.
        self._readers[fd] = _nothing
        self._socket.close()
        self._lost(why)

    def _write(self) -> None:
        try:
            sent = self._socket.send(self.unsent)
            del self.unsent[:sent]
        except BlockingIOError:
            pass
        except OSError as error:
            self.drop(str(error))
            return
        if bool(self.unsent) is not self.full:
            self.full = bool(self.unsent)
            self._epoll.modify(self._socket.fileno(), select.EPOLLIN | (select.EPOLLOUT if self.full else 0))

    def _exchange(self, now: float) -> None:
        """The connection is readable or, after it was full, writable."""
        if self.full:
            self._write()
            if not self._open:
                return
        try:
            data = self._socket.recv(_READ)
        except BlockingIOError:
            return
        except OSError as error:
            self.drop(str(error))
            return
        if not data:
            self.drop(END_OF_FILE)
            return
        try:
            for body in self._frames.feed(data):
                self._take(body, now)
        except ControlError as error:
            self.drop(str(error))


def _nothing(now: float) -> None:
    pass
