"""The table of masked numbers: which hidden target stands behind a number and extension.

Rule 1: a look-up is two dictionary reads, whatever the size. Rule 2: a binding costs one key and, for a
hidden number, its sealed bytes; targets that differ only by the extension share one pattern. Rule 3: a reload
builds a whole new table beside this one and takes it over in one assignment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import structs

from routing.masks.binding import (
    UNBOUND,
    Binding,
    Difference,
    Reason,
    Resolution,
    extension_id,
    failed,
    reached,
)
from routing.masks.check_digit import Check, is_right
from routing.masks.entries import Entries, Guarded, Pattern, Span, Stored, differs, live
from routing.masks.lines import DROPPED_AT_ONCE, Lines
from routing.masks.policy import PLAIN, Policy, Way
from routing.masks.secret import Party
from routing.masks.shown import ShownError
from routing.masks.target import EXTENSION_SLOT, AorTarget, NumberTarget, SipTarget, Target
from routing.numbers import canonical_number, is_service

MAX_EXTENSION_LENGTH: Final = 6


class MaskTable:
    """Bindings of extensions and, in `lines`, of X numbers, for one thread; `now` is UTC seconds."""

    __slots__ = ("_numbers", "_patterns", "_policies", "_shared", "_touched", "lines", "resolve_call")

    def __init__(self) -> None:
        self.lines = Lines()
        self.resolve_call = self.lines.resolve
        """Who is reached by calling an X number, by the number, the fingerprint of the caller's and the time."""
        self._numbers: dict[str, Entries] = {}
        self._shared: dict[str, str] = {}
        self._patterns: dict[tuple[str, bool], Pattern] = {}
        self._policies: dict[Policy, Policy] = {PLAIN: PLAIN}
        self._touched: set[tuple[str, str]] = set()

    def resolve(self, number: str, extension: str, now: float) -> Resolution:
        """The target behind an extension, or why there is none."""
        entries = self._numbers.get(number)
        if entries is None:
            canonical = canonical_number(number)
            return UNBOUND if canonical == number else self.resolve(canonical, extension, now)
        stored = entries.exact.get(extension)
        if stored is None:
            stored = entries.in_span(extension)
            if stored is None:
                return UNBOUND
        elif isinstance(stored, Guarded):
            return _guarded(stored, number, extension, now)
        target = stored.fill(extension) if isinstance(stored, Pattern) else stored
        shown = target.shown if isinstance(target, NumberTarget) else ""
        return Resolution(target, "ok", shown, f"{number},{extension}", "b_to_a")  # as by `extension_id`

    def add(self, binding: Binding) -> None:
        """Bind, whatever kind it is, in place of the binding with the same id; `BindingError`, `ShownError` or
        `ValueError` when that cannot be."""
        if binding.kind != "extension":
            self.lines.add(binding)
            return
        if binding.target is None:
            raise ValueError("the binding of an extension needs a target")
        self.bind(
            binding.number,
            binding.extension,
            binding.target,
            expires=None if binding.expires_us is None else binding.expires_us / 1e6,
            idle_until=None if binding.idle_us is None else binding.idle_us / 1e6,
            disabled=binding.disabled,
            policy=binding.policy,
            label=binding.label,
        )

    def remove(self, binding: str, *, quarantine_until: float | None = None) -> bool:
        """Unbind by id; False if there is no such binding. Only extensions know a quarantine."""
        number, comma, extension = binding.partition(",")
        if comma:
            return self.unbind(number, extension, quarantine_until=quarantine_until)
        return self.lines.remove(binding)

    def switch(self, binding: str, *, disabled: bool) -> bool:
        """Switch off or on again by id; False if there is no such binding."""
        number, comma, extension = binding.partition(",")
        if comma:
            return self.disable(number, extension, disabled=disabled)
        return self.lines.switch(binding, disabled=disabled)

    def extend(self, binding: str, until: float | None) -> bool:
        """Set (or lift) the end by id; False if there is no such binding."""
        number, comma, extension = binding.partition(",")
        if comma:
            return self.expire(number, extension, until)
        return self.lines.extend(binding, until)

    def touch(self, binding: str, now: float, way: Way = "b_to_a", caller: Party | None = None) -> bool:
        """Note a call that is put through, by the `binding` and `direction` of its resolution.

        Idle time begins anew, a window of call-backs opens or is used up, and where the latest caller is to be
        called back `caller` is kept.
        """
        number, comma, extension = binding.partition(",")
        if not comma:
            return self.lines.touch(binding, now, way, caller)
        entries = self._numbers.get(number)
        stored = live(entries.find(extension)) if entries is not None else None
        if isinstance(stored, Guarded) and stored.policy.idle is not None and entries is not None:
            entries.exact[extension] = structs.replace(stored, idle_until=now + stored.policy.idle)
            self._touched.add((number, extension))
        return stored is not None

    def get(self, binding: str) -> Binding | None:
        """A binding as it stands, by id; for showing, not for calls."""
        number, comma, extension = binding.partition(",")
        if not comma:
            return self.lines.get(binding)
        guarded = self._guarded(number, extension)
        if guarded is None or guarded.target is None:
            return None
        return guarded.binding(number, extension)

    def set_check(self, number: str, check: Check) -> None:
        """Say which check digit ends the extensions of a number, before any of them is bound.

        They have one digit more than others may. `ValueError` when one is bound that would not pass.
        """
        entries = self._entries(number)
        if entries.spans or not all(is_right(check, extension) for extension in entries.exact):
            raise ValueError(f"{number} has extensions already; say before which check digit they end with")
        entries.check = check

    def check_of(self, number: str) -> Check:
        """Which check digit ends the extensions of a number."""
        entries = self._numbers.get(number)
        return entries.check if entries is not None else "none"

    def bind(
        self,
        number: str,
        extension: str,
        target: Target,
        *,
        expires: float | None = None,
        idle_until: float | None = None,
        disabled: bool = False,
        policy: Policy = PLAIN,
        label: str = "",
    ) -> None:
        """Bind an extension, in place of what was bound there; `expires` and `idle_until` are UTC seconds."""
        entries = self._entries(number)
        check_extension(extension, entries.check)
        stored = self._compact(target, extension, policy)
        if disabled or expires is not None or label or policy is not PLAIN:
            policy = self._policies.setdefault(policy, policy)
            guarded = Guarded(stored, disabled, expires, idle_until, policy, label)
            entries.put(extension, stored if guarded.is_bare() else guarded)
        else:
            entries.put(extension, stored)

    def bind_span(self, number: str, first: str, last: str, target: Target) -> None:
        """Bind every extension from `first` to `last`; `{extension}` in the target becomes each of them.

        A single binding inside the span wins over it; two spans of a number do not overlap.
        """
        entries = self._entries(number)
        check_extension(first, entries.check, whole=False)
        check_extension(last, entries.check, whole=False)
        if len(first) != len(last) or first > last:
            raise ValueError(f"extensions {first}-{last} are no range: same length, first not after last")
        for span in entries.spans:
            if len(span.first) == len(first) and span.first <= last and first <= span.last:
                raise ValueError(f"extensions {first}-{last} overlap {span.first}-{span.last} of {number}")
        stored: Stored = target
        if isinstance(target, SipTarget) and EXTENSION_SLOT in target.uri:
            stored = self._pattern(target.uri, aor=False)
        elif isinstance(target, AorTarget) and EXTENSION_SLOT in target.aor:
            stored = self._pattern(target.aor, aor=True)
        entries.add_span(Span(first, last, stored, entries.check))

    def unbind(self, number: str, extension: str, *, quarantine_until: float | None = None) -> bool:
        """Take a binding away; False if there was none. Calls through it go on, the next one finds nothing.

        Until `quarantine_until` (UTC seconds) the extension answers `quarantine`, so that a caller who still
        has it can be told that it was given back.
        """
        entries = self._numbers.get(number)
        if entries is None or live(entries.find(extension)) is None:
            return False
        if quarantine_until is not None or entries.in_span(extension) is not None:
            entries.put(extension, Guarded(None, until=quarantine_until))
        else:
            entries.take_out(extension)
        return True

    def disable(self, number: str, extension: str, *, disabled: bool = True) -> bool:
        """Switch a binding off (or on again); False if there is none."""
        guarded = self._guarded(number, extension)
        if guarded is None:
            return False
        self._put(number, extension, structs.replace(guarded, disabled=disabled))
        return True

    def expire(self, number: str, extension: str, at: float | None) -> bool:
        """Set (or lift, with None) the UTC second at which a binding ends; False if there is none."""
        guarded = self._guarded(number, extension)
        if guarded is None:
            return False
        self._put(number, extension, structs.replace(guarded, until=at))
        return True

    def bound(self, number: str, extension: str) -> Target | None:
        """What is bound, be it disabled or expired; for showing, not for calls."""
        guarded = self._guarded(number, extension)
        stored = guarded.target if guarded is not None else None
        return stored.fill(extension) if isinstance(stored, Pattern) else stored

    def numbers(self) -> tuple[str, ...]:
        """The numbers that have, or had, bindings, X numbers after the others."""
        return (*self._numbers, *self.lines.numbers())

    def __len__(self) -> int:
        return sum(entries.count for entries in self._numbers.values()) + len(self.lines)

    def compare(self, new: MaskTable) -> Difference:
        """What would change if `new` took over; a range counts by its members."""
        added = removed = changed = 0
        nothing = Entries()
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
                before, after = live(ours.find(key)), live(theirs.find(key))
                added += before is None and after is not None
                removed += before is not None and after is None
                changed += before is not None and after is not None and differs(before, after)
        lines = self.lines.compare(new.lines)
        return Difference(added + lines.added, removed + lines.removed, changed + lines.changed)

    def swap(self, new: MaskTable) -> None:
        """Take over all bindings of `new` at once, with the calls noted here; `new` has the old ones, to `dissolve`."""
        self._carry(new)
        self._numbers, new._numbers = new._numbers, self._numbers
        self._shared, self._patterns = new._shared, new._patterns
        self._policies = new._policies
        self.lines.adopt(new.lines)

    def _carry(self, new: MaskTable) -> None:
        """What was used since `new` was read expires no earlier there."""
        kept: set[tuple[str, str]] = set()
        for number, extension in self._touched:
            mine, theirs = self._guarded(number, extension), new._guarded(number, extension)
            if mine is None or theirs is None or mine.idle_until is None or theirs.idle_until is None:
                continue
            kept.add((number, extension))
            if theirs.idle_until < mine.idle_until:
                new._put(number, extension, structs.replace(theirs, idle_until=mine.idle_until))
        self._touched = kept

    def dissolve(self, rest: Callable[[], None]) -> None:
        """Give the memory of a table that nobody uses any more back bit by bit; `rest` is called now and then."""
        for entries in self._numbers.values():
            drop = entries.exact.popitem
            while entries.exact:
                for _ in range(min(len(entries.exact), DROPPED_AT_ONCE)):
                    drop()
                rest()
        self._numbers = {}
        self.lines.dissolve(rest)

    def _entries(self, number: str) -> Entries:
        entries = self._numbers.get(number)
        if entries is None:
            number = canonical_number(number)
            entries = self._numbers.setdefault(number, Entries())
        return entries

    def _guarded(self, number: str, extension: str) -> Guarded | None:
        entries = self._numbers.get(number)
        stored = live(entries.find(extension)) if entries is not None else None
        return Guarded(stored) if stored is not None and not isinstance(stored, Guarded) else stored

    def _put(self, number: str, extension: str, guarded: Guarded) -> None:
        assert guarded.target is not None
        self._numbers[number].put(extension, guarded.target if guarded.is_bare() else guarded)

    def _compact(self, target: Target, extension: str, policy: Policy) -> Stored:
        if isinstance(target, NumberTarget):
            shown, trunk = policy.shown_to_a or target.shown, target.trunk or policy.trunk
            if shown not in self._shared and is_service(canonical_number(shown)):
                raise ShownError(f"{shown} is a service number and cannot be shown as a caller")
            return NumberTarget(target.secret, self._share(trunk), self._share(shown))
        text = target.uri if isinstance(target, SipTarget) else target.aor
        pattern = text.replace(extension, EXTENSION_SLOT)
        if EXTENSION_SLOT not in pattern:
            return target
        return self._pattern(pattern, aor=isinstance(target, AorTarget))

    def _share(self, text: str) -> str:
        return self._shared.setdefault(text, text)

    def sip_patterns(self) -> list[str]:
        """What SIP targets with an extension in them look like, the extension's place held by `EXTENSION_SLOT`."""
        return [text for text, aor in self._patterns if not aor]

    def _pattern(self, text: str, *, aor: bool) -> Pattern:
        pattern = self._patterns.get((text, aor))
        if pattern is None:
            pattern = self._patterns[text, aor] = Pattern(text, aor)
        return pattern


