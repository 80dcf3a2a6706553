"""How often somebody may do something: a bucket for each, which leaks evenly (ITU-T I.371, by virtual scheduling)."""

from __future__ import annotations

import math


class Pace:
    """Allows each key `rate` times a second on average, `burst` times at once; at most `most` keys are remembered."""

    __slots__ = ("_full", "_most", "burst", "rate")

    def __init__(self, rate: float, burst: float, most: int = 100_000) -> None:
        self.rate = rate
        self.burst = burst
        self._most = most
        self._full: dict[str, float] = {}
        """By key, when it will be as if nothing had ever been done."""

    def __len__(self) -> int:
        return len(self._full)

    def take(self, key: str, now: float) -> float:
        """Do it once: 0, or the seconds to be waited before it is allowed again."""
        rate = self.rate
        if rate == math.inf:
            return 0.0
        full = max(self._full.pop(key, 0.0), now) + 1.0 / rate
        ahead = full - now - self.burst / rate
        if ahead > 1e-9:
            self._full[key] = full - 1.0 / rate
            return ahead
        self._full[key] = full
        if len(self._full) > self._most:
            # The one that was met least recently, which has leaked most.
            del self._full[next(iter(self._full))]
        return 0.0
