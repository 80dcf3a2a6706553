"""The free ports of a worker, and when how many more are wished for: the mark goes by demand."""

from __future__ import annotations

from collections import deque
from typing import Final

LOW_WATER: Final = 64
"""Free ports below which more are wished for, where few were ever needed; a quarter of those there are, where many."""
MOST: Final = 1024
"""Ports of one wish; the supervisor binds no more at once."""
DRY_TICKS: Final = 5
"""Seconds without a wish after none was left."""


class PortStock:
    """Ports of one address family; one wish at a time, each within a second twice as great as the one before."""

    __slots__ = ("_came", "_dry", "_old", "_step", "free", "known", "low", "wished")

    def __init__(self) -> None:
        self.free: deque[int] = deque()
        self.known = 0
        """As many as there are, in use or not; none ever goes."""
        self.low = LOW_WATER
        """With fewer free ports it is time for a wish."""
        self.wished = 0
        """Of the last wish, those that have not come yet."""
        self._step = LOW_WATER // 2
        self._dry = 0
        self._old = False
        self._came = False

    def add(self, count: int) -> None:
        """So many more are there; the owner puts them among `free`."""
        self.known += count
        self.low = max(LOW_WATER, self.known // 4)
        self.wished = max(0, self.wished - count)
        self._came = True

    def wish(self) -> int:
        """How many more to wish for when fewer than `low` are free; 0 while some are on their way, or none is left."""
        if self.wished or self._dry:
            return 0
        self._step = min(2 * self._step, MOST)
        self._old = self._came = False
        self.wished = min(max(self._step, self.known // 4), MOST)
        return self.wished

    def none_left(self) -> None:
        """What was wished for does not come."""
        self.wished = 0
        self._dry = DRY_TICKS

    def tick(self) -> None:
        """A second has passed: the next wish is smaller; what has not come of one in it does not come any more.

        Where some came and others were lost on the way there may be more for another wish at once.
        """
        self._step = max(LOW_WATER // 2, self._step // 2)
        self._dry = max(0, self._dry - 1)
        if self.wished and self._old:
            if self._came:
                self.wished = 0
            else:
                self.none_left()
        self._old = True
