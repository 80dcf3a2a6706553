"""One TCP or TLS connection: a stream cut into SIP messages, keep-alives answered, everything bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol, cast

from switchboard.sip.errors import ParseError
from switchboard.sip.flow import StreamAddress
from switchboard.sip.message import Message
from switchboard.sip.stream import StreamFramer

MOST_UNSENT: Final = 512 * 1024
"""Octets that wait for a peer who does not read; with more of them it is given up."""

PONG: Final = b"\r\n"


class Owner(Protocol):
    """Who is told of what happens on a connection."""

    def received(self, connection: Connection, messages: Sequence[Message], fault: ParseError | None) -> None:
        """Messages have come, then perhaps something that is none."""

    def ended(self, connection: Connection) -> None:
        """It is over, or never began."""


class Connection(asyncio.Protocol):
    """Sends at once, or when the connection stands."""

    __slots__ = (
        "_clock",
        "_framer",
        "_owner",
        "_transport",
        "_unsent",
        "_waiting",
        "address",
        "began",
        "heard",
        "used",
    )

    def __init__(self, owner: Owner, address: StreamAddress, clock: Callable[[], float]) -> None:
        self.address = address
        """The far end."""
        self.heard = 0
        """Messages that have come."""
        self.used = clock()
        """When octets last came or went."""
        self.began: float | None = None
        """When the message began of which a part is here."""
        self._clock = clock
        self._owner = owner
        self._framer = StreamFramer()
        self._transport: asyncio.Transport | None = None
        self._waiting: list[bytes] = []
        self._unsent = 0

    @property
    def open(self) -> bool:
        """Whether it stands."""
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what has waited."""
        # Those of uvloop are none by inheritance.
        self._transport = transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=MOST_UNSENT)
        self.used = self._clock()
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Cut out messages; each double CRLF is answered by one (RFC 5626 §3.5.1)."""
        if self._transport is None or self._transport.is_closing():
            return
        framer = self._framer
        self.used = now = self._clock()
        before = framer.pings
        try:
            messages = framer.feed(data)
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

    def eof_received(self) -> bool:
        """The peer sends no more, and nothing that was asked of it would be answered: close."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the owner."""
        self._transport = None
        self._owner.ended(self)

    def send(self, data: bytes) -> bool:
        """Send; False when the peer is too slow, and has been given up."""
        transport = self._transport
        if transport is None:
            self._unsent += len(data)
            if self._unsent > MOST_UNSENT:
                return False
            self._waiting.append(data)
            return True
        if transport.is_closing():
            return False
        self.used = self._clock()
        transport.write(data)
        if transport.get_write_buffer_size() > MOST_UNSENT:
            transport.abort()
            return False
        return True

    def close(self) -> None:
        """Send what is to be sent, then close."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()
