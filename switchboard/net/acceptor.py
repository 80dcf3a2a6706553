"""Takes connections from a listening socket, a few a turn of the loop; who may stay is decided before any handshake."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final, NamedTuple

A_TURN: Final = 32
"""Connections taken in one turn of the loop."""

PAUSE: Final = 0.5
"""Seconds without taking any when descriptors have run out."""


class Bounds(NamedTuple):
    """How many connections there may be, in all and with one IP address."""

    total: int = 10_000
    source: int = 500


class Acceptor:
    """Hands each connection to `take(socket, address of the peer)`."""

    __slots__ = ("_loop", "_pause", "_socket", "_take")

    def __init__(self, sock: socket.socket, take: Callable[[socket.socket, Any], None]) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._take = take
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pause: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin."""
        self._loop = loop
        loop.add_reader(self._socket, self._readable)

    def close(self) -> None:
        """Take no more, and close the socket."""
        if self._pause is not None:
            self._pause.cancel()
        if self._loop is not None:
            self._loop.remove_reader(self._socket)
            self._loop = None
        self._socket.close()

    def _readable(self) -> None:
        for _ in range(A_TURN):
            try:
                sock, peer = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                # No descriptor is left: the connection stays in the queue, and the loop would spin.
                self._rest()
                return
            self._take(sock, peer)

    def _rest(self) -> None:
        assert self._loop is not None
        self._loop.remove_reader(self._socket)
        self._pause = self._loop.call_later(PAUSE, self.start, self._loop)
