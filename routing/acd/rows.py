"""Idle agents of a group in the order in which they are asked, kept so that nobody looks at all of them.

A row is sorted by the rank that the strategy gives an agent for one requirement. Adding, removing and finding who is
next take time in the logarithm of its length, also with 10,000 in it; `random` draws from the levels, of which there
are few.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from math import log
from typing import Final, Generic, TypeVar

from routing.acd.model import Strategy
from routing.acd.requirement import Step
from routing.acd.strategies import Place, Rank, Seat, ranking

DRAWS: Final = 16
"""So often an agent is drawn from all of a row before those who are left are written out."""

S = TypeVar("S", bound=Seat)


class Row(Generic[S]):
    """The agents who fit one requirement, in order. What they are ranked by must not change while they are in it."""

    __slots__ = ("_pairs", "_rank", "_ranks", "strategy")

    def __init__(self, strategy: Strategy, step: Step, seats: Iterable[S] = ()) -> None:
        self.strategy = strategy
        self._rank = ranking(strategy, step)
        self._pairs: list[tuple[Rank, S]] = sorted((self._rank(seat), seat) for seat in seats)
        self._ranks: dict[str, Rank] = {seat.id: rank for rank, seat in self._pairs}

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[S]:
        return (seat for _, seat in self._pairs)

    def __contains__(self, seat: S) -> bool:
        return seat.id in self._ranks

    @property
    def ranks(self) -> list[Rank]:
        """The ranks in the order of the row."""
        return [rank for rank, _ in self._pairs]

    def add(self, seat: S) -> None:
        """An agent who is not in it."""
        rank = self._ranks[seat.id] = self._rank(seat)
        insort(self._pairs, (rank, seat))

    def remove(self, seat: S) -> None:
        """An agent who may be in it."""
        rank = self._ranks.pop(seat.id, None)
        if rank is not None:
            del self._pairs[bisect_left(self._pairs, (rank,))]

    def in_turn(self, after: Place, random: Callable[[], float]) -> Iterator[S]:
        """All of them as they are asked, each found when it is needed; the row must stay as it is meanwhile.

        `after` is the place of whom the group asked last, `random` gives numbers in [0, 1).
        """
        if self.strategy == "round_robin":
            return self._rotated(after)
        if self.strategy == "random":
            return self._drawn(random)
        return iter(self)

    def _rotated(self, after: Place) -> Iterator[S]:
        pairs = self._pairs
        for level, begin, end in self._levels():
            last = (level, *after)
            middle = bisect_left(pairs, (last,), begin, end)
            middle += middle < end and pairs[middle][0] == last
            for index in chain(range(middle, end), range(begin, middle)):
                yield pairs[index][1]

    def _drawn(self, random: Callable[[], float]) -> Iterator[S]:
        """A level 2 half as often as a level 1. Who has been drawn is not drawn again."""
        levels = list(self._levels())
        if not levels:
            return
        whole = sum((end - begin) / max(1, level) for level, begin, end in levels)
        drawn: set[int] = set()
        for _ in range(DRAWS):
            index = _place_of(random() * whole, levels)
            if index not in drawn:
                drawn.add(index)
                yield self._pairs[index][1]
        left = [
            (self._pairs[index][1], max(1, level))
            for level, begin, end in levels
            for index in range(begin, end)
            if index not in drawn
        ]
        # A race of exponential clocks is won in proportion to their rates.
        raced = sorted((-log(1.0 - random()) * level, number) for number, (_, level) in enumerate(left))
        yield from (left[number][0] for _, number in raced)

    def _levels(self) -> Iterator[tuple[int, int, int]]:
        """Level, begin and end of each level in the row, where ranks begin with it."""
        begin, pairs = 0, self._pairs
        while begin < len(pairs):
            level = pairs[begin][1].level
            end = bisect_left(pairs, ((level + 1,),), begin)
            yield level, begin, end
            begin = end


def _place_of(point: float, levels: list[tuple[int, int, int]]) -> int:
    """The index that a point of all weights laid end to end falls on."""
    for level, begin, end in levels:
        index = begin + int(point * max(1, level))
        if index < end:
            return index
        point -= (end - begin) / max(1, level)
    return levels[-1][2] - 1
