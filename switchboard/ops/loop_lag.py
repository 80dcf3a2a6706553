"""The watchdog of the loop: how late its callbacks run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

PERIOD: Final = 0.1


class LoopLag:
    """Wakes up every 100 ms and keeps the longest delay; ``take`` returns it and starts anew."""

    def __init__(self, look: Callable[[float], None] = lambda lag: None) -> None:
        """`look` hears each delay."""
        self._look = look
        self._longest = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to measure."""
        self._schedule(loop)

    def stop(self) -> None:
        """Measure no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def take(self) -> float:
        """The longest delay in seconds since it was last taken."""
        longest, self._longest = self._longest, 0.0
        return longest

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + PERIOD
        self._handle = loop.call_at(due, self._tick, loop, due)

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        lag = loop.time() - due
        self._longest = max(self._longest, lag)
        self._look(lag)
        self._schedule(loop)
