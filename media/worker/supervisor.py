"""A child's end of the supervisor's socket: ports come in, wishes go out."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

import msgspec

from media.framing import UNREADABLE
from media.worker.log import complain
from media.worker.ports import Port, pairs

MOST: Final = 1024
"""As many as the supervisor binds at once."""
_MAX_MESSAGE: Final = 1 << 16
_MAX_DESCRIPTORS: Final = 253  # SCM_MAX_FD of Linux


class _Message(msgspec.Struct):
    ports: list[int] | None = None
    exhausted: bool = False
    drain: bool | float = False
    stop: bool = False


_decode = msgspec.msgpack.Decoder(_Message).decode


class Supervisor:
    """Messages of a SEQPACKET socket; its end means that the supervisor died, and nobody will give more ports."""

    def __init__(self, sock: socket.socket, name: str, take: Callable[[list[Port]], None] = lambda ports: None) -> None:
        """`name` of the process in its complaints; `take` is given the ports that come, none if no more are left."""
        sock.setblocking(False)
        self.sock = sock
        self.stopped = False
        self.draining = False
        self.gone = False
        self._name = name
        self._take = take

    def ready(self) -> None:
        """Tells that the worker can be reached by signalling."""
        self._send({"ready": True})

    def want(self, count: int, six: bool = False) -> None:
        """Asks for more ports; who wishes waits for the answer, or long enough, before the next wish.

        `six`: for those that the switch has on IPv6 beside the others.
        """
        if not self.draining:
            self._send({"more6" if six else "more": min(count, MOST)})

    def _send(self, message: dict[str, bool | int]) -> None:
        try:
            self.sock.send(msgspec.msgpack.encode(message))
        except OSError:
            pass  # its end is noticed by reading

    def read(self, now: float) -> None:
        """One message."""
        try:
            data, descriptors, flags, _ = socket.recv_fds(self.sock, _MAX_MESSAGE, _MAX_DESCRIPTORS)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors, flags = b"", [], 0
        ports, faults = pairs(descriptors)
        for fault in faults:
            complain(f"{self._name}: port refused: {fault}")
        if ports:
            self._take(ports)
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            complain(f"{self._name}: a message of the supervisor was cut")
        elif not data:
            complain(f"{self._name}: the supervisor is gone; serving the calls there are")
            self.gone = self.draining = True
            self.sock.close()
        else:
            self._obey(data)

    def _obey(self, data: bytes) -> None:
        try:
            message = _decode(data)
        except UNREADABLE as error:
            complain(f"{self._name}: message of the supervisor not understood: {error}")
            return
        if message.exhausted:
            self._take([])
        self.draining = self.draining or message.drain is not False
        self.stopped = self.stopped or message.stop
