"""A call: its legs, what it is doing and until when. Plain, serialisable data."""

from __future__ import annotations

import enum
from typing import Final, Literal

import msgspec

from ivr_flows.browsing import Browsing
from ivr_flows.machine import Position
from switchboard.calls.leg import Leg
from switchboard.calls.plan import Plan
from switchboard.calls.wait import Wait
from switchboard.store.records import CallRecord


class Phase(enum.IntEnum):
    """What a call is doing; it only ever moves as `PHASES` allows.

    QUEUED: the caller waits for an agent of a group. PARKED: nobody is connected, and the caller waits with music in
    a slot, or for the target of a transfer.
    """

    ROUTING = 1
    FLOW = 2
    CONNECTING = 3
    TALKING = 4
    ENDING = 5
    ENDED = 6
    QUEUED = 7
    PARKED = 8


PHASES: Final[dict[Phase, frozenset[Phase]]] = {
    Phase.ROUTING: frozenset({Phase.FLOW, Phase.QUEUED, Phase.CONNECTING, Phase.ENDING}),
    Phase.FLOW: frozenset({Phase.CONNECTING, Phase.QUEUED, Phase.ENDING}),
    Phase.QUEUED: frozenset({Phase.FLOW, Phase.QUEUED, Phase.TALKING, Phase.ENDING}),
    Phase.CONNECTING: frozenset({Phase.FLOW, Phase.CONNECTING, Phase.QUEUED, Phase.TALKING, Phase.ENDING}),
    Phase.TALKING: frozenset({Phase.FLOW, Phase.QUEUED, Phase.PARKED, Phase.ENDING}),
    Phase.PARKED: frozenset({Phase.FLOW, Phase.QUEUED, Phase.TALKING, Phase.ENDING}),
    Phase.ENDING: frozenset({Phase.ENDED}),
    Phase.ENDED: frozenset(),
}


class Capture(msgspec.Struct, kw_only=True, array_like=True):
    """A voice message being left: `number` is the flow's name for it, `id` and `path` those of the record."""

    number: int
    id: str
    path: str
    box: str
    min_seconds: float


class Hears(msgspec.Struct, frozen=True, array_like=True):
    """What a leg hears: nothing but what is played for once, the one leg it is bridged with, music, or a room.

    `of` is the other leg's id, the name of the music, or the leg that a coach talks to; `role` is that in the `room`.
    """

    by: Literal["nothing", "bridge", "music", "room"] = "nothing"
    of: str = ""
    room: int = 0
    role: Literal["party", "listener", "coach"] = "party"


class Control(msgspec.Struct, kw_only=True, array_like=True):
    """What the call bar has made of a call; a call that nobody touches has none.

    `wired` is what each leg hears now, by its id; whoever is not in it hears nothing. `target` is the leg of a
    transfer's target while it rings, asked for at `asked_at` by `asked_by`, an agent or ""; `recall` is True while it
    is that agent who is rung again. `consulted` is the leg of the party consulted, ringing or talking. `mixed` is
    True from a merge on. `slot` is where the call is parked, `park_due` until when, `rating` the flow that takes
    the caller when the agent has left. `plan` are the destinations of
    the party that is called once the agent's phone has answered.
    """

    wired: dict[str, Hears] = {}
    target: str = ""
    asked_at: float = 0.0
    asked_by: str = ""
    recall: bool = False
    consulted: str = ""
    mixed: bool = False
    slot: str = ""
    park_due: float | None = None
    rating: str = ""
    plan: Plan = ()


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
    `binding_about` are store, city and label of the hidden number that was called last.
    `others` are all legs beside the caller's and the agent's: agents that ring, a party consulted, supervisors.
    `control` is what the call bar has made of it, `wait` the caller's place in a queue. `entry` is
    the callback that this call is an attempt of, `kept_agent` the agent and group kept while its caller is called;
    `priority` and `vip` are how the caller was last queued, and stay when the call is handed on.
    `account` is that of the calling phone, `browsing` the mailbox its owner goes through. `way` are the numbers, with
    extensions, of the calls that it came by when another call of ours has led to it.
    `asked_back` are the callbacks asked for in it.
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
    control: Control | None = None
    wait: Wait | None = None
    entry: str = ""
    kept_agent: tuple[str, str] | None = None
    priority: int = 0
    vip: int = 0
    account: str = ""
    browsing: Browsing | None = None
    way: tuple[tuple[str, str], ...] = ()
    asked_back: tuple[str, ...] = ()
    binding_about: dict[str, str] | None = None

    def enter(self, phase: Phase) -> bool:
        """Move to `phase`; False and no change when `PHASES` does not allow it."""
        if phase not in PHASES[self.phase]:
            return False
        self.phase = phase
        return True

    @property
    def entry_id(self) -> str:
        """What the queue engine calls the one who waits: the callback that this is an attempt of, or this call."""
        return self.entry or self.id

    @property
    def legs(self) -> list[Leg]:
        """All legs, the caller's first."""
        legs = [self.caller] if self.agent is None else [self.caller, self.agent]
        return legs + self.others if self.others else legs

    def owns(self, leg: Leg) -> bool:
        """Whether the leg is still one of the call's; one that left earlier is not."""
        return leg is self.caller or leg is self.agent or any(leg is other for other in self.others)

    def leg(self, leg_id: str) -> Leg | None:
        """The leg of this id."""
        return next((leg for leg in self.legs if leg.id == leg_id), None)

    def leg_of(self, agent: str) -> Leg | None:
        """The leg on which an agent talks or is rung, other than as a supervisor."""
        if agent:
            for leg in self.legs:
                if leg.agent_id == agent and leg.purpose != "supervise":
                    return leg
        return None

    def ringing_due(self, now: float) -> Leg | None:
        """A leg whose time to answer is over."""
        for leg in (self.caller, *self.others):
            if leg.ring_due is not None and leg.ring_due <= now:
                return leg
        return None

    def session_due(self, now: float) -> Leg | None:
        """A leg whose session is to be refreshed, or is over."""
        for leg in self.legs:
            if leg.session_due is not None and leg.session_due <= now:
                return leg
        return None

    @property
    def deadline(self) -> float | None:
        """The earliest moment at which something is due."""
        due = self.end_due
        if self.ring_due is not None and (due is None or self.ring_due < due):
            due = self.ring_due
        if self.phase is Phase.FLOW:
            if self.position is not None:
                due = _earlier(due, self.position.deadline)
        elif self.phase is Phase.TALKING and self.talk_due is not None:
            due = _earlier(_earlier(due, self.talk_due), self.warn_due)
        if self.control is not None:
            due = _earlier(_earlier(due, self.control.park_due), self.caller.ring_due)
        refresh = self.caller.session_due
        if refresh is not None and (due is None or refresh < due):
            due = refresh
        if self.agent is not None:
            refresh = self.agent.session_due
            if refresh is not None and (due is None or refresh < due):
                due = refresh
        for leg in self.others:
            due = _earlier(_earlier(due, leg.ring_due), leg.session_due)
        return due


def _earlier(one: float | None, other: float | None) -> float | None:
    return one if other is None or (one is not None and one <= other) else other
