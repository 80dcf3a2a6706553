"""The shell round the sans-IO core: sockets and one timer in, datagrams out.

After every input the core's events go to the transaction user; what a batch of inputs produced is sent together.
One timer is armed for the core and the user together. While the socket is looked at every few milliseconds anyway,
timers are served by the way and none is armed.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final, Protocol, TypeVar

from switchboard.net.aside import Aside
from switchboard.net.connections import Connections
from switchboard.net.message_counts import MessageCounts
from switchboard.net.message_ring import MessageRing
from switchboard.net.udp import BATCH, Batch, UdpTransport
from switchboard.sip.core import SipCore
from switchboard.sip.errors import ParseError
from switchboard.sip.events import Event
from switchboard.sip.flow import StreamAddress, Tcp6Address, TcpAddress, Udp6Address
from switchboard.sip.message import Message
from switchboard.sip.outgoing import Address

# Timers are late by at most this; it spares a wake-up for each of many neighbouring deadlines.
TIMER_GRAIN: Final = 0.001
FEW, MANY = 4, 24
"""Datagrams put aside that are served in a turn: while the socket is full, and when it is not."""


Item = TypeVar("Item")


class TransactionUser(Protocol):
    """What stands above the core: RFC 3261's TU."""

    def on_event(self, event: Event, now: float) -> None:
        """Take one event of the core."""

    def handle_timer(self, now: float) -> None:
        """Do what is due."""

    def next_deadline(self) -> float | None:
        """When `handle_timer` wants to be called."""


class Ledger(Protocol):
    """What must be done before peers are told: a record written, commands sent."""

    def gather(self) -> None:
        """Let what comes wait for `flush`."""

    def flush(self) -> None:
        """Do what waits, now."""


