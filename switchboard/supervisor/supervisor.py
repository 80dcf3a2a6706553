"""The main loop: starts the children, hands them sockets, restarts what dies, drains and stops.

It never touches a packet. Phases follow each other and never go back: STARTING, RUNNING, DRAINING, STOPPING.
"""

from __future__ import annotations

import enum
import heapq
import itertools
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from config.schema import Config
from config.sip_schema import Listen
from switchboard.supervisor.banner import greeting
from switchboard.supervisor.channel import Channel
from switchboard.supervisor.child import WINDOW, Child, ending
from switchboard.supervisor.ports import CHUNK, Pair, PortPool
from switchboard.supervisor.says import complain, say
from switchboard.supervisor.wakeup import Wakeup

FIRST_CHUNKS: Final = 4
"""Chunks of pairs that a worker starts with: room for 128 calls before it has to ask for more."""

MOST_PAIRS: Final = 16 * CHUNK  # one request binds for a few milliseconds at most
_LAST_WORDS: Final = 1.5  # for the BYEs of calls that outlast the draining
_GRACE: Final = 3.0  # for a child that was told to stop
_GRACE_AT_ONCE: Final = 1.0


class Phase(enum.IntEnum):
    """Where the life of the switch stands."""

    STARTING = 0
    RUNNING = 1
    DRAINING = 2
    STOPPING = 3


class Worker(Child):
    """A media worker and the pairs that are its own, also after it was restarted."""

    def __init__(self, number: int, arguments: Sequence[str], socket_path: Path) -> None:
        super().__init__(f"media worker {number}", arguments)
        self.number = number
        self.draining = False
        """New calls go elsewhere, whatever becomes of signalling."""
        self.retired = False
        self.socket_path = socket_path
        self.pairs: list[Pair] = []


