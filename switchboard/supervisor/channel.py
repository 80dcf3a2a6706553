"""Messages and descriptors between the supervisor and a child, over an inherited SEQPACKET socketpair.

A message is a msgpack map; descriptors travel with it (SCM_RIGHTS). Neither side ever blocks on the other.
"""

from __future__ import annotations

import errno
import socket
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

_MAX_MESSAGE: Final = 65536
_IN_FLIGHT: Final = 0.005
"""Pause when too many descriptors are on their way: the socket is writable then, and polling would spin."""

_decode = msgspec.msgpack.Decoder(dict[str, object]).decode
_encode = msgspec.msgpack.Encoder().encode


class Channel:
    """The supervisor's end; what the child is too slow to take waits here in order."""

    __slots__ = ("_queue", "_socket", "closed")

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._queue: deque[tuple[bytes, tuple[int, ...]]] = deque()
        self.closed = False

    def fileno(self) -> int:
        """The descriptor to watch; -1 once closed."""
        return self._socket.fileno()

    @property
    def waiting(self) -> bool:
        """Messages are queued until the child reads."""
        return bool(self._queue)

    def send(self, message: dict[str, object], descriptors: Sequence[int] = ()) -> None:
        """Queue a message and send what can be sent; a dead child's messages are dropped."""
        if not self.closed:
            self._queue.append((_encode(message), tuple(descriptors)))
            self.flush()

    def flush(self) -> None:
        """Send queued messages until the child's buffer is full."""
        while self._queue:
            payload, descriptors = self._queue[0]
            try:
                if descriptors:
                    socket.send_fds(self._socket, [payload], descriptors)
                else:
                    self._socket.send(payload)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as problem:
                if problem.errno in (errno.ENOBUFS, errno.ETOOMANYREFS):
                    time.sleep(_IN_FLIGHT)
                else:
                    self._queue.clear()
                return
            self._queue.popleft()

    def receive(self) -> dict[str, object] | None:
        """The next message; an empty one when there is none or it is unreadable; None at the child's end."""
        try:
            payload = self._socket.recv(_MAX_MESSAGE)
        except (BlockingIOError, InterruptedError):
            return {}
        except OSError:
            return None
        if not payload:
            return None
        try:
            return _decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return {}

    def close(self) -> None:
        """Forget what is queued and close our end."""
        self.closed = True
        self._queue.clear()
        self._socket.close()


def channel_pair() -> tuple[Channel, socket.socket]:
    """Our end, and the one that the child inherits."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Channel(ours), theirs
