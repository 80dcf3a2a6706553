"""Which source addresses belong to registered phones, so that their calls are told from a carrier's."""

from __future__ import annotations

from itertools import islice
from typing import Final

from switchboard.sip.flow import StreamAddress
from switchboard.sip.registrar import Registrar

Address = tuple[str, int]

_SLACK: Final = 64
_A_FEW: Final = 8
"""Sources looked at with each registration while there are too many: all at once would keep calls waiting."""


class PhoneSources:
    """Maps a source address to the address-of-record that registered from it.

    Stale entries are swept, a few at a time.
    """

    __slots__ = ("_flows", "_registrar", "_sources")

    def __init__(self, registrar: Registrar) -> None:
        self._registrar = registrar
        self._sources: dict[Address, str] = {}
        self._flows: dict[Address, set[str]] = {}
        """By connection, everybody who registered over it: a phone has several lines, a proxy many phones."""

    def __len__(self) -> int:
        return len(self._sources)

    def registered(self, aor: str, source: Address, now: float) -> None:
        """A phone has registered from `source`."""
        if len(self._sources) > 2 * len(self._registrar) + _SLACK:
            for known in list(islice(self._sources, _A_FEW)):
                owner = self._sources.pop(known)
                if self._holds(known, owner, now):
                    self._sources[known] = owner
        self._sources[source] = aor
        if isinstance(source, StreamAddress):
            self._flows.setdefault(source, set()).add(aor)

    def cut_off(self, flow: Address) -> frozenset[str]:
        """A connection has ended, and with it the registrations made over it: of whom is returned."""
        lines = self._flows.pop(flow, None)
        if lines is None:
            return frozenset()
        self._sources.pop(flow, None)
        for aor in lines:
            self._registrar.cut_off(aor, flow)
        return frozenset(lines)

    def owner(self, source: Address, now: float) -> str | None:
        """The address-of-record whose current registration came from `source`."""
        aor = self._sources.get(source)
        if aor is None:
            return None
        if self._holds(source, aor, now):
            return aor
        del self._sources[source]
        return None

    def _holds(self, source: Address, aor: str, now: float) -> bool:
        return any(binding.source == source for binding in self._registrar.lookup(aor, now))
