"""What a look-up of a masked number answers, and a binding with all that is kept of it."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from routing.masks.policy import PLAIN, Policy, Way
from routing.masks.secret import Party
from routing.masks.target import Target

Kind = Literal["extension", "axb", "axn", "axg", "ax"]
State = Literal["active", "disabled", "expired"]
Reason = Literal[
    "ok",
    "unbound",  # nobody is there, or nobody for this caller
    "expired",
    "disabled",
    "quarantine",  # given back a short while ago
    "direction",  # not open this way
    "refused",  # the customer wants no more calls
    "exhausted",  # the window is over, or the calls it allows are used up
]


class Resolution(msgspec.Struct, frozen=True, gc=False):
    """The answer of a look-up: with the reason `ok` a target or a group, otherwise neither.

    Whatever belongs to a binding carries its id, label and policy, also when the call fails.
    """

    target: Target | None
    reason: Reason
    shown: str = ""
    """The number the called side sees; empty: what its target says, if anything."""
    binding: str = ""
    direction: Way | Literal[""] = ""
    policy: Policy = PLAIN
    label: str = ""
    group: str = ""
    """The group that answers for X (AXG)."""


UNBOUND: Final = Resolution(None, "unbound")


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """One binding with all that is kept of it; times are UTC microseconds.

    extension: `number` and `extension` lead to `target`. axb: `a` and `b` reach each other by `number`. axn:
    anyone reaches `a`, and `a` reaches `n` or, where none is given, whoever called last. ax: anyone reaches `a`.
    axg: `a`, or without it anyone, reaches `group`; whoever is of the group reaches `a`. Of ax and axn the
    owner may be a `target` instead of a number: it is reached, but never recognised as a caller.
    """

    number: str
    """The main number, or X."""
    extension: str = ""
    target: Target | None = None
    id: str = ""
    """1 to 64 characters; that of an extension is `number,extension` and need not be given."""
    kind: Kind = "extension"
    a: Party | None = None
    b: Party | None = None
    n: Party | None = None
    group: str = ""
    policy: Policy = PLAIN
    disabled: bool = False
    expires_us: int | None = None
    used_us: int = 0
    """The last call; 0 when there was none."""
    window_us: int = 0
    """Since when its window of call-backs is open, and how many were made in it; 0 when no call has told."""
    window_times: int = 0
    label: str = ""
    """The listing or whatever else it stands for."""
    created_us: int = 0
    updated_us: int = 0

    @property
    def key(self) -> str:
        """The id, also of an extension."""
        return self.id or extension_id(self.number, self.extension)

    @property
    def idle_us(self) -> int | None:
        """When it expires unless a call comes; None for one that may lie idle."""
        if self.policy.idle is None:
            return None
        return (self.used_us or self.created_us) + round(self.policy.idle * 1e6)

    def state(self, now_us: int) -> State:
        """Whether calls get through."""
        if self.disabled:
            return "disabled"
        ends = (self.expires_us, self.idle_us)
        return "expired" if any(end is not None and now_us >= end for end in ends) else "active"


class Difference(msgspec.Struct, frozen=True):
    """How many bindings a new table adds, removes and changes."""

    added: int
    removed: int
    changed: int


def extension_id(number: str, extension: str) -> str:
    """The id of the binding of an extension."""
    return f"{number},{extension}"


def reached(target: Target | None, shown: str, policy: Policy, binding: str, label: str, way: Way) -> Resolution:
    """The answer when somebody is reached."""
    return Resolution(target, "ok", shown, binding, way, policy, label)


def failed(reason: Reason, policy: Policy, binding: str, label: str, way: Way) -> Resolution:
    """The answer when a binding is there, but its call does not get through."""
    return Resolution(None, reason, "", binding, way, policy, label)
