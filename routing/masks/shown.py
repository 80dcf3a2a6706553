"""Which number a called side sees. A service number (400, 800, 95…, 96…) only takes calls and is never shown."""

from __future__ import annotations

from functools import lru_cache

from routing.masks.policy import Policy, Way
from routing.numbers import canonical_number, is_service


class ShownError(ValueError):
    """A call would show a service number as its caller."""


@lru_cache(maxsize=8192)
def allowed(number: str) -> str | None:
    """The one form of a number if a call may show it as its caller."""
    number = canonical_number(number)
    return None if not number or is_service(number) else number


def check_shown(way: Way, policy: Policy, x: str) -> None:
    """`ShownError` when calls of that way would show a service number; for configurations and imports."""
    chosen = policy.shown_to_b if way == "a_to_b" else policy.shown_to_a
    if allowed(chosen or x) is None:
        rest = "cannot be shown as a caller" if chosen else "only takes calls: say which other number its calls show"
        raise ShownError(f"the service number {chosen or x} {rest}")
