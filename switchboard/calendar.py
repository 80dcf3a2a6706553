"""What time it is where the switch's callers live: for flows that branch on hours, working days and holidays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import chinese_calendar

from ivr_flows.clock import LocalTime


class Calendar:
    """Implements `ivr_flows.clock.Clock`.

    Built in are the holidays and working weekends (调休) that the State Council has announced; of years not announced
    yet only weekends are known. `holidays` and `workdays` of the configuration win.
    """

    def __init__(
        self,
        zone: str,
        utc_us: Callable[[float], int],
        holidays: Mapping[str, str] | None = None,
        workdays: Set[str] = frozenset(),
    ) -> None:
        """`utc_us` turns monotonic seconds into UTC microseconds; days are keyed `2026-10-08`."""
        self._zone = ZoneInfo(zone)
        self._utc_us = utc_us
        self._holidays = dict(holidays or {})
        self._workdays = frozenset(workdays)

    def local(self, now: float) -> LocalTime:
        """The local time at a monotonic instant."""
        at = datetime.fromtimestamp(self._utc_us(now) / 1e6, UTC).astimezone(self._zone)
        day = at.date().isoformat()
        holiday, workday = _announced(at.date())
        if day in self._holidays:
            holiday, workday = self._holidays[day], False
        if day in self._workdays:
            holiday, workday = "", True
        return LocalTime(day, f"{at:%H:%M}", at.isoweekday(), workday, holiday)


@lru_cache(maxsize=16)
def _announced(day: date) -> tuple[str, bool]:
    """Name of the holiday, and whether people work."""
    try:
        off, name = chinese_calendar.get_holiday_detail(day)
    except NotImplementedError:
        return "", day.isoweekday() <= 5
    return (name or "") if off else "", not off
