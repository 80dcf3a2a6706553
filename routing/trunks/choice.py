"""In which order a carrier's gateways are tried (RFC 2782: order, then chance by weight)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar


class Ranked(Protocol):
    """A gateway as the choice sees it."""

    @property
    def order(self) -> int:
        """The lowest comes first."""

    @property
    def weight(self) -> int:
        """Its share among those of the same order; 0 is hardly ever the first."""


Place = TypeVar("Place", bound=Ranked)


def in_order(places: Iterable[Place], is_doubtful: Callable[[Place], bool], random: Callable[[], float]) -> list[Place]:
    """Those that do well by order and weight, then the doubtful ones likewise: put last, never left out.

    `random` gives numbers of 0 to 1, below 1.
    """
    ranks: dict[tuple[bool, int], list[Place]] = {}
    for place in places:
        ranks.setdefault((is_doubtful(place), place.order), []).append(place)
    return [place for rank in sorted(ranks) for place in _by_weight(ranks[rank], random)]


def _by_weight(places: list[Place], random: Callable[[], float]) -> Iterable[Place]:
    left = list(places)
    while len(left) > 1:
        total = sum(place.weight for place in left)
        point = random() * total if total else random() * len(left)
        at = 0
        while at < len(left) - 1:
            point -= left[at].weight if total else 1
            if point < 0:
                break
            at += 1
        yield left.pop(at)
    yield from left
