"""What agents and callers are like as far as events and actions tell: the plain model beside the queue engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Literal

from routing.acd.model import Agent, ChosenState, Group, State
from routing.acd.requirement import Requirement, RequirementError, Step, parse_requirement

EPSILON = 1e-6


@dataclass(eq=False)
class SeenTalk:
    """A call from a queue."""

    group: str
    began: float
    wrap_up: float
    counts: bool = True
    hang_up_by: float = inf


@dataclass(eq=False)
class SeenWrapUp:
    """Work after a call; `until` is infinite while other calls are up."""

    seconds: float
    until: float = inf


@dataclass(eq=False)
class SeenAgent:
    """One agent."""

    agent: Agent
    number: int
    told: State = "offline"
    signed_in: bool = False
    phone_up: bool = False
    removed: bool = False
    chosen: ChosenState = "idle"
    lasts: float | None = None
    fresh: bool = False
    until: float = inf
    offer: SeenEntry | None = None
    offered_at: float = 0.0
    talks: dict[str, SeenTalk] = field(default_factory=dict)
    calls: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    wrap_up: SeenWrapUp | None = None
    rests_until: float = 0.0
    unanswered: int = 0
    taken: int = 0
    talked: float = 0.0
    idle_since: float = 0.0

    @property
    def order(self) -> int:
        """The place in top_down."""
        return self.agent.order if self.agent.order >= 0 else self.number

    def state(self) -> State:
        """What follows from all that is known."""
        if self.talks or (self.calls and self.signed_in):
            return "held" if {*self.talks, *self.calls} <= self.held else "talking"
        if self.offer is not None:
            return "ringing"
        if not (self.signed_in and self.phone_up):
            return "offline"
        return "wrap_up" if self.wrap_up is not None else self.chosen

    def settle(self, now: float) -> None:
        """Let time have its way."""
        if self.wrap_up is not None and self.wrap_up.until <= now:
            self.wrap_up = None
        if self.wrap_up is not None and self.wrap_up.until == inf and not self.talks and not self.calls:
            self.wrap_up.until = now + self.wrap_up.seconds
        if self.until <= now:
            self.choose("idle")
        if self.fresh and self.state() == self.chosen:
            self.fresh = False
            self.until = now + self.lasts if self.lasts is not None else inf

    def choose(self, state: ChosenState, lasts: float | None = None) -> None:
        """A state is chosen."""
        self.chosen, self.lasts, self.until, self.fresh = state, lasts, inf, state != "idle"

    def free(self, now: float) -> bool:
        """Whether an offer can be made."""
        return self.state() == "idle" and self.rests_until <= now + EPSILON


Status = Literal["waiting", "resting", "calling"]


@dataclass(eq=False)
class SeenEntry:
    """One who waits."""

    id: str
    group: Group
    since: float
    score: tuple[float, int]
    joined: float
    own: str = ""
    preferred: str = ""
    caller: bytes = b""
    max_wait: float | None = None
    callback: bool = False
    caller_first: bool = False
    """The agent is kept while a callback's caller is called."""
    status: Status = "waiting"
    offers: dict[str, SeenAgent] = field(default_factory=dict)
    attempts: int = 0
    expires: float = inf
    patient_until: float = 0.0
    """Till then it may wait for the preferred agent alone."""
    rests_until: float = 0.0
    on_the_line: bool = False
    """The callback's caller has not hung up yet, as far as is known."""
    calling: SeenAgent | None = None

    @property
    def requirement(self) -> Requirement:
        """Its own, else the group's."""
        try:
            return parse_requirement(self.own or self.group.requirement)
        except RequirementError:
            return parse_requirement(self.group.requirement)

    def step(self, now: float) -> Step:
        """What is required by now."""
        return self.requirement.at(now - self.since + EPSILON)

    def fits(self, agent: SeenAgent, now: float) -> bool:
        """Whether the agent may serve this one."""
        return self.group.name in agent.agent.groups and self.step(now).met(agent.agent.skills)

    @property
    def place(self) -> tuple[float, tuple[float, int]]:
        """Smaller is served first, by agents of several groups as well."""
        return -self.group.weight, self.score
