"""A binding of an X number as the table keeps it: checked, and as small as it can be."""

from __future__ import annotations

from typing import Final

import msgspec

from routing.masks.binding import Binding, Kind, Reason
from routing.masks.parties import first_fingerprint, first_sealed, pack, second_fingerprint, second_sealed, unpack
from routing.masks.policy import Policy, Way
from routing.masks.shown import ShownError, check_shown
from routing.masks.target import AorTarget, NumberTarget, SipTarget, Target

MAX_ID_LENGTH: Final = 64
CALLS_BACK: Final[dict[Kind, Way]] = {"axb": "a_to_b", "axn": "a_to_b", "axg": "b_to_a"}
"""The way of the agent's calls; a call the other way opens the window in which they may be made."""


class BindingError(ValueError):
    """A binding makes no sense, or stands against another one."""


class TakenError(BindingError):
    """The number, or one of the parties on it, is bound by `other`."""

    def __init__(self, reason: str, other: str) -> None:
        super().__init__(reason)
        self.other = other


class Terms(msgspec.Struct, frozen=True):
    """What many bindings have in common."""

    kind: Kind
    policy: Policy
    disabled: bool
    group: str


class Record(msgspec.Struct, gc=False):
    """One binding; `parties` is A, and B or N, in one; or an owner who is no number. Times are UTC seconds."""

    id: str
    x: str
    terms: Terms
    until: float | None
    idle_until: float | None
    label: str
    parties: bytes | SipTarget | AorTarget

    @property
    def numbers(self) -> bytes:
        """The parties that are numbers."""
        return self.parties if isinstance(self.parties, bytes) else b""

    def closed(self, way: Way, now: float) -> Reason:
        """Why calls of a way do not get through; `ok` when they may."""
        if self.terms.disabled:
            return "disabled"
        if (self.until is not None and now >= self.until) or (self.idle_until is not None and now >= self.idle_until):
            return "expired"
        if self.terms.policy.direction not in ("both", way) or (self.terms.kind == "ax" and way == "a_to_b"):
            return "direction"
        return "ok"

    def target(self, way: Way, shown: str) -> Target | None:
        """Who is reached, showing a number to him; None for a group, and for nobody."""
        if way == "b_to_a":
            if not isinstance(self.parties, bytes):
                return self.parties
            sealed = first_sealed(self.parties) if self.parties else None
        else:
            sealed = second_sealed(self.numbers) if self.numbers else None
        return NumberTarget(sealed, self.terms.policy.trunk, shown) if sealed else None

    def customer(self) -> bytes:
        """The fingerprint of who may refuse the agent's calls."""
        return first_fingerprint(self.numbers) if self.terms.kind == "axg" else second_fingerprint(self.numbers)

    def carry(self, old: Record) -> None:
        """Take over the calls noted in an earlier copy of this binding."""
        if old.idle_until is not None and self.idle_until is not None:
            self.idle_until = max(self.idle_until, old.idle_until)
        if self.terms.policy.latest and first_fingerprint(self.numbers) == first_fingerprint(old.numbers):
            self.parties = old.parties

    def differs(self, other: Record) -> bool:
        """Whether more than the last call is different."""
        latest = self.terms.policy.latest and first_fingerprint(self.numbers) == first_fingerprint(other.numbers)
        same = (self.x, self.terms, self.until, self.label) == (other.x, other.terms, other.until, other.label)
        return not (same and (latest or self.parties == other.parties))

    def binding(self) -> Binding:
        """The whole again, as far as it is kept here."""
        first, second = unpack(self.numbers)
        kind = self.terms.kind
        return Binding(
            id=self.id,
            kind=kind,
            number=self.x,
            target=None if isinstance(self.parties, bytes) else self.parties,
            a=first,
            b=second if kind == "axb" else None,
            n=second if kind == "axn" else None,
            group=self.terms.group,
            policy=self.terms.policy,
            disabled=self.terms.disabled,
            expires_us=None if self.until is None else round(self.until * 1e6),
            used_us=0 if self.idle_until is None else round((self.idle_until - (self.terms.policy.idle or 0)) * 1e6),
            label=self.label,
        )


def record_of(binding: Binding, terms: Terms) -> Record:
    """What the table keeps of a binding."""
    target = binding.target
    parties = target if isinstance(target, SipTarget | AorTarget) else pack(binding.a, binding.b or binding.n)
    until, idle_until = _seconds(binding.expires_us), _seconds(binding.idle_us)
    return Record(binding.id, binding.number, terms, until, idle_until, binding.label, parties)


def owns(binding: Binding) -> bool:
    """Whether the binding has its X number for itself, so that anybody's call is taken."""
    return binding.kind in ("ax", "axn") or (binding.kind == "axg" and binding.a is None)


def check(binding: Binding) -> None:
    """`BindingError` (or `ShownError`) when a binding of an X number makes no sense by itself."""
    fault = _fault(binding)
    if fault:
        raise BindingError(f"{binding.kind}: {fault}")
    for way in _ways(binding):
        check_shown(way, binding.policy, binding.number)


def _fault(binding: Binding) -> str:
    kind, a, target = binding.kind, binding.a, binding.target
    if kind not in ("axb", "axn", "axg", "ax"):
        return "is no kind of X number"
    if not 0 < len(binding.id) <= MAX_ID_LENGTH or "," in binding.id:
        return f"the id has 1 to {MAX_ID_LENGTH} characters and no comma"
    if not binding.number or binding.extension:
        return "an X number is needed, and no extension"
    if (binding.b is not None) != (kind == "axb") or (binding.n is not None and kind != "axn"):
        return "b belongs to axb, and to no other kind; n to axn"
    if bool(binding.group) != (kind == "axg"):
        return "a group belongs to axg, and to no other kind"
    if binding.policy.latest and kind != "axn":
        return "only axn calls back who called last"
    if target is not None and (kind not in ("ax", "axn") or isinstance(target, NumberTarget)):
        return "only ax and axn have a target, sip:… or aor:…, in place of a number"
    if target is not None and (a is not None or binding.n is not None or binding.policy.latest):
        return "an owner without a number cannot call X"
    if a is None and target is None and kind != "axg":
        return "a is missing"
    other = binding.b or binding.n
    if a is not None and other is not None and a.fingerprint == other.fingerprint:
        return "both sides are the same number"
    return ""


def _ways(binding: Binding) -> list[Way]:
    """The ways in which a call of this binding can go."""
    ways: list[Way] = ["b_to_a"] if binding.kind != "axg" or binding.a is not None else []
    if binding.kind in ("axb", "axg") or binding.n is not None or binding.policy.latest:
        ways.append("a_to_b")
    return [way for way in ways if binding.policy.direction in ("both", way)]


def _seconds(time_us: int | None) -> float | None:
    return None if time_us is None else time_us / 1e6


__all__ = ["BindingError", "Record", "ShownError", "TakenError", "Terms", "check", "owns", "record_of"]
