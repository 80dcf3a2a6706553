"""Opening hours: the grammar, what is open when, and when that changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.acd.hours import HoursError, Local, parse_hours

HOLIDAYS = {"2026-10-01": "National Day", "2026-10-02": "National Day"}
WORKING_WEEKENDS = {"2026-10-10"}


class Day(msgspec.Struct, frozen=True):
    """A local time."""

    date: str
    time: str
    weekday: int
    workday: bool
    holiday: str


def clock_in(zone: str) -> Callable[[float], Local]:
    """A clock of that place, on which monotonic seconds are those since 1970."""

    def local(now: float) -> Day:
        at = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(zone))
        day = at.date().isoformat()
        holiday = HOLIDAYS.get(day, "")
        workday = day in WORKING_WEEKENDS or (at.isoweekday() <= 5 and not holiday)
        return Day(day, f"{at:%H:%M}", at.isoweekday(), workday, holiday)

    return local


shanghai = clock_in("Asia/Shanghai")


def at(text: str, zone: str = "Asia/Shanghai") -> float:
    """The instant of a local time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("hours", "when", "expected"),
    [
        ("", "2026-10-01 03:00", True),
        ("09:00-18:00", "2026-09-21 09:00", True),
        ("09:00-18:00", "2026-09-21 17:59:59", True),
        ("09:00-18:00", "2026-09-21 18:00", False),
        ("09:00-18:00", "2026-09-21 08:59:59", False),
        ("daily 00:00-24:00", "2026-09-21 23:59", True),
        ("mon-fri 09:00-18:00, sat 10:00-16:00", "2026-09-26 09:30", False),  # a Saturday
        ("mon-fri 09:00-18:00, sat 10:00-16:00", "2026-09-26 10:00", True),
        ("mon-fri 09:00-18:00, sat 10:00-16:00", "2026-09-27 12:00", False),
        ("fri-mon 09:00-18:00", "2026-09-27 12:00", True),
        ("fri-mon 09:00-18:00", "2026-09-29 12:00", False),
        ("mon/wed 09:00-18:00", "2026-09-23 12:00", True),
        ("mon/wed 09:00-18:00", "2026-09-22 12:00", False),
        ("mon 09:00-12:00+13:00-18:00", "2026-09-21 12:30", False),
        ("mon 09:00-12:00+13:00-18:00", "2026-09-21 13:00", True),
        ("mon-fri 09:00-18:00", "2026-10-01 12:00", True),  # a holiday, of which nothing is said
        ("mon-fri 09:00-18:00, holidays closed", "2026-10-01 12:00", False),
        ("mon-fri 09:00-18:00, holidays 10:00-11:00", "2026-10-01 10:30", True),
        ("workdays 09:00-18:00", "2026-10-01 12:00", False),
        ("workdays 09:00-18:00", "2026-10-10 12:00", True),  # a working Saturday
        ("workdays 09:00-18:00, 2026-10-10 closed", "2026-10-10 12:00", False),
        ("holidays closed, daily 09:00-18:00, 2026-10-01 12:00-13:00", "2026-10-01 12:30", True),
        ("22:00-06:00", "2026-09-21 23:00", True),
        ("22:00-06:00", "2026-09-21 05:59", True),
        ("22:00-06:00", "2026-09-21 06:00", False),
        ("fri 22:00-06:00", "2026-09-26 03:00", True),  # belongs to the Friday before
        ("fri 22:00-06:00", "2026-09-25 03:00", False),
        ("workdays 22:00-06:00", "2026-10-11 03:00", True),  # the working Saturday's night
        ("mon-fri 22:00-06:00, 2026-10-01 closed", "2026-10-01 03:00", True),  # still Wednesday's night
        ("18:00-00:00", "2026-09-21 23:59", True),
        ("18:00-00:00", "2026-09-21 00:00", False),
    ],
)
def test_open_or_closed(hours: str, when: str, expected: bool) -> None:
    """Days, holidays, dates, breaks and nights."""
    assert parse_hours(hours).open_by(shanghai, at(when)) is expected


