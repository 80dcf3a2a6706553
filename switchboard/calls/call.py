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
    QUEUED = 7


PHASES: Final[dict[Phase, frozenset[Phase]]] = {
    Phase.ROUTING: frozenset({Phase.FLOW, Phase.QUEUED, Phase.CONNECTING, Phase.ENDING}),
    Phase.FLOW: frozenset({Phase.CONNECTING, Phase.QUEUED, Phase.ENDING}),
    Phase.QUEUED: frozenset({Phase.FLOW, Phase.QUEUED, Phase.TALKING, Phase.ENDING}),
    Phase.CONNECTING: frozenset({Phase.FLOW, Phase.CONNECTING, Phase.TALKING, Phase.ENDING}),
    Phase.TALKING: frozenset({Phase.FLOW, Phase.QUEUED, Phase.ENDING}),
    Phase.ENDING: frozenset({Phase.ENDED}),
    Phase.ENDED: frozenset(),
}


class Hunt(msgspec.Struct, kw_only=True, array_like=True):
    """The search for an agent of a group: who is still to be rung in this round, and until when it goes on.

    `resume_at` is when the next round begins; None while somebody rings. `reached` is True once somebody in this
    round was there at all; `once` makes the first round the last.
    """

    group: str
    left: list[str]
    until: float
    resume_at: float | None = None
    reached: bool = False
    once: bool = False
    transfer: bool = False


class Capture(msgspec.Struct, kw_only=True, array_like=True):
    """A voice message being left: `number` is the flow's name for it, `id` and `path` those of the record."""

    number: int
    id: str
    path: str
    box: str
    min_seconds: float


class Call(msgspec.Struct, kw_only=True, array_like=True):
    """One call from the first INVITE to its record.

    Times are monotonic seconds. `ring_due` ends an attempt to reach the agent, `end_due` the whole
    call (its maximum duration; while ENDING, the wait for media counters). `flow` is empty for a call
    that goes straight to its target. `journalled` is True once the
    journal knows the call. `max_forwards` is what the
    agent's INVITE may carry. `digit_at` is when the packet of the latest key came, `last_digit_at` the
    same while a transfer may follow from it. `timer` belongs to the deadline heap. `position` stays while
    the caller talks: the flow goes on when the agent leaves. `speaking` is the play that waits for its speech.
    `talk_due` ends a talk, `warn_due` announces that end. `failed_flow` takes the call when nobody is reached.
    `others` are all legs beside the caller's and the agent's: agents that ring, a party consulted, supervisors.
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
    flow_version: str = ""
    hunt: Hunt | None = None
    capture: Capture | None = None
    speaking: int = 0
    recording: str = ""
    record_talk: bool = False
    talk_limit: float | None = None
    warn: bool = False
    talk_due: float | None = None
    warn_due: float | None = None
    failed_flow: str = ""
    shown: str = ""
    binding_way: str = ""
    ask_consent: bool = False
    agent_left: bool = False
    others: list[Leg] = []

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
        if self.phase is Phase.FLOW:
            if self.position is not None:
                due = _earlier(due, self.position.deadline)
            if self.hunt is not None:
                due = _earlier(due, self.hunt.resume_at)
        elif self.phase is Phase.TALKING and self.talk_due is not None:
            due = _earlier(_earlier(due, self.talk_due), self.warn_due)
        return due


def _earlier(one: float | None, other: float | None) -> float | None:
    return one if other is None or (one is not None and one <= other) else other
