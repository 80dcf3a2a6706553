"""The plane made of our own media workers: who they are, ports to lease, events."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from media.control import Release, Wish
from media.events import (
    Digit,
    Heard,
    Hello,
    KeyForOther,
    KeyHeld,
    KeyPassed,
    MessageDone,
    PlayDone,
    PortsAdded,
    Recorded,
    Released,
    Silence,
    Unauthentic,
    WorkerStats,
)
from media.interface import Lease, MediaEvent, MediaPlane, WorkerLost
from media.known_worker import KnownWorker
from media.lease_commands import LeaseCommands
from media.port_stock import PortStock
from media.worker_link import AnyEvent, WorkerLink

__all__ = ["Lease", "MediaEvent", "MediaPlane", "WorkerLost", "WorkerPlane", "WorkerState"]

_TICK = 1.0
ROOM: Final = 8
"""Free ports of a worker to which a new call comes while others have as many: more parties may come to it."""
_OF_A_SESSION: Final = (
    Digit,
    KeyHeld,
    KeyPassed,
    KeyForOther,
    PlayDone,
    Silence,
    Heard,
    Recorded,
    MessageDone,
    Unauthentic,
)


class WorkerState(NamedTuple):
    """A worker as signalling sees it: ports by number, its own counters at most two seconds old."""

    up: bool
    draining: bool
    free: int
    leased: int
    stats: WorkerStats | None


def _nobody_waits(number: int) -> None:
    """Until somebody does."""


def _nobody_calls(short: bool) -> None:
    """Until somebody does."""


class WorkerPlane(LeaseCommands):
    """The plane made of our own media workers, reached by their Unix sockets."""

    def __init__(
        self, sockets: Sequence[str] | Mapping[int, str], on_events: Callable[[Sequence[MediaEvent]], None]
    ) -> None:
        """`sockets` by the workers' numbers; `on_events` is told together what was read together."""
        super().__init__()
        self._on_events = on_events
        self._told: list[MediaEvent] = []
        self.on_empty: Callable[[int], None] = _nobody_waits
        """Told the number of a worker that was drained, once nothing is left on it."""
        self.on_drain: Callable[[int], None] = _nobody_waits
        """Told the number of a worker that is drained from now on."""
        self.on_short: Callable[[bool], None] = _nobody_calls
        """Told True when few ports are left and more are on their way, again when some of them came; False in the end,
        after two seconds at most.
        """
        self._short = False
        self._client = secrets.token_hex(8)
        paths = sockets if isinstance(sockets, Mapping) else dict(enumerate(sockets))
        self._numbers: dict[WorkerLink, int] = {}
        for number, path in paths.items():
            self._know(number, path)
        self._gen = 0
        self._links: dict[int, asyncio.Task[None]] = {}
        self._ticking: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    async def start(self, timeout: float = 30.0) -> None:  # noqa: ASYNC109 - the caller's patience is an option
        """Connects to every worker; raises TimeoutError when one has not answered, or has no ports, in time."""
        for number in self._workers:
            self._connect(number)
        self._ticking = asyncio.create_task(self._tick())
        async with asyncio.timeout(timeout):
            await self._ready.wait()

    async def close(self) -> None:
        """Leaves the workers; their sessions go on."""
        for worker in self._workers.values():
            worker.link.flush_all()
        tasks = [*self._links.values(), *([self._ticking] if self._ticking is not None else [])]
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._links, self._ticking = {}, None

    # --- workers that come and go ---

    def add(self, number: int, path: str) -> None:
        """One more worker, whose process may still be starting; nothing happens if its number is known."""
        if number not in self._workers:
            self._know(number, path)
            self._connect(number)

    def drain(self, number: int) -> None:
        """No new call comes to a worker; those it has go on, and `on_empty` is told of their end. Raises ValueError.

        The last worker that takes calls cannot be drained.
        """
        worker = self._workers.get(number)
        if worker is None:
            raise ValueError(f"there is no media worker {number}")
        others = [n for n, other in self._workers.items() if n != number and not other.draining and other.link.up]
        if not others and not worker.draining:
            raise ValueError(f"media worker {number} is the last one that takes calls: add another one first")
        worker.draining = True
        self.on_drain(number)
        asyncio.get_running_loop().call_soon(self._look_if_empty, number)

    def drain_on(self, number: int) -> None:
        """A worker was drained already when we came; what it has is known once it has greeted."""
        if (worker := self._workers.get(number)) is not None:
            worker.draining = True
            if worker.link.up:
                asyncio.get_running_loop().call_soon(self._look_if_empty, number)

    def states(self) -> dict[int, WorkerState]:
        """Each worker as it is."""
        return {
            number: WorkerState(
                worker.link.up,
                worker.draining,
                len(worker.ports.free) + len(worker.ports_six.free),
                len(worker.leased),
                worker.stats,
            )
            for number, worker in self._workers.items()
        }

    def _know(self, number: int, path: str) -> None:
        worker = self._workers[number] = KnownWorker(WorkerLink(path, self._client, self))
        self._numbers[worker.link] = number

    def _connect(self, number: int) -> None:
        self._links[number] = asyncio.create_task(self._workers[number].link.run())

    def _look_if_empty(self, number: int) -> None:
        worker = self._workers.get(number)
        if worker is None or not worker.draining or worker.leased or worker.foreign:
            return
        del self._workers[number], self._numbers[worker.link]
        if (link := self._links.pop(number, None)) is not None:
            link.cancel()
        self.on_empty(number)
        # It may be the one that the start has waited for.
        self._look_if_ready()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            for worker in tuple(self._workers.values()):
                worker.link.tick()
                worker.ports.tick()
                worker.ports_six.tick()
            if self._short:
                self._look_if_short()

    # --- leases ---

    def lease(self, near: Lease | None = None, *, six: bool = False) -> Lease | None:
        """A free port, longest unused first, of the least loaded worker or of that of `near`.

        `six`: on IPv6, where the workers are on both families.
        """
        if near is not None:
            number = near.worker
            if number not in self._workers or not self._usable(self._workers[number], six):
                return None
        else:
            usable = self.for_calls(six)
            if not usable:
                return None
            number = min(usable, key=lambda n: len(self._workers[n].leased))
        worker = self._workers[number]
        self._gen += 1
        if six and worker.address6:
            ports = worker.ports_six
            lease = Lease(number, ports.free.popleft(), self._gen, worker.address6)
        else:
            ports = worker.ports
            lease = Lease(number, ports.free.popleft(), self._gen, worker.address)
        if len(ports.free) < ports.low:
            self._wish(worker, ports)
        worker.leased[lease.port] = lease
        return lease

    def for_calls(self, six: bool = False) -> list[int]:
        """The numbers of the workers that take new calls; one that has hardly a port left only where all are so."""
        usable = [n for n, worker in self._workers.items() if self._usable(worker, six) and not worker.draining]
        if len(usable) < 2:
            return usable
        return [n for n in usable if len(self._workers[n].stock(six).free) >= ROOM] or usable

    @staticmethod
    def _usable(worker: KnownWorker, six: bool) -> bool:
        return worker.link.up and bool((worker.ports_six if six and worker.address6 else worker.ports).free)

    def _wish(self, worker: KnownWorker, ports: PortStock) -> None:
        count = ports.wish()
        if count:
            worker.link.ask(Wish(count, ports is worker.ports_six))
            self._look_if_short()

    def _look_if_short(self) -> None:
        was, self._short = self._short, any(worker.waits for worker in self._workers.values())
        if self._short and not was:
            self.on_short(True)
        elif was:
            # What it leads to is no part of what the caller is about.
            asyncio.get_running_loop().call_soon(lambda: self.on_short(self._short))

    def spare(self, six: bool) -> int:
        """Free ports of one family, of the workers that take calls."""
        return sum(len(worker.stock(six).free) for worker in self._workers.values() if worker.takes_calls)

    def counts(self) -> dict[str, int]:
        """Ports `free` and `leased` over all workers, `workers` connected."""
        return {
            "free": sum(len(worker.ports.free) + len(worker.ports_six.free) for worker in self._workers.values()),
            "leased": sum(len(worker.leased) for worker in self._workers.values()),
            "workers": sum(worker.link.up for worker in self._workers.values()),
        }

    def worker_stats(self) -> dict[int, WorkerStats]:
        """Each worker's own counters, at most two seconds old."""
        return {n: worker.stats for n, worker in self._workers.items() if worker.stats is not None}

    # --- what a link tells (LinkOwner) ---

    def worker_up(self, link: WorkerLink, hello: Hello) -> None:
        """Takes stock of the worker's ports; sessions that are not ours are ended."""
        worker = self._workers[self._numbers[link]]
        worker.address, worker.address6 = hello.address, hello.address6
        self._gen = max(self._gen, hello.last_gen)
        worker.foreign = {port: gen for port, gen in hello.open if port not in worker.leased}
        worker.ports.wished = worker.ports_six.wished = 0
        worker.add_ports(hello.ports, hello.six)
        for port, gen in worker.foreign.items():
            link.send(Release(port, gen))
        for port in worker.releasing:
            # Its Released may have been lost with the connection; a second Release is answered as well.
            link.send(Release(port, worker.leased[port].gen))
        self._look_if_ready()
        if worker.draining:
            asyncio.get_running_loop().call_soon(self._look_if_empty, self._numbers[link])

    def worker_lost(self, link: WorkerLink) -> None:
        """Voids the worker's leases and tells the owner of the calls."""
        number = self._numbers[link]
        worker = self._workers[number]
        leases = tuple(worker.leased.values())
        for lease in leases:
            self._rooms.leave(lease)
        worker.leased.clear()
        worker.releasing.clear()
        worker.opened.clear()
        worker.foreign.clear()
        worker.ports, worker.ports_six = PortStock(), PortStock()
        worker.stats = None
        if self._short:
            self._look_if_short()
        self._told.append(WorkerLost(number, leases))
        self._tell()
        if worker.draining:
            asyncio.get_running_loop().call_soon(self._look_if_empty, number)

    def worker_event(self, link: WorkerLink, event: AnyEvent) -> None:
        """Takes what concerns a living lease."""
        worker = self._workers[self._numbers[link]]
        if isinstance(event, Released):
            self._released(worker, event)
            if worker.draining:
                asyncio.get_running_loop().call_soon(self._look_if_empty, self._numbers[link])
        elif isinstance(event, PortsAdded):
            if not event.ports:
                worker.ports.none_left()
                worker.ports_six.none_left()
            worker.add_ports(event.ports, event.six)
            self._look_if_ready()
            if self._short:
                self._look_if_short()
        elif isinstance(event, WorkerStats):
            worker.stats = event
        elif isinstance(event, _OF_A_SESSION):
            lease = worker.leased.get(event.port)
            if lease is not None and lease.gen == event.gen:
                self._told.append(event)

    def worker_events_end(self, link: WorkerLink) -> None:
        """Passes on what one read has brought."""
        if self._told:
            self._tell()

    def _tell(self) -> None:
        told, self._told = self._told, []
        self._on_events(told)

    def _look_if_ready(self) -> None:
        # A worker may be there before its first ports: a call would find none.
        if not self._ready.is_set() and all(worker.link.boot and worker.has_ports for worker in self._workers.values()):
            self._ready.set()

    def _released(self, worker: KnownWorker, event: Released) -> None:
        lease = worker.leased.get(event.port)
        if lease is not None and lease.gen == event.gen:
            del worker.leased[event.port]
            worker.releasing.discard(event.port)
            worker.give_back(event.port)
            self._told.append(event)
        elif worker.foreign.get(event.port) == event.gen:
            del worker.foreign[event.port]
            worker.give_back(event.port)
