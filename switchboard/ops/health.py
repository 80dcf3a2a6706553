"""Whether the switch does its work, and if not, why."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

Check = Callable[[], str | None]
Facts = Callable[[], object]


class Report(msgspec.Struct, frozen=True):
    """The answer of /health."""

    status: Literal["ok", "draining", "degraded"]
    reasons: list[str]
    uptime_seconds: float
    facts: Mapping[str, object]

    @property
    def http_status(self) -> int:
        """503 when degraded, so that monitors and balancers need not read the text."""
        return 503 if self.status == "degraded" else 200


class Health:
    """Asks the registered checks; each returns a sentence about what is wrong, or None."""

    def __init__(self) -> None:
        self.draining = False
        self._began = time.monotonic()
        self._checks: dict[str, Check] = {}
        self._facts: dict[str, Facts] = {}

    def check(self, name: str, ask: Check) -> None:
        """Register something that may be wrong."""
        self._checks[name] = ask

    def fact(self, name: str, ask: Facts) -> None:
        """Register something to show: JSON values, such as the state of each worker."""
        self._facts[name] = ask

    def report(self) -> Report:
        """The state now; a check that fails is itself a reason."""
        reasons: list[str] = []
        facts: dict[str, object] = {}
        for name, check in self._checks.items():
            try:
                if reason := check():
                    reasons.append(f"{name}: {reason}")
            except Exception as problem:  # noqa: BLE001  # the report must come, whatever is broken
                reasons.append(f"{name}: cannot be read ({type(problem).__name__})")
        for name, ask in self._facts.items():
            try:
                facts[name] = ask()
            except Exception as problem:  # noqa: BLE001
                reasons.append(f"{name}: cannot be read ({type(problem).__name__})")
        status: Literal["ok", "draining", "degraded"] = "ok"
        if reasons:
            status = "degraded"
        elif self.draining:
            status = "draining"
        return Report(status, reasons, round(time.monotonic() - self._began, 3), facts)
