"""Calls of rtpengine that are opened ahead of demand, so that a port can be had without asking for it.

The first message about a leg already tells its peer a port, and must not wait for an answer of rtpengine. So a few
calls are always there of which both ports are known, with nobody at either; who they are for is said later. rtpengine
would otherwise have to be asked in the middle of handling an INVITE, and every state of a call have a twin that waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from media.rtpengine.pair import Pair

AT_ONCE: Final = 32
"""Opened at a time."""
STALE: Final = 60.0
"""Seconds after which one that nobody wanted is replaced: rtpengine gives up calls in which nothing happens."""


class Stock:
    """Calls that are ready, and those that will be."""

    def __init__(self, size: int, new: Callable[[], Pair], drop: Callable[[Pair], None]) -> None:
        """`new` begins to open one; `drop` ends one."""
        self._size = size
        self._new = new
        self._drop = drop
        self._ready: deque[tuple[float, Pair]] = deque()
        self._making: set[Pair] = set()

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def short(self) -> bool:
        """Whether few are ready and more are on their way."""
        return bool(self._making) and 2 * len(self._ready) < self._size

    def fill(self) -> None:
        """Opens what is missing."""
        while len(self._making) < AT_ONCE and len(self._ready) + len(self._making) < self._size:
            self._making.add(self._new())

    def made(self, pair: Pair, now: float) -> None:
        """One is ready."""
        if pair in self._making:
            self._making.remove(pair)
            self._ready.append((now, pair))

    def lost(self, pair: Pair) -> None:
        """One could not be opened, or is not there any more; the next `fill` tries again."""
        self._making.discard(pair)
        if pair.ready:
            self._ready = deque(one for one in self._ready if one[1] is not pair)

    @property
    def oldest(self) -> Pair | None:
        """That which is taken next."""
        return self._ready[0][1] if self._ready else None

    def take(self) -> Pair | None:
        """The oldest that is ready."""
        return self._ready.popleft()[1] if self._ready else None

    def discard_stale(self, now: float) -> None:
        """Ends those that have waited for too long."""
        while self._ready and self._ready[0][0] + STALE <= now:
            self._drop(self._ready.popleft()[1])

    def clear(self) -> None:
        """Ends all of them."""
        while self._ready:
            self._drop(self._ready.popleft()[1])
