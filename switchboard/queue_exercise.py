"""A queue engine under load, for whoever measures it from outside: `python -m switchboard.queue_exercise`.

Reads commands line by line and answers each with one line of JSON when it is done.

    fill AGENTS GROUPS WAITING       everybody at work, and as many callers in queues; answers the counts
    crowd STRATEGY AGENTS WAITING    one group instead, everybody in it idle, and callers for whom nobody will do
    strategies                       answers the names of all, numbered
    run N                            N events as on a busy day; answers the time that the engine took for each kind

Of each event only the engine's part is timed: from the event to the actions. The calls around it are made up here, from
the same seed each time, and the time that events are about is virtual.
"""

from __future__ import annotations

import gc
import json
import sys
from array import array
from collections.abc import Callable, Mapping
from itertools import chain
from random import Random
from time import perf_counter_ns
from typing import Final, cast, get_args

from ivr_flows.clock import LocalTime
from routing.acd.actions import Action, CallbackTaken, Leave, Offer, Withdraw
from routing.acd.engine import Engine
from routing.acd.events import (
    AgentSet,
    CallbackAsked,
    CallerGone,
    CallerJoined,
    Event,
    GroupSet,
    OfferAccepted,
    OfferFailed,
    PhoneChanged,
    SignedIn,
    StateSet,
    TalkEnded,
    TimeDue,
)
from routing.acd.model import Agent, Announcements, Group, Strategy

STEP: Final = 0.01
"""Virtual seconds from one event to the next."""
REQUIREMENTS: Final = (
    "",
    "",
    "en>=3",
    "en>=6 then en>=2 after 30s then any after 2m",
    "zh>=4 or en>=8 then any after 1m",
)
CROWD: Final = REQUIREMENTS[3]
"""What a group of which everybody is idle requires."""
NOBODY_WILL_DO: Final = "ru>=1"
NOON: Final = LocalTime("2026-09-21", "12:00", 1, True, "")


class Pool:
    """Things of which any one can be drawn, added and removed at once."""

    def __init__(self) -> None:
        self._things: list[str] = []
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._things)

    def add(self, thing: str) -> None:
        """One more."""
        if thing not in self._places:
            self._places[thing] = len(self._things)
            self._things.append(thing)

    def remove(self, thing: str) -> None:
        """One less."""
        place = self._places.pop(thing, None)
        last = self._things.pop() if place is not None else ""
        if place is not None and last != thing:
            self._things[place] = last
            self._places[last] = place

    def draw(self, random: Random) -> str:
        """Any of them."""
        return self._things[int(random.random() * len(self._things))]


