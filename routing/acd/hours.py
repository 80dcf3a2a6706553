"""When a group is open: `mon-fri 09:00-18:00, sat 10:00-16:00, holidays closed`.

    hours  = entry *("," entry)
    entry  = [days] (window *("+" window) / "closed")        ; without days: every day
    days   = day *("/" day) / day "-" day / "daily" / "workdays" / "holidays" / date
    day    = "mon" ... "sun"
    window = time "-" time                                   ; to 24:00 at the latest, or over midnight: 22:00-06:00
    date   = "2026-10-08"

Entries for a date hold on it instead of all others, those for holidays on every public holiday, the rest adds up.
`workdays` are the days on which people work, working weekends (调休) among them. A window over midnight belongs to
the day on which it begins. The empty text is always open.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Final, Protocol

import msgspec

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HORIZON: Final = 16 * 86400.0
"""How far ahead a change is looked for: beyond the longest holidays."""

_WORDS: Final = ("daily", "workdays", "holidays", "closed", *DAYS)
_WINDOW: Final = re.compile(r"(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")
_PART: Final = re.compile(r"\S+?(?:\s*[-+/]\s*\S+?)*(?=\s|$)")


class HoursError(ValueError):
    """A text that is no hours: what is wrong, at which column (from 1), and what to write instead."""

    def __init__(self, message: str, column: int, suggestion: str = "") -> None:
        super().__init__(message, column, suggestion)
        self.message = message
        self.column = column
        self.suggestion = suggestion

    def __str__(self) -> str:
        return f"column {self.column}: {self.message}" + (f"; {self.suggestion}" if self.suggestion else "")


class Local(Protocol):
    """An instant as the callers' clocks and calendars show it."""

    @property
    def date(self) -> str:
        """The day, "2026-10-01"."""

    @property
    def time(self) -> str:
        """The time, "08:30"."""

    @property
    def weekday(self) -> int:
        """Monday is 1, Sunday 7."""

    @property
    def workday(self) -> bool:
        """Whether people work that day."""

    @property
    def holiday(self) -> str:
        """The holiday's name, or empty."""


LocalClock = Callable[[float], Local]
"""Turns monotonic seconds into local time."""


class Window(msgspec.Struct, frozen=True):
    """Minutes of the day, the last one excluded; `last` below `first` is on the next day."""

    first: int
    last: int


class Entry(msgspec.Struct, frozen=True):
    """The windows of some days; no window means closed."""

    days: frozenset[int] = frozenset()
    on: str = ""
    """"workdays", "holidays" or a date; empty: the weekdays in `days`."""
    windows: tuple[Window, ...] = ()

    def covers(self, day: Local) -> bool:
        """Whether it speaks of that day."""
        if self.on == "workdays":
            return day.workday
        return self.on == day.date if self.on else day.weekday in self.days


class Hours(msgspec.Struct, frozen=True):
    """Hours that have been read."""

    entries: tuple[Entry, ...] = ()

    def open_at(self, local: Local, yesterday: Local | None = None) -> bool:
        """Whether it is open then; `yesterday` is any instant of the day before, for windows over midnight."""
        if not self.entries:
            return True
        minute = _minutes(local.time)
        for window in self._windows(local):
            if window.first <= minute and (minute < window.last or window.last <= window.first):
                return True
        return yesterday is not None and any(
            window.last <= window.first and minute < window.last for window in self._windows(yesterday)
        )

    def open_by(self, clock: LocalClock, now: float) -> bool:
        """Whether it is open now."""
        if not self.entries:
            return True
        local = clock(now)
        return self.open_at(local, _yesterday(clock, now, local) if self._over_midnight else None)

    def next_change(self, clock: LocalClock, now: float) -> float | None:
        """The instant at which it opens or closes next; None: not within 16 days."""
        if not self.entries:
            return None
        state, at, end = self.open_by(clock, now), now, now + HORIZON
        while at < end:
            at = self._next_edge(clock, at)
            if self.open_by(clock, at) != state:
                return at
        return None

    def _next_edge(self, clock: LocalClock, at: float) -> float:
        """The next instant at which an entry may begin or end to hold: an edge of a window, or midnight."""
        local = clock(at)
        begun = _minute_begins(clock, at, local)
        minute = _minutes(local.time)
        edges = {edge for entry in self.entries for window in entry.windows for edge in (window.first, window.last)}
        edge = min((one for one in edges if minute < one < 1440), default=1440)
        found = begun + 60.0 * (edge - minute)
        # Where clocks are set forward or back on the way, the minute is not that one: look again from nearby.
        there = clock(found)
        if (_minutes(there.time) or 1440) == edge:
            return found
        return _minute_begins(clock, at, local) + 60.0

    def _windows(self, day: Local) -> list[Window]:
        for chosen in (day.date, "holidays" if day.holiday else ""):
            if chosen and any(entry.on == chosen for entry in self.entries):
                return [window for entry in self.entries if entry.on == chosen for window in entry.windows]
        return [window for entry in self.entries if entry.covers(day) for window in entry.windows]

    @property
    def _over_midnight(self) -> bool:
        return any(window.last <= window.first for entry in self.entries for window in entry.windows)


