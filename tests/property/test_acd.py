"""Queues, agents and callbacks in any history: the engine against a plain model that watches it.

`SWITCHBOARD_LONG=1` makes the histories ten times as many and four times as long.
"""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from routing.acd import events as ev
from routing.acd.engine import Engine
from routing.acd.model import Agent, Announcements, CallbackRules, Group, Overflow
from tests.support.queue_watch import Watch

LONG = bool(os.environ.get("SWITCHBOARD_LONG"))
MONDAY = datetime(2026, 9, 21, 8, 58, tzinfo=UTC)
NAMES = ("a", "b", "c")
CALLERS = (b"1" * 16, b"2" * 16, b"3" * 16)
STATES = ("idle", "busy", "break", "meeting")
FAILURES = ("refused", "busy", "no_answer", "unreachable")
REQUIREMENTS = ("", "", "en", "en>=3 then en after 7s then any after 20s", "zh>=2 or en>=5 then any after 30s")


class Moment(msgspec.Struct, frozen=True):
    """Local time."""

    date: str
    time: str
    weekday: int
    workday: bool = True
    holiday: str = ""


def clock(now: float) -> Moment:
    """The zeroth second is a Monday's, two minutes before nine."""
    at = MONDAY + timedelta(seconds=now)
    return Moment(at.date().isoformat(), f"{at:%H:%M}", at.isoweekday())


def pick(*values: object) -> st.SearchStrategy[object]:
    """One of the values, the first ones being simpler."""
    return st.sampled_from(values)


announcements = st.builds(
    Announcements,
    first=pick(4.0, 10.0),
    every=pick(15.0, 0.0),
    position=st.booleans(),
    wait=st.booleans(),
    periodic=pick((), ("x",)),
    callback_offer=pick(None, 8.0),
)
overflows = st.builds(
    Overflow,
    to=pick("hangup", "group:a", "group:b", "group:c", "group:nowhere", "callback", "flow:f", "voicemail:v"),
    after=pick(None, 12.0, 30.0),
    on=pick((), ("full",), ("empty", "timeout"), ("closed", "estimate", "full", "empty", "timeout")),
)
callback_rules = st.builds(
    CallbackRules,
    first=pick("agent", "caller"),
    attempts=pick(2, 1, 3),
    retry_after=pick(25.0, 60.0),
    expire=pick(3600.0, 100.0),
    hours=pick("", "", "09:00-09:05"),
    max_open=pick(10, 1),
)
rules = st.fixed_dictionaries(
    {
        "strategy": pick(
            "longest_idle",
            "ring_all",
            "progressive",
            "round_robin",
            "fewest_calls",
            "least_talk_time",
            "top_down",
            "random",
            "skill_best",
        ),
        "weight": pick(0, 0, 5),
        "ring_timeout": pick(10.0, 20.0),
        "wrap_up": pick(0.0, 5.0, 30.0),
        "requirement": pick(*REQUIREMENTS),
        "refuse_pause": pick(5.0, 0.0, 30.0),
        "no_answer_state": pick("break", "idle", "busy"),
        "no_answer_limit": pick(1, 2),
        "max_length": pick(None, None, 3),
        "max_wait": pick(None, 40.0),
        "max_estimate": pick(None, None, 60.0),
        "join_empty": pick("always", "signed_in", "never"),
        "leave_empty": pick(False, True),
        "overflow": st.lists(overflows, max_size=2).map(tuple),
        "hours": pick("", "", "", "09:00-09:10"),
        "announcements": announcements,
        "callbacks": callback_rules,
        "preferred_patience": pick(15.0, 0.0),
        "progressive_step": pick(4.0, 0.0),
        "break_limit": pick(None, 20.0),
    }
)
people = st.fixed_dictionaries(
    {
        "groups": st.dictionaries(st.sampled_from(NAMES), st.integers(1, 3), max_size=3),
        "skills": st.dictionaries(st.sampled_from(("en", "zh")), st.integers(1, 6), max_size=2),
        "wrap_up": pick(None, 0.0, 8.0),
        "ring_timeout": pick(None, 6.0),
        "always": pick(False, False, True),
    }
)
AGENTS = tuple(f"agent{index}" for index in range(5))
which = st.integers(0, 99)


