"""X numbers to give out, by city: the same one never to two pairs that share somebody.

Rule 1: of the bindings on one X number no two have a party in common, or it could not be told which one a caller
means. Rule 2: whoever had a number does not meet strangers on it before its cool-down is over. Rule 3: a number is
found after at most as many tries as the parties hold numbers, and always the same one after the same history.
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Final, NamedTuple

import msgspec

from routing.masks.shown import ShownError, allowed
from routing.numbers import canonical_number

PURGED_AT_ONCE: Final = 64


class ExhaustedError(Exception):
    """There is nothing left to give out."""


class PoolPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How numbers are given out."""

    pairs: int = 200
    """Bindings that one number serves at a time; 1 for owners (AX, AXN), whose number anybody may call."""
    cool_down: float = 86400.0
    """Seconds before a freed number meets its former parties, or where it served one owner anybody, anew."""
    sticky: bool = True
    """The same people get the number they had; otherwise they get another one until its cool-down is over."""
    beyond: bool = False
    """When a city has none left, take one of another city."""


class Census(NamedTuple):
    """The numbers of a city: how many there are, how many of them can still be given out, and their bindings."""

    numbers: int
    open: int
    bindings: int


class _Hold(NamedTuple):
    """What a number is to one party: bound with `other`, or (until) cooling down."""

    other: bytes
    until: float | None


class _Number:
    """A number that is given out; `place` is where it stands among the open ones of its city, -1 if it does not."""

    __slots__ = ("city", "load", "place", "resting", "retired")

    def __init__(self, city: str) -> None:
        self.city = city
        self.load = 0
        self.place = -1
        self.resting: float | None = None
        self.retired = False


class _City:
    """A city: how many numbers it gives out, and the open ones in the order in which they are tried after `turn`."""

    __slots__ = ("numbers", "open", "turn")

    def __init__(self) -> None:
        self.numbers = 0
        self.open: list[str] = []
        self.turn = 0


