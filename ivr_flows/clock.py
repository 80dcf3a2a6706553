"""What a flow needs to know about the time of day."""

from __future__ import annotations

from typing import Protocol

import msgspec


class LocalTime(msgspec.Struct, frozen=True, gc=False):
    """An instant as the callers' clocks and calendars show it."""

    date: str
    """"2026-10-01"."""
    time: str
    """"08:30"."""
    weekday: int
    """Monday is 1, Sunday 7."""
    workday: bool
    """Whether people work that day; a working weekend is one."""
    holiday: str
    """Name of the holiday, or empty."""


class Clock(Protocol):
    """Turns the switch's monotonic time into local time."""

    def local(self, now: float) -> LocalTime:
        """Return the local time at a monotonic instant, in seconds."""


class Timeless:
    """A clock for flows that never ask: every part of its time is empty."""

    _NEVER = LocalTime("", "", 0, False, "")

    def local(self, now: float) -> LocalTime:
        """Return the empty time."""
        return self._NEVER


TIMELESS: Clock = Timeless()
