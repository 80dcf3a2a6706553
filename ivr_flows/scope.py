"""What expressions and texts see during a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ivr_flows.clock import TIMELESS, Clock, LocalTime

Value = str | int


class Readable(Protocol):
    """Where variables are read from: a dict, or a `Scope`."""

    def get(self, name: str, default: Value, /) -> Value:
        """Return a variable's value, or the default."""


class Scope:
    """What an expression sees: variables, among them secret ones, counted visits, and the time."""

    __slots__ = ("_local", "clock", "now", "secrets", "variables", "visits")

    def __init__(
        self,
        variables: Mapping[str, Value],
        secrets: Mapping[str, Value] | None = None,
        visits: Mapping[str, int] | None = None,
        clock: Clock = TIMELESS,
        now: float = 0.0,
    ) -> None:
        self.variables = variables
        self.secrets = secrets or {}
        self.visits = visits or {}
        self.clock = clock
        self.now = now
        self._local: LocalTime | None = None

    def get(self, name: str, default: Value, /) -> Value:
        """Return a variable's value, or the default."""
        value = self.variables.get(name)
        return self.secrets.get(name, default) if value is None else value

    @property
    def local(self) -> LocalTime:
        """The local time, asked for once."""
        if self._local is None:
            self._local = self.clock.local(self.now)
        return self._local
