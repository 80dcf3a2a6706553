"""The table of masked numbers: which hidden target stands behind a number and extension.

Rule 1: a look-up is two dictionary reads, whatever the size. Rule 2: a binding costs one key and, for a
hidden number, its sealed bytes; targets that differ only by the extension share one pattern. Rule 3: a reload
builds a whole new table beside this one and takes it over in one assignment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from routing.masks.binding import (
    DISABLED,
    EXPIRED,
    QUARANTINE,
    UNBOUND,
    Difference,
    Resolution,
)
from routing.masks.target import EXTENSION_SLOT, AorTarget, NumberTarget, SipTarget, Target

MAX_EXTENSION_LENGTH: Final = 6
DROPPED_AT_ONCE: Final = 2000


class _Pattern(msgspec.Struct, frozen=True, gc=False):
    """A SIP or softphone target with the extension in it, shared by all bindings of that shape."""

    text: str
    aor: bool

    def fill(self, extension: str) -> Target:
        filled = self.text.replace(EXTENSION_SLOT, extension)
        return AorTarget(filled) if self.aor else SipTarget(filled)


class _Guarded(msgspec.Struct, frozen=True, gc=False):
    """A binding with a condition, or (target None) the trace of one that is gone."""

    target: _Stored | None
    disabled: bool = False
    until: float | None = None


_Stored = _Pattern | SipTarget | AorTarget | NumberTarget


class _Span(msgspec.Struct, frozen=True):
    """All extensions from first to last, of the same length, with one pattern."""

    first: str
    last: str
    stored: _Stored

    def covers(self, extension: str) -> bool:
        return len(extension) == len(self.first) and self.first <= extension <= self.last

    def size(self) -> int:
        return int(self.last) - int(self.first) + 1


class _Entries:
    """Everything bound on one number; `count` is kept up to date, for it is asked of a running switch."""

    __slots__ = ("count", "exact", "spans")

    def __init__(self) -> None:
        self.exact: dict[str, _Stored | _Guarded] = {}
        self.spans: tuple[_Span, ...] = ()
        self.count = 0

    def put(self, extension: str, stored: _Stored | _Guarded) -> None:
        self.count += (_live(stored) is not None) - (_live(self.find(extension)) is not None)
        self.exact[extension] = stored

    def take_out(self, extension: str) -> None:
        before = _live(self.exact.pop(extension)) is not None
        self.count += (self.in_span(extension) is not None) - before

    def add_span(self, span: _Span) -> None:
        self.spans = (*self.spans, span)
        self.count += span.size() - sum(map(span.covers, self.exact))

    def find(self, extension: str) -> _Stored | _Guarded | None:
        found = self.exact.get(extension)
        if found is None and self.spans:
            return self.in_span(extension)
        return found

    def in_span(self, extension: str) -> _Stored | None:
        if extension.isdecimal() and extension.isascii():
            for span in self.spans:
                if span.covers(extension):
                    return span.stored
        return None

    def extensions(self) -> set[str]:
        found = set(self.exact)
        for span in self.spans:
            width = len(span.first)
            found.update(f"{value:0{width}}" for value in range(int(span.first), int(span.last) + 1))
        return found


def _live(stored: _Stored | _Guarded | None) -> _Stored | _Guarded | None:
    """The binding itself; None for the trace of one that is gone."""
    return None if isinstance(stored, _Guarded) and stored.target is None else stored


class MaskTable:
    """Bindings of (number, extension) to targets, for one thread; `now` is UTC seconds."""

    __slots__ = ("_numbers", "_patterns", "_shared")

    def __init__(self) -> None:
        self._numbers: dict[str, _Entries] = {}
        self._shared: dict[str, str] = {}
        self._patterns: dict[tuple[str, bool], _Pattern] = {}

    def resolve(self, number: str, extension: str, now: float) -> Resolution:
        """The target behind an extension, or why there is none."""
        entries = self._numbers.get(number)
        if entries is None:
            return UNBOUND
        stored = entries.exact.get(extension)
        if stored is None:
            stored = entries.in_span(extension)
            if stored is None:
                return UNBOUND
        elif isinstance(stored, _Guarded):
            if stored.target is None:
                return QUARANTINE if stored.until is not None and now < stored.until else UNBOUND
            if stored.disabled:
                return DISABLED
            if stored.until is not None and now >= stored.until:
                return EXPIRED
            stored = stored.target
        if isinstance(stored, _Pattern):
            return Resolution(stored.fill(extension), "ok")
        return Resolution(stored, "ok")

    def bind(
        self,
        number: str,
        extension: str,
        target: Target,
        *,
        expires: float | None = None,
        disabled: bool = False,
    ) -> None:
        """Bind an extension, in place of what was bound there; `expires` is UTC seconds."""
        check_extension(extension)
        stored = self._compact(target, extension)
        guarded = disabled or expires is not None
        self._entries(number).put(extension, _Guarded(stored, disabled, expires) if guarded else stored)

    def bind_span(self, number: str, first: str, last: str, target: Target) -> None:
        """Bind every extension from `first` to `last`; `{extension}` in the target becomes each of them.

        A single binding inside the span wins over it; two spans of a number do not overlap.
        """
        check_extension(first)
        check_extension(last)
        if len(first) != len(last) or first > last:
            raise ValueError(f"extensions {first}-{last} are no range: same length, first not after last")
        entries = self._entries(number)
        for span in entries.spans:
            if len(span.first) == len(first) and span.first <= last and first <= span.last:
                raise ValueError(f"extensions {first}-{last} overlap {span.first}-{span.last} of {number}")
        stored: _Stored = target
        if isinstance(target, SipTarget) and EXTENSION_SLOT in target.uri:
            stored = self._pattern(target.uri, aor=False)
        elif isinstance(target, AorTarget) and EXTENSION_SLOT in target.aor:
            stored = self._pattern(target.aor, aor=True)
        entries.add_span(_Span(first, last, stored))

    def unbind(self, number: str, extension: str, *, quarantine_until: float | None = None) -> bool:
        """Take a binding away; False if there was none. Calls through it go on, the next one finds nothing.

        Until `quarantine_until` (UTC seconds) the extension answers `quarantine`, so that a caller who still
        has it can be told that it was given back.
        """
        entries = self._numbers.get(number)
        if entries is None or _live(entries.find(extension)) is None:
            return False
        if quarantine_until is not None or entries.in_span(extension) is not None:
            entries.put(extension, _Guarded(None, until=quarantine_until))
        else:
            entries.take_out(extension)
        return True

    def disable(self, number: str, extension: str, *, disabled: bool = True) -> bool:
        """Switch a binding off (or on again); False if there is none."""
        guarded = self._guarded(number, extension)
        if guarded is None:
            return False
        self._put(number, extension, _Guarded(guarded.target, disabled, guarded.until))
        return True

    def expire(self, number: str, extension: str, at: float | None) -> bool:
        """Set (or lift, with None) the UTC second at which a binding ends; False if there is none."""
        guarded = self._guarded(number, extension)
        if guarded is None:
            return False
        self._put(number, extension, _Guarded(guarded.target, guarded.disabled, at))
        return True

    def bound(self, number: str, extension: str) -> Target | None:
        """What is bound, be it disabled or expired; for showing, not for calls."""
        guarded = self._guarded(number, extension)
        stored = guarded.target if guarded is not None else None
        return stored.fill(extension) if isinstance(stored, _Pattern) else stored

    def numbers(self) -> tuple[str, ...]:
        """The numbers that have, or had, bindings."""
        return tuple(self._numbers)

    def __len__(self) -> int:
        return sum(entries.count for entries in self._numbers.values())

    def compare(self, new: MaskTable) -> Difference:
        """What would change if `new` took over; a range counts by its members."""
        added = removed = changed = 0
        nothing = _Entries()
        for number in self._numbers.keys() | new._numbers.keys():
            ours, theirs = self._numbers.get(number, nothing), new._numbers.get(number, nothing)
            if ours.spans == theirs.spans:
                # Most of a reload is as it was; this passes over that quickly.
                keys = {key for key, stored in theirs.exact.items() if ours.exact.get(key) != stored}
                # One by one: a difference of key views would keep other threads waiting for its whole time.
                keys.update(key for key in ours.exact if key not in theirs.exact)
            else:
                keys = ours.extensions() | theirs.extensions()
            for key in keys:
                before, after = _live(ours.find(key)), _live(theirs.find(key))
                added += before is None and after is not None
                removed += before is not None and after is None
                changed += before is not None and after is not None and before != after
        return Difference(added, removed, changed)

    def swap(self, new: MaskTable) -> None:
        """Take over all bindings of `new` at once; `new` is not to be used afterwards."""
        self._numbers, self._shared, self._patterns = new._numbers, new._shared, new._patterns

    def dissolve(self, rest: Callable[[], None]) -> None:
        """Give the memory of a table that nobody uses any more back bit by bit; `rest` is called now and then."""
        for entries in self._numbers.values():
            drop = entries.exact.popitem
            while entries.exact:
                for _ in range(min(len(entries.exact), DROPPED_AT_ONCE)):
                    drop()
                rest()
        self._numbers = {}

    def _entries(self, number: str) -> _Entries:
        entries = self._numbers.get(number)
        if entries is None:
            entries = self._numbers[number] = _Entries()
        return entries

    def _guarded(self, number: str, extension: str) -> _Guarded | None:
        entries = self._numbers.get(number)
        stored = _live(entries.find(extension)) if entries is not None else None
        return _Guarded(stored) if stored is not None and not isinstance(stored, _Guarded) else stored

    def _put(self, number: str, extension: str, guarded: _Guarded) -> None:
        stored = guarded.target
        assert stored is not None
        bare = not guarded.disabled and guarded.until is None
        self._numbers[number].put(extension, stored if bare else guarded)

    def _compact(self, target: Target, extension: str) -> _Stored:
        if isinstance(target, NumberTarget):
            trunk, shown = self._share(target.trunk), self._share(target.shown)
            return NumberTarget(target.secret, trunk, shown)
        text = target.uri if isinstance(target, SipTarget) else target.aor
        pattern = text.replace(extension, EXTENSION_SLOT)
        if EXTENSION_SLOT not in pattern:
            return target
        return self._pattern(pattern, aor=isinstance(target, AorTarget))

    def _share(self, text: str) -> str:
        return self._shared.setdefault(text, text)

    def _pattern(self, text: str, *, aor: bool) -> _Pattern:
        pattern = self._patterns.get((text, aor))
        if pattern is None:
            pattern = self._patterns[text, aor] = _Pattern(text, aor)
        return pattern


def check_extension(extension: str) -> None:
    """`ValueError` unless it is one to six digits."""
    if not (0 < len(extension) <= MAX_EXTENSION_LENGTH and extension.isascii() and extension.isdigit()):
        raise ValueError("an extension is one to six digits")
