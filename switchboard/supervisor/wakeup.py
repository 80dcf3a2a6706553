"""Signals as bytes on a socket, so that a selector wakes for them."""

from __future__ import annotations

import signal
import socket
from types import FrameType
from typing import Final

_STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Wakeup:
    """While it is open, SIGINT, SIGTERM and SIGHUP are requests to stop, and SIGCHLD wakes the loop."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._requests = 0
        self._descriptor = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._before = {}
        for number in _STOPPING:
            if signal.getsignal(number) is signal.SIG_IGN and number == signal.SIGHUP:
                continue  # started by nohup
            self._before[number] = signal.signal(number, self._request)
        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _nothing)

    def fileno(self) -> int:
        """The descriptor that becomes readable."""
        return self._reader.fileno()

    def clear(self) -> None:
        """Read away what woke the loop."""
        try:
            while self._reader.recv(4096):
                pass
        except BlockingIOError:
            pass

    def take_requests(self) -> int:
        """How many requests to stop have come since the last call."""
        requests, self._requests = self._requests, 0
        return requests

    def close(self) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._descriptor)
        self._reader.close()
        self._writer.close()

    def _request(self, number: int, frame: FrameType | None) -> None:
        self._requests += 1


def _nothing(number: int, frame: FrameType | None) -> None:
    """Only the byte on the socket matters."""
