"""What is bound on one main number, kept as small as it can be.

A binding without conditions costs one key and, for a hidden number, its sealed bytes; targets that differ only by
the extension share one pattern, and a range is one entry however long.
"""

from __future__ import annotations

import msgspec
from msgspec import structs

from routing.masks.binding import Binding, extension_id
from routing.masks.check_digit import Check, is_right, right_ones
from routing.masks.policy import PLAIN, Policy
from routing.masks.target import EXTENSION_SLOT, AorTarget, NumberTarget, SipTarget, Target


class Pattern(msgspec.Struct, frozen=True, gc=False):
    """A SIP or softphone target with the extension in it, shared by all bindings of that shape."""

    text: str
    aor: bool

    def fill(self, extension: str) -> Target:
        """The target of one extension."""
        filled = self.text.replace(EXTENSION_SLOT, extension)
        return AorTarget(filled) if self.aor else SipTarget(filled)


Stored = Pattern | SipTarget | AorTarget | NumberTarget


class Guarded(msgspec.Struct, frozen=True, gc=False):
    """A binding with a condition, or (target None) the trace of one that is gone."""

    target: Stored | None
    disabled: bool = False
    until: float | None = None
    idle_until: float | None = None
    policy: Policy = PLAIN
    label: str = ""

    def binding(self, number: str, extension: str) -> Binding:
        """The whole again, as far as it is kept here."""
        used = 0.0 if self.idle_until is None else self.idle_until - (self.policy.idle or 0.0)
        return Binding(
            number=number,
            extension=extension,
            id=extension_id(number, extension),
            target=self.target.fill(extension) if isinstance(self.target, Pattern) else self.target,
            policy=self.policy,
            disabled=self.disabled,
            expires_us=None if self.until is None else round(self.until * 1e6),
            used_us=round(used * 1e6),
            label=self.label,
        )

    def is_bare(self) -> bool:
        """True when there is no condition at all."""
        plain = self.policy is PLAIN or self.policy == PLAIN
        return plain and not self.disabled and self.until is None and not self.label


class Span(msgspec.Struct, frozen=True):
    """All extensions from first to last, of the same length and with a right check digit, with one pattern."""

    first: str
    last: str
    stored: Stored
    check: Check = "none"

    def covers(self, extension: str) -> bool:
        """Whether an extension, plain digits, is one of it."""
        inside = len(extension) == len(self.first) and self.first <= extension <= self.last
        return inside and is_right(self.check, extension)

    def size(self) -> int:
        """How many extensions it has."""
        return right_ones(self.check, self.first, self.last)

    def members(self) -> set[str]:
        """All of its extensions."""
        width = len(self.first)
        every = (f"{value:0{width}}" for value in range(int(self.first), int(self.last) + 1))
        return {extension for extension in every if is_right(self.check, extension)}


class Entries:
    """Everything bound on one number; `count` is kept up to date, for it is asked of a running switch."""

    __slots__ = ("check", "count", "exact", "spans")

    def __init__(self) -> None:
        self.exact: dict[str, Stored | Guarded] = {}
        self.spans: tuple[Span, ...] = ()
        self.count = 0
        self.check: Check = "none"

    def put(self, extension: str, stored: Stored | Guarded) -> None:
        """Bind, in place of what was there."""
        self.count += (live(stored) is not None) - (live(self.find(extension)) is not None)
        self.exact[extension] = stored

    def take_out(self, extension: str) -> None:
        """Forget what is kept of one extension; a range it lies in covers it again."""
        before = live(self.exact.pop(extension)) is not None
        self.count += (self.in_span(extension) is not None) - before

    def add_span(self, span: Span) -> None:
        """Add a range that overlaps none; what is bound by itself goes before it."""
        self.spans = (*self.spans, span)
        self.count += span.size() - sum(map(span.covers, self.exact))

    def find(self, extension: str) -> Stored | Guarded | None:
        """What is kept of an extension."""
        found = self.exact.get(extension)
        if found is None and self.spans:
            return self.in_span(extension)
        return found

    def in_span(self, extension: str) -> Stored | None:
        """What a range says of an extension."""
        if extension.isdecimal() and extension.isascii():
            for span in self.spans:
                if span.covers(extension):
                    return span.stored
        return None

    def extensions(self) -> set[str]:
        """Every extension of which something is kept."""
        return set(self.exact).union(*(span.members() for span in self.spans))


def live(stored: Stored | Guarded | None) -> Stored | Guarded | None:
    """The binding itself; None for the trace of one that is gone."""
    return None if isinstance(stored, Guarded) and stored.target is None else stored


def differs(one: Stored | Guarded, other: Stored | Guarded) -> bool:
    """Whether more than the last call is different."""
    if isinstance(one, Guarded) and isinstance(other, Guarded):
        return structs.replace(one, idle_until=None) != structs.replace(other, idle_until=None)
    return one != other
