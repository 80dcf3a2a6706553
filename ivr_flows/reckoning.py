"""Comparing, reckoning, and the functions of expressions; none of them can fail.

An integer and a text of digits compare as integers; two texts compare as texts. Arithmetic is done on integers and
texts of digits; anything else, a result beyond 18 digits, and what is divided by zero, is the empty text. Division
rounds down.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ivr_flows.scope import Scope, Value

MAX_DIGITS = 18  # keeps every integer within 64 bits

_INTEGER = re.compile(rf"-?[0-9]{{1,{MAX_DIGITS}}}\Z")
_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]\Z|24:00\Z")
_LIMIT = 10**MAX_DIGITS


def is_time(text: str) -> bool:
    """Whether a text is a time of day such as "09:00", or "24:00"."""
    return bool(_TIME.match(text))


def integer(value: Value) -> int | None:
    """Return an integer or a text of digits as an integer."""
    if isinstance(value, int):
        return value
    return int(value) if _INTEGER.match(value) else None


def _alike(left: Value, right: Value) -> tuple[Value, Value] | None:
    """Bring an integer and a text of digits to integers; None when they cannot be compared."""
    if isinstance(left, str) == isinstance(right, str):
        return left, right
    first, second = integer(left), integer(right)
    return None if first is None or second is None else (first, second)


def equal(left: Value, right: Value) -> bool:
    """Whether two values are the same, as numbers or as texts."""
    pair = _alike(left, right)
    return pair is not None and pair[0] == pair[1]


def _less(left: Value, right: Value) -> bool:
    pair = _alike(left, right)
    return pair is not None and pair[0] < pair[1]  # type: ignore[operator]  # _alike gives two of one type


def _at_most(left: Value, right: Value) -> bool:
    return _less(left, right) or equal(left, right)


def reckon(do: Callable[[int, int], Value], left: Value, right: Value) -> Value:
    """Do one of ARITHMETIC."""
    first, second = integer(left), integer(right)
    if first is None or second is None:
        return ""
    result = do(first, second)
    return result if isinstance(result, int) and -_LIMIT < result < _LIMIT else ""


COMPARE: dict[str, Callable[[Value, Value], bool]] = {
    "==": equal,
    "!=": lambda left, right: not equal(left, right),
    "<": _less,
    "<=": _at_most,
    ">": lambda left, right: _less(right, left),
    ">=": lambda left, right: _at_most(right, left),
}
ARITHMETIC: dict[str, Callable[[int, int], Value]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left // right if right else "",
    "%": lambda left, right: left % right if right else "",
}


def _part(scope: Scope, text: Value, start: Value, count: Value = _LIMIT) -> Value:
    """Characters counted from 1; a negative start counts from the end."""
    whole, first, many = str(text), integer(start), integer(count)
    if not first or many is None or many < 1:
        return ""
    at = first - 1 if first > 0 else max(len(whole) + first, 0)
    return whole[at : at + many]


def _number(scope: Scope, value: Value) -> Value:
    number = integer(value)
    return "" if number is None else number


def _between(scope: Scope, start: Value, end: Value) -> Value:
    """From the first time of day up to the second, the next day's where that is the earlier one."""
    now, first, last = scope.local.time, str(start), str(end)
    if not now or not is_time(first) or not is_time(last):
        return 0
    within = first <= now < last if first < last else now >= first or now < last
    return 1 if within else 0


FUNCTIONS: dict[str, tuple[int, int, Callable[..., Value]]] = {
    "len": (1, 1, lambda s, x: len(str(x))),
    "lower": (1, 1, lambda s, x: str(x).lower()),
    "upper": (1, 1, lambda s, x: str(x).upper()),
    "starts": (2, 2, lambda s, x, y: 1 if str(x).startswith(str(y)) else 0),
    "ends": (2, 2, lambda s, x, y: 1 if str(x).endswith(str(y)) else 0),
    "part": (2, 3, _part),
    "number": (1, 1, _number),
    "has": (1, 1, lambda s, x: 1 if str(x) else 0),
    "now_time": (0, 0, lambda s: s.local.time),
    "now_date": (0, 0, lambda s: s.local.date),
    "weekday": (0, 0, lambda s: s.local.weekday),
    "workday": (0, 0, lambda s: 1 if s.local.workday else 0),
    "holiday": (0, 0, lambda s: s.local.holiday),
    "between": (2, 2, _between),
}
"""Fewest and most values each takes, and what it does."""
