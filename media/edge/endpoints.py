"""All endpoints of the edge: some kept ready ahead of demand, those taken, and what commands do to them."""

from __future__ import annotations

import asyncio
import gc
import itertools
import resource
from collections.abc import Callable, Coroutine, Sequence
from typing import Final

import msgspec
from aiortc.rtcdtlstransport import RTCCertificate

from media.edge.path import Path
from media.edge.ports import PortRange, bind
from media.edge.secure import own_fingerprint
from media.edge.session import Session
from media.edge_control import (
    Aim,
    Connect,
    Connected,
    Drop,
    Dropped,
    EdgeCommand,
    EdgeEvent,
    EdgeStats,
    Endpoint,
    Failed,
    Fault,
    Ready,
    Restart,
    Take,
)
from media.ice_dtls import OwnTransport

READY: Final = 32
"""Endpoints kept for calls to come; one costs about half a millisecond."""
COLLECT_EVERY: Final = 32
"""Sessions that have ended before their cycles are collected: small for the collector, in fact 20 KiB each."""
MAX_EVENTS: Final = 10_000
"""Events kept while signalling is away."""


class Place(msgspec.Struct, frozen=True):
    """Where the edge is: its addresses towards browsers, how they see the first from beyond a NAT, its ports, the
    address towards workers, how many sessions there may be at once, and the seconds for connecting one.
    """

    addresses: tuple[str, ...]
    external: str
    first_port: int
    last_port: int
    inside: str
    sessions: int
    patience: float = 10.0


class Endpoints:
    """What there is; `events` are for signalling, and `on_events` is called when there are some."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._ports = PortRange(place.first_port, place.last_port)
        self._certificate = RTCCertificate.generateCertificate()
        self._fingerprint = own_fingerprint(self._certificate)
        self._numbers = itertools.count(1)
        self._loop = asyncio.get_running_loop()
        self._making = self._over = False
        self._ended = 0
        self._closing: set[asyncio.Task[None]] = set()
        self._began: dict[int, float] = {}
        self.ready: dict[int, Session] = {}
        self.taken: dict[int, Session] = {}
        self.events: list[EdgeEvent] = []
        self.on_events: Callable[[], None] | None = None
        self._connected = self._failed = self._received = self._sent = self._refused = 0
        while len(self.ready) < self._wanted() and self._make():
            pass

    # --- endpoints ahead of demand ---

    def fill(self) -> None:
        """Makes endpoints, one in a turn of the loop, until there are enough."""
        if self._making or self._over or len(self.ready) >= self._wanted():
            return
        if self._make():
            self._making = True
            self._loop.call_soon(self._made)

    def _made(self) -> None:
        self._making = False
        self.fill()

    def _wanted(self) -> int:
        return min(READY, self._place.sessions - len(self.taken))

    def _make(self) -> bool:
        """One more; False where no port is free."""
        place = self._place
        path = Path(self._ports)
        candidates = path.gather(place.addresses, place.external)
        if not candidates:
            return False
        try:
            inner = bind(place.inside)
        except OSError:
            self._later(path.close())
            return False
        own = OwnTransport(path.local_username, path.local_password, self._fingerprint, candidates)
        endpoint = Endpoint(next(self._numbers), own, place.inside, inner.getsockname()[1])
        self.ready[endpoint.number] = Session(endpoint, path, inner, self._certificate, self._told, place.patience)
        self._emit(Ready([endpoint]))
        return True

    def listing(self) -> Ready:
        """All that can be taken."""
        return Ready([session.endpoint for session in self.ready.values()])

    # --- commands ---

    def carry_out(self, command: EdgeCommand) -> None:
        """Does what signalling says; what names an endpoint that is no more does nothing."""
        if isinstance(command, Take):
            self._take(command)
        elif isinstance(command, Drop):
            self._drop(command.endpoint)
        elif isinstance(command, Connect | Aim | Restart):
            session = self.taken.get(command.endpoint)
            if session is None:
                if isinstance(command, Connect):
                    # It was dropped over a connection that broke: nobody would hear anything.
                    self._emit(Failed(command.endpoint, "closed"))
                return
            if isinstance(command, Connect):
                self._began[command.endpoint] = self._loop.time()
                session.connect(command)
            elif isinstance(command, Aim):
                session.aim(command.worker_address, command.worker_port)
            elif (spare := self.taken.pop(command.spare, None)) is not None:
                session.restart(spare.give_path(), command.peer)
                self._emit(Dropped(command.spare))

    def _take(self, command: Take) -> None:
        session = self.ready.pop(command.endpoint, None)
        if session is not None:
            session.path.ice_controlling = command.controlling
            self.taken[command.endpoint] = session
            self.fill()

    def _drop(self, number: int) -> None:
        session = self.taken.pop(number, None)
        self._began.pop(number, None)
        if session is None:
            self._emit(Dropped(number))
            return
        self._received += session.received
        self._sent += session.sent
        self._refused += session.refused
        self._emit(Dropped(number, session.received, session.sent, session.refused))
        self._later(session.close())
        self.fill()

    def _told(self, number: int, fault: Fault | None) -> None:
        if fault is None:
            self._connected += 1
            self._emit(Connected(number, self._loop.time() - self._began.get(number, self._loop.time())))
        else:
            self._failed += 1
            self._emit(Failed(number, fault))

    # --- the rest ---

    def _emit(self, event: EdgeEvent) -> None:
        if not self.events:
            self._loop.call_soon(self._happened)
        if len(self.events) < MAX_EVENTS:
            self.events.append(event)

    def _happened(self) -> None:
        if self.on_events is not None:
            self.on_events()

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closed)

    def _closed(self, task: asyncio.Task[None]) -> None:
        self._closing.discard(task)
        self._ended += 1
        if self._ended % COLLECT_EVERY == 0:
            gc.collect()
        # Its ports are free again only now.
        self.fill()

    def stats(self) -> EdgeStats:
        """What was counted."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        going = self.taken.values()
        return EdgeStats(
            len(self.ready), len(self.taken), self._connected, self._failed,
            self._received + sum(one.received for one in going), self._sent + sum(one.sent for one in going),
            self._refused + sum(one.refused for one in going), used.ru_utime + used.ru_stime,
        )  # fmt: skip

    def busy(self) -> bool:
        """Whether some session has a connection or is about to."""
        return any(one.phase in ("connecting", "connected") for one in self.taken.values())

    async def close(self) -> None:
        """Ends everything."""
        self._over = True
        sessions: Sequence[Session] = (*self.taken.values(), *self.ready.values())
        self.taken.clear()
        self.ready.clear()
        await asyncio.gather(*(session.close() for session in sessions), *self._closing, return_exceptions=True)
