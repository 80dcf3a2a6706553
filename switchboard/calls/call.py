"""A call: its legs, what it is doing and until when. Plain, serialisable data."""

from __future__ import annotations

import enum
from typing import Final

import msgspec

from ivr_flows.machine import Position
from switchboard.calls.leg import Leg
from switchboard.store.records import CallRecord


class Phase(enum.IntEnum):
    """What a call is doing; it only ever moves as `PHASES` allows."""

    ROUTING = 1
    FLOW = 2
    CONNECTING = 3
    TALKING = 4
    ENDING = 5
    ENDED = 6


PHASES: Final[dict[Phase, frozenset[Phase]]] = {
    Phase.ROUTING: frozenset({Phase.FLOW, Phase.CONNECTING, Phase.ENDING}),
    Phase.FLOW: frozenset({Phase.CONNECTING, Phase.ENDING}),
    Phase.CONNECTING: frozenset({Phase.FLOW, Phase.TALKING, Phase.ENDING}),
    Phase.TALKING: frozenset({Phase.ENDING}),
    Phase.ENDING: frozenset({Phase.ENDED}),
    Phase.ENDED: frozenset(),
}


class Call(msgspec.Struct, kw_only=True, array_like=True):
    """One call from the first INVITE to its record.

    Times are monotonic seconds. `ring_due` ends an attempt to reach the agent, `end_due` the whole
    call (its maximum duration; while ENDING, the wait for media counters). `flow` is empty for a call
    that goes straight to its target. `journalled` is True once the
    journal knows the call. `max_forwards` is what the
    agent's INVITE may carry. `digit_at` is when the packet of the latest key came, `last_digit_at` the
    same while a transfer may follow from it. `timer` belongs to the deadline heap.
    """

    record: CallRecord
    id: str
    phase: Phase = Phase.ROUTING
    caller: Leg
    agent: Leg | None = None
    flow: str = ""
    variables: dict[str, str | int] = {}
    position: Position | None = None
    ring_due: float | None = None
    end_due: float | None = None
    ringback: str = ""
    attempts: int = 0
    journalled: bool = False
    max_forwards: int = 70
    awaiting_release: int = 0
    invited_at: float
    digit_at: float | None = None
    last_digit_at: float | None = None
    armed: float | None = None
    timer: int = 0

    def enter(self, phase: Phase) -> bool:
        """Move to `phase`; False and no change when `PHASES` does not allow it."""
        if phase not in PHASES[self.phase]:
            return False
        self.phase = phase
        return True

    @property
    def deadline(self) -> float | None:
        """The earliest moment at which something is due."""
        due = self.end_due
        if self.ring_due is not None and (due is None or self.ring_due < due):
            due = self.ring_due
        if self.phase is Phase.FLOW and self.position is not None:
            flow_due = self.position.deadline
            if flow_due is not None and (due is None or flow_due < due):
                due = flow_due
        return due
