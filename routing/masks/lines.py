"""X numbers and what is bound on them: pairs (AXB), owners (AXN, AX) and groups (AXG).

Rule 1: a number is either shared by pairs, told apart by who calls, or has one owner whom everybody reaches; never
both, for a caller who is not recognised would reach a stranger. Rule 2: on one number a caller is in one binding at
most. Rule 3: a look-up is a few dictionary reads, whatever the size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from msgspec import structs

from routing.masks.binding import UNBOUND, Binding, Difference, Resolution, failed, reached
from routing.masks.callbacks import Callbacks
from routing.masks.parties import first_fingerprint, key_of, second_fingerprint, with_second
from routing.masks.policy import Way
from routing.masks.record import CALLS_BACK, Record, TakenError, Terms, check, owns, record_of
from routing.masks.secret import Party
from routing.masks.shown import shown_for
from routing.numbers import canonical_number

DROPPED_AT_ONCE: Final = 2000


class Line:
    """One X number: an owner, or whoever is recognised on it."""

    __slots__ = ("callers", "groups", "owner")

    def __init__(self) -> None:
        self.owner: Record | None = None
        self.callers: dict[int, Record] | None = None
        self.groups: dict[str, Record] | None = None

    def is_free(self) -> bool:
        """True when nothing is bound on it."""
        return self.owner is None and not self.callers and not self.groups


class Lines:
    """Bindings of X numbers by number and caller, and by id; times are UTC seconds."""

    __slots__ = ("_lines", "_members", "_records", "_terms", "_touched", "callbacks")

    def __init__(self) -> None:
        self.callbacks = Callbacks()
        self._lines: dict[str, Line] = {}
        self._records: dict[str, Record] = {}
        self._terms: dict[Terms, Terms] = {}
        self._members: dict[bytes, tuple[str, ...]] = {}
        self._touched: set[str] = set()

    def resolve(self, x: str, caller: bytes | None, now: float) -> Resolution:
        """Who is reached by calling X; `caller` is the fingerprint of the caller's number, None when unknown."""
        line = self._lines.get(x) or self._lines.get(canonical_number(x))
        record, way = (None, None) if line is None else self._find(line, caller)
        if record is None or way is None:
            return UNBOUND
        policy = record.terms.policy
        reason, target, shown = record.closed(way, now), None, ""
        group = record.terms.group if way == "a_to_b" else ""
        if reason == "ok":
            shown = shown_for(way, policy, x) or ""
            target = record.target(way, shown)
            if target is None and not group:
                reason = "unbound"
            elif caller is not None and CALLS_BACK.get(record.terms.kind) == way:
                reason = self.callbacks.permit(record.id, policy.callback, record.customer(), caller, now)
        if reason != "ok":
            return failed(reason, policy, record.id, record.label, way)
        return reached(target, shown, policy, record.id, record.label, way, group)

    def _find(self, line: Line, caller: bytes | None) -> tuple[Record | None, Way | None]:
        owner = line.owner
        if owner is not None:
            own = owner.terms.kind == "axg" or (caller is not None and first_fingerprint(owner.numbers) == caller)
            return owner, "a_to_b" if own else "b_to_a"
        if caller is None:
            return None, None
        record = line.callers.get(key_of(caller)) if line.callers else None
        if record is not None:
            numbers = record.numbers
            if first_fingerprint(numbers) == caller:
                return record, "a_to_b"
            if second_fingerprint(numbers) == caller:
                return record, "b_to_a"
        if line.groups:
            for group in self._members.get(caller, ()):
                record = line.groups.get(group)
                if record is not None:
                    return record, "b_to_a"
        return None, None

    def add(self, binding: Binding) -> None:
        """Bind, in place of the binding with the same id; `BindingError` when it makes no sense or is not free."""
        line = self._lines.get(binding.number)
        if line is None:
            binding = structs.replace(binding, number=canonical_number(binding.number))
            line = self._lines.get(binding.number)
        check(binding)
        keys = [key_of(one.fingerprint) for one in (binding.a, binding.b) if one is not None]
        if line is not None:
            _check_free(line, binding, keys)
        terms = Terms(binding.kind, binding.policy, binding.disabled, binding.group)
        record = record_of(binding, self._terms.setdefault(terms, terms))
        self.remove(binding.id)
        line = self._lines.setdefault(binding.number, Line())
        if owns(binding):
            line.owner = record
        else:
            callers = line.callers = line.callers if line.callers is not None else {}
            callers.update(dict.fromkeys(keys, record))
            if binding.group:
                line.groups = {**(line.groups or {}), binding.group: record}
        self._records[record.id] = record
        if binding.policy.callback is not None:
            self.callbacks.open(record.id, max(binding.created_us, binding.used_us) / 1e6)

    def remove(self, binding: str) -> bool:
        """Unbind; False if there was no such binding. Calls through it go on, the next one finds nothing."""
        record = self._records.pop(binding, None)
        if record is None:
            return False
        line = self._lines[record.x]
        if line.owner is record:
            line.owner = None
        elif line.callers is not None:
            for one in (first_fingerprint(record.numbers), second_fingerprint(record.numbers)):
                if one:
                    line.callers.pop(key_of(one), None)
            if line.groups is not None:
                line.groups = {name: other for name, other in line.groups.items() if other is not record}
        if line.is_free():
            del self._lines[record.x]
        self.callbacks.close(binding)
        self._touched.discard(binding)
        return True

    def switch(self, binding: str, *, disabled: bool) -> bool:
        """Switch off or on again; False if there is no such binding."""
        record = self._records.get(binding)
        if record is not None:
            terms = structs.replace(record.terms, disabled=disabled)
            record.terms = self._terms.setdefault(terms, terms)
        return record is not None

    def extend(self, binding: str, until: float | None) -> bool:
        """Set (or lift, with None) the UTC second at which it ends; False if there is no such binding."""
        record = self._records.get(binding)
        if record is not None:
            record.until = until
        return record is not None

    def touch(self, binding: str, now: float, way: Way, caller: Party | None = None) -> bool:
        """Note a call that is put through: it begins idle time anew, and opens or uses up a window of call-backs.

        An AXN binding whose `latest` caller is to be called back takes `caller` as N.
        """
        record = self._records.get(binding)
        if record is None:
            return False
        policy, backwards = record.terms.policy, CALLS_BACK.get(record.terms.kind) == way
        if policy.idle is not None:
            record.idle_until = now + policy.idle
            self._touched.add(binding)
        if policy.latest and caller is not None and not backwards and record.numbers:
            record.parties = with_second(record.numbers, caller)
            self._touched.add(binding)
        if policy.callback is not None and backwards:
            self.callbacks.count(binding)
        elif policy.callback is not None:
            self.callbacks.open(binding, now)
        return True

    def set_groups(self, groups: Mapping[str, Iterable[bytes]]) -> None:
        """Say who is of which group, by fingerprints; a member of several reaches what was named first."""
        members: dict[bytes, tuple[str, ...]] = {}
        for name, prints in groups.items():
            for one in prints:
                members[one] = (*members.get(one, ()), name)
        self._members = members

    def get(self, binding: str) -> Binding | None:
        """A binding as it stands; for showing, not for calls."""
        record = self._records.get(binding)
        return None if record is None else record.binding()

    def numbers(self) -> tuple[str, ...]:
        """The X numbers that have bindings."""
        return tuple(self._lines)

    def __len__(self) -> int:
        return len(self._records)

    def compare(self, new: Lines) -> Difference:
        """What would change if `new` took over."""
        mine, theirs = self._records, new._records
        kept = sum(1 for key in theirs if key in mine)
        changed = sum(
            1 for key, record in theirs.items() if (known := mine.get(key)) is not None and known.differs(record)
        )
        return Difference(len(theirs) - kept, len(mine) - kept, changed)

    def adopt(self, new: Lines) -> None:
        """Take over all bindings of `new` at once, with the calls noted here; refusals and groups stay."""
        for binding in self._touched:
            mine, theirs = self._records[binding], new._records.get(binding)
            if theirs is not None:
                theirs.carry(mine)
        self._touched.intersection_update(new._records)
        self._lines, self._records, self._terms = new._lines, new._records, new._terms
        self.callbacks.adopt(new.callbacks)

    def dissolve(self, rest: Callable[[], None]) -> None:
        """Give the memory of bindings that nobody uses any more back bit by bit; `rest` is called now and then."""
        self._lines = {}
        while self._records:
            for _ in range(min(len(self._records), DROPPED_AT_ONCE)):
                self._records.popitem()
            rest()


def _check_free(line: Line, binding: Binding, keys: list[int]) -> None:
    """`TakenError` when the number, or a party on it, has a binding other than the one that is replaced."""
    callers, groups = line.callers or {}, line.groups or {}
    whole = [line.owner]
    if owns(binding):
        # Of an own binding there are at most two keys, so three of them hold another one.
        whole += [record for record, _ in zip(callers.values(), range(3), strict=False)]
    for record in whole:
        if record is not None and record.id != binding.id:
            raise TakenError(f"{binding.number} has another binding", record.id)
    for record in [callers.get(key) for key in keys] + [groups.get(binding.group)]:
        if record is not None and record.id != binding.id:
            raise TakenError(f"one of the parties has another binding on {binding.number}", record.id)