class Pool:
    """Numbers by city; parties are the fingerprints of one owner, or of two people; `now` is UTC seconds."""

    __slots__ = ("_cities", "_cooling", "_held", "_numbers", "policy")

    def __init__(self, policy: PoolPolicy | None = None) -> None:
        self.policy = policy or PoolPolicy()
        self._cities: dict[str, _City] = {}
        self._numbers: dict[str, _Number] = {}
        self._held: dict[bytes, dict[str, _Hold]] = {}
        self._cooling: list[tuple[float, str, tuple[bytes, ...]]] = []

    def add(self, city: str, x: str) -> str:
        """Put a number in, or one that was retired back; returns its one form. `ShownError` for a service number."""
        x = canonical_number(x)
        if allowed(x) is None:
            raise ShownError(f"{x} is a service number: calls through it could not show it")
        number = self._numbers.get(x)
        if number is not None and number.city != city:
            raise ValueError(f"{x} is a number of {number.city} already")
        if number is None or number.retired:
            self._cities.setdefault(city, _City()).numbers += 1
        number = self._numbers.setdefault(x, _Number(city))
        number.retired = False
        self._settle(x, number)
        return x

    def retire(self, x: str) -> bool:
        """Give a number out no more; what is bound on it stays. False if it is not in the pool."""
        number = self._numbers.get(x)
        if number is None or number.retired:
            return False
        number.retired = True
        self._cities[number.city].numbers -= 1
        self._settle(x, number)
        return True

    def allocate(self, city: str, parties: Iterable[bytes], now: float) -> str:
        """A number on which these parties can be bound; `ExhaustedError` says why there is none."""
        people = _people(parties)
        self._purge(now)
        known = self._had(city, people, now) if self.policy.sticky else None
        x = known or self._free(city, people, now)
        if x is None and self.policy.beyond:
            x = next((found for other in self._cities if (found := self._free(other, people, now))), None)
        if x is None:
            raise ExhaustedError(self._why(city))
        self._take(x, people)
        return x

    def occupy(self, x: str, parties: Iterable[bytes]) -> bool:
        """Note a binding made elsewhere or before a restart; False if the number is not of the pool.

        `ValueError` when one of the parties is bound on the number already.
        """
        people = _people(parties)
        if x not in self._numbers:
            return False
        if any((hold := self._held.get(one, {}).get(x)) is not None and hold.until is None for one in people):
            raise ValueError(f"one of the parties is bound on {x} already")
        self._take(x, people)
        return True

    def release(self, x: str, parties: Iterable[bytes], now: float) -> bool:
        """Take a binding back, `now` or before a restart; False if these parties are not bound on the number."""
        people = _people(parties)
        number = self._numbers.get(x)
        holds = [self._held.get(one, {}).get(x) for one in people]
        if number is None or any(hold is None or hold.until is not None for hold in holds):
            return False
        until = now + self.policy.cool_down
        for one, hold in zip(people, holds, strict=True):
            self._held[one][x] = _Hold(hold.other if hold is not None else b"", until)
        heappush(self._cooling, (until, x, people))
        number.load -= 1
        number.resting = until if self.policy.pairs == 1 else None
        self._settle(x, number)
        self._purge(now)
        return True

    def census(self, city: str) -> Census:
        """How much of a city's numbers is used."""
        mine = [number for number in self._numbers.values() if number.city == city and not number.retired]
        return Census(len(mine), sum(number.place >= 0 for number in mine), sum(number.load for number in mine))

    def cities(self) -> tuple[str, ...]:
        """The cities that have numbers."""
        return tuple(self._cities)

    def _had(self, city: str, people: tuple[bytes, ...], now: float) -> str | None:
        """The number these people had last, if they can have it again."""
        other = people[1] if len(people) > 1 else b""
        found: tuple[float, str] | None = None
        for x, hold in self._held.get(people[0], {}).items():
            if hold.other == other and hold.until is not None and (found is None or hold.until >= found[0]):
                number = self._numbers.get(x)
                if number is None or number.retired or number.load >= self.policy.pairs:
                    continue
                if (city == number.city or self.policy.beyond) and self._may(x, people, now):
                    found = hold.until, x
        return found[1] if found is not None else None

    def _free(self, city: str, people: tuple[bytes, ...], now: float) -> str | None:
        """The next open number of a city on which none of the people is."""
        group = self._cities.get(city)
        if group is None:
            return None
        tries = 1 + sum(len(self._held.get(one, ())) for one in people)
        for _ in range(min(tries, len(group.open))):
            group.turn = (group.turn + 1) % len(group.open)
            x = group.open[group.turn]
            if self._may(x, people, now):
                return x
        return None

    def _may(self, x: str, people: tuple[bytes, ...], now: float) -> bool:
        """Whether the people can be bound on a number that has room."""
        for index, one in enumerate(people):
            hold = self._held.get(one, {}).get(x)
            if hold is None or (hold.until is not None and now >= hold.until):
                continue
            other = people[1 - index] if len(people) > 1 else b""
            if hold.until is None or hold.other != other or not self.policy.sticky:
                return False
        return True

    def _take(self, x: str, people: tuple[bytes, ...]) -> None:
        number = self._numbers[x]
        for index, one in enumerate(people):
            other = people[1 - index] if len(people) > 1 else b""
            self._held.setdefault(one, {})[x] = _Hold(other, None)
        number.load += 1
        number.resting = None
        self._settle(x, number)

    def _settle(self, x: str, number: _Number) -> None:
        """Open or close a number, as its load and rest have it; forget one that is retired and no longer used."""
        city = self._cities[number.city]
        is_open = not number.retired and number.load < self.policy.pairs and number.resting is None
        if is_open and number.place < 0:
            number.place = len(city.open)
            city.open.append(x)
        elif not is_open and number.place >= 0:
            last = city.open.pop()
            if last != x:
                city.open[number.place] = last
                self._numbers[last].place = number.place
            number.place = -1
        if number.retired and number.load == 0 and number.resting is None:
            del self._numbers[x]

    def _purge(self, now: float) -> None:
        """Forget some of what has cooled down."""
        for _ in range(PURGED_AT_ONCE):
            if not self._cooling or self._cooling[0][0] > now:
                return
            until, x, people = heappop(self._cooling)
            for one in people:
                held = self._held.get(one, {})
                hold = held.get(x)
                if hold is not None and hold.until == until:
                    del held[x]
                if not held:
                    self._held.pop(one, None)
            number = self._numbers.get(x)
            if number is not None and number.resting == until:
                number.resting = None
                self._settle(x, number)

    def _why(self, city: str) -> str:
        group = self._cities.get(city)
        if group is None or not group.numbers:
            return f"the pool has no numbers of {city or 'no city'}"
        if not group.open:
            return f"all numbers of {city} are in use or cool down"
        return f"the parties are, or were a short while ago, on every number of {city} that has room"


def _people(parties: Iterable[bytes]) -> tuple[bytes, ...]:
    people = tuple(parties)
    if not 0 < len(people) < 3 or len(set(people)) < len(people) or not all(people):
        raise ValueError("a number is given to one owner, or to two different people")
    return people