@pytest.mark.parametrize(
    ("hours", "when", "expected"),
    [
        ("", "2026-09-21 12:00", None),
        ("daily 00:00-24:00", "2026-09-21 12:00", None),
        ("2030-01-01 09:00-10:00", "2026-09-21 12:00", None),
        ("09:00-18:00", "2026-09-21 08:59:42.5", "2026-09-21 09:00"),
        ("09:00-18:00", "2026-09-21 09:00", "2026-09-21 18:00"),
        ("09:00-18:00", "2026-09-21 18:00", "2026-09-22 09:00"),
        ("mon-fri 09:00-18:00", "2026-09-25 18:30:10", "2026-09-28 09:00"),
        ("mon-fri 09:00-18:00, holidays closed", "2026-09-30 18:00", "2026-10-05 09:00"),
        ("workdays 09:00-18:00", "2026-10-09 20:00", "2026-10-10 09:00"),
        ("fri 22:00-06:00", "2026-09-25 12:00", "2026-09-25 22:00"),
        ("fri 22:00-06:00", "2026-09-25 23:00", "2026-09-26 06:00"),
        ("00:00-24:00, 2026-09-22 closed", "2026-09-21 12:00", "2026-09-22 00:00"),
    ],
)
def test_the_next_change(hours: str, when: str, expected: str | None) -> None:
    """The instant to the second, though the clock shows minutes only."""
    found = parse_hours(hours).next_change(shanghai, at(when))
    if expected is None:
        assert found is None
    else:
        assert found == pytest.approx(at(expected), abs=0.01)
        assert found is not None
        assert parse_hours(hours).open_by(shanghai, found) is not parse_hours(hours).open_by(shanghai, at(when))


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2026-03-28 23:00", "2026-03-29 03:00"),  # at two o'clock it is three: 02:30 is not shown that day
        ("2026-10-24 23:00", "2026-10-25 02:30"),
    ],
)
def test_changes_where_clocks_are_set(when: str, expected: str) -> None:
    """An edge that the clock leaps over holds where it lands."""
    found = parse_hours("02:30-12:00").next_change(clock_in("Europe/Berlin"), at(when, "Europe/Berlin"))
    assert found == pytest.approx(at(expected, "Europe/Berlin"), abs=0.01)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mno 9:00-10:00", "column 1: 'mno' is no day; did you mean 'mon'?"),
        ("mon-fri 09:00-18:00, xyz 10:00-16:00", "column 22: 'xyz' is no day"),
        ("mon", "column 3: an entry needs a time"),
        ("mon 9-10", "column 5: '9-10' is no time from and to; e.g. 09:00-18:00"),
        ("mon 25:00-26:00", "column 5: '25:00-26:00' is not within a day; 00:00 to 24:00"),
        ("09:60-10:00", "column 1: '09:60-10:00' is not within a day"),
        ("09:00-09:00", "column 1: '09:00-09:00' is empty; 00:00-24:00 is the whole day"),
        (",", "column 1: an entry is empty; e.g. mon-fri 09:00-18:00"),
        ("mon 09:00-18:00,", "column 17: an entry is empty"),
        ("mon fri 09:00-10:00", "column 9: unexpected '09:00-10:00'"),
        ("2026-13-40 closed", "column 1: '2026-13-40' is no date; e.g. 2026-10-08"),
    ],
)
def test_mistakes_say_where_and_what(text: str, expected: str) -> None:
    """The column, what is wrong, what to write."""
    with pytest.raises(HoursError) as caught:
        parse_hours(text)
    assert str(caught.value).startswith(expected)


@given(st.text("mon-fri 09:00-18:00,/+closed", max_size=40) | st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but HoursError."""
    try:
        parse_hours(text)
    except HoursError as error:
        column = error.column
    else:
        column = 1
    assert 0 <= column <= len(text) + 1


@settings(max_examples=60)
@given(
    st.sampled_from(
        [
            "09:00-18:00",
            "workdays 22:00-06:00, sat 10:00-11:30",
            "mon-fri 08:15-12:00+12:45-17:00, holidays 10:00-11:00",
        ]
    ),
    st.floats(0, 30 * 86400),
)
def test_nothing_changes_before_the_next_change(hours: str, after: float) -> None:
    """Until then it is as it was, at any minute, and then it is not."""
    read, now = parse_hours(hours), at("2026-09-15 00:00") + after
    state, change = read.open_by(shanghai, now), read.next_change(shanghai, now)
    assert change is not None
    assert change > now
    assert read.open_by(shanghai, change) is not state
    for part in range(1, 60):
        assert read.open_by(shanghai, now + (change - now) * part / 60) is state
    assert read.open_by(shanghai, change - 0.01) is state
