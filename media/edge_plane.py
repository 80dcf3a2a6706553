"""Signalling's view of the WebRTC edge: endpoints to lease, commands that cost nothing, events."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from media.edge_control import (
    Aim,
    Connect,
    Connected,
    Drop,
    Dropped,
    EdgeStats,
    Endpoint,
    Failed,
    Ready,
    Restart,
    Take,
    decode_edge_events,
)
from media.events import Hello
from media.ice_dtls import PeerTransport, Role
from media.worker_link import AnyEvent, WorkerLink

_TICK = 1.0


class EdgeLost(msgspec.Struct, frozen=True):
    """The edge died or hangs: these endpoints are void, no other event of them will come."""

    endpoints: tuple[int, ...]


PeerEvent: TypeAlias = Connected | Failed | EdgeLost


class EdgePlane:
    """The edge at one Unix socket; every method but `start` and `close` returns at once."""

    def __init__(self, path: str, on_events: Callable[[Sequence[PeerEvent]], None]) -> None:
        """`on_events` is told together what was read together."""
        self._on_events = on_events
        self._link = WorkerLink(path, secrets.token_hex(8), self, decode_edge_events)
        self._ready: deque[Endpoint] = deque()
        self._taken: dict[int, Endpoint] = {}
        self._told: list[PeerEvent] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._greeted = asyncio.Event()
        self.stats: EdgeStats | None = None

    async def start(self, timeout: float = 10.0) -> bool:  # noqa: ASYNC109 - the caller's patience is an option
        """Connects, again and again; whether endpoints were there in time."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._link.run()), loop.create_task(self._tick())]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._greeted.wait()
        return self._greeted.is_set()

    async def close(self) -> None:
        """Leaves the edge; its sessions go on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self._link.tick()

    # --- commands ---

    def lease(self, controlling: bool) -> Endpoint | None:
        """An endpoint to describe to a browser, in an offer if `controlling`; None when there is none."""
        if not self._link.up or not self._ready:
            return None
        endpoint = self._ready.popleft()
        self._taken[endpoint.number] = endpoint
        self._link.send(Take(endpoint.number, controlling))
        return endpoint

    def connect(self, endpoint: Endpoint, peer: PeerTransport, role: Role, worker: tuple[str, int]) -> None:
        """Begins to find the peer and relays to and from the worker's port; Connected or Failed follows."""
        if endpoint.number in self._taken:
            self._link.send(Connect(endpoint.number, peer, role, *worker))

    def aim(self, endpoint: Endpoint, worker: tuple[str, int]) -> None:
        """The worker's port is another now."""
        if endpoint.number in self._taken:
            self._link.send(Aim(endpoint.number, *worker))

    def restart(self, endpoint: Endpoint, spare: Endpoint, peer: PeerTransport) -> None:
        """The session of `endpoint` goes over the path of `spare`, which is used up by that."""
        if self._taken.pop(spare.number, None) is not None and endpoint.number in self._taken:
            self._link.send(Restart(endpoint.number, spare.number, peer))

    def release(self, endpoint: Endpoint) -> None:
        """Ends what the endpoint does."""
        if self._taken.pop(endpoint.number, None) is not None:
            self._link.send(Drop(endpoint.number))

    def counts(self) -> dict[str, int]:
        """Endpoints `ready` and `taken`, whether the edge is connected."""
        return {"ready": len(self._ready), "taken": len(self._taken), "up": int(self._link.up)}

    # --- what the link tells (LinkOwner) ---

    def worker_up(self, link: WorkerLink, hello: Hello) -> None:
        """Ends sessions that are not ours; what is ready is listed next."""
        self._ready.clear()
        for number, _ in hello.open:
            if number not in self._taken:
                link.send(Drop(number))

    def worker_lost(self, link: WorkerLink) -> None:
        """Tells the owner of the calls."""
        lost = tuple(self._taken)
        self._taken.clear()
        self._ready.clear()
        self.stats = None
        self._told.append(EdgeLost(lost))
        self.worker_events_end(link)

    def worker_event(self, link: WorkerLink, event: AnyEvent) -> None:
        """Takes what concerns an endpoint that is taken."""
        if isinstance(event, Ready):
            self._ready.extend(one for one in event.endpoints if one.number not in self._taken)
            self._greeted.set()
        elif isinstance(event, EdgeStats):
            self.stats = event
        elif isinstance(event, Connected | Failed):
            if event.endpoint in self._taken:
                self._told.append(event)
        elif isinstance(event, Dropped):
            self._taken.pop(event.endpoint, None)

    def worker_events_end(self, link: WorkerLink) -> None:
        """Passes on what one read has brought."""
        if self._told:
            told, self._told = self._told, []
            self._on_events(told)
