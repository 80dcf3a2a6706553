"""The worker's end of the control connection: signalling connects, again after each restart."""

from __future__ import annotations

import os
import resource
import secrets
import select
import socket
import traceback
from collections.abc import Callable
from typing import Final

from media.control import Attach, Command, Ping, Stats, Wish, decode_commands, encode_frame
from media.events import Event, Hello, Pong, PortsAdded, Released
from media.worker.framed_stream import END_OF_FILE, FramedStream
from media.worker.listener import listen
from media.worker.log import complain
from media.worker.ports import Port
from media.worker.recordings import NEVER
from media.worker.sessions import Sessions

MAX_UNSENT: Final = 8 << 20
"""Octets for a signalling process that does not read; beyond, it has to connect again."""
MAX_KEPT: Final = 10_000
"""Events kept for the next connection while there is none."""

PACE: Final = 0.1
"""Seconds from one telling to the next of nothing but Released: nobody waits for them, and each is a wake-up."""

_STAY: Final = {Released}


class Signalling:
    """Listens on a Unix socket; of its connections the newest counts."""

    def __init__(
        self, path: str, number: int, address: str, sessions: Sessions, epoll: select.epoll, address6: str = ""
    ) -> None:
        """`address6`: that of the ports on IPv6 where others are on IPv4."""
        self.six: set[int] = set()
        """The ports on IPv6, where there are others."""
        self.want: Callable[[int, bool], None] = _nobody_gives
        """Asks the supervisor for so many more ports, of the second family or not."""
        self._address6 = address6
        self._path = path
        self._number = number
        self._address = address
        self._sessions = sessions
        self._epoll = epoll
        self._boot = secrets.token_hex(8)
        self._client = ""
        self._last_seq = 0
        self._connection: FramedStream | None = None
        # How many of the events, from the first on, may still stay; until when; when signalling was last told.
        self._staying = 0
        self._stay_until = NEVER
        self._told_at = -NEVER
        self._listener = listen(path)
        sessions.readers[self._listener.fileno()] = self._accept
        epoll.register(self._listener.fileno(), select.EPOLLIN)

    @property
    def connected(self) -> bool:
        """Whether a signalling process is there."""
        return self._connection is not None

    def close(self) -> None:
        """Takes the socket away from the file system."""
        try:
            os.unlink(self._path)
        except OSError:
            pass

    # --- connection ---

    def _accept(self, now: float) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        if self._connection is not None:
            self._connection.drop("another connection takes its place")
        self._connection = FramedStream(sock, self._epoll, self._sessions.readers, self._take, self._lost)
        self._send_now(self._connection, [self._hello()])

    def _hello(self) -> Hello:
        sessions = self._sessions
        return Hello(
            worker_id=self._number,
            address=self._address,
            ports=list(sessions.ports),
            open=[(port, session.gen) for port, session in sessions.open.items()],
            boot=self._boot,
            client=self._client,
            last_seq=self._last_seq,
            last_gen=sessions.last_gen,
            address6=self._address6,
            six=sorted(self.six),
        )

    def _lost(self, why: str) -> None:
        self._connection = None
        # A signalling process that ends closes its connection; with no session open nobody misses it.
        if why != END_OF_FILE or self._sessions.open:
            complain(f"worker {self._number}: signalling disconnected: {why}")

    def _take(self, body: bytes, now: float) -> None:
        self._carry_out(decode_commands(body), now)
        self._sessions.settle(now)

    def _carry_out(self, commands: list[Command], now: float) -> None:
        carry_out = self._sessions.carry_out
        for command in commands:
            try:
                if not command.seq:
                    self._command(command, now)
                elif command.seq > self._last_seq:
                    self._last_seq = command.seq
                    carry_out(command, now)
            except Exception:  # noqa: BLE001 - a fault in one call's command must not cost the others theirs
                complain(f"worker {self._number}: {command}: {traceback.format_exc()}")

    def _command(self, command: Command, now: float) -> None:
        """One that is not counted."""
        if isinstance(command, Attach):
            if command.client != self._client:
                self._client = command.client
                self._last_seq = 0
        elif isinstance(command, Ping):
            self._sessions.emit(Pong(self._last_seq))
        elif isinstance(command, Stats):
            used = resource.getrusage(resource.RUSAGE_SELF)
            self._sessions.emit(self._sessions.stats(used.ru_utime + used.ru_stime))
        elif isinstance(command, Wish):
            self.want(command.count, command.six)
        else:
            self._sessions.carry_out(command, now)

    # --- events ---

    def ports_added(self, ports: list[Port]) -> None:
        """Tells of new ports, or that none are left; a Hello to come will list them anyway."""
        six = [port.number for port in ports if self._address6 and port.family == socket.AF_INET6]
        self.six.update(six)
        if self._connection is not None:
            self._sessions.emit(PortsAdded([port.number for port in ports], six))

    @property
    def due(self) -> float:
        """When `tell` is wanted at the latest."""
        return self._stay_until

    def tell(self, now: float) -> None:
        """Sends what the sessions emitted, unless all of it may stay for a while."""
        until = self._told_at + PACE
        if now < until and self._connection is not None:
            events = self._sessions.events
            if {*map(type, events[self._staying :])} <= _STAY:
                self._staying = len(events)
                self._stay_until = until
                return
        self._told_at = now
        self.flush()

    def flush(self) -> None:
        """Sends all that the sessions emitted."""
        events = self._sessions.events
        self._staying = 0
        self._stay_until = NEVER
        if self._connection is None:
            if len(events) > MAX_KEPT:
                del events[:-MAX_KEPT]
            return
        self._send_now(self._connection, events)
        events.clear()

    @staticmethod
    def _send_now(connection: FramedStream, events: list[Event]) -> None:
        connection.unsent += encode_frame(events)
        if len(connection.unsent) > MAX_UNSENT:
            connection.drop(f"it has left {len(connection.unsent)} octets unread")
        else:
            connection.flush()


def _nobody_gives(count: int, six: bool) -> None:
    """Until somebody does."""
