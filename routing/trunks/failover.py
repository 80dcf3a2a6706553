"""Which answers of a gateway lead on to the next one (RFC 3261 §16.7, RFC 3263 §4.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

NEVER: Final = frozenset({401, 407, 481, 482, 483, 484, 485, 486, 487, 488, 491, 404, 410, 413, 414, 415, 416, 420, 421,
                          422, 423})  # fmt: skip
"""The called party's own answer, or what the next gateway would say as well; 6xx is the same everywhere."""
USUAL: Final = frozenset({408, 500, 502, 503, 504})
"""The gateway, not the called party, is at fault; 408 stands also for silence, 503 for a place that nobody reaches."""

_CLASS: Final = re.compile(r"([45])xx", re.IGNORECASE)


class FailoverError(ValueError):
    """A status that may not lead on."""


def read_failover(words: Iterable[int | str]) -> frozenset[int]:
    """The statuses meant by words such as 503 and "5xx"; FailoverError for one that may not lead on."""
    found: set[int] = set()
    for word in words:
        if isinstance(word, str) and (match := _CLASS.fullmatch(word.strip())):
            first = int(match[1]) * 100
            found.update(status for status in range(first, first + 100) if status not in NEVER)
            continue
        if not (isinstance(word, int) or word.isdecimal()) or not 400 <= int(word) <= 599:
            raise FailoverError(f"'{word}' is no status of 400 to 599, nor 4xx or 5xx")
        if int(word) in NEVER:
            raise FailoverError(f"{word} is the same at every gateway, or the answer of who was called")
        found.add(int(word))
    return frozenset(found)
