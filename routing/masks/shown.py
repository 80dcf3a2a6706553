"""Which number a called side sees. A service number (400, 800, 95…, 96…) only takes calls and is never shown."""

from __future__ import annotations

from routing.masks.policy import Policy, Way
from routing.numbers import is_service


class ShownError(ValueError):
    """A call would show a service number as its caller."""


def shown_for(way: Way, policy: Policy, x: str) -> str | None:
    """The number that a call through X shows: the one chosen for its way, else X; None rather than a service number."""
    chosen = policy.shown_to_b if way == "a_to_b" else policy.shown_to_a
    return allowed(chosen or x)


def allowed(number: str) -> str | None:
    """The number itself if a call may show it as its caller."""
    return None if not number or is_service(number) else number


def check_shown(way: Way, policy: Policy, x: str) -> None:
    """`ShownError` when calls of that way would show a service number; for configurations and imports."""
    chosen = policy.shown_to_b if way == "a_to_b" else policy.shown_to_a
    if chosen and is_service(chosen):
        raise ShownError(f"{chosen} is a service number and cannot be shown as a caller")
    if not chosen and is_service(x):
        raise ShownError(f"{x} is a service number: say which other number its calls show")
