"""One TCP or TLS connection: a stream cut into SIP messages, keep-alives answered, everything bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from switchboard.net.link import MOST_UNSENT, Link, Owner
from switchboard.sip.errors import ParseError
from switchboard.sip.flow import StreamAddress
from switchboard.sip.stream import StreamFramer

PONG: Final = b"\r\n"
A_TURN: Final = 100
"""Messages taken in one turn of the loop: thousands of tiny ones may come in one read, and others wait."""


class Connection(Link):
    """Sends at once, or when the connection stands."""

    __slots__ = ("_framer", "_paused", "_unsent", "_waiting")

    def __init__(self, owner: Owner, address: StreamAddress, clock: Callable[[], float]) -> None:
        super().__init__(owner, address, clock)
        self._framer = StreamFramer()
        self._paused = False
        self._waiting: list[bytes] = []
        self._unsent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what has waited."""
        super().connection_made(transport)
        assert self._transport is not None
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Cut out messages; each double CRLF is answered by one (RFC 5626 §3.5.1)."""
        if self._transport is None or self._transport.is_closing():
            return
        framer = self._framer
        self.used = now = self._clock()
        before = framer.pings
        try:
            messages = framer.feed(data, A_TURN)
        except ParseError:
            messages = []
        if framer.pings > before:
            self.send(PONG * (framer.pings - before))
        if not framer.waiting:
            self.began = None
        elif self.began is None or messages:
            self.began = now
        if messages or framer.failure is not None:
            self.heard += len(messages)
            self._owner.received(self, messages, framer.failure)
        if framer.failure is not None:
            self.close()
        elif len(messages) == A_TURN:
            self._pause()

    def _pause(self) -> None:
        """The rest of what has come is taken when others have had their turn; nothing more is read until then."""
        if self._transport is not None and not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._paused = False
        self.data_received(b"")
        if self._transport is not None and not self._paused and not self._transport.is_closing():
            self._transport.resume_reading()

    def send(self, data: bytes) -> bool:
        """Send, now or as soon as it stands."""
        if self._transport is not None:
            return super().send(data)
        self._unsent += len(data)
        if self._unsent > MOST_UNSENT:
            return False
        self._waiting.append(data)
        return True