def check_extension(extension: str, check: Check = "none", *, whole: bool = True) -> None:
    """`ValueError` unless it is one to six digits and, where a number asks for one, the right check digit."""
    length = MAX_EXTENSION_LENGTH + (check != "none")
    if not (0 < len(extension) <= length and extension.isascii() and extension.isdigit()):
        after = "" if check == "none" else " and a check digit"
        raise ValueError(f"an extension is one to six digits{after}")
    if whole and not is_right(check, extension):
        raise ValueError(f"the last digit of the extension is not its check digit ({check})")


def _guarded(stored: Guarded, number: str, extension: str, now: float) -> Resolution:
    """The answer for an extension with a condition."""
    until, idle_until, policy = stored.until, stored.idle_until, stored.policy
    if stored.target is None:
        gone = until is None or now >= until
        return UNBOUND if gone else Resolution(None, "quarantine", binding=extension_id(number, extension))
    reason: Reason = "ok"
    if stored.disabled:
        reason = "disabled"
    elif (until is not None and now >= until) or (idle_until is not None and now >= idle_until):
        reason = "expired"
    elif policy.direction == "a_to_b":
        reason = "direction"
    binding = extension_id(number, extension)
    if reason != "ok":
        return failed(reason, policy, binding, stored.label, "b_to_a")
    target = stored.target.fill(extension) if isinstance(stored.target, Pattern) else stored.target
    shown = target.shown if isinstance(target, NumberTarget) else policy.shown_to_a
    return reached(target, shown, policy, binding, stored.label, "b_to_a")
