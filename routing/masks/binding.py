"""What a look-up of a masked number answers, and how a binding is described to people."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from routing.masks.target import Target

Reason = Literal["ok", "unbound", "expired", "disabled", "quarantine"]


class Resolution(msgspec.Struct, frozen=True, gc=False):
    """The answer of `MaskTable.resolve`: a target exactly when the reason is `ok`."""

    target: Target | None
    reason: Reason


UNBOUND: Final = Resolution(None, "unbound")
EXPIRED: Final = Resolution(None, "expired")
DISABLED: Final = Resolution(None, "disabled")
QUARANTINE: Final = Resolution(None, "quarantine")


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """One binding with all that is kept of it; times are UTC microseconds."""

    number: str
    extension: str
    target: Target
    disabled: bool = False
    expires_us: int | None = None
    label: str = ""
    created_us: int = 0
    updated_us: int = 0


class Difference(msgspec.Struct, frozen=True):
    """How many bindings a new table adds, removes and changes."""

    added: int
    removed: int
    changed: int
