"""What every connection has, whatever cuts it into messages: an owner, bounded sending, and when it was last used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol, cast

from switchboard.sip.errors import ParseError
from switchboard.sip.flow import StreamAddress
from switchboard.sip.message import Message

MOST_UNSENT: Final = 512 * 1024
"""Octets that wait for a peer who does not read; with more of them it is given up."""

FIRST_MESSAGE: Final = 32.0
"""Seconds that a new peer has for its first message, and every peer for the rest of one it has begun."""


class Patience(NamedTuple):
    """Seconds: for connecting with its handshakes, for silence, and for that of a WebSocket until it is pinged."""

    connect: float = 5.0
    idle: float = 7200.0
    ping: float = 40.0


class Owner(Protocol):
    """Who is told of what happens on a connection."""

    def received(self, connection: Link, messages: Sequence[Message], fault: ParseError | None) -> None:
        """Messages have come, then perhaps something that is none."""

    def ended(self, connection: Link) -> None:
        """It is over, or never began."""


class Link(asyncio.Protocol):
    """One connection of any kind; subclasses take what comes and frame what is sent."""

    __slots__ = ("_clock", "_owner", "_transport", "address", "began", "heard", "used")

    def __init__(self, owner: Owner, address: StreamAddress, clock: Callable[[], float]) -> None:
        self.address = address
        """The far end."""
        self.heard = 0
        """Messages that have come."""
        self.used = clock()
        """When octets of messages last came or went."""
        self.began: float | None = None
        """When the message began of which a part is here."""
        self._clock = clock
        self._owner = owner
        self._transport: asyncio.Transport | None = None

    @property
    def open(self) -> bool:
        """Whether it stands."""
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        # Those of uvloop are none by inheritance.
        self._transport = transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=MOST_UNSENT)
        self.used = self._clock()

    def eof_received(self) -> bool:
        """The peer sends no more, and nothing that was asked of it would be answered: close."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Tell the owner."""
        self._transport = None
        self._owner.ended(self)

    def send(self, data: bytes) -> bool:
        """Send one message; False when the peer is too slow, and has been given up."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        self.used = self._clock()
        transport.write(data)
        return self._keeps_up(transport)

    def overdue(self, now: float, patience: Patience) -> bool:
        """Whether it has been silent for too long, or is slow with a message."""
        if self.began is not None and now - self.began > FIRST_MESSAGE:
            return True
        silent = now - self.used
        return silent > patience.idle or (not self.heard and silent > FIRST_MESSAGE)

    def close(self) -> None:
        """Send what is to be sent, then close."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def _keeps_up(self, transport: asyncio.Transport) -> bool:
        """Whether the peer reads; it is given up when it does not."""
        if transport.get_write_buffer_size() > MOST_UNSENT:
            transport.abort()
            return False
        return True
