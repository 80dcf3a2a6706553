"""Commands on their way to rtpengine and back: cookies, retransmissions, time-outs, how many at a time; sans I/O.

A datagram is a cookie, a space and a bencoded dictionary; the answer bears the same cookie. A cookie that rtpengine has
seen is answered as it was before and not carried out again, so that what is lost either way is simply sent again. It
must therefore be one that nobody else uses, also not after a restart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

from media.rtpengine.bencode import BencodeError, Plain, Value, decode, encode

Command: TypeAlias = dict[str, Plain]
Reply: TypeAlias = dict[str, Value]
Then: TypeAlias = Callable[[Reply | None], None]
"""Told the answer, None where there is none in time."""

FIRST_WAIT: Final = 0.1
"""Seconds until a command is sent again; each time twice as many."""
WINDOW: Final = 64
"""Commands under way at a time, few enough for the buffer of rtpengine's socket."""
MOST: Final = 20_000
"""Commands under way and waiting; beyond these they fail at once."""


class _Waiting:
    __slots__ = ("again_at", "datagram", "fails_at", "then", "wait")

    def __init__(self, datagram: bytes, then: Then) -> None:
        self.datagram = datagram
        self.then = then
        self.wait = FIRST_WAIT
        self.again_at = self.fails_at = 0.0


class Transactions:
    """All commands of one client to one rtpengine; `now` is any monotonic clock."""

    def __init__(self, client: str, timeout: float) -> None:
        """`client` begins every cookie; after `timeout` seconds a command has failed."""
        self._client = client
        self._timeout = timeout
        self._serial = 0
        self._under_way: dict[bytes, _Waiting] = {}
        self._queue: deque[tuple[bytes, _Waiting]] = deque()
        self._to_send: list[bytes] = []

    def __len__(self) -> int:
        return len(self._under_way) + len(self._queue)

    def ask(self, command: Command, then: Then, now: float, *, first: bool = False) -> None:
        """Sends a command, now or when others are answered; `first`: now in any case."""
        if len(self) >= MOST and not first:
            then(None)
            return
        self._serial += 1
        cookie = f"{self._client}_{self._serial}".encode()
        waiting = _Waiting(cookie + b" " + encode(command), then)
        if first or len(self._under_way) < WINDOW:
            self._send(cookie, waiting, now)
        else:
            self._queue.append((cookie, waiting))

    def receive(self, datagram: bytes, now: float) -> None:
        """Takes an answer; raises BencodeError for what is none."""
        cookie, _, body = datagram.partition(b" ")
        if cookie not in self._under_way:
            return  # a second answer, or one that came too late
        reply = decode(body)
        if not isinstance(reply, dict):
            raise BencodeError("no dictionary")
        waiting = self._under_way.pop(cookie)
        self._go_on(now)
        waiting.then(reply)

    def to_send(self) -> list[bytes]:
        """The datagrams that are to be sent now."""
        ready, self._to_send = self._to_send, []
        return ready

    def next_deadline(self) -> float | None:
        """When `handle_timer` has something to do."""
        if not self._under_way:
            return None
        return min(min(one.again_at, one.fails_at) for one in self._under_way.values())

    def handle_timer(self, now: float) -> None:
        """Sends again what is unanswered, gives up what has been for too long."""
        failed = []
        for cookie, waiting in list(self._under_way.items()):
            if waiting.fails_at <= now:
                failed.append(self._under_way.pop(cookie))
            elif waiting.again_at <= now:
                self._to_send.append(waiting.datagram)
                waiting.wait *= 2
                waiting.again_at = now + waiting.wait
        self._go_on(now)
        for waiting in failed:
            waiting.then(None)

    def _send(self, cookie: bytes, waiting: _Waiting, now: float) -> None:
        waiting.again_at = now + waiting.wait
        waiting.fails_at = now + self._timeout
        self._under_way[cookie] = waiting
        self._to_send.append(waiting.datagram)

    def _go_on(self, now: float) -> None:
        while self._queue and len(self._under_way) < WINDOW:
            self._send(*self._queue.popleft(), now)
