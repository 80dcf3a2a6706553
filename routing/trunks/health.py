"""Whether a gateway is up, from what becomes of the OPTIONS it is sent, and when the next is due.

TRANSITIONS names what moves it: `fall` failures in a row make a gateway DOWN, `rise` answers make it UP again. Any
answer but 503 is one: who refuses OPTIONS is there. While one OPTIONS is under way no other is sent.
"""

from __future__ import annotations

import enum
from typing import Final

import msgspec

MIN_INTERVAL: Final = 5.0
PACE: Final = 0.02
"""Least seconds between two OPTIONS of the switch, however many gateways there are."""


class HealthState(enum.Enum):
    """What is known of a gateway."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"


class Sign(enum.Enum):
    """What a probe has brought: so many in a row of one kind that it counts, or not so many yet."""

    ANSWER = "answer"
    FAILURE = "failure"
    ANSWERS = "answers"
    FAILURES = "failures"


TRANSITIONS: Final[dict[tuple[HealthState, Sign], HealthState]] = {
    (HealthState.UNKNOWN, Sign.ANSWER): HealthState.UP,
    (HealthState.UNKNOWN, Sign.ANSWERS): HealthState.UP,
    (HealthState.UNKNOWN, Sign.FAILURES): HealthState.DOWN,
    (HealthState.UP, Sign.FAILURES): HealthState.DOWN,
    (HealthState.DOWN, Sign.ANSWERS): HealthState.UP,
}
"""A pair that is not in it changes nothing."""


class Probing(msgspec.Struct, frozen=True):
    """How a gateway is looked after. Seconds; an `interval` of 0: not at all."""

    interval: float = 0.0
    rise: int = 1
    fall: int = 2


class Health:
    """One gateway's state and its next OPTIONS."""

    __slots__ = ("_streak", "due", "probing", "state", "under_way")

    def __init__(self, probing: Probing, now: float, share: float) -> None:
        """`share`, of 0 to 1, is how much of the interval passes before the first one: they do not come all at once."""
        self.probing = probing
        self.state = HealthState.UNKNOWN
        self._streak = 0
        self.under_way = False
        self.due: float | None = None
        self.spread(now, share)

    def adjust(self, probing: Probing, now: float, share: float) -> None:
        """Look after it otherwise; who is not asked any more counts as unknown."""
        if probing == self.probing:
            return
        before, self.probing = self.probing, probing
        if not probing.interval:
            self.state, self._streak, self.due = HealthState.UNKNOWN, 0, None
        elif not before.interval:
            self.spread(now, share)
        elif self.due is not None:
            self.due = min(self.due, now + probing.interval)

    def spread(self, now: float, share: float) -> None:
        """Asking begins now: the first OPTIONS comes after `share` of the first seconds."""
        if self.probing.interval:
            self.due = now + share * min(self.probing.interval, MIN_INTERVAL)

    def sent(self) -> None:
        """An OPTIONS is under way."""
        self.under_way, self.due = True, None

    def outcome(self, status: int, now: float) -> bool:
        """What became of it: a status, 408 for silence, 503 for a failed transport. True when the state changes."""
        self.under_way = False
        if not self.probing.interval:
            return False
        self.due = now + self.probing.interval
        answered = status not in (408, 503)
        self._streak = max(self._streak, 0) + 1 if answered else min(self._streak, 0) - 1
        if answered:
            sign = Sign.ANSWERS if self._streak >= self.probing.rise else Sign.ANSWER
        else:
            sign = Sign.FAILURES if -self._streak >= self.probing.fall else Sign.FAILURE
        following = TRANSITIONS.get((self.state, sign), self.state)
        changed, self.state = following is not self.state, following
        return changed