ALWAYS: Final = Hours()


@lru_cache(maxsize=2048)
def parse_hours(text: str) -> Hours:
    """Read hours; HoursError says what is wrong where."""
    if not text.strip():
        return ALWAYS
    entries, offset = [], 0
    for part in text.split(","):
        entries.append(_entry(part, offset))
        offset += len(part) + 1
    return Hours(tuple(entries))


def _entry(text: str, offset: int) -> Entry:
    parts = [("".join(match[0].split()), offset + match.start() + 1) for match in _PART.finditer(text)]
    if not parts:
        raise HoursError("an entry is empty", offset + 1, "e.g. mon-fri 09:00-18:00")
    days, on = frozenset(range(1, 8)), ""
    first = parts[0][0]
    if first.lower() != "closed" and (not first[0].isdigit() or _DATE.fullmatch(first)):
        days, on = _days(*parts.pop(0))
    if len(parts) != 1:
        column = parts[1][1] if parts else offset + len(text.rstrip())
        message = f"unexpected '{parts[1][0]}'" if parts else "an entry needs a time"
        raise HoursError(message, column, "e.g. mon-fri 09:00-12:00+13:00-18:00, sat closed")
    word, column = parts[0]
    if word.lower() == "closed":
        return Entry(days, on)
    return Entry(days, on, tuple(_window(one, column) for one in word.split("+")))


def _days(word: str, column: int) -> tuple[frozenset[int], str]:
    lower = word.lower()
    if lower == "daily":
        return frozenset(range(1, 8)), ""
    if lower in ("workdays", "holidays"):
        return frozenset(), lower
    if _DATE.fullmatch(lower):
        try:
            date.fromisoformat(lower)
        except ValueError:
            raise HoursError(f"'{word}' is no date", column, "e.g. 2026-10-08") from None
        return frozenset(), lower
    days: set[int] = set()
    for span in lower.split("/"):
        first, dash, last = span.partition("-")
        begin, end = _day(first, column), _day(last, column) if dash else _day(first, column)
        days.update((begin + step) % 7 + 1 for step in range((end - begin) % 7 + 1))
    return frozenset(days), ""


def _day(word: str, column: int) -> int:
    if word in DAYS:
        return DAYS.index(word)
    near = difflib.get_close_matches(word, _WORDS, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(_WORDS)} or a date"
    raise HoursError(f"'{word}' is no day", column, hint)


def _window(text: str, column: int) -> Window:
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise HoursError(f"'{text}' is no time from and to", column, "e.g. 09:00-18:00")
    first, last = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if first >= 1440 or last > 1440 or int(match[2]) > 59 or int(match[4]) > 59:
        raise HoursError(f"'{text}' is not within a day", column, "00:00 to 24:00")
    if first == last:
        raise HoursError(f"'{text}' is empty", column, "00:00-24:00 is the whole day")
    return Window(first, last)


def _minutes(time: str) -> int:
    return int(time[:2]) * 60 + int(time[3:5])


def _minute_begins(clock: LocalClock, at: float, local: Local) -> float:
    """The instant at which the minute shown began; clocks show no seconds, so it is found by halving."""
    low, high = at - 60.0, at
    while high - low > 1e-3:
        middle = (low + high) / 2
        shown = clock(middle)
        if (shown.time, shown.date) == (local.time, local.date):
            high = middle
        else:
            low = middle
    return high


def _yesterday(clock: LocalClock, now: float, local: Local) -> Local:
    """Some instant of the day before, also where a day has 23 or 25 hours."""
    return clock(now - 60.0 * (_minutes(local.time) + 120))
