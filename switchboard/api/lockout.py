"""Wrong passwords make the next try wait, longer each time: for an account, whoever tries, and for an address.

From an address from which the account has been signed in to, only failures from there count: else whoever knows a name
could keep its owner out for ever. Names that are nobody's are counted like others, so that waiting tells nothing of who
has an account.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

MOST: Final = 20_000
"""Names and addresses remembered, and as many places of names; the one not heard of for longest is forgotten first."""


class Patience(msgspec.Struct, frozen=True):
    """So many failures are free; the next waits `first` seconds, each further one twice as long, `longest` at most."""

    free: int
    first: float = 15.0
    longest: float = 900.0
    forget: float = 3600.0
    """Without a failure for so long, all is forgotten."""


ACCOUNT: Final = Patience(free=5)
ADDRESS: Final = Patience(free=30)


class _Tries(msgspec.Struct):
    failures: int
    last: float
    until: float


class Lockout:
    """Failures by name and by address; `clock` is monotonic seconds."""

    def __init__(
        self, clock: Callable[[], float], account: Patience = ACCOUNT, address: Patience = ADDRESS, most: int = MOST
    ) -> None:
        self._clock = clock
        self._patience = {"account": account, "place": account, "address": address}
        self._most = most
        self._tries: OrderedDict[tuple[str, str], _Tries] = OrderedDict()
        # Names, each with an address from which somebody has signed in by it.
        self._places: OrderedDict[tuple[str, str], None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tries)

    def wait(self, name: str, address: str) -> float:
        """Seconds until a password for this name from this address is looked at; 0.0 for now."""
        now = self._clock()
        found = (self._tries.get(key) for key in self._keys(name, address))
        return max((tries.until - now for tries in found if tries is not None), default=0.0)

    def failed(self, name: str, address: str) -> None:
        """A password or code was wrong."""
        now = self._clock()
        for key in self._keys(name, address):
            patience = self._patience[key[0]]
            tries = self._tries.pop(key, None)
            if tries is None or now - tries.last > patience.forget:
                tries = _Tries(0, now, now)
            tries.failures += 1
            tries.last = now
            over = tries.failures - patience.free
            if over >= 0:
                # 2 ** 20 times anything is longer than the longest; more would not fit into a float one day
                tries.until = now + min(patience.longest, patience.first * 2.0 ** min(over, 20))
            self._tries[key] = tries
            if len(self._tries) > self._most:
                self._tries.popitem(last=False)

    def succeeded(self, name: str, address: str) -> None:
        """Somebody has signed in; the address keeps its count, lest one good account open it to guessing."""
        for key in (("account", name), ("place", f"{address} {name}")):
            self._tries.pop(key, None)
        self._places.pop((name, address), None)
        self._places[name, address] = None
        if len(self._places) > self._most:
            self._places.popitem(last=False)

    def knows(self, name: str, address: str) -> bool:
        """Whether the account has been signed in to from there."""
        return (name, address) in self._places

    def pardon(self, name: str) -> None:
        """An administrator lets an account in again: its failures are forgotten, wherever they were made."""
        self._tries.pop(("account", name), None)
        for known, address in self._places:
            if known == name:
                self._tries.pop(("place", f"{address} {name}"), None)

    def _keys(self, name: str, address: str) -> tuple[tuple[str, str], tuple[str, str]]:
        own = ("place", f"{address} {name}") if self.knows(name, address) else ("account", name)
        return own, ("address", address)
