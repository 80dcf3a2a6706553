"""Signalling's connection to one media worker: connects, resumes, notices the worker's death."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias, cast

import structlog

from media.control import Attach, Command, ControlError, FrameReader, Ping, Stats, decode_events, encode_frame
from media.edge_control import EdgeCommand, EdgeEvent
from media.events import Event, Hello, Pong

HELLO_TIMEOUT: Final = 5.0
MAX_UNANSWERED: Final = 5
"""Pings without a Pong after which a worker counts as lost; one goes out every second."""
MAX_UNACKNOWLEDGED: Final = 200_000
"""Commands kept for a worker that does not read: minutes of full load."""
PACE: Final = 0.03
"""Seconds from one writing to the next of nothing but what may stay: each wakes the worker up."""
_BACKOFF_FIRST: Final = 0.05
_BACKOFF_LAST: Final = 1.0

_log = structlog.get_logger("media.worker_link")


AnyCommand: TypeAlias = Command | EdgeCommand
AnyEvent: TypeAlias = Event | EdgeEvent
Decode: TypeAlias = Callable[[bytes], Sequence[AnyEvent]]


class LinkOwner(Protocol):
    """Who is told what happens on a link."""

    def worker_up(self, link: WorkerLink, hello: Hello) -> None:
        """The worker has said Hello; its sessions live on unless `worker_lost` came before."""

    def worker_lost(self, link: WorkerLink) -> None:
        """The worker is dead, hung or another one: every session it had is void."""

    def worker_event(self, link: WorkerLink, event: AnyEvent) -> None:
        """Anything but Hello and Pong."""

    def worker_events_end(self, link: WorkerLink) -> None:
        """These were all events of one read."""


class WorkerLink:
    """One worker: commands go out once per loop iteration, gathered ones by `flush`; again after a lost connection.

    What nobody waits for stays for a moment where something has just gone, and goes with what follows.
    """

    def __init__(self, path: str, client: str, owner: LinkOwner, decode: Decode = decode_events) -> None:
        """`decode` reads what the process says, a worker or the WebRTC edge."""
        self.path = path
        self.decode = decode
        self.up = False
        self.boot = ""
        self._client = client
        self._owner = owner
        self._seq = 0
        self._pending: list[AnyCommand] = []
        self._gathering = False
        self.writings = 0
        """How often what was pending has gone."""
        self._written_at = 0.0
        # The call of `_flush` for what stays; whether one comes at the end of this loop iteration; whether somebody
        # waits for any of what is pending.
        self._later: asyncio.TimerHandle | None = None
        self._soon = False
        self._urgent = False
        self._unacknowledged: deque[AnyCommand] = deque()
        self._transport: asyncio.Transport | None = None
        self._paused = False
        self._held: list[AnyCommand] = []
        self._unanswered = 0

    # --- commands ---

    def send(self, command: AnyCommand, *, stays: bool = False) -> None:
        """Queues `command`; it is written at the end of this loop iteration, or by `flush` after `gather`.

        `stays`: nobody waits for it.
        """
        self._seq += 1
        command.seq = self._seq
        if not (self._gathering or self._soon):
            self._soon = True
            asyncio.get_running_loop().call_soon(self._flush)
        if not stays:
            self._urgent = True
        self._pending.append(command)

    def ask(self, command: AnyCommand) -> None:
        """Writes what is of no use any more after the connection is lost."""
        if not self._paused:
            self._write([command])

    def gather(self) -> None:
        """Lets the commands that follow wait for `flush`, which spares the loop an iteration."""
        self._gathering = True

    def flush(self) -> None:
        """Writes what was gathered."""
        self._gathering = False
        self._flush()

    def flush_all(self) -> None:
        """Writes also what would stay: nothing follows."""
        self._written_at = 0.0
        self.flush()

    def _flush(self) -> None:
        self._soon = False
        pending = self._pending
        if not pending:
            return
        now = time.monotonic()
        stays = self._written_at + PACE - now
        if stays > 0.0 and not self._urgent:
            if self._later is None:
                self._later = asyncio.get_running_loop().call_later(stays, self._no_longer)
            return
        if self._later is not None:
            self._later.cancel()
            self._later = None
        self._written_at = now
        self.writings += 1
        self._pending = []
        self._urgent = False
        self._unacknowledged.extend(pending)
        if self._paused:
            self._held.extend(pending)
        else:
            self._write(pending)

    def _no_longer(self) -> None:
        self._later = None
        self._flush()

    def _write(self, commands: list[AnyCommand]) -> None:
        if self.up and self._transport is not None:
            self._transport.write(encode_frame(commands))

    def tick(self) -> None:
        """Once a second: asks for a sign of life; drops a worker that gives none or reads nothing."""
        if not self.up:
            return
        if self._unanswered >= MAX_UNANSWERED or len(self._unacknowledged) > MAX_UNACKNOWLEDGED:
            _log.error("media.worker_hung", path=self.path, unanswered=self._unanswered)
            self._void()
            self._abort()
            return
        self._unanswered += 1
        if not self._paused:
            self._write([Ping(), Stats()])

    # --- the connection's life ---

    async def run(self) -> None:
        """Keeps a connection to the worker until cancelled."""
        backoff = _BACKOFF_FIRST
        while True:
            if await self._connected():
                backoff = _BACKOFF_FIRST
            else:
                await asyncio.sleep(backoff)
                backoff = min(2 * backoff, _BACKOFF_LAST)

    async def _connected(self) -> bool:
        """One connection from its beginning to its end; whether it was one worth the name."""
        loop = asyncio.get_running_loop()
        connection = _Connection(self)
        since = loop.time()
        try:
            async with asyncio.timeout(HELLO_TIMEOUT):
                await loop.create_unix_connection(lambda: connection, self.path)
                greeted = await connection.greeted
            if not greeted:
                raise ConnectionResetError("closed before Hello")
            await connection.closed
        except (OSError, TimeoutError) as error:
            # Refused or absent means that the process is gone: its calls must hear of it now.
            self._void(str(error) or type(error).__name__)
            return False
        finally:
            connection.abort()
            self._transport = None
            self.up = False
        return loop.time() - since > _BACKOFF_LAST

    def _abort(self) -> None:
        self.up = False
        if self._transport is not None:
            self._transport.abort()

    def _void(self, why: str = "hung") -> None:
        self.up = False
        self._pending = []
        self._urgent = False
        self._unacknowledged.clear()
        if self.boot:
            self.boot = ""
            _log.error("media.worker_lost", path=self.path, why=why)
            self._owner.worker_lost(self)

    def _greeted(self, hello: Hello, transport: asyncio.Transport) -> None:
        if self.boot and hello.boot != self.boot:
            self._void("restarted")
        self.boot = hello.boot
        self._transport = transport
        self.up = True
        self._paused = False
        self._held = []
        self._unanswered = 0
        done = hello.last_seq if hello.client == self._client else 0
        self._acknowledge(done)
        self._write([Attach(self._client), *self._unacknowledged])
        self._owner.worker_up(self, hello)

    def _lost(self, transport: asyncio.Transport | None) -> None:
        """Its handle is closed in a moment, before `run` goes on: writing to it would raise."""
        if transport is self._transport:
            self._transport = None
            self.up = False

    def _acknowledge(self, last_seq: int) -> None:
        waiting = self._unacknowledged
        while waiting and waiting[0].seq <= last_seq:
            waiting.popleft()

    def _received(self, events: Sequence[AnyEvent]) -> None:
        take = self._owner.worker_event
        for event in events:
            if type(event) is Pong:
                self._unanswered = 0
                self._acknowledge(event.last_seq)
                continue
            try:
                take(self, event)
            except Exception:  # noqa: BLE001 - a fault in one call must not cost all of them their worker
                _log.exception("media.event_failed", event_type=type(event).__name__)

    def _received_all(self) -> None:
        try:
            self._owner.worker_events_end(self)
        except Exception:  # noqa: BLE001 - as above
            _log.exception("media.events_failed")

    def _pause(self) -> None:
        self._paused = True

    def _resume(self) -> None:
        self._paused = False
        held, self._held = self._held, []
        if held:
            self._write(held)


class _Connection(asyncio.Protocol):
    def __init__(self, link: WorkerLink) -> None:
        loop = asyncio.get_running_loop()
        self.greeted: asyncio.Future[bool] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._link = link
        self._frames = FrameReader()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A transport of uvloop is none of asyncio's by class.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=1 << 20)

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._frames.feed(data):
                events = self._link.decode(body)
                if self.greeted.done():
                    self._link._received(events)
                else:
                    self._greet(events)
        except ControlError as error:
            _log.error("media.bad_frame", path=self._link.path, error=str(error))
            self.abort()
        self._link._received_all()

    def _greet(self, events: Sequence[AnyEvent]) -> None:
        """What comes before Hello is of no connection of ours."""
        for place, event in enumerate(events):
            if isinstance(event, Hello) and self._transport is not None:
                self._link._greeted(event, self._transport)
                self.greeted.set_result(True)
                self._link._received(events[place + 1 :])
                return

    def pause_writing(self) -> None:
        self._link._pause()

    def resume_writing(self) -> None:
        self._link._resume()

    def connection_lost(self, exc: Exception | None) -> None:
        self._link._lost(self._transport)
        if not self.greeted.done():
            self.greeted.set_result(False)
        if not self.closed.done():
            self.closed.set_result(None)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
