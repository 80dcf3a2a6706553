"""The plane made of our own media workers: ports to lease, commands that cost nothing, events."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from media.control import (
    Bridge,
    Command,
    Conceal,
    Digit,
    Heard,
    Hello,
    Join,
    KeyForOther,
    KeyHeld,
    KeyTaken,
    Leave,
    Message,
    MessageDone,
    Mute,
    Open,
    PauseRecord,
    Play,
    PlayDone,
    PortsAdded,
    Record,
    Recorded,
    Release,
    Released,
    Role,
    SendDigits,
    Silence,
    StopPlay,
    StopRecord,
    Unauthentic,
    Unbridge,
    Wire,
    Wish,
    WorkerStats,
)
from media.interface import Lease, MediaEvent, MediaPlane, WorkerLost
from media.known_worker import KnownWorker
from media.port_stock import PortStock
from media.rooms import Rooms
from media.sdes import Keys
from media.worker_link import AnyEvent, WorkerLink

__all__ = ["Lease", "MediaEvent", "MediaPlane", "WorkerLost", "WorkerPlane", "WorkerState"]

_TICK = 1.0
_NEVER = (0, 0)


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


class WorkerPlane:
    """The plane made of our own media workers, reached by their Unix sockets."""

    def __init__(
        self, sockets: Sequence[str] | Mapping[int, str], on_events: Callable[[Sequence[MediaEvent]], None]
    ) -> None:
        """`sockets` by the workers' numbers; `on_events` is told together what was read together."""
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
        self._workers: dict[int, KnownWorker] = {}
        self._numbers: dict[WorkerLink, int] = {}
        for number, path in paths.items():
            self._know(number, path)
        self._gen = 0
        self._rooms = Rooms()
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

    def gather(self) -> None:
        """Lets the commands that follow wait for `flush`."""
        for worker in self._workers.values():
            worker.link.gather()

    def flush(self) -> None:
        """Sends the commands that wait, now."""
        for worker in self._workers.values():
            worker.link.flush()

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
            usable = [n for n, worker in self._workers.items() if self._usable(worker, six) and not worker.draining]
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

    def release(self, lease: Lease) -> None:
        """Ends the session; the port is free again once the worker has said Released."""
        worker = self._worker_of(lease)
        if worker is not None:
            worker.releasing.add(lease.port)
            self._rooms.leave(lease)
            worker.link.send(Release(lease.port, lease.gen), stays=True)

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

    # --- commands ---

    def _send(self, lease: Lease, command: Command, *, stays: bool = False) -> None:
        # A void or released lease is no error: the worker's death crosses with the call's commands.
        worker = self._worker_of(lease)
        if worker is not None:
            worker.link.send(command, stays=stays)

    def _worker_of(self, lease: Lease) -> KnownWorker | None:
        """The worker of a lease that is neither void nor released."""
        worker = self._workers.get(lease.worker)
        if worker is None or lease.port in worker.releasing:
            return None
        leased = worker.leased.get(lease.port)
        return worker if leased is lease or leased == lease else None

    def open(
        self,
        lease: Lease,
        *,
        remote_ip: str,
        remote_port: int,
        latch_ip: str,
        audio_pt: int,
        codec: str,
        event_pt: int | None,
        send: bool = True,
        receive: bool = True,
        digits: bool = False,
        receive_pt: int | None = None,
        receive_event_pt: int | None = None,
        rtcp_port: int = 0,
        rtcp_mux: bool = False,
        secured: Keys | None = None,
        wire: Wire | None = None,
    ) -> None:
        """Starts or updates the session of `lease`."""
        worker = self._worker_of(lease)
        if worker is None:
            return
        stays = False
        if worker.opened.get(lease.port, _NEVER)[0] != lease.gen:
            worker.opened[lease.port] = (lease.gen, worker.link.writings)
            # A worker keeps what comes to a port before its session; but not sealed audio, nor while there is one.
            stays = secured is None
        worker.link.send(
            Open(
                lease.port,
                lease.gen,
                remote_ip,
                remote_port,
                latch_ip,
                audio_pt,
                codec,
                event_pt,
                send,
                receive,
                digits,
                receive_pt=receive_pt,
                receive_event_pt=receive_event_pt,
                rtcp_port=rtcp_port,
                rtcp_mux=rtcp_mux,
                secured=secured,
                wire=wire,
            ),
            stays=stays,
        )

    def bridge(self, a: Lease, b: Lease) -> None:
        """Relays both ways; raises ValueError when `b` was not leased near `a`."""
        if a.worker != b.worker:
            raise ValueError(f"ports {a.port} and {b.port} are of different workers")
        self._rooms.leave(a)
        self._rooms.leave(b)
        worker = self._worker_of(a)
        if worker is not None:
            opened, writings = worker.opened, worker.link.writings
            # With the first Opens of both, that stay: what comes meanwhile is kept, and relayed then.
            stays = opened.get(a.port) == (a.gen, writings) and opened.get(b.port) == (b.gen, writings)
            worker.link.send(Bridge(a.port, a.gen, b.port, b.gen), stays=stays)

    def unbridge(self, lease: Lease) -> None:
        """Ends relaying from and to `lease`."""
        self._send(lease, Unbridge(lease.port, lease.gen))

    def play(self, lease: Lease, play_id: int, prompts: Sequence[str], loop: bool = False) -> None:
        """Plays `prompts` to the peer in place of whatever plays; PlayDone with `play_id` follows."""
        self._send(lease, Play(lease.port, lease.gen, play_id, list(prompts), loop))

    def stop_play(self, lease: Lease) -> None:
        """Stops what plays."""
        self._send(lease, StopPlay(lease.port, lease.gen))

    def send_digits(self, lease: Lease, digits: str) -> None:
        """Sends telephone events to the peer."""
        self._send(lease, SendDigits(lease.port, lease.gen, digits))

    def record(self, lease: Lease, recording_id: str, path: str, peer: Lease | None = None) -> None:
        """Records into the wav file `path`: left what comes from `lease`, right what it hears."""
        other = (peer.port, peer.gen) if peer is not None and peer.worker == lease.worker else (0, 0)
        self._send(lease, Record(lease.port, lease.gen, recording_id, path, *other))

    def stop_record(self, lease: Lease) -> None:
        """Ends the recording or message of `lease`."""
        self._send(lease, StopRecord(lease.port, lease.gen))

    def pause_record(self, lease: Lease, paused: bool) -> None:
        """Records silence, or audio again."""
        self._send(lease, PauseRecord(lease.port, lease.gen, paused))

    def conceal(self, lease: Lease, on: bool) -> None:
        """While secret keys are pressed recordings hold silence."""
        self._send(lease, Conceal(lease.port, lease.gen, on))

    def key_taken(self, lease: Lease) -> None:
        """A key came by signalling and was taken: its tone is for nobody else."""
        self._send(lease, KeyTaken(lease.port, lease.gen))

    def message(
        self,
        lease: Lease,
        message_id: int,
        path: str,
        max_seconds: float,
        silence_seconds: float = 0.0,
        terminators: str = "",
    ) -> None:
        """Records what the caller says, in mono; MessageDone with `message_id` follows its end."""
        self._send(
            lease,
            Message(lease.port, lease.gen, message_id, path, max_seconds, silence_seconds, terminators),
        )

    def join(self, lease: Lease, room: int, role: Role = "party", coached: Lease | None = None) -> None:
        """Puts `lease` into a room, or changes its role; raises ValueError."""
        if self._worker_of(lease) is not None:
            self._rooms.join(lease, room, role, coached)
            port, gen = (0, 0) if coached is None else (coached.port, coached.gen)
            self._send(lease, Join(lease.port, lease.gen, room, role, port, gen))

    def leave(self, lease: Lease) -> None:
        """Takes `lease` out of its room."""
        self._rooms.leave(lease)
        self._send(lease, Leave(lease.port, lease.gen))

    def mute(self, lease: Lease, on: bool) -> None:
        """What comes from `lease` is silence, or audio again."""
        self._send(lease, Mute(lease.port, lease.gen, on))

    # --- what a link tells (LinkOwner) ---

    def worker_up(self, link: WorkerLink, hello: Hello) -> None:
        """Takes stock of the worker's ports; sessions that are not ours are ended."""
        worker = self._workers[self._numbers[link]]
        worker.address, worker.address6 = hello.address, hello.address6
        self._gen = max(self._gen, hello.last_gen)
        worker.foreign = {port: gen for port, gen in hello.open if port not in worker.leased}
        worker.ports.wished = worker.ports_six.wished = 0
        self._add_ports(worker, hello.ports, hello.six)
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
            self._add_ports(worker, event.ports, event.six)
            self._look_if_ready()
            if self._short:
                self._look_if_short()
        elif isinstance(event, WorkerStats):
            worker.stats = event
        elif isinstance(
            event,
            Digit | PlayDone | Silence | Recorded | MessageDone | Unauthentic | KeyForOther | Heard | KeyHeld,
        ):
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

    @staticmethod
    def _add_ports(worker: KnownWorker, ports: Sequence[int], six: Sequence[int]) -> None:
        known = {*worker.ports.free, *worker.ports_six.free, *worker.leased, *worker.foreign}
        worker.six.update(six)
        new = [port for port in ports if port not in known]
        for port in new:
            worker.give_back(port)
        beside = len(worker.six.intersection(new))
        worker.ports_six.add(beside)
        worker.ports.add(len(new) - beside)

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
