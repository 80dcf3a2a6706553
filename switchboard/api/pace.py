"""How often one client may ask: a bucket of tokens each, in a bounded table."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

from switchboard.api.problems import ApiError

MOST_CLIENTS: Final = 10_000
"""Buckets kept; the one not used for longest goes, which is full again by then unless the table is under attack."""


class Rate(msgspec.Struct, frozen=True):
    """So many requests a second in the long run, and so many at once."""

    each_second: float
    burst: float


class Pace:
    """Buckets by kind of client (the first word of a key) and client; `clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float], rates: dict[str, Rate]) -> None:
        self.refused = 0
        self._clock = clock
        self._rates = rates
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def admit(self, key: str) -> None:
        """Take one token; raises `ApiError` with Retry-After when there is none."""
        wait = self.take(key)
        if wait > 0:
            self.refused += 1
            seconds = str(max(1, int(wait + 0.999)))
            raise ApiError("too-many-requests", f"Try again in {seconds} s.", headers={"Retry-After": seconds})

    def take(self, key: str) -> float:
        """0.0 when a token was there, else the seconds until there is one."""
        rate = self._rates[key.partition(" ")[0]]
        now = self._clock()
        left, at = self._buckets.pop(key, (rate.burst, now))
        left = min(rate.burst, left + (now - at) * rate.each_second)
        taken = left >= 1.0
        self._buckets[key] = (left - 1.0 if taken else left, now)
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if taken else (1.0 - left) / rate.each_second