class Exercise:
    """The engine, and what its surroundings know: whose phone rings for whom, who talks, who waits."""

    def __init__(self) -> None:
        self.random = Random(7)  # noqa: S311 - a load, the same each time
        self.engine = Engine(Random(8).random, lambda now: NOON)  # noqa: S311 - as above
        self.now = 0.0
        self.count = 0
        self.agents: list[str] = []
        self.groups: list[str] = []
        self.wanted = 0
        self.hard = 0
        """One of so many callers is one for whom nobody will do; 0: none."""
        self.rings: dict[str, str] = {}
        self.talks: dict[str, str] = {}
        self.ringing, self.talking, self.waiting = Pool(), Pool(), Pool()
        self.took: dict[str, array[int]] = {}

    def fill(self, agents: int, groups: int, waiting: int) -> dict[str, int]:
        """Groups of all strategies, agents of one to three groups, everybody in a call, and callers who wait."""
        draw, strategies = self.random, get_args(Strategy)
        said = Announcements(position=True, wait=True)
        for index in range(groups):
            name = f"g{index}"
            self.groups.append(name)
            rules = Group(
                name=name,
                strategy=strategies[index % len(strategies)],
                weight=index % 3,
                requirement=REQUIREMENTS[index % len(REQUIREMENTS)],
                wrap_up=2.0 * (index % 2),
                no_answer_state="idle",
                announcements=said,
            )
            self._tell("group", GroupSet(rules))
        for index in range(agents):
            name, home = f"a{index}", index % groups
            self.agents.append(name)
            others = {f"g{draw.randrange(groups)}": 2 for _ in range(index % 3)}
            skills = {"en": draw.randint(1, 10), "zh": draw.randint(1, 10)}
            self._tell("agent", AgentSet(Agent(id=name, phone=name, groups={**others, f"g{home}": 1}, skills=skills)))
            self._tell("phone", PhoneChanged(name, True))
            self._tell("signed_in", SignedIn(name))
        for name in self.groups:
            while self._join(name, "any"):
                self._accept()
        self.wanted = waiting
        while len(self.waiting) < waiting:
            self._join(draw.choice(self.groups), "")
        return self._counts()

    def crowd(self, strategy: Strategy, agents: int, waiting: int) -> dict[str, int]:
        """One group: everybody is idle, and nineteen of twenty who wait want what nobody can do."""
        draw = self.random
        self.groups.append("g0")
        self._tell("group", GroupSet(Group(name="g0", strategy=strategy, requirement=CROWD, no_answer_state="idle")))
        for index in range(agents):
            name = f"a{index}"
            self.agents.append(name)
            skills = {"en": draw.randint(1, 10), "zh": draw.randint(1, 10)}
            self._tell("agent", AgentSet(Agent(id=name, phone=name, groups={"g0": 1 + index % 3}, skills=skills)))
            self._tell("phone", PhoneChanged(name, True))
            self._tell("signed_in", SignedIn(name))
        while len(self.waiting) < waiting * 19 // 20:
            self._join("g0", NOBODY_WILL_DO)
        self.wanted, self.hard = waiting, 16
        return self._counts()

    def _counts(self) -> dict[str, int]:
        gc.collect()
        gc.freeze()
        return {
            "agents": len(self.agents),
            "groups": len(self.groups),
            "talking": len(self.talking),
            "waiting": len(self.waiting),
        }

    def run(self, count: int) -> dict[str, object]:
        """That many events, in the proportions of a busy day."""
        does: tuple[tuple[float, Callable[[], object]], ...] = (
            (0.45, self._accept),
            (0.90, self._end_talk),
            (
                0.92,
                lambda: self._join(self.random.choice(self.groups), "") if len(self.waiting) < self.wanted else None,
            ),
            (0.95, self._hang_up),
            (0.97, self._fail),
            (0.985, self._choose),
            (0.99, self._vanish),
            (0.995, self._ask_callback),
            (1.0, self._look),
        )
        self.took, begun = {}, self.count
        while self.count - begun < count:
            self.now += STEP
            while (due := self.engine.next_due()) is not None and due <= self.now:
                self._tell("time_due", TimeDue())
            while len(self.waiting) < self.wanted:
                hard = self.hard and not self.random.randrange(self.hard)
                self._join(self.random.choice(self.groups), NOBODY_WILL_DO if hard else "")
            chance = self.random.random()
            next(what for share, what in does if chance < share)()
        everything = array("q", chain.from_iterable(self.took.values()))
        kinds = {kind: _figures(times) for kind, times in self.took.items()}
        return {"all": _figures(everything), "kinds": kinds, "waiting": len(self.waiting)}

    def _join(self, group: str, requirement: str) -> bool:
        """Somebody calls; whether a phone rings at once."""
        entry = f"c{self.count}"
        self.waiting.add(entry)
        joined = CallerJoined(entry=entry, group=group, requirement=requirement, caller=entry.encode(), since=self.now)
        done = self._tell("caller_joined", joined)
        return any(isinstance(action, Offer) for action in done)

    def _accept(self) -> None:
        if self.ringing:
            agent = self.ringing.draw(self.random)
            entry = self.rings.pop(agent)
            self.ringing.remove(agent)
            self.waiting.remove(entry)
            self.talks[agent] = entry
            self.talking.add(agent)
            self._tell("offer_accepted", OfferAccepted(entry, agent))

    def _fail(self) -> None:
        if self.ringing:
            agent = self.ringing.draw(self.random)
            entry = self.rings.pop(agent)
            self.ringing.remove(agent)
            self._tell("offer_failed", OfferFailed(entry, agent, "no_answer"))

    def _end_talk(self) -> None:
        if self.talking:
            agent = self.talking.draw(self.random)
            self.talking.remove(agent)
            self._tell("talk_ended", TalkEnded(self.talks.pop(agent), agent))

    def _hang_up(self) -> None:
        if self.waiting:
            entry = self.waiting.draw(self.random)
            self.waiting.remove(entry)
            self._tell("caller_gone", CallerGone(entry))

    def _choose(self) -> None:
        agent = self.random.choice(self.agents)
        self._tell("state_set", StateSet(agent, "break" if self.random.random() < 0.4 else "idle", lasts=20.0))

    def _vanish(self) -> None:
        agent = self.random.choice(self.agents)
        self._tell("phone_changed", PhoneChanged(agent, False))
        self._tell("phone_changed", PhoneChanged(agent, True))

    def _ask_callback(self) -> None:
        if self.waiting:
            entry = self.waiting.draw(self.random)
            self._tell("callback_asked", CallbackAsked(entry, f"b{self.count}", entry.encode()))

    def _look(self) -> None:
        if self.waiting:
            entry = self.waiting.draw(self.random)
            begun = perf_counter_ns()
            self.engine.estimate(entry)
            self._note("estimate_read", perf_counter_ns() - begun)

    def _tell(self, kind: str, event: Event) -> list[Action]:
        begun = perf_counter_ns()
        done = self.engine.handle(event, self.now)
        self._note(kind, perf_counter_ns() - begun)
        for action in done:
            self._follow(action)
        return done

    def _note(self, kind: str, took: int) -> None:
        self.count += 1
        self.took.setdefault(kind, array("q")).append(took)

    def _follow(self, action: Action) -> None:
        if isinstance(action, Offer):
            self.rings[action.agent] = action.entry
            self.ringing.add(action.agent)
        elif isinstance(action, Withdraw) and self.rings.get(action.agent) == action.entry:
            del self.rings[action.agent]
            self.ringing.remove(action.agent)
        elif isinstance(action, Leave) or (isinstance(action, CallbackTaken) and action.accepted):
            self.waiting.remove(action.entry)


def _figures(times: array[int]) -> list[float]:
    """Count, median, 99th percentile and most, in microseconds."""
    ranked = sorted(times)
    return [len(ranked), ranked[len(ranked) // 2] / 1e3, ranked[int(len(ranked) * 0.99)] / 1e3, ranked[-1] / 1e3]


def main() -> None:
    """Answer commands until the input ends."""
    gc.set_threshold(50_000, 20, 100)
    exercise = Exercise()
    for line in sys.stdin:
        name, *numbers = line.split()
        if name == "crowd":
            exercise = Exercise()
            told: Mapping[str, object] = exercise.crowd(cast(Strategy, numbers[0]), int(numbers[1]), int(numbers[2]))
        elif name == "strategies":
            told = {strategy: number for number, strategy in enumerate(get_args(Strategy))}
        else:
            told = exercise.fill(*map(int, numbers)) if name == "fill" else exercise.run(int(numbers[0]))
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
