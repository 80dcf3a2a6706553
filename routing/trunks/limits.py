"""How many calls a trunk or one of its gateways has, and whether it may have one more."""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec

WINDOW: Final = 1.0
"""Seconds in which calls are counted for the rate."""

Shortage = str
"""Why there is no room: "full", "fast", or "" where there is."""


class Limits(msgspec.Struct, frozen=True):
    """At most so many calls at a time, and so many begun in any second; 0: as many as there are."""

    channels: int = 0
    cps: int = 0


UNLIMITED: Final = Limits()


class Failure(msgspec.Struct, frozen=True):
    """The latest attempt that has failed: its status, and when."""

    status: int
    at: float


class Load:
    """Calls that are up, and what became of those that were."""

    __slots__ = ("_began", "answered", "attempts", "calls", "failure", "failures", "limited", "limits", "seen")

    def __init__(self, limits: Limits = UNLIMITED) -> None:
        self.limits = limits
        self.limited = limits != UNLIMITED
        self.calls = 0
        """Those that are up, to it and from it."""
        self.attempts = 0
        """Those begun by us."""
        self.answered = 0
        self.seen = 0
        """Those that came from it."""
        self.failures = 0
        self.failure: Failure | None = None
        self._began: deque[float] = deque(maxlen=limits.cps or 1)

    def adjust(self, limits: Limits) -> None:
        """Take other limits; calls that are up go on, also where there are too many now."""
        if limits.cps != self.limits.cps:
            self._began = deque(self._began, maxlen=limits.cps or 1)
        self.limits, self.limited = limits, limits != UNLIMITED

    def shortage(self, now: float) -> Shortage:
        """Why one more call cannot be taken now, "" when it can."""
        limits = self.limits
        if limits.channels and self.calls >= limits.channels:
            return "full"
        if limits.cps and len(self._began) >= limits.cps and now - self._began[-limits.cps] < WINDOW:
            return "fast"
        return ""

    def take(self, now: float) -> None:
        """One more call is up; to be given back once."""
        self.calls += 1
        if self.limits.cps:
            self._began.append(now)

    def rate(self, now: float) -> int:
        """Calls begun in the last second, where a rate is kept."""
        return sum(1 for began in self._began if now - began < WINDOW) if self.limits.cps else 0
