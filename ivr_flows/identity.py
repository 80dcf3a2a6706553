"""Who a caller is, as far as the customer's own backend could tell."""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["not_asked", "own_number", "verified", "failed", "skipped", "unavailable"]


class Identity(msgspec.Struct, frozen=True, gc=False):
    """The outcome of an identity check; what was keyed in is never part of it."""

    status: Status = "not_asked"
    method: str = ""
    """By what the caller was known: "number", or the `method` of the flow's question, such as "id_card"."""
    subject: str = ""
    """The backend's own name for the person or account."""
    attempts: int = 0
    """Entries that the caller has made, or failed to make in time."""
    asked_at: float | None = None
    """Monotonic seconds at which the check began; None when there was none."""
    took: float = 0.0
    """Seconds from there to the outcome."""
