"""The socket to rtpengine's control port, one timer, and a ping that tells whether anybody is there."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

import structlog

from media.rtpengine.bencode import BencodeError
from media.rtpengine.transactions import Command, Reply, Then, Transactions

_log = structlog.get_logger("media.rtpengine")


class RtpengineLink(asyncio.DatagramProtocol):
    """One rtpengine: up once it has answered a ping, down when one stayed unanswered for the whole time-out, or
    nobody listens there: one that is started again at once has forgotten its calls."""

    def __init__(self, host: str, port: int, *, timeout: float, ping: float, on_change: Callable[[bool], None]) -> None:
        """`ping` is the time in seconds between two of them; `on_change` is told `up`."""
        self.up = False
        self._place = (host, port)
        self._ping = ping
        self._on_change = on_change
        self._transactions = Transactions(secrets.token_hex(6), timeout)
        self._transport: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pinging: asyncio.TimerHandle | None = None
        self._closed = False
        self._told_down = False

    async def open(self) -> None:
        """Opens the socket and begins to ping; raises OSError."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, remote_addr=self._place)
        self._send_ping()

    def close(self) -> None:
        """Nothing is sent or told any more."""
        self._closed = True
        for timer in (self._timer, self._pinging):
            if timer is not None:
                timer.cancel()
        if self._transport is not None:
            self._transport.close()

    def ask(self, command: Command, then: Then, *, first: bool = False) -> None:
        """Sends a command, `first` before those that wait; `then` is told the answer later, or None.

        Nothing happens once the link is closed.
        """
        if self._closed or self._transport is None:
            return
        self._transactions.ask(command, then, asyncio.get_running_loop().time(), first=first)
        self._go_on()

    # --- DatagramProtocol ---

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """An answer."""
        try:
            self._transactions.receive(data, asyncio.get_running_loop().time())
        except BencodeError as error:
            _log.error("rtpengine.unreadable", error=str(error))
        self._go_on()

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there: what is sent again later may find somebody."""
        if self.up and isinstance(exc, ConnectionRefusedError):
            self._change(False)

    # --- time ---

    def _go_on(self) -> None:
        assert self._transport is not None
        if self._closed:
            return
        for datagram in self._transactions.to_send():
            self._transport.sendto(datagram)
        # Answers come within a millisecond: a timer that is armed already may as well find nothing to do.
        if self._timer is None and (at := self._transactions.next_deadline()) is not None:
            self._timer = asyncio.get_running_loop().call_at(at, self._due)

    def _due(self) -> None:
        self._timer = None
        self._transactions.handle_timer(asyncio.get_running_loop().time())
        self._go_on()

    def _send_ping(self) -> None:
        self.ask({"command": "ping"}, self._ponged, first=True)

    def _ponged(self, reply: Reply | None) -> None:
        if self._closed:
            return
        up = reply is not None
        if up != self.up or (not up and not self._told_down):
            self._change(up)
        self._pinging = asyncio.get_running_loop().call_later(self._ping, self._send_ping)

    def _change(self, up: bool) -> None:
        self.up = up
        self._told_down = not up
        if up:
            _log.info("rtpengine.up", address=f"{self._place[0]}:{self._place[1]}")
        else:
            _log.error("rtpengine.unreachable", address=f"{self._place[0]}:{self._place[1]}")
        self._on_change(up)
