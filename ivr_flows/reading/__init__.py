"""Values read out as people say them on the telephone: numbers, money, dates, times, digits, ordinals.

Forms: `number` (1005, -3.5, 12%), `count` (the same before a measure word: 两位), `money` in yuan (12.50, ¥12.50),
`date` (2026-11-22, 2026/11/22, 20261122, 2026-11, or the date of a date and time), `time` (14:05, or the time of a
date and time), `digits` (an order number, one by one, letters spelt), `phone` (the same in a telephone number's
groups), `ordinal` (3), `plain` (as it is). What is no such value is read plainly: a backend's surprise never breaks
a call.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from ivr_flows.reading import en, values, zh

__all__ = ["FORMS", "LANGUAGES", "read"]

#: Longer values are announcements, not numbers.
_MAX_VALUE: Final = 64
#: No more of any value is read.
_MAX_TEXT: Final = 500

_READERS: Final[Mapping[str, Mapping[str, Callable[[str], str | None]]]] = MappingProxyType({
    language: MappingProxyType({
        "number": values.reader(values.number, spoken.number),
        "count": values.reader(values.number, spoken.count),
        "money": values.reader(values.money, spoken.money),
        "date": values.reader(values.date, spoken.date),
        "time": values.reader(values.time, spoken.time),
        "digits": values.reader(values.code, spoken.digits),
        "phone": values.reader(values.phone, spoken.digits),
        "ordinal": values.reader(values.ordinal, spoken.ordinal),
    })
    for language, spoken in (("zh", zh.WORDS), ("en", en.WORDS))
})  # fmt: skip

LANGUAGES: Final = frozenset(_READERS)
FORMS: Final = frozenset({"plain", *_READERS["zh"]})


def read(value: str | int, form: str, language: str) -> str:
    """Return a value in words of a language ("zh", "en", "zh-CN"); plainly when it has not the form. Never raises.

    >>> read("12.50", "money", "zh")
    '十二元五角'
    """
    text = " ".join(unicodedata.normalize("NFKC", str(value)).split())
    reader = _READERS.get(language.partition("-")[0].lower(), {}).get(form)
    words = reader(text) if reader is not None and 0 < len(text) <= _MAX_VALUE else None
    # An unreadable value keeps its own spelling: normalised, its punctuation would pause elsewhere.
    return words if words is not None else " ".join(str(value).split())[:_MAX_TEXT]
