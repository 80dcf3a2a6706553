"""Parties and bindings for tests of X numbers: sealed bytes that say whose they are, fingerprints alike."""

from __future__ import annotations

from routing.masks import Binding, NumberTarget, Party, Policy, Sealed
from routing.masks.binding import Kind

X = "01088880000"
OTHER_X = "02188880000"
TRUNK = Policy(trunk="carrier")


def fingerprint(name: str) -> bytes:
    """16 bytes that differ by name."""
    return (name * 16).encode()[:15] + b"!"


def party(name: str) -> Party:
    """A number as a binding keeps it."""
    return Party(Sealed(f"sealed {name}".encode()), fingerprint(name))


def reaches(name: str, shown: str = X, trunk: str = "carrier") -> NumberTarget:
    """The target that a call to that party has."""
    return NumberTarget(party(name).sealed, trunk, shown)


def bound(
    kind: Kind,
    identity: str = "1",
    x: str = X,
    *,
    a: str = "",
    b: str = "",
    n: str = "",
    group: str = "",
    policy: Policy = TRUNK,
    created: float = 0.0,
    expires: float | None = None,
    disabled: bool = False,
    label: str = "",
) -> Binding:
    """A binding of an X number; times are seconds."""
    return Binding(
        id=identity,
        kind=kind,
        number=x,
        a=party(a) if a else None,
        b=party(b) if b else None,
        n=party(n) if n else None,
        group=group,
        policy=policy,
        disabled=disabled,
        expires_us=None if expires is None else round(expires * 1e6),
        created_us=round(created * 1e6),
        label=label,
    )
