"""A bound UDP socket read in batches on the event loop.

The socket is watched with `add_reader` and drained with plain `recvfrom`, at most `BATCH` datagrams a
turn, so that a flood cannot starve timers, media events or the control socket. While it is busy it is looked
at now and then instead: each wake-up finds the caches cold, and costs more than several datagrams. ICMP errors are
not asked for (IP_RECVERR): after one, uvloop never calls the reader of that socket again.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Final

Address = tuple[str, int]
Batch = list[tuple[bytes, Address]]

BATCH: Final = 32
"""Datagrams of one turn of the loop: some 4 ms of work."""
WORTHWHILE: Final = 128
"""Datagrams that a look at a busy socket waits for: with more of them it would gain little."""
BUSY: Final = 40
"""Datagrams in `WINDOW` seconds that make a socket busy; below, each is served at once."""
HEAVY: Final = 120
"""Datagrams in `WINDOW` seconds from which on a look waits for all of `collect`; between `BUSY` and this, for less."""
WINDOW: Final = 0.1
MAX_DATAGRAM: Final = 65_535
MAX_WAITING: Final = 10_000


class UdpTransport:
    """Feeds `on_batch(datagrams with their sources)` and sends at once, or when the socket drains.

    `collect`: most seconds between two looks while busy, and the most that it adds to a message's delay; 0 for none.
    `dropped` counts datagrams that were lost here because `MAX_WAITING` others waited to be sent.
    """

    def __init__(self, sock: socket.socket, on_batch: Callable[[Batch], None], collect: float = 0.0) -> None:
        sock.setblocking(False)
        self.local: Address = sock.getsockname()[:2]
        self.received = 0
        self.sent = 0
        self.dropped = 0
        self._socket = sock
        self._on_batch = on_batch
        self._collect = collect
        self._waiting: deque[tuple[bytes, Address]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reading = False
        self._next_look: asyncio.Handle | None = None
        self._window_ends = 0.0
        self._seen = 0
        self._patience = 0.0

    @property
    def collecting(self) -> bool:
        """Whether the socket is busy, and `on_batch` is called every few milliseconds, also with nothing."""
        return self._next_look is not None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin reading."""
        self._loop = loop
        self._reading = True
        loop.add_reader(self._socket, self._readable)

    def stop_reading(self) -> None:
        """Take no more datagrams; what waits to be sent still goes out."""
        self._reading = False
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None
        if self._loop is not None:
            self._loop.remove_reader(self._socket)

    def close(self) -> None:
        """Stop and close the socket."""
        self.stop_reading()
        if self._loop is not None:
            self._loop.remove_writer(self._socket)
            self._loop = None
        self._socket.close()

    def send(self, data: bytes, destination: Address) -> OSError | None:
        """Send one datagram; an error that concerns this destination is returned, never raised."""
        if self._waiting:
            self._wait(data, destination)
            return None
        try:
            self._socket.sendto(data, destination)
        except (BlockingIOError, InterruptedError):
            self._wait(data, destination)
        except OSError as error:
            return error
        else:
            self.sent += 1
        return None

    def _wait(self, data: bytes, destination: Address) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
            return
        if not self._waiting and self._loop is not None:
            self._loop.add_writer(self._socket, self._writable)
        self._waiting.append((data, destination))

    def _writable(self) -> None:
        while self._waiting:
            data, destination = self._waiting[0]
            try:
                self._socket.sendto(data, destination)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                self.dropped += 1
            else:
                self.sent += 1
            self._waiting.popleft()
        if self._loop is not None:
            self._loop.remove_writer(self._socket)

    def _readable(self) -> None:
        """Serve datagrams as they come, until there are so many that they are better collected."""
        batch = self._drain()
        if self._loop is not None and (wait := self._next_wait()):
            self._loop.remove_reader(self._socket)
            self._next_look = self._loop.call_later(wait, self._look)
        self._on_batch(batch)

    def _look(self) -> None:
        """Serve what has been collected, until it becomes little."""
        assert self._loop is not None
        batch = self._drain()
        if len(batch) == BATCH:
            self._next_look = self._loop.call_soon(self._look)
        elif wait := self._next_wait():
            self._next_look = self._loop.call_later(wait, self._look)
        else:
            self._next_look = None
            self._loop.add_reader(self._socket, self._readable)
        self._on_batch(batch)

    def _next_wait(self) -> float:
        """How long to collect before the next look, as the last whole window tells; 0 while it is calm."""
        assert self._loop is not None
        now = self._loop.time()
        if now >= self._window_ends:
            seen, self._seen = self._seen * WINDOW / (now - self._window_ends + WINDOW), 0
            self._window_ends = now + WINDOW
            self._patience = wait_for_more(self._collect, seen)
        return self._patience

    def _drain(self) -> Batch:
        """Read at most `BATCH` datagrams."""
        receive = self._socket.recvfrom
        batch: Batch = []
        for _ in range(BATCH):
            try:
                batch.append(receive(MAX_DATAGRAM))
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                # An ICMP error of an earlier datagram; the socket itself is fine.
                continue
        self.received += len(batch)
        self._seen += len(batch)
        return batch


def wait_for_more(collect: float, seen: float) -> float:
    """Seconds that a look waits when the last window brought `seen` datagrams: the more of them, the more it saves."""
    if seen < BUSY:
        return 0.0
    return min(collect * min(seen / HEAVY, 1.0), WORTHWHILE * WINDOW / seen)