class Supervisor:
    """Owns the sockets and the children of one switch."""

    def __init__(
        self,
        config: Config,
        listeners: Sequence[tuple[Listen, socket.socket]],
        pool: PortPool,
        signalling: Child,
        workers: Sequence[Worker],
        another: Callable[[int], Worker],
        recorder: Child,
        wakeup: Wakeup,
        extras: Sequence[Child] = (),
        edge: Child | None = None,
    ) -> None:
        """`another` makes a worker of a number, for those that come later.

        `extras` are children that the switch can do without; they are neither waited for nor started again.
        `edge` is where browsers' audio arrives, None where there are none.
        """
        self._config = config
        self._listeners = listeners
        self._pool = pool
        self._signalling = signalling
        self._workers = list(workers)
        self._another = another
        self._recorder = recorder
        self._extras = extras
        self._edge = () if edge is None else (edge,)
        self._needed: list[Child] = [*self._edge, recorder, signalling, *workers]
        self._children: list[Child] = [*self._needed, *extras]
        self._wakeup = wakeup
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._first_share = min(FIRST_CHUNKS * CHUNK, pool.limit // len(workers))
        self._phase = Phase.STARTING
        self._status = 0
        self._active = 0
        self._admin = ""
        self._web = True
        self._greeted = False
        self._next_number = len(workers)
        self._exhausted = False
        self._began = time.monotonic()

    def run(self, began: float) -> int:
        """Serve until stopped; returns the exit status. ``began`` is when the program was started."""
        self._began = began
        self._selector.register(self._wakeup, selectors.EVENT_READ, None)
        try:
            for child in self._children:
                self._start(child)
            while self._phase < Phase.STOPPING or any(child.alive for child in self._children):
                self._turn()
        finally:
            self._selector.close()
            for child in self._children:
                if child.channel is not None:
                    child.channel.close()
            for worker in self._workers:
                worker.socket_path.unlink(missing_ok=True)
        return self._status

    def _turn(self) -> None:
        timeout = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
        for key, events in self._selector.select(timeout):
            child = key.data
            if child is None:
                self._wakeup.clear()
                continue
            if events & selectors.EVENT_WRITE:
                child.channel.flush()
            if events & selectors.EVENT_READ:
                self._read(child)
        for _ in range(self._wakeup.take_requests()):
            self._stop_requested()
        for child in tuple(self._children):
            if (status := child.reap()) is not None:
                self._ended(child, status)
        while self._timers and self._timers[0][0] <= time.monotonic():
            heapq.heappop(self._timers)[2]()
        self._watch_queues()

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), action))

    # --- channels ---

    def _watch_queues(self) -> None:
        """Ask for writability only where a message waits, else the loop would spin."""
        for key in list(self._selector.get_map().values()):
            child = key.data
            if child is not None:
                wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if child.channel.waiting else 0)
                if key.events != wanted:
                    self._selector.modify(key.fileobj, wanted, child)

    def _read(self, child: Child) -> None:
        """Hear everything that the child has said so far."""
        channel = child.channel
        if channel is None or channel.closed:
            return
        while message := channel.receive():
            if child is self._signalling:
                self._signalling_says(message)
            elif isinstance(child, Worker):
                self._worker_says(child, message)
            elif message.get("ready"):
                child.ready = True
                self._greet()
        if message is None:
            self._close(channel)

    def _close(self, channel: Channel) -> None:
        self._selector.unregister(channel)
        channel.close()

    def _signalling_says(self, message: dict[str, object]) -> None:
        if isinstance(active := message.get("active"), int):
            self._active = active
        if isinstance(reason := message.get("failed"), str):
            complain(reason)
            if not self._greeted:
                self._fail()
        if message.get("ready"):
            self._signalling.ready = True
            self._admin = str(message.get("admin") or "")
            self._web = bool(message.get("web"))
            self._greet()
        if message.get("add_worker"):
            self._add_worker()
        for worker in self._workers:
            worker.draining = worker.draining or worker.number == message.get("drain_worker")
        if isinstance(number := message.get("retire_worker"), int):
            self._retire_worker(number)
        if isinstance(up := message.get("draining"), int) and self._phase is Phase.DRAINING:
            self._active = up
            say(_farewell(up, float(self._config.limits.drain)))
        if message.get("drained") and self._phase is Phase.DRAINING:
            self._stop()

    def _add_worker(self) -> None:
        """One more; its number was never another's, so that nothing of an old one is taken for its own."""
        if self._phase is not Phase.RUNNING:
            return
        worker = self._another(self._next_number)
        self._next_number += 1
        self._workers.append(worker)
        self._children.append(worker)
        self._start(worker)
        self._signalling.tell({"worker": [worker.number, str(worker.socket_path)]})
        say(f"{worker.name} is added")

    def _retire_worker(self, number: int) -> None:
        """Signalling has no call on it any more; its ports may be another's."""
        worker = next((one for one in self._workers if one.number == number), None)
        if worker is None or worker.retired or self._phase is not Phase.RUNNING:
            return
        worker.retired = True
        worker.tell({"stop": True})
        self._after(_GRACE_AT_ONCE, worker.kill)
        if not worker.alive:
            self._gone(worker)

    def _gone(self, worker: Worker) -> None:
        self._workers.remove(worker)
        self._children.remove(worker)
        self._pool.give_back(worker.pairs)
        self._exhausted = False
        worker.socket_path.unlink(missing_ok=True)
        say(f"{worker.name} has drained and ended")
        for poor in self._workers:
            # One that was added may have found hardly any.
            if not poor.draining and len(poor.pairs) < self._first_share:
                self._give_share(poor)

    def _worker_says(self, worker: Worker, message: dict[str, object]) -> None:
        if message.get("ready"):
            worker.ready = True
            self._greet()
        for key in ("more", "more6"):
            more = message.get(key)
            if isinstance(more, int) and more > 0:
                self._bind_for(worker, min(more, MOST_PAIRS), six=key == "more6")

    def _greet(self) -> None:
        if self._phase > Phase.RUNNING or not all(child.ready for child in self._needed):
            return
        self._phase = Phase.RUNNING
        if not self._greeted:
            self._greeted = True
            # At once: who waits for the first line reads the account's password as well.
            say("\n".join(greeting(self._config, time.monotonic() - self._began, self._admin, web=self._web)))

    # --- ports ---

    def _give_share(self, worker: Worker) -> None:
        """What a worker has not got yet of its first ports."""
        missing = self._first_share - len(worker.pairs)
        six = min(CHUNK, missing // 2) if self._config.media.address6 else 0
        self._bind_for(worker, missing - six)
        if six:
            self._bind_for(worker, six, six=True)

    def _bind_for(self, worker: Worker, count: int, *, six: bool = False) -> None:
        given = 0
        while given < count:
            chunk = self._pool.bind(min(CHUNK, count - given), six=six)
            if not chunk:
                self._say_exhausted(worker, given)
                return
            worker.pairs += chunk
            _hand_over(worker, chunk)
            given += len(chunk)

    def _say_exhausted(self, worker: Worker, given: int) -> None:
        worker.tell({"exhausted": True})
        # Of a small range the workers have all from the start, and ask for more without need.
        if not given and not self._exhausted and self._pool.limit > self._first_share * len(self._workers):
            self._exhausted = True
            complain(f"no RTP port is left: {self._pool.bound} pairs are open, media.ports allows no more")

    # --- life and death ---

    def _start(self, child: Child) -> None:
        if self._phase >= Phase.STOPPING or (isinstance(child, Worker) and child.retired):
            return
        if isinstance(child, Worker):
            child.socket_path.unlink(missing_ok=True)
        try:
            channel = child.start()
        except OSError as problem:
            complain(f"{child.name} cannot be started: {(problem.strerror or str(problem)).lower()}")
            self._try_again(child)
            return
        self._selector.register(channel, selectors.EVENT_READ, child)
        if isinstance(child, Worker):
            if child.pairs:
                _hand_over(child, child.pairs)
            else:
                self._give_share(child)
        elif child is self._signalling:
            self._equip_signalling()

    def _equip_signalling(self) -> None:
        message: dict[str, object] = {
            "listen": [[listen.host, listen.port] for listen, _ in self._listeners],
            "workers": [[worker.number, str(worker.socket_path)] for worker in self._workers if not worker.retired],
            "draining": [worker.number for worker in self._workers if worker.draining],
            "restarts": self._signalling.restarts,
        }
        self._signalling.tell(message, [sock.fileno() for _, sock in self._listeners])

    def _ended(self, child: Child, status: int) -> None:
        self._read(child)  # what it said just before it ended
        if child.channel is not None and not child.channel.closed:
            self._close(child.channel)
        child.ready = False
        if isinstance(child, Worker) and child.retired and self._phase is not Phase.STOPPING:
            self._gone(child)
            return
        if self._phase is Phase.STOPPING:
            if child is self._signalling:
                self._stop_workers()
            elif not any(worker.alive for worker in self._workers):
                self._stop_recorder()
            return
        if child in self._extras:
            complain(f"{child.name} ended {ending(status)}; the switch goes on without it")
        elif child is self._signalling and not self._greeted:
            if self._status == 0:
                complain(f"{child.name} ended {ending(status)} while it started; its last messages are above")
            self._fail()
        elif child is self._signalling and self._phase is Phase.DRAINING:
            self._stop()
        else:
            complain(f"{child.name} ended {ending(status)}")
            self._try_again(child)

    def _try_again(self, child: Child) -> None:
        pause = child.pause_before_restart(time.monotonic())
        if pause is None and (child is self._signalling or not self._greeted):
            complain(f"{child.name} KEEPS DYING; the switch stops, its messages are above")
            self._fail()
            return
        if pause is None:
            without = "browsers have no audio" if child in self._edge else "calls use the other workers"
            complain(f"{child.name} KEEPS DYING; next attempt in {WINDOW:.0f} s, {without}")
            pause = WINDOW
        child.restarts += 1
        self._after(pause, lambda: self._start(child))

    # --- stopping ---

    def _stop_requested(self) -> None:
        if self._phase < Phase.DRAINING and self._signalling.ready:
            self._drain()
        elif self._phase < Phase.STOPPING:
            self._stop(at_once=self._phase is Phase.DRAINING)
        else:
            for child in self._children:
                child.kill()

    def _drain(self) -> None:
        """Signalling answers with the calls that are up: what it reported last may be half a second old."""
        self._phase = Phase.DRAINING
        seconds = float(self._config.limits.drain)
        self._signalling.tell({"drain": seconds})
        self._after(seconds + _LAST_WORDS, self._stop)
        self._after(1.0, self._report_drain)

    def _report_drain(self) -> None:
        if self._phase is Phase.DRAINING:
            say(f"stopping: {self._active} still up")
            self._after(1.0, self._report_drain)

    def _fail(self) -> None:
        self._status = 1
        self._stop(at_once=True)

    def _stop(self, *, at_once: bool = False) -> None:
        if self._phase is Phase.STOPPING:
            return
        self._phase = Phase.STOPPING
        grace = _GRACE_AT_ONCE if at_once else _GRACE
        self._signalling.tell({"stop": True})
        self._after(grace, self._signalling.kill)
        if not self._signalling.alive:
            self._stop_workers()

    def _stop_workers(self) -> None:
        """Workers go last, so that what callers hear ends with their calls."""
        for worker in self._workers:
            worker.tell({"stop": True})
            self._after(_GRACE_AT_ONCE, worker.kill)
        if not any(worker.alive for worker in self._workers):
            self._stop_recorder()

    def _stop_recorder(self) -> None:
        """The recorder goes last of all, when nobody sends it audio any more."""
        for child in (self._recorder, *self._edge, *self._extras):
            child.tell({"stop": True})
            self._after(_GRACE_AT_ONCE, child.kill)


def _farewell(active: int, seconds: float) -> str:
    if not active:
        return "stopping"
    calls = "1 call is" if active == 1 else f"{active} calls are"
    return f"stopping: {calls} up and may go on for {seconds:g} s; another Ctrl-C ends them at once"


def _hand_over(worker: Worker, pairs: Sequence[Pair]) -> None:
    for start in range(0, len(pairs), CHUNK):
        chunk = pairs[start : start + CHUNK]
        descriptors = [descriptor for pair in chunk for descriptor in pair.descriptors()]
        worker.tell({"ports": [pair.port for pair in chunk]}, descriptors)