class Driver:
    """Runs one core and its user on a socket; what a batch of inputs leads to is on the ledgers before it is sent.

    `on_error(where, error)` hears of every exception that crosses this boundary; none stops the loop.
    """

    def __init__(
        self,
        sock: socket.socket,
        core: SipCore,
        user: TransactionUser,
        on_error: Callable[[str, Exception], None],
        clock: Callable[[], float] = time.monotonic,
        *,
        ledgers: Sequence[Ledger] = (),
        ring: MessageRing | None = None,
        six: socket.socket | None = None,
        collect: float = 0.0,
    ) -> None:
        """`six` is a second socket, on IPv6, where `sock` is on IPv4; `collect` is that of `UdpTransport`."""
        ours = self._batch if sock.family == socket.AF_INET else self._batch_six
        self.transport = UdpTransport(sock, ours, collect)
        self.other = UdpTransport(six, self._batch_six, collect) if six is not None else None
        """The transport of `six`."""
        self._six = self.other or self.transport
        self.messages = MessageCounts()
        self.longest_callback = 0.0
        self._core = core
        self._user = user
        self._on_error = on_error
        self._clock = clock
        self._ledgers = ledgers
        self._ring = ring
        self.screen: Callable[[Batch], Batch] | None = None
        """Takes out what comes from blocked sources; None while there are none."""
        self._connections: Connections | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._armed: float | None = None
        self.aside = Aside()
        """What waits until there is time for it."""
        self._crowded = False

    @property
    def transports(self) -> list[UdpTransport]:
        """Those of UDP."""
        return [self.transport, self.other] if self.other is not None else [self.transport]

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin reading and arm the timer."""
        self._loop = loop
        for transport in self.transports:
            transport.start(loop)
        self._arm()

    def close(self) -> None:
        """Stop the timer and close the socket."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._loop = None
        for transport in self.transports:
            transport.close()

    def run(self, step: Callable[[float], None]) -> None:
        """Run a step that came from elsewhere (control, backends) and send what follows from it."""
        self.serve(_run, (step,))

    def serve(self, handle: Callable[[Item, float], None], items: Iterable[Item]) -> None:
        """Handle what came together from elsewhere (media) and send what follows from all of it."""
        now = self._clock()
        self._gather()
        for item in items:
            try:
                handle(item, now)
            except Exception as error:  # noqa: BLE001 - boundary: one bad event must not stop the switch
                self._on_error("step", error)
            self._tell(now)
        self._send(now)
        self._arm()

    def attach(self, connections: Connections) -> None:
        """Send by these connections what goes to TCP and TLS."""
        self._connections = connections

    def take(self, messages: Sequence[Message], fault: ParseError | None, source: StreamAddress) -> None:
        """Feed what came together over a connection, and last what broke it."""
        core = self._core
        batch: Batch = [(message.raw, source) for message in messages]
        if self.screen is not None and self.screen([(b"", source)]) == []:
            return
        octets = self.messages.received(batch)
        if self._ring is not None:
            self._ring.keep(self._clock(), False, batch, octets)
        steps: list[Callable[[float], None]] = [partial(core.receive_message, message, source) for message in messages]
        if fault is not None:
            steps.append(lambda now: core.receive_fault(fault, source))
        self.serve(_run, steps)

    def cut_off(self, address: StreamAddress) -> None:
        """A connection is gone, or could not be made."""
        self.run(lambda now: self._core.flow_lost(address, now))

    def _send_otherwise(self, data: bytes, destination: Address) -> OSError | None:
        """To what is not reached by UDP over IPv4."""
        if not isinstance(destination, StreamAddress):
            return self._six.send(data, (destination[0], destination[1]))
        if self._connections is not None and self._connections.speaks(destination):
            return self._connections.send(data, destination)
        if isinstance(destination, TcpAddress):
            # The core, too, takes UDP instead; of TLS there is no lesser form.
            by = self._six if isinstance(destination, Tcp6Address) else self.transport
            return by.send(data, (destination[0], destination[1]))
        return OSError(errno.EPROTONOSUPPORT, "the switch has no TLS")

    def _batch_six(self, batch: Batch) -> None:
        self._batch([(data, Udp6Address(source[:2])) for data, source in batch])

    def _batch(self, batch: Batch) -> None:
        now = self._clock()
        if self.screen is not None:
            batch = self.screen(batch)
        octets = self.messages.received(batch)
        if self._ring is not None:
            self._ring.keep(now, False, batch, octets)
        if len(batch) == BATCH or self.aside:
            self._crowded = len(batch) == BATCH
            batch = self._put_aside(batch)
        self._feed(batch, now)

    def _feed(self, batch: Batch, now: float) -> None:
        clock, receive = self._clock, self._core.receive
        self._gather()
        for data, source in batch:
            try:
                receive(data, source, now)
            except Exception as error:  # noqa: BLE001 - boundary: the datagram
                self._on_error("datagram", error)
            self._tell(now)
            before, now = now, clock()
            if now - before > self.longest_callback:
                self.longest_callback = now - before
        if self.transport.collecting:
            self._serve_timers(now)
        self._send(now)
        self._arm()

    def _put_aside(self, batch: Batch) -> Batch:
        """More has come than is served at once: what may wait does, so that calls need not."""
        if not self.aside and self._loop is not None:
            self._loop.call_soon(self._serve_aside)
        return self.aside.sort(batch)

    def _serve_aside(self) -> None:
        """Serve a few of those that wait; the loop looks at everything else before the next few."""
        if self._loop is None:
            return
        few, self._crowded = self._crowded, False
        self._feed(self.aside.take(FEW if few else MANY), self._clock())
        if self.aside:
            self._loop.call_soon(self._serve_aside)

    def _gather(self) -> None:
        for ledger in self._ledgers:
            ledger.gather()

    def _send(self, now: float) -> None:
        for ledger in self._ledgers:
            ledger.flush()
        send, otherwise = self.transport.send, self._send_otherwise
        while datagrams := self._core.take_datagrams():
            octets = self.messages.sent(datagrams)
            if self._ring is not None:
                self._ring.keep(now, True, datagrams, octets)
            for data, destination in datagrams:
                error = send(data, destination) if type(destination) is tuple else otherwise(data, destination)
                if error is not None:
                    self._core.transport_error(destination, now)
                    self._tell(now)

    def _tell(self, now: float) -> None:
        core, on_event = self._core, self._user.on_event
        while events := core.take_events():
            for event in events:
                try:
                    on_event(event, now)
                except Exception as error:  # noqa: BLE001 - boundary: the event of one call
                    self._on_error("event", error)

    def _due(self) -> None:
        self._timer = None
        self._armed = None
        now = self._clock()
        self._gather()
        self._serve_timers(now)
        self._send(now)
        self._arm()

    def _serve_timers(self, now: float) -> None:
        for what, handle in (
            ("core timer", self._core.handle_timer),
            ("call timer", self._user.handle_timer),
        ):
            try:
                handle(now)
            except Exception as error:  # noqa: BLE001 - boundary: the timer
                self._on_error(what, error)
            self._tell(now)

    def _arm(self) -> None:
        if self._loop is None or self.transport.collecting:
            return
        core_due, user_due = self._core.next_deadline(), self._user.next_deadline()
        due = core_due if user_due is None else user_due if core_due is None else min(core_due, user_due)
        # A timer that fires early only looks again, so only an earlier deadline is worth re-arming.
        if due is None or (self._armed is not None and self._armed <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed = due
        self._timer = self._loop.call_later(max(due - self._clock(), 0.0) + TIMER_GRAIN, self._due)


def _run(step: Callable[[float], None], now: float) -> None:
    step(now)
