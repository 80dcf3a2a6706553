"""What is agreed for a binding besides who stands behind it; shared by all bindings that agree on it."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Way = Literal["a_to_b", "b_to_a"]
"""The way of one call. A owns the number (the agent, the seller); B, or N, is the other side."""

Direction = Literal["both", "a_to_b", "b_to_a"]
"""Which ways are open. Calls to an extension, to AX and, by anyone else, to AXN are `b_to_a`."""


class CallbackRule(msgspec.Struct, frozen=True):
    """How A may call B: within `window` seconds of B's last call (or of the binding), at most `times` times.

    A call of B begins a new window and counts anew. None is no bound.
    """

    window: float | None = None
    times: int | None = None


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of a binding; the plain one lets every call through for as long as it lasts."""

    direction: Direction = "both"
    idle: float | None = None
    """Seconds without a call after which it expires; each call begins them anew."""
    limit: float | None = None
    """Seconds a talk may last."""
    warn: bool = False
    """Announce the last minute of a limited talk."""
    record: bool = False
    consent: bool = False
    """Ask before recording."""
    shown_to_a: str = ""
    """The number A sees; empty: X."""
    shown_to_b: str = ""
    """The number B sees; empty: X."""
    trunk: str = ""
    """The trunk that reaches A and B of an X number."""
    callback: CallbackRule | None = None
    latest: bool = False
    """AXN: A reaches whoever called last, in place of a fixed N."""
    city: str = ""
    store: str = ""
    """The shop or institution it belongs to."""


PLAIN: Final = Policy()
