"""The loop of a media worker: one epoll for audio, commands and ports."""

from __future__ import annotations

import select
import socket
import time
import traceback
from typing import Final

from media.prompts import PromptStore
from media.worker.line import Reader
from media.worker.log import complain
from media.worker.ports import SO_TIMESTAMPNS, Port
from media.worker.recorder_link import RecorderLink
from media.worker.recordings import NEVER
from media.worker.sessions import Sessions
from media.worker.signalling import Signalling
from media.worker.supervisor import Supervisor

CHECK_EVERY: Final = 0.5
COLLECT: Final = 0.0009
"""Seconds between two looks at the sockets while busy: packets of one wake-up are the cheaper the more they are."""
BUSY: Final = 100
"""Datagrams in WINDOW that make a worker busy; below, each is served at once."""
WINDOW: Final = 0.1
AT_ONCE: Final = 128
"""Datagrams between two looks at the clock, a millisecond: what is played is on time whatever comes in."""
MAX_TRACEBACKS: Final = 100


class Loop:
    """Runs until told to stop, or until no session is open when draining or orphaned."""

    def __init__(
        self,
        *,
        number: int,
        path: str,
        supervisor: socket.socket,
        address: str,
        prompts: PromptStore,
        silence: float,
        recorder: str | None = None,
        address6: str = "",
    ) -> None:
        """`recorder`: the Unix socket of the process that writes what is recorded.

        `address6`: that of the ports on IPv6 where others are on IPv4.
        """
        self._number = number
        self._epoll = select.epoll()
        readers: dict[int, Reader] = {}
        link = None if recorder is None else RecorderLink(recorder, self._epoll, readers)
        self._sessions = Sessions(prompts, silence=silence, readers=readers, recorder=link)
        if link is not None:
            link.on_up, link.on_done = self._sessions.recordings.up, self._sessions.recordings.done
        self._signalling = Signalling(path, number, address, self._sessions, self._epoll, address6)
        self._supervisor = Supervisor(supervisor, f"worker {number}", self._take_ports)
        self._signalling.want = self._supervisor.want
        self._sessions.readers[supervisor.fileno()] = self._supervisor.read
        self._epoll.register(supervisor.fileno(), select.EPOLLIN)
        # Stamping costs the kernel most when the first socket of all begins with it: one never ends.
        self._stamping = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._stamping.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._tracebacks = 0

    def _take_ports(self, ports: list[Port]) -> None:
        added = self._sessions.add_ports(ports)
        for port in added:
            # For good: a call costs no epoll_ctl.
            self._epoll.register(port.rtp.fileno(), select.EPOLLIN)
            self._epoll.register(port.rtcp.fileno(), select.EPOLLIN)
        self._signalling.ports_added(added)

    def run(self) -> None:
        """Serves until the end."""
        sessions, supervisor, cadence = self._sessions, self._supervisor, self._sessions.cadence
        poll, readers, clock = self._epoll.poll, sessions.readers, time.monotonic
        recordings = sessions.recordings
        supervisor.ready()
        now = clock()
        next_check = now
        busy = False
        seen = 0
        window_ends = now
        while not supervisor.stopped and (sessions.open or recordings or not supervisor.draining):
            if busy:
                spare = now + COLLECT - clock()
                if spare > 0.0:
                    time.sleep(spare)
            ready = poll(self._patience(next_check), AT_ONCE)
            now = clock()
            try:
                cadence.run(now)
                for fd, _ in ready:
                    readers[fd](now)
                if sessions.searched:
                    sessions.search()
                if now >= recordings.due:
                    recordings.run(now)
                if now >= next_check:
                    next_check = now + CHECK_EVERY
                    next_check = now + self._check(now)
            except Exception:  # noqa: BLE001 - a fault in one session must not end the others
                self._report()
            if sessions.events:
                self._signalling.tell(now)
            seen += len(ready)
            if now >= window_ends:
                busy = seen > BUSY
                seen = 0
                window_ends = now + WINDOW
        self._signalling.flush()
        self._signalling.close()

    def _check(self, now: float) -> float:
        """Says in how many seconds it is wanted again."""
        pause = self._sessions.check(now, CHECK_EVERY)
        if self._supervisor.gone and not self._signalling.connected:
            # Nobody is left to release a session: it ends when its peer has.
            self._sessions.end_silent(now)
        return pause

    def _patience(self, next_check: float) -> float | None:
        """Seconds that the loop may sleep; None where only a socket can wake it."""
        sessions = self._sessions
        until = min(sessions.recordings.due, self._signalling.due)
        if sessions.open:
            due = sessions.cadence.next_due()
            until = min(until, next_check if due is None else due, next_check)
        elif until == NEVER:
            return None
        return max(0.0, until - time.monotonic())

    def _report(self) -> None:
        self._tracebacks += 1
        if self._tracebacks <= MAX_TRACEBACKS:
            complain(f"worker {self._number}: {traceback.format_exc()}")
