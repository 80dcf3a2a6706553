"""What the API needs of the switch, gathered by `app` and handed to the routers.

The repositories wait for the database: handlers call them by `asyncio.to_thread`. What concerns calls, agents and
queues is read and done in the loop, by `in_calls`, in steps of less than a few milliseconds.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from routing.masks.secret import Vault
from switchboard.api.access_tokens import AccessTokens
from switchboard.api.lockout import Lockout
from switchboard.api.pace import Pace, Rate

if TYPE_CHECKING:
    from switchboard.store.audit import AuditLog
    from switchboard.store.tokens import RefreshTokenRepository
    from switchboard.store.users import UserRepository

T = TypeVar("T")

Step = Callable[[float], None]

RATES: Final[dict[str, Rate]] = {
    "user": Rate(each_second=100.0, burst=500.0),
    "address": Rate(each_second=20.0, burst=200.0),
    "login": Rate(each_second=10.0, burst=200.0),
    # Who sees masked numbers could else find each by trying the ten thousand that look like it.
    "find": Rate(each_second=1 / 60, burst=60.0),
}


class RunInCalls(Protocol):
    """The driver's `run`: carries a step out and sends what follows from it."""

    def __call__(self, step: Step) -> None:
        """Run it now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of the API. Seconds and octets."""

    body: int = 256 * 1024
    refresh_lifetime: float = 14 * 86400.0
    session_lifetime: float = 90 * 86400.0
    """After so long a password is asked for again, however often tokens were refreshed."""
    audit_kept: float = 400 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of the switch as the API sees them; `clock` is monotonic, `utc` seconds since 1970."""

    users: UserRepository
    refresh_tokens: RefreshTokenRepository
    audit: AuditLog
    vault: Vault
    run: RunInCalls
    tokens: AccessTokens = field(default_factory=lambda: AccessTokens(time.time))
    clock: Callable[[], float] = time.monotonic
    utc: Callable[[], float] = time.time
    pace: Pace = field(default_factory=lambda: Pace(time.monotonic, RATES))
    lockout: Lockout = field(default_factory=lambda: Lockout(time.monotonic))
    limits: Limits = Limits()
    answers: Counter[str] = field(default_factory=Counter)
    """Answers by status."""
    failed: Callable[[], None] = lambda: None
    """Counts an exception that was answered with 500."""

    def in_calls(self, step: Callable[[float], T]) -> T:
        """Carry a step out among the calls and return what it returns, or raise what it raises; call in the loop."""
        results: list[T] = []
        errors: list[Exception] = []

        def perform(now: float) -> None:
            try:
                results.append(step(now))
            except Exception as error:  # noqa: BLE001 - goes on to who asked
                errors.append(error)

        self.run(perform)
        if errors:
            raise errors[0]
        return results[0]
