"""Values in English words, as said on the telephone."""

from __future__ import annotations

from typing import Final

from ivr_flows.reading.values import Date, Number, Time

_SMALL: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS: Final = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES: Final = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"))
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_ORDINALS: Final = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip


def whole(value: int) -> str:
    """Return a whole number from 0 on.

    >>> whole(1005), whole(120), whole(2_000_021)
    ('one thousand and five', 'one hundred and twenty', 'two million and twenty-one')
    """
    if value < 1000:
        return _hundreds(value)
    parts = []
    for scale, name in _SCALES:
        if value >= scale:
            parts.append(f"{whole(value // scale)} {name}")
            value %= scale
    if value:
        parts.append(f"and {_hundreds(value)}" if value < 100 else _hundreds(value))
    return " ".join(parts)


def _hundreds(value: int) -> str:
    """Return a number below one thousand."""
    if value >= 100:
        rest = f" and {_hundreds(value % 100)}" if value % 100 else ""
        return f"{_SMALL[value // 100]} hundred{rest}"
    if value < 20:
        return _SMALL[value]
    return _TENS[value // 10] + (f"-{_SMALL[value % 10]}" if value % 10 else "")


def _ordinal(value: int) -> str:
    """Return which one it is."""
    said = whole(value)
    # Only the last word changes: one hundred and twenty-first.
    at = max(said.rfind(" "), said.rfind("-")) + 1
    head, last = said[:at], said[at:]
    if last in _ORDINALS:
        return head + _ORDINALS[last]
    return head + (last.removesuffix("y") + "ieth" if last.endswith("y") else last + "th")


def _year(value: int) -> str:
    """Return twenty twenty-six, two thousand and five, nineteen oh five, nineteen hundred."""
    century, rest = divmod(value, 100)
    if (century % 10 == 0 and rest < 10) or century < 10:
        return whole(value)
    if rest == 0:
        return f"{_hundreds(century)} hundred"
    return f"{_hundreds(century)} {'oh ' if rest < 10 else ''}{_hundreds(rest)}"


def _each(text: str) -> str:
    """Return digits and letters one by one."""
    return " ".join(_SMALL[int(sign)] if sign.isdigit() else sign if sign.isalpha() else "plus" for sign in text)


class _English:
    """How English says each kind of value."""

    def number(self, value: Number) -> str:
        """One thousand and five, minus three point one four, twelve per cent."""
        said = ("minus " if value.negative else "") + whole(value.whole)
        if value.fraction:
            said += f" point {_each(value.fraction)}"
        return said + (" per cent" if value.percent else "")

    def count(self, value: Number) -> str:
        """Say it like any number."""
        return self.number(value)

    def money(self, value: Number) -> str:
        """Twelve yuan and fifty fen, two yuan, fifty fen."""
        fen = int(value.fraction.ljust(2, "0") or 0)
        parts = []
        if value.whole or not fen:
            parts.append(f"{whole(value.whole)} yuan")
        if fen:
            parts.append(f"{whole(fen)} fen")
        return ("minus " if value.negative else "") + " and ".join(parts)

    def date(self, value: Date) -> str:
        """November twenty-second, twenty twenty-six."""
        month = _MONTHS[value.month - 1]
        if value.day == 0:
            return f"{month} {_year(value.year)}"
        return f"{month} {_ordinal(value.day)}, {_year(value.year)}"

    def time(self, value: Time) -> str:
        """Two oh five PM, nine AM, twelve noon, midnight."""
        if value.minute == 0 and value.hour in (0, 12):
            return "midnight" if value.hour == 0 else "twelve noon"
        said = whole((value.hour + 11) % 12 + 1)
        if value.minute:
            said += f" {'oh ' if value.minute < 10 else ''}{whole(value.minute)}"
        return f"{said} {'AM' if value.hour < 12 else 'PM'}"

    def digits(self, groups: list[str]) -> str:
        """One three eight, zero zero one three."""
        return ", ".join(_each(group.upper()) for group in groups)

    def ordinal(self, value: int) -> str:
        """First, twelfth, twenty-first."""
        return _ordinal(value)


WORDS: Final = _English()
