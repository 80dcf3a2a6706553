"""A queue engine under watch: a plain model follows its events and actions, and says when the two part.

The model shares nothing with the engine but the reading of requirements and hours. After each event it holds that

1. an agent has at most one offer, and an offer is made only to who is idle, fits, and is not resting;
2. nobody waits while an agent who fits is free, and no rule holds it back;
3. who is offered an agent is the one with the best score among those whom the agent fits, heavier groups first;
4. the state told of every agent is what follows from phone, calls, offers and choice;
5. everybody who joined leaves once: nothing is heard of them after that;
6. time goes on: nothing is due that was due before, and no phone rings longer than it may.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from routing.acd import events as ev
from routing.acd.actions import Action
from routing.acd.events import Event
from routing.acd.hours import Local
from tests.support.queue_actions import HOURS_HOLD, ToldActions
from tests.support.queue_checks import check_order, check_strategy
from tests.support.queue_model import EPSILON, SeenAgent, SeenEntry

LONGEST_RING = 130.0
"""Beyond an offer's timeout: while a callback's caller is called first the agent is kept."""


class Engine(Protocol):
    """What is watched."""

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take an event; what is to be done."""

    def next_due(self) -> float | None:
        """When time matters next."""


class Watch(ToldActions):
    """An engine, the model, and the history of both."""

    def __init__(self, engine: Engine, clock: Callable[[float], Local], now: float = 0.0) -> None:
        super().__init__(clock, now)
        self.engine = engine
        self.history: list[tuple[Event, float, list[Action]]] = []

    def tell(self, event: Event) -> list[Action]:
        """Something happens; AssertionError when the engine does not do what it must."""
        self._offered, self._picked, self._refused = [], "", ""
        for agent in self.agents.values():
            agent.settle(self.now)
        getattr(self, f"_{type(event).__name__}", self._nothing)(event)
        done = self.engine.handle(event, self.now)
        self.history.append((event, self.now, done))
        for action in done:
            self._settle()
            getattr(self, f"_{type(action).__name__}_done", self._nothing)(action)
        self._settle()
        self._check(event)
        return done

    def wait(self, seconds: float) -> None:
        """Time passes, and the engine is told whenever it wants to be."""
        until = self.now + seconds
        while (due := self.engine.next_due()) is not None and due <= until:
            assert due >= self.now - EPSILON, "something is due in the past"
            self.now = max(self.now, due)
            self.tell(ev.TimeDue())
            following = self.engine.next_due()
            assert following is None or following > self.now, "what was due is still due"
        self.now = until
        self.tell(ev.TimeDue())

    def sleep(self, seconds: float) -> None:
        """Time passes, and the engine is told late."""
        self.now += seconds
        self.tell(ev.TimeDue())

    def _settle(self) -> None:
        for agent in self.agents.values():
            agent.settle(self.now)

    def _check(self, event: Event) -> None:
        for agent in self.agents.values():
            self._check_agent(agent)
        for entry in self.entries.values():
            self._check_entry(entry)
        callable_now = [one for one in self.waiting if not one.callback or self._open(one, 0.0)]
        for entry, agent in self._offered:
            if agent.offer is entry and entry.id != self._picked:
                check_order(entry, agent, callable_now, self.now)
        if len(self._offered) == 1 and isinstance(event, ev.CallerJoined):
            entry, agent = self._offered[0]
            if not entry.preferred:
                check_strategy(entry, agent, self.agents.values(), self.now)
        assert self.joined == len(self.entries) + self.ended.total()
        self._gone.clear()

    def _check_agent(self, agent: SeenAgent) -> None:
        assert agent.told == agent.state(), f"{agent.agent.id} is told {agent.told}, and is {agent.state()}"
        assert agent.offer is None or agent.offer.id in self.entries, "a phone rings for somebody who has left"
        if agent.offer is not None:
            timeout = agent.agent.ring_timeout or agent.offer.group.ring_timeout
            assert self.now <= max(agent.offered_at + timeout, 0.0) + LONGEST_RING, "a phone rings for ever"
        for talk in agent.talks.values():
            assert talk.hang_up_by >= self.now, "an agent is left in a callback that came to nothing"

    def _check_entry(self, entry: SeenEntry) -> None:
        if entry.callback and not (self._open(entry, 0.0) and self._open(entry, HOURS_HOLD)):
            return
        if entry.status == "resting" and entry.rests_until <= self.now:
            entry.status = "waiting"
        if entry.status != "waiting" or entry.offers:
            return
        if not entry.callback and entry.group.max_wait is not None:
            assert self.now < entry.joined + entry.group.max_wait + EPSILON, f"{entry.id} waits beyond its limit"
        assert not entry.callback or self.now < entry.expires
        preferred = self.agents.get(entry.preferred)
        if preferred is not None and self.now < entry.patient_until:
            return
        for agent in self.agents.values():
            if agent.free(self.now - 2 * EPSILON) and not agent.removed and entry.fits(agent, self.now):
                raise AssertionError(f"{entry.id} waits, and {agent.agent.id} is free")
