"""What many bindings have in common, kept once for as long as one of them is there."""

from __future__ import annotations

from typing import Final

import msgspec

from routing.masks.binding import Binding, Kind
from routing.masks.policy import Policy, Way

CALLS_BACK: Final[dict[Kind, Way]] = {"axb": "a_to_b", "axn": "a_to_b", "axg": "b_to_a"}


class Terms(msgspec.Struct, frozen=True):
    """Kind, rules and state of a binding, and the group behind it."""

    kind: Kind
    policy: Policy
    disabled: bool = False
    group: str = ""
    open: tuple[Way, ...] = ()
    """The ways in which calls go."""
    back: Way | None = None
    """The way of the agent's calls; a call the other way opens the window in which they may be made."""


def terms_of(binding: Binding) -> Terms:
    """The terms of a binding."""
    policy, kind = binding.policy, binding.kind
    ways: tuple[Way, ...] = ("b_to_a",) if kind == "ax" else ("a_to_b", "b_to_a")
    ways = tuple(way for way in ways if policy.direction in ("both", way))
    return Terms(kind, policy, binding.disabled, binding.group, ways, CALLS_BACK.get(kind))


NONE = Terms("ax", Policy())


class TermsTable:
    """Terms by a number that fits in a few bytes."""

    __slots__ = ("_free", "_places", "_uses", "items")

    def __init__(self) -> None:
        self.items: list[Terms] = []
        self._uses: list[int] = []
        self._places: dict[Terms, int] = {}
        self._free: list[int] = []

    def take(self, terms: Terms) -> int:
        """The number of these terms for one more binding."""
        place = self._places.get(terms)
        if place is None:
            place = self._places[terms] = self._room()
            self.items[place] = terms
        self._uses[place] += 1
        return place

    def drop(self, place: int) -> None:
        """One binding less has these terms; with the last one they go."""
        self._uses[place] -= 1
        if not self._uses[place]:
            del self._places[self.items[place]]
            self.items[place] = NONE
            self._free.append(place)

    def _room(self) -> int:
        if self._free:
            return self._free.pop()
        self.items.append(NONE)
        self._uses.append(0)
        return len(self.items) - 1
