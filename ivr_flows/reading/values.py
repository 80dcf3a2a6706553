"""What a text means as a number, an amount, a date, a time or a code; None when it means none."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Final, TypeVar

from msgspec import Struct

#: Numbers have names up to here: 9999 trillion.
MAX_WHOLE: Final = 10**16 - 1

_number = re.compile(r"([+-]?)(\d{1,20}|\d{1,3}(?:,\d{3}){1,6})(?:\.(\d{1,9}))?(%?)", re.ASCII).fullmatch
_money = re.compile(r"([+-]?)(?:¥|￥|CNY |RMB )?([\d,]+(?:\.\d+)?)(?: ?(?:元|CNY|RMB|yuan))?", re.ASCII).fullmatch
_date = re.compile(
    r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?|/(\d{1,2})/(\d{1,2})|(\d\d)(\d\d))(?:[T ].*)?", re.ASCII
).fullmatch
_time = re.compile(
    r"(?:\d{4}-\d\d-\d\d[T ])?(\d{1,2}):(\d\d)(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?", re.ASCII
).fullmatch
_code = re.compile(r"[A-Za-z0-9]+(?:[ -][A-Za-z0-9]+)*", re.ASCII).fullmatch
_phone = re.compile(r"\+?\d+(?:[ -]\d+)*(?:,\d+)?", re.ASCII).fullmatch

# A run of more digits than this is heard in groups.
_RUN: Final = 6
_GROUP: Final = 4

Value = TypeVar("Value")


class Number(Struct, frozen=True):
    """A decimal number; the fraction keeps the digits it was written with."""

    negative: bool
    whole: int
    fraction: str = ""
    percent: bool = False


class Date(Struct, frozen=True):
    """A day of the calendar, or a month when `day` is 0."""

    year: int
    month: int
    day: int


class Time(Struct, frozen=True):
    """A time of day; seconds are not spoken."""

    hour: int
    minute: int


def reader(parse: Callable[[str], Value | None], say: Callable[[Value], str]) -> Callable[[str], str | None]:
    """Return a function from a text to its words, or None when the text is no such value."""

    def read(text: str) -> str | None:
        value = parse(text)
        return None if value is None else say(value)

    return read


def number(text: str) -> Number | None:
    """Return "1,005", "-3.50" or "12%"."""
    found = _number(text)
    if found is None:
        return None
    whole = int(found[2].replace(",", ""))
    if whole > MAX_WHOLE:
        return None
    negative = found[1] == "-" and bool(whole or (found[3] or "").strip("0"))
    return Number(negative, whole, found[3] or "", found[4] == "%")


def money(text: str) -> Number | None:
    """Return an amount of yuan, with or without its sign."""
    found = _money(text)
    value = number(found[1] + found[2]) if found else None
    return None if value is None or len(value.fraction) > 2 else value


def date(text: str) -> Date | None:
    """Return a day that is in the calendar, or a month."""
    found = _date(text)
    if found is None:
        return None
    month, day = found[2] or found[4] or found[6], found[3] or found[5] or found[7]
    try:
        datetime.date(int(found[1]), int(month), int(day or 1))
    except ValueError:
        return None
    return Date(int(found[1]), int(month), int(day or 0))


def time(text: str) -> Time | None:
    """Return a time of day."""
    found = _time(text)
    if found is None or int(found[1]) > 23 or int(found[2]) > 59:
        return None
    return Time(int(found[1]), int(found[2]))


def ordinal(text: str) -> int | None:
    """Return a whole number from one on."""
    value = number(text)
    if value is None or value.negative or value.fraction or value.percent or not value.whole:
        return None
    return value.whole


def code(text: str) -> list[str] | None:
    """Return an order number in the groups it was written in, long runs in fours."""
    if _code(text) is None:
        return None
    return [group for part in re.split("[ -]", text) for group in _runs(part)]


def phone(text: str) -> list[str] | None:
    """Return a telephone number in groups: those written, or 3-4-4 for a mobile, 3-3-4 for 400 and 800."""
    if _phone(text) is None:
        return None
    number, _, extension = text.partition(",")
    number = re.sub(r"^\+86[ -]?", "", number)
    if re.fullmatch(r"1\d{10}", number):
        groups = [number[:3], number[3:7], number[7:]]
    elif re.fullmatch(r"[48]00\d{7}", number):
        groups = [number[:3], number[3:6], number[6:]]
    else:
        groups = [group for part in re.split("[ -]", number) for group in _runs(part)]
    return groups + ([extension] if extension else [])


def _runs(part: str) -> list[str]:
    """Return a run of signs, in fours when it is long; what is left over comes last."""
    if len(part) <= _RUN:
        return [part]
    return [part[at : at + _GROUP] for at in range(0, len(part), _GROUP)]
