"""Whether a binding of an X number makes sense by itself."""

from __future__ import annotations

from typing import Final

from routing.masks.binding import Binding
from routing.masks.policy import Way
from routing.masks.record import MAX_SEALED
from routing.masks.secret import FINGERPRINT_BYTES, Party
from routing.masks.shown import check_shown
from routing.masks.target import NumberTarget

MAX_ID_LENGTH: Final = 64
MAX_LABEL_LENGTH: Final = 256


class BindingError(ValueError):
    """A binding makes no sense, or stands against another one."""


class TakenError(BindingError):
    """The number, or one of the parties on it, is bound by `other`."""

    def __init__(self, reason: str, other: str) -> None:
        super().__init__(reason)
        self.other = other


def owns(binding: Binding) -> bool:
    """Whether the binding has its X number for itself, so that anybody's call is taken."""
    return binding.kind in ("ax", "axn") or (binding.kind == "axg" and binding.a is None)


def check(binding: Binding) -> None:
    """`BindingError`, or `ShownError` when its calls would show a service number."""
    fault = _fault(binding) or _party_fault(binding)
    if fault:
        raise BindingError(f"{binding.kind}: {fault}")
    for way in _ways(binding):
        check_shown(way, binding.policy, binding.number)


def _fault(binding: Binding) -> str:
    kind, a, target = binding.kind, binding.a, binding.target
    if kind not in ("axb", "axn", "axg", "ax"):
        return "is no kind of X number"
    if not 0 < len(binding.id.encode()) <= MAX_ID_LENGTH or "," in binding.id:
        return f"the id has 1 to {MAX_ID_LENGTH} characters and no comma"
    if not 0 < len(binding.number.encode()) <= MAX_ID_LENGTH or binding.extension:
        return "an X number is needed, and no extension"
    if len(binding.label) > MAX_LABEL_LENGTH:
        return f"the label is longer than {MAX_LABEL_LENGTH} characters"
    if bool(binding.group) != (kind == "axg"):
        return "a group belongs to axg, and to no other kind"
    if binding.policy.latest and kind != "axn":
        return "only axn calls back who called last"
    if target is not None and (kind not in ("ax", "axn") or isinstance(target, NumberTarget)):
        return "only ax and axn have a target, sip:… or aor:…, in place of a number"
    if target is not None and (a is not None or binding.n is not None or binding.policy.latest):
        return "an owner without a number cannot call X"
    return ""


def _party_fault(binding: Binding) -> str:
    kind, a, other = binding.kind, binding.a, binding.b or binding.n
    if binding.b is None and kind == "axb":
        return "b is missing"
    if (binding.b is not None) != (kind == "axb") or (binding.n is not None and kind != "axn"):
        return "b belongs to axb, and to no other kind; n to axn"
    if a is None and binding.target is None and kind != "axg":
        return "a is missing"
    if not all(one is None or _is_sealed(one) for one in (a, other)):
        return "a party is a sealed number and its fingerprint, as a vault makes them"
    if a is not None and other is not None and a.fingerprint == other.fingerprint:
        return "both sides are the same number"
    return ""


def _is_sealed(party: Party) -> bool:
    return (
        len(party.fingerprint) == FINGERPRINT_BYTES and any(party.fingerprint) and 0 < len(party.sealed) <= MAX_SEALED
    )


def _ways(binding: Binding) -> list[Way]:
    """The ways in which a call of this binding can go."""
    ways: list[Way] = ["b_to_a"] if binding.kind != "axg" or binding.a is not None else []
    if binding.kind in ("axb", "axg") or binding.n is not None or binding.policy.latest:
        ways.append("a_to_b")
    return [way for way in ways if binding.policy.direction in ("both", way)]
