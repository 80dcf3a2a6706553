"""X numbers and what is bound on them: pairs (AXB), owners (AXN, AX) and groups (AXG).

Rule 1: a number is either shared by pairs, told apart by who calls, or has one owner whom everybody reaches; never
both, for a caller who is not recognised would reach a stranger. Rule 2: on one number a caller is in one binding at
most. Rule 3: a look-up is a few dictionary reads, whatever the size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Final

from msgspec import structs

from routing.masks.binding import UNBOUND, Binding, Difference, Reason, Resolution, failed
from routing.masks.callbacks import Callbacks
from routing.masks.policy import Way
from routing.masks.record import (
    AOR,
    BODY,
    FIRST,
    HEAD,
    KEY_MASK,
    NUMBER,
    SECOND,
    Record,
    pack,
    record_of,
    unpack,
)
from routing.masks.secret import Party
from routing.masks.sense import TakenError, check, owns
from routing.masks.target import AorTarget, NumberTarget, SipTarget, Target
from routing.masks.terms import TermsTable
from routing.numbers import canonical_number

DROPPED_AT_ONCE: Final = 2000
_head: Final = HEAD.unpack_from


class Lines:
    """Bindings of X numbers by number and caller, and by id; times are UTC seconds."""

    __slots__ = ("_groups", "_members", "_owners", "_pairs", "_records", "_shared", "_terms", "_touched", "callbacks")

    def __init__(self) -> None:
        self.callbacks = Callbacks()
        self._records: dict[str, bytes] = {}
        self._owners: dict[str, bytes] = {}
        """The bindings that have a number for themselves, by number."""
        self._pairs: dict[int, bytes] = {}
        """The others, by `key_of` number and party: one table for all numbers, so that few reads leave the caches."""
        self._shared: dict[str, set[str]] = {}
        """Their ids, by number."""
        self._groups: dict[str, dict[str, str]] = {}
        """Of these, the ids of the bindings with a group, by number and group."""
        self._members: dict[bytes, tuple[str, ...]] = {}
        self._terms = TermsTable()
        self._touched: set[str] = set()

    def resolve(self, x: str, caller: bytes | None, now: float) -> Resolution:
        """Who is reached by calling X; `caller` is the fingerprint of the caller's number, None when unknown."""
        way: Way = "a_to_b"
        packed = self._pairs.get(hash((x, caller)) & KEY_MASK) if caller is not None else None  # as by `key_of`
        if packed is None or packed[FIRST:SECOND] != caller:
            if packed is not None and packed[SECOND:BODY] == caller:
                way = "b_to_a"
            else:
                packed, way = self._find(x, caller)
                if packed is None:
                    canonical = canonical_number(x)
                    return UNBOUND if canonical == x else self.resolve(canonical, caller, now)
        place, until, idle_until, first, second, name, number, form = _head(packed)
        terms = self._terms.items[place]
        policy = terms.policy
        a = BODY + name + number
        b = a + first
        binding = packed[BODY : BODY + name].decode()
        label = packed[b + second :].decode() if b + second < len(packed) else ""
        target: Target | None = None
        group, shown = "", ""
        reason: Reason = "ok"
        if terms.disabled:
            reason = "disabled"
        elif now >= until or now >= idle_until:
            reason = "expired"
        elif way not in terms.open:
            reason = "direction"
        else:
            # No service number: `check` let no binding in whose open ways would show one.
            shown = (policy.shown_to_a if way == "b_to_a" else policy.shown_to_b) or x
            if way == "b_to_a":
                if form == NUMBER:
                    # Octets are `Sealed` as they are; to say so would be a call.
                    target = NumberTarget(packed[a:b], policy.trunk, shown)  # type: ignore[arg-type]
                else:
                    text = packed[a:b].decode()
                    target = AorTarget(text) if form == AOR else SipTarget(text)
            elif second:
                target = NumberTarget(packed[b : b + second], policy.trunk, shown)  # type: ignore[arg-type]
            else:
                group = terms.group
                reason = "ok" if group else "unbound"
            callbacks = self.callbacks
            ruled = policy.callback is not None or callbacks.refused
            if ruled and way == terms.back and caller is not None and reason == "ok":
                customer = packed[FIRST:SECOND] if terms.kind == "axg" else packed[SECOND:BODY]
                reason = callbacks.permit(binding, policy.callback, customer, caller, now)
        if reason != "ok":
            return failed(reason, policy, binding, label, way)
        return Resolution(target, "ok", shown, binding, way, policy, label, group)

    def _find(self, x: str, caller: bytes | None) -> tuple[bytes | None, Way]:
        """The binding that a call is of which is no pair's, and its way."""
        packed = self._owners.get(x)
        if packed is not None:
            if self._terms.items[_head(packed)[0]].kind == "axg":
                return packed, "a_to_b"
            return packed, "a_to_b" if packed[FIRST:SECOND] == caller else "b_to_a"
        if self._members and caller is not None:
            groups = self._groups.get(x, {})
            for group in self._members.get(caller, ()):
                if group in groups:
                    return self._records[groups[group]], "b_to_a"
        return None, "a_to_b"

    def add(self, binding: Binding) -> None:
        """Bind, in place of the binding with the same id; `BindingError` when it makes no sense or is not free."""
        binding = self._in_one_form(binding)
        check(binding)
        record = record_of(binding)
        self._check_free(binding, record)
        self.remove(binding.id)
        packed = pack(record, self._terms.take(record.terms))
        if owns(binding):
            self._owners[record.x] = packed
        else:
            self._pairs.update(dict.fromkeys(record.found_by(), packed))
            self._shared.setdefault(record.x, set()).add(record.id)
            if binding.group:
                self._groups.setdefault(record.x, {})[binding.group] = record.id
        self._records[record.id] = packed
        if binding.policy.callback is not None:
            since_us = binding.window_us or max(binding.created_us, binding.used_us)
            self.callbacks.open(record.id, since_us / 1e6, binding.window_times)

    def _check_free(self, binding: Binding, record: Record) -> None:
        """`TakenError` when the number, or a party on it, has a binding other than the one that is replaced."""
        x, owner = binding.number, self._owners.get(binding.number)
        others = {self._unpack(owner).id} if owner is not None else set()
        if owns(binding):
            others.update(islice(self._shared.get(x, ()), 2))
        for other in others - {binding.id}:
            raise TakenError(f"{x} has another binding", other)
        for packed in map(self._pairs.get, record.found_by()):
            if packed is not None and (other := self._unpack(packed).id) != binding.id:
                raise TakenError(f"one of the parties has another binding on {x}", other)
        other = self._groups.get(x, {}).get(binding.group, binding.id)
        if other != binding.id:
            raise TakenError(f"the group has another binding on {x}", other)

    def remove(self, binding: str) -> bool:
        """Unbind; False if there was no such binding. Calls through it go on, the next one finds nothing."""
        packed = self._records.pop(binding, None)
        if packed is None:
            return False
        record = self._unpack(packed)
        if record.x in self._owners:
            del self._owners[record.x]
        else:
            shared, groups = self._shared[record.x], self._groups.get(record.x, {})
            for key in record.found_by():
                del self._pairs[key]
            groups.pop(record.terms.group, None)
            shared.discard(binding)
            if not shared:
                del self._shared[record.x]
            if not groups:
                self._groups.pop(record.x, None)
        self._terms.drop(HEAD.unpack_from(packed)[0])
        self.callbacks.close(binding)
        self._touched.discard(binding)
        return True

    def switch(self, binding: str, *, disabled: bool) -> bool:
        """Switch off or on again; False if there is no such binding."""
        record = self._record(binding)
        if record is not None:
            self._change(structs.replace(record, terms=structs.replace(record.terms, disabled=disabled)))
        return record is not None

    def extend(self, binding: str, until: float | None) -> bool:
        """Set (or lift, with None) the UTC second at which it ends; False if there is no such binding."""
        record = self._record(binding)
        if record is not None:
            self._change(structs.replace(record, until=float("inf") if until is None else until))
        return record is not None

    def touch(self, binding: str, now: float, way: Way, caller: Party | None = None) -> bool:
        """Note a call that is put through: it begins idle time anew, and opens or uses up a window of call-backs.

        An AXN binding whose `latest` caller is to be called back takes `caller` as N.
        """
        record = self._record(binding)
        if record is None:
            return False
        back, policy = record.terms.back == way, record.terms.policy
        changed = record.touched(now, None if back else caller)
        if changed != record:
            self._change(changed)
            self._touched.add(binding)
        if policy.callback is not None and back:
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
        record = self._record(binding)
        return None if record is None else record.binding()

    def numbers(self) -> tuple[str, ...]:
        """The X numbers that have bindings."""
        return (*self._owners, *self._shared)

    def __len__(self) -> int:
        return len(self._records)

    def compare(self, new: Lines) -> Difference:
        """What would change if `new` took over."""
        kept = changed = 0
        for binding, packed in new._records.items():
            mine = self._record(binding)
            if mine is not None:
                kept += 1
                changed += mine.differs(new._unpack(packed))
        return Difference(len(new) - kept, len(self) - kept, changed)

    def adopt(self, new: Lines) -> None:
        """Take over all bindings of `new` at once, with the calls noted here; refusals and groups stay.

        `new` has the old bindings then, and is good for `dissolve` alone.
        """
        for binding in self._touched:
            mine, theirs = self._record(binding), new._record(binding)
            if mine is not None and theirs is not None:
                new._change(theirs.carried(mine))
        self._touched.intersection_update(new._records)
        self._owners = new._owners
        self._records, new._records = new._records, self._records
        self._pairs, new._pairs = new._pairs, self._pairs
        self._shared, new._shared = new._shared, self._shared
        self._groups, self._terms = new._groups, new._terms
        self.callbacks.adopt(new.callbacks)

    def dissolve(self, rest: Callable[[], None]) -> None:
        """Give the memory of bindings that nobody uses any more back bit by bit; `rest` is called now and then."""
        self._owners, self._groups = {}, {}
        held: dict[int, bytes] | dict[str, bytes] | dict[str, set[str]]
        for held in (self._pairs, self._shared, self._records):
            while held:
                for _ in range(min(len(held), DROPPED_AT_ONCE)):
                    held.popitem()
                rest()

    def _change(self, record: Record) -> None:
        """Keep a binding anew whose number, parties and group are as before, but for a latest caller."""
        before = self._records[record.id]
        packed = self._records[record.id] = pack(record, self._terms.take(record.terms))
        if record.x in self._owners:
            self._owners[record.x] = packed
        else:
            self._pairs.update(dict.fromkeys(record.found_by(), packed))
        self._terms.drop(HEAD.unpack_from(before)[0])

    def _record(self, binding: str) -> Record | None:
        packed = self._records.get(binding)
        return None if packed is None else self._unpack(packed)

    def _unpack(self, packed: bytes) -> Record:
        return unpack(packed, self._terms.items)

    def _in_one_form(self, binding: Binding) -> Binding:
        """The binding with its numbers in their one form."""
        x, policy = binding.number, binding.policy
        if x not in self._shared:
            x = canonical_number(x)
        if policy.shown_to_a or policy.shown_to_b:
            shown_to_a, shown_to_b = canonical_number(policy.shown_to_a), canonical_number(policy.shown_to_b)
            policy = structs.replace(policy, shown_to_a=shown_to_a, shown_to_b=shown_to_b)
        if x is binding.number and policy is binding.policy:
            return binding
        return structs.replace(binding, number=x, policy=policy)