class QueueMachine(RuleBasedStateMachine):
    """Whatever agents, callers, phones and administrators do, in any order."""

    sound = False
    """Whether all went well so far; a history that has failed is not brought to an end."""

    @initialize(
        groups=st.lists(rules, min_size=3, max_size=3),
        agents=st.lists(people, min_size=2, max_size=5),
        seed=st.integers(0, 1000),
    )
    def begin(self, groups: list[dict[str, object]], agents: list[dict[str, object]], seed: int) -> None:
        """Groups and agents, most of them at work."""
        self.seed, self.count = seed, 0
        self.watch = Watch(Engine(random.Random(seed).random, clock), clock)
        for name, found in zip(NAMES, groups, strict=True):
            self.watch.tell(ev.GroupSet(Group(name=name, **found)))  # type: ignore[arg-type]
        for index, one in enumerate(agents):
            self.watch.tell(ev.AgentSet(Agent(id=AGENTS[index], phone="aor:x", **one)))  # type: ignore[arg-type]
            self.watch.tell(ev.PhoneChanged(AGENTS[index], True))
            if index < 3:
                self.watch.tell(ev.SignedIn(AGENTS[index]))
        self.verify()
        self.sound = True

    def tell(self, event: ev.Event) -> None:
        """Something happens, and all that is promised holds."""
        self.sound = False
        self.watch.tell(event)
        self.verify()
        self.sound = True

    def verify(self) -> None:
        """The engine's own check, and its views against the model."""
        engine, watch = self.watch.engine, self.watch
        assert isinstance(engine, Engine)
        assert engine.check(watch.now) == []
        due = engine.next_due()
        assert due is None or due > watch.now
        for name in watch.groups:
            line = sorted((one for one in watch.waiting if one.group.name == name), key=lambda one: one.score)
            found = [one.id for one in engine.queue(name) if one.callback is None or not watch.has_hours(name)]
            known = [one.id for one in line if not one.callback or not watch.has_hours(name)]
            assert found == known, f"in {name} wait {found}, and ought to {known}"
        assert set(engine.entries) == set(watch.entries)

    # --- callers ---

    @rule(
        group=st.sampled_from((*NAMES, "nowhere")),
        priority=pick(0, 0, 1, -1),
        vip=pick(0, 0, 1),
        requirement=pick(*REQUIREMENTS, "en>="),
        preferred=pick("", "", *AGENTS[:3], "nobody"),
        caller=pick(*CALLERS, b""),
        max_wait=pick(None, None, 18.0),
        age=pick(None, None, 0.0, 50.0),
    )
    def join(self, group: str, age: float | None, **wish: object) -> None:
        """Somebody calls."""
        self.count += 1
        since = None if age is None else self.watch.now - age
        self.tell(ev.CallerJoined(entry=f"c{self.count}", group=group, since=since, **wish))  # type: ignore[arg-type]

    @precondition(lambda self: self.watch.entries)
    @rule(index=which, why=pick("hung_up", "key", "transferred", "withdrawn"))
    def hang_up(self, index: int, why: str) -> None:
        """Somebody who waits leaves."""
        self.tell(ev.CallerGone(self.one(list(self.watch.entries), index), why))  # type: ignore[arg-type]

    @precondition(lambda self: self.watch.offers)
    @rule(index=which)
    def answer(self, index: int) -> None:
        """An agent answers."""
        entry, agent = self.one(self.watch.offers, index)
        self.tell(ev.OfferAccepted(entry.id, agent.agent.id))
        assert agent.told in ("talking", "held")

    @precondition(lambda self: self.watch.offers)
    @rule(index=which, why=st.sampled_from(FAILURES))
    def fail(self, index: int, why: str) -> None:
        """An agent does not."""
        entry, agent = self.one(self.watch.offers, index)
        self.tell(ev.OfferFailed(entry.id, agent.agent.id, why))  # type: ignore[arg-type]

    @precondition(lambda self: self.watch.talks)
    @rule(index=which)
    def end_talk(self, index: int) -> None:
        """A talk is over."""
        entry, agent = self.one(self.watch.talks, index)
        self.tell(ev.TalkEnded(entry, agent.agent.id))

    @rule(entry=which, agent=st.sampled_from(AGENTS))
    def take_out_of_turn(self, entry: int, agent: str) -> None:
        """An agent picks somebody."""
        entries = list(self.watch.entries) or ["nobody"]
        self.tell(ev.Picked(self.one(entries, entry), agent))

    # --- what comes late, twice, or out of nowhere ---

    @rule(entry=which, agent=st.sampled_from(AGENTS), kind=st.integers(0, 4))
    def stray(self, entry: int, agent: str, kind: int) -> None:
        """An event that may not fit what is."""
        name = f"c{entry % (self.count + 2)}"
        events: list[ev.Event] = [
            ev.OfferAccepted(name, agent),
            ev.OfferFailed(name, agent, "refused"),
            ev.TalkEnded(name, agent),
            ev.CallbackEnded(f"k{entry % (self.count + 2)}", bool(entry % 2)),
            ev.HoldChanged(agent, name, bool(entry % 2)),
        ]
        self.tell(events[kind])

    # --- callbacks ---

    @precondition(lambda self: self.watch.waiting)
    @rule(index=which, caller=pick(*CALLERS, b""))
    def ask_callback(self, index: int, caller: bytes) -> None:
        """Somebody presses the key."""
        self.count += 1
        self.tell(ev.CallbackAsked(self.one(self.watch.waiting, index).id, f"k{self.count}", caller))

    @precondition(lambda self: self.watch.callbacks)
    @rule(index=which, reached=st.booleans())
    def callback_ended(self, index: int, reached: bool) -> None:
        """An attempt is over; also when none was made."""
        begun = [one for one in self.watch.callbacks if one.calling is not None or one.offers]
        self.tell(ev.CallbackEnded(self.one(begun or self.watch.callbacks, index).id, reached))

    @rule(group=st.sampled_from(NAMES), caller=pick(*CALLERS), age=pick(5.0, 95.0), attempts=pick(0, 1))
    def restore_callback(self, group: str, caller: bytes, age: float, attempts: int) -> None:
        """One from before a restart."""
        self.count += 1
        self.tell(
            ev.CallbackRestored(
                callback=f"k{self.count}", group=group, caller=caller, since=self.watch.now - age, attempts=attempts
            )
        )

    # --- agents ---

    @rule(agent=st.sampled_from(AGENTS))
    def sign_in(self, agent: str) -> None:
        """Work begins."""
        self.tell(ev.SignedIn(agent))

    @rule(agent=st.sampled_from(AGENTS))
    def sign_out(self, agent: str) -> None:
        """Work ends."""
        self.tell(ev.SignedOut(agent, why="done"))

    @rule(agent=st.sampled_from(AGENTS), state=st.sampled_from(STATES), lasts=pick(None, 9.0))
    def choose(self, agent: str, state: str, lasts: float | None) -> None:
        """A state is chosen."""
        self.tell(ev.StateSet(agent, state, "why", "somebody", lasts))  # type: ignore[arg-type]

    @rule(agent=st.sampled_from(AGENTS))
    def wrap_up_done(self, agent: str) -> None:
        """The work after the call is done."""
        self.tell(ev.WrapUpDone(agent))

    @rule(agent=st.sampled_from(AGENTS), up=st.booleans())
    def phone(self, agent: str, up: bool) -> None:
        """A phone comes or vanishes."""
        self.tell(ev.PhoneChanged(agent, up))

    @rule(agent=st.sampled_from(AGENTS), number=st.integers(1, 2), begins=st.booleans())
    def own_call(self, agent: str, number: int, begins: bool) -> None:
        """A call of the agent's own."""
        call = f"own{number}"
        self.tell(ev.CallBegan(agent, call) if begins else ev.CallOver(agent, call))

    @precondition(lambda self: self.watch.talks)
    @rule(index=which, held=st.booleans())
    def hold(self, index: int, held: bool) -> None:
        """The caller hears music, or the agent again."""
        entry, agent = self.one(self.watch.talks, index)
        self.tell(ev.HoldChanged(agent.agent.id, entry, held))

    # --- administrators ---

    @rule(name=st.sampled_from(NAMES), found=rules)
    def set_group(self, name: str, found: dict[str, object]) -> None:
        """Other rules, or a group that was removed is back."""
        self.tell(ev.GroupSet(Group(name=name, **found)))  # type: ignore[arg-type]

    @rule(name=st.sampled_from(NAMES), sure=st.integers(0, 3))
    def remove_group(self, name: str, sure: int) -> None:
        """Now and then a group is removed."""
        if sure == 3:
            self.tell(ev.GroupRemoved(name))

    @rule(agent=st.sampled_from(AGENTS), found=people)
    def set_agent(self, agent: str, found: dict[str, object]) -> None:
        """An agent is another, or new."""
        self.tell(ev.AgentSet(Agent(id=agent, phone="aor:x", **found)))  # type: ignore[arg-type]

    @rule(agent=st.sampled_from(AGENTS), sure=st.integers(0, 3))
    def remove_agent(self, agent: str, sure: int) -> None:
        """Now and then an agent is removed."""
        if sure == 3:
            self.tell(ev.AgentRemoved(agent))

    # --- time ---

    @rule(seconds=pick(1.0, 3.0, 10.0, 30.0))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.sound = False
        self.watch.wait(seconds)
        self.verify()
        self.sound = True

    @rule(seconds=pick(5.0, 50.0, 200.0))
    def sleep(self, seconds: float) -> None:
        """Time passes, and the engine hears of it late."""
        self.sound = False
        self.watch.sleep(seconds)
        self.verify()
        self.sound = True

    # --- the end ---

    def teardown(self) -> None:
        """The same history gives the same actions; and nobody is stuck: when all is over everybody becomes free."""
        if not self.sound:
            return
        watch = self.watch
        again = Engine(random.Random(self.seed).random, clock)
        for event, now, done in watch.history:
            assert again.handle(event, now) == done
        for entry in list(watch.entries):
            self.tell(ev.CallerGone(entry))
        assert watch.offers == []
        for call, agent in watch.talks:
            self.tell(ev.TalkEnded(call, agent.agent.id))
        for agent in list(watch.agents.values()):
            for own in list(agent.calls):
                self.tell(ev.CallOver(agent.agent.id, own))
        watch.wait(300.0)
        for agent in list(watch.agents.values()):
            assert agent.state() in ("offline", agent.chosen)
            self.tell(ev.AgentSet(agent.agent))
            self.tell(ev.PhoneChanged(agent.agent.id, True))
            self.tell(ev.SignedIn(agent.agent.id))
            self.tell(ev.StateSet(agent.agent.id, "idle"))
            assert watch.agents[agent.agent.id].told == "idle"
        assert watch.engine.next_due() is None
        assert not watch.entries

    @staticmethod
    def one(values: list, index: int):  # type: ignore[no-untyped-def,type-arg]
        """One of several."""
        return values[index % len(values)]


TestQueues = QueueMachine.TestCase
TestQueues.settings = settings(
    max_examples=800 if LONG else 80,
    stateful_step_count=200 if LONG else 50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
