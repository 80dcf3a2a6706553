"""A room of agents with a clock of its own: says events to the engine, and looks at every invariant after each."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, TypeVar

import msgspec

from routing.acd.actions import Action, AgentChanged, Alert, Announce, Leave, Moved, Offer, Withdraw
from routing.acd.engine import Engine
from routing.acd.events import (
    AgentSet,
    CallbackAsked,
    CallbackEnded,
    CallerGone,
    CallerJoined,
    Event,
    GroupSet,
    OfferAccepted,
    OfferFailed,
    PhoneChanged,
    SignedIn,
    SignedOut,
    StateSet,
    TalkEnded,
    TimeDue,
)
from routing.acd.model import Agent, ChosenState, Group, OfferFailure, State

A = TypeVar("A")

OPENING = 9 * 3600.0
"""The clock shows nine o'clock of a Monday then."""


class Day(msgspec.Struct):
    """A Monday, at some time."""

    time: str
    date: str = "2026-01-05"
    weekday: int = 1
    workday: bool = True
    holiday: str = ""


def clock(now: float) -> Day:
    """Monotonic seconds as the time of the day."""
    minutes = int(now // 60) % 1440
    return Day(f"{minutes // 60:02}:{minutes % 60:02}")


def group(name: str = "sales", **rules: Any) -> Group:
    """A group."""
    return Group(name=name, **rules)


class Room:
    """An engine at work. Agents are of the group "sales" unless said otherwise, and ready."""

    def __init__(self, *groups: Group, agents: str = "", seed: int = 1) -> None:
        self.now = OPENING
        self.engine = Engine(Random(seed).random, clock)
        self.out: list[Action] = []
        """What came out of the last step."""
        for one in groups or (group(),):
            self.say(GroupSet(one))
        for name in agents.split():
            self.agent(name)

    def say(self, event: Event) -> list[Action]:
        """Tell the engine."""
        self.out = self.engine.handle(event, self.now)
        assert self.engine.check(self.now) == []
        return self.out

    def agent(
        self,
        name: str,
        *,
        ready: bool = True,
        groups: Mapping[str, int] | None = None,
        skills: Mapping[str, int] | None = None,
        **rules: Any,
    ) -> None:
        """Add or change an agent, whose phone is there and who signs in."""
        member_of = {"sales": 1} if groups is None else groups
        self.say(AgentSet(Agent(id=name, phone=f"aor:{name}", groups=member_of, skills=skills or {}, **rules)))
        if ready:
            self.say(PhoneChanged(name, True))
            self.say(SignedIn(name))

    def joins(self, entry: str, into: str = "sales", **wishes: Any) -> list[Action]:
        """Somebody calls."""
        return self.say(CallerJoined(entry=entry, group=into, **wishes))

    def answers(self, agent: str) -> list[Action]:
        """The agent accepts the offer."""
        return self.say(OfferAccepted(self.offered(agent), agent))

    def fails(self, agent: str, why: OfferFailure = "refused") -> list[Action]:
        """The agent does not take the offer."""
        return self.say(OfferFailed(self.offered(agent), agent, why))

    def hangs_up(self, agent: str) -> list[Action]:
        """The agent's talk ends."""
        (entry,) = self.engine.agents[agent].talks
        return self.say(TalkEnded(entry, agent))

    def gives_up(self, entry: str) -> list[Action]:
        """Who waits hangs up."""
        return self.say(CallerGone(entry))

    def chooses(self, agent: str, state: ChosenState, **more: Any) -> list[Action]:
        """The agent chooses a state."""
        return self.say(StateSet(agent, state, **more))

    def signs_out(self, agent: str) -> list[Action]:
        """The agent goes home."""
        return self.say(SignedOut(agent))

    def asks_back(self, entry: str, callback: str, caller: bytes = b"number") -> list[Action]:
        """Who waits presses 1."""
        return self.say(CallbackAsked(entry, callback, caller))

    def called(self, callback: str, *, reached: bool) -> list[Action]:
        """An attempt to call back is over."""
        return self.say(CallbackEnded(callback, reached))

    def after(self, seconds: float) -> list[Action]:
        """Let time pass, from one deadline to the next."""
        end = self.now + seconds
        out: list[Action] = []
        while (due := self.engine.next_due()) is not None and due <= end:
            assert due > self.now or not out, "time stands still"
            self.now = max(self.now, due)
            out += self.say(TimeDue())
        self.now = end
        self.out = out
        return out

    def busy(self, *agents: str) -> None:
        """Put the agents into talks that go on."""
        for name in agents:
            self.joins(f"busy-{name}", preferred=name)
            assert self.offered(name) == f"busy-{name}"
            self.answers(name)

    def offered(self, agent: str) -> str:
        """For whom the agent's phone rings."""
        return self.engine.agents[agent].offered

    def state(self, agent: str) -> State:
        """The agent's state."""
        return self.engine.agents[agent].state

    def queue(self, name: str = "sales") -> list[str]:
        """Who waits, in order of service."""
        return [entry.id for entry in self.engine.queue(name)]

    def rung(self) -> list[str]:
        """Whose phones the last step made ring."""
        return [action.agent for action in self.all(Offer)]

    def all(self, kind: type[A]) -> list[A]:
        """The actions of one kind that came out of the last step."""
        return [action for action in self.out if isinstance(action, kind)]

    def left(self) -> list[tuple[str, str, str]]:
        """Who left in the last step, why, and where to."""
        return [(action.entry, action.reason, action.to) for action in self.all(Leave)]

    def moved(self) -> list[tuple[str, str, str]]:
        """Who was moved in the last step, from where, and where to."""
        return [(action.entry, action.before, action.group) for action in self.all(Moved)]

    def withdrawn(self) -> list[str]:
        """Whose phones stopped ringing in the last step."""
        return [action.agent for action in self.all(Withdraw)]

    def changes(self) -> list[tuple[str, State, str, str]]:
        """Who changed into what in the last step, why, and by whom."""
        return [(one.agent, one.state, one.reason, one.by) for one in self.all(AgentChanged)]

    def alerts(self) -> list[tuple[str, str]]:
        """What supervisors were told in the last step."""
        return [(one.kind, one.subject) for one in self.all(Alert)]

    def said(self) -> list[Announce]:
        """What was said in the last step."""
        return self.all(Announce)
