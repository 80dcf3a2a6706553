"""Where a called number goes."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from routing.numbers import Number, normalise


class DialPlanError(ValueError):
    """An entry of the dial plan cannot be used."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the plan: a number, or a beginning of numbers ("400*", "139*", "*"), and where it goes."""

    number: str
    flow: str = ""
    target: str = ""
    """Given in full; in a pattern's target `{number}` stands for the digits dialled."""
    mask: bool = False
    group: str = ""
    """The skill group whose queue the caller joins, answered at once."""
    contexts: tuple[str, ...] = ()
    """Trunks (or "phones") it is valid for; empty: all."""


class ToFlow(msgspec.Struct, frozen=True, gc=False):
    """A flow answers; `variables` are what it begins with: called, trunk and, where dialled, extension."""

    flow: str
    number: str
    variables: dict[str, str | int]


class ToMask(msgspec.Struct, frozen=True, gc=False):
    """The party bound to a masked number is called."""

    number: str
    extension: str


class ToQueue(msgspec.Struct, frozen=True, gc=False):
    """The caller waits for an agent of the group."""

    group: str
    number: str


class ToTarget(msgspec.Struct, frozen=True, gc=False):
    """A target given in full is called; `number` is what was dialled, in its one form."""

    target: str
    number: str


class NoRoute(msgspec.Struct, frozen=True, gc=False):
    """Nothing is reached by this number."""

    status: int
    reason: str


Route = ToFlow | ToMask | ToQueue | ToTarget | NoRoute
NOT_FOUND = NoRoute(404, "Not Found")
_POOLED = Entry(number="", mask=True)


class _Table:
    """The entries of one context."""

    __slots__ = ("exact", "lengths", "prefixes")

    def __init__(self) -> None:
        self.exact: dict[str, Entry] = {}
        self.prefixes: dict[str, Entry] = {}
        self.lengths: list[int] = []
        """Lengths of the prefixes, longest first."""

    def longest(self, number: Number) -> tuple[int, Entry | None]:
        """Match the number as it is dialled within the country and as E.164."""
        value, international = number.number, number.international
        for length in self.lengths:
            entry = self.prefixes.get(value[:length]) or self.prefixes.get(international[:length])
            if entry is not None:
                return length, entry
        return -1, None


class DialPlan:
    """Finds a route by exact number at once, else by the longest beginning.

    An entry of the caller's own context wins over one for all contexts that is as long. X numbers of pools are served
    as masks wherever no entry names them and none of their beginnings is one of masks already.
    """

    __slots__ = ("_area", "_common", "_contexts", "_country", "_pooled")

    def __init__(self, entries: Iterable[Entry], *, country: str = "86", area: str = "") -> None:
        self._country = country
        self._area = area
        self._common = _Table()
        self._contexts: dict[str, _Table] = {}
        self._pooled: frozenset[str] = frozenset()
        for entry in entries:
            self._add(entry)
        for table in (self._common, *self._contexts.values()):
            table.lengths = sorted({len(prefix) for prefix in table.prefixes}, reverse=True)

    def route(self, context: str, called: str) -> Route:
        """Return where `called` (a user part) goes; the context is the caller's trunk or "phones"."""
        own = self._contexts.get(context)
        entry = own.exact.get(called) if own is not None else None
        entry = entry or self._common.exact.get(called)
        if entry is not None:  # already in its one form, and nothing dialled after it
            return _route(entry, called, "", context)
        number = normalise(called, country=self._country, area=self._area)
        entry = self._find(own, number)
        return NOT_FOUND if entry is None else _route(entry, number.number, number.extension, context)

    def serve(self, pooled: Iterable[str]) -> None:
        """Take these X numbers, in their one form, as those of the pools."""
        self._pooled = frozenset(pooled)

    def entry(self, number: str) -> Entry | None:
        """The entry for all contexts that a number in its one form is served by."""
        return self._common.exact.get(number) or self._find(None, normalise(number, country=self._country))

    def _find(self, own: _Table | None, number: Number) -> Entry | None:
        value = number.number
        entry = own.exact.get(value) if own else None
        if entry is not None:
            return entry
        entry = self._common.exact.get(value)
        if entry is not None or number.kind == "name":
            return entry  # a beginning of digits says nothing of a name
        own_length, own_entry = own.longest(number) if own else (-1, None)
        length, entry = self._common.longest(number)
        entry = entry if length > own_length else own_entry
        return _POOLED if value in self._pooled and not (entry is not None and entry.mask) else entry

    def _add(self, entry: Entry) -> None:
        if [bool(entry.flow), bool(entry.target), entry.mask, bool(entry.group)].count(True) != 1:
            raise DialPlanError(f"number {entry.number}: give one of flow, target, mask and group")
        is_prefix = entry.number.endswith("*")
        prefix = entry.number.removesuffix("*")
        if is_prefix and prefix.strip("+0123456789"):
            raise DialPlanError(f"number {entry.number}: only digits stand before the '*'")
        key = prefix if is_prefix else normalise(entry.number, country=self._country, area=self._area).number
        if not is_prefix and not key:
            raise DialPlanError("an entry has no number")
        for context in entry.contexts or ("",):
            table = self._contexts.setdefault(context, _Table()) if context else self._common
            keys = table.prefixes if is_prefix else table.exact
            if key in keys:
                where = f" for {context}" if context else ""
                raise DialPlanError(f"number {entry.number} is given twice{where}")
            keys[key] = entry


def _route(entry: Entry, number: str, extension: str, context: str) -> Route:
    if entry.flow:
        variables: dict[str, str | int] = {"called": number, "trunk": context}
        if extension:
            variables["extension"] = extension
        return ToFlow(entry.flow, number, variables)
    if entry.mask:
        return ToMask(number, extension)
    if entry.group:
        return ToQueue(entry.group, number)
    target = entry.target.replace("{number}", number) if entry.number.endswith("*") else entry.target
    return ToTarget(target, number)
