"""Free extensions of a main number: those never used first, then those that rested longest after their cool-down."""

from __future__ import annotations

from enum import IntEnum
from heapq import heappop, heappush

from routing.masks.check_digit import Check, digit_of, is_right
from routing.masks.pool import ExhaustedError
from routing.masks.table import check_extension


class _Use(IntEnum):
    FREE = 0
    TAKEN = 1
    COOLING = 2


class ExtensionPool:
    """The extensions `first` to `last` (before the check digit) of one number; `now` is UTC seconds."""

    __slots__ = ("_check", "_cooling", "_first", "_fresh", "_taken", "_until", "_uses", "_width", "cool_down")

    def __init__(self, first: str, last: str, *, check: Check = "none", cool_down: float = 30 * 86400.0) -> None:
        check_extension(first)
        check_extension(last)
        if len(first) != len(last) or first > last:
            raise ValueError(f"extensions {first}-{last} are no range: same length, first not after last")
        self.cool_down = cool_down
        self._check = check
        self._first = int(first)
        self._width = len(first)
        self._uses = bytearray(int(last) - self._first + 1)
        self._fresh = 0
        self._taken = 0
        self._until: dict[int, float] = {}
        self._cooling: list[tuple[float, int]] = []

    def __len__(self) -> int:
        """How many extensions are taken."""
        return self._taken

    def allocate(self, now: float) -> str:
        """A free extension, its check digit included; `ExhaustedError` when all are taken or cool down."""
        uses = self._uses
        while self._fresh < len(uses) and uses[self._fresh] != _Use.FREE:
            self._fresh += 1
        index = self._fresh if self._fresh < len(uses) else self._rested(now)
        if index is None:
            when = f"; the next is free in {self._cooling[0][0] - now:.0f} s" if self._cooling else ""
            raise ExhaustedError(f"all {len(uses)} extensions are in use or cool down{when}")
        self._take(index)
        digits = f"{self._first + index:0{self._width}}"
        return digits + digit_of(self._check, digits)

    def occupy(self, extension: str) -> bool:
        """Note an extension bound elsewhere or before a restart; False if it is not of the pool, or taken."""
        index = self._index(extension)
        if index is None or self._uses[index] == _Use.TAKEN:
            return False
        self._take(index)
        return True

    def release(self, extension: str, now: float) -> bool:
        """Take an extension back, `now` or before a restart; False if it is not of the pool, or not taken."""
        index = self._index(extension)
        if index is None or self._uses[index] != _Use.TAKEN:
            return False
        until = now + self.cool_down
        self._uses[index] = _Use.COOLING
        self._until[index] = until
        self._taken -= 1
        heappush(self._cooling, (until, index))
        if len(self._cooling) > 2 * len(self._uses):  # extensions that were bound again by hand
            self._cooling = sorted((until, index) for index, until in self._until.items())
        return True

    def _take(self, index: int) -> None:
        self._uses[index] = _Use.TAKEN
        self._until.pop(index, None)
        self._taken += 1

    def _rested(self, now: float) -> int | None:
        """The one whose cool-down is over for the longest time."""
        while self._cooling:
            until, index = self._cooling[0]
            rests = self._until.get(index) == until
            if rests and until > now:
                return None
            heappop(self._cooling)
            if rests:
                return index
        return None

    def _index(self, extension: str) -> int | None:
        length = self._width + (self._check != "none")
        plain = extension.isascii() and extension.isdigit() and len(extension) == length
        if not plain or not is_right(self._check, extension):
            return None
        index = int(extension[: self._width]) - self._first
        return index if 0 <= index < len(self._uses) else None
