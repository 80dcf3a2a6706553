"""Queues, agents and callbacks in any history: the engine against a plain model that watches it.

`SWITCHBOARD_LONG=1` makes the histories ten times as many, and longer.
"""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from routing.acd import events as ev
from routing.acd.actions import CallbackOver
from routing.acd.engine import Engine
from routing.acd.model import Agent, Announcements, CallbackRules, Group, Overflow, Strategy
from tests.support.queue_watch import Watch

pytestmark = pytest.mark.timeout(36_000 if os.environ.get("SWITCHBOARD_LONG") else 300)
LONG = bool(os.environ.get("SWITCHBOARD_LONG"))
MONDAY = datetime(2026, 9, 21, 8, 58, tzinfo=UTC)
NAMES = ("a", "b", "c")
CALLERS = (b"1" * 16, b"2" * 16, b"3" * 16)
STATES = ("idle", "idle", "idle", "busy", "break", "meeting")
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
        "hours": pick("", "", "", "", "", "08:00-09:01", "09:00-09:10"),
        "announcements": announcements,
        "callbacks": callback_rules,
        "preferred_patience": pick(15.0, 0.0),
        "progressive_step": pick(4.0, 0.0),
        "break_limit": pick(None, 20.0),
    }
)
people = st.fixed_dictionaries(
    {
        "groups": st.dictionaries(st.sampled_from(NAMES), st.integers(1, 3), min_size=1, max_size=3),
        "skills": st.dictionaries(st.sampled_from(("en", "zh")), st.integers(1, 6), max_size=2),
        "wrap_up": pick(None, 0.0, 8.0),
        "ring_timeout": pick(None, 6.0),
        "always": pick(False, False, True),
    }
)
WISHES: dict[str, Any] = {
    "group": pick(*NAMES, *NAMES, "nowhere"),
    "priority": pick(0, 0, 1, -1),
    "vip": pick(0, 0, 1),
    "requirement": pick("", "", "", *REQUIREMENTS, "en>="),
    "preferred": pick("", "", "agent0", "agent1", "nobody"),
    "caller": pick(*CALLERS, b""),
    "max_wait": pick(None, None, 18.0),
    "age": pick(None, None, 0.0, 50.0),
}
AGENTS = tuple(f"agent{index}" for index in range(5))
which = st.integers(0, 99)
rarely = st.integers(0, 4).map(lambda drawn: drawn == 4)


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

    def _join(self, group: str, age: float | None, **wish: object) -> None:
        """Somebody calls."""
        self.count += 1
        since = None if age is None else self.watch.now - age
        self.tell(ev.CallerJoined(entry=f"c{self.count}", group=group, since=since, **wish))  # type: ignore[arg-type]

    # Rules are drawn evenly, so what happens often has several.
    join, join_too, join_again = (rule(**WISHES)(one) for one in (_join,) * 3)  # type: ignore[no-untyped-call]

    @precondition(lambda self: self.watch.entries)
    @rule(index=which, why=pick("hung_up", "key", "transferred", "withdrawn"))
    def hang_up(self, index: int, why: str) -> None:
        """Somebody who waits leaves."""
        self.tell(ev.CallerGone(self.one(list(self.watch.entries), index), why))  # type: ignore[arg-type]

    def _answer(self, index: int) -> None:
        """An agent answers."""
        entry, agent = self.one(self.watch.offers, index)
        self.tell(ev.OfferAccepted(entry.id, agent.agent.id))
        assert agent.told in ("talking", "held")

    answer, answer_too, answer_again = (
        precondition(lambda self: self.watch.offers)(rule(index=which)(one)) for one in (_answer,) * 3
    )

    @precondition(lambda self: self.watch.offers)
    @rule(index=which, why=st.sampled_from(FAILURES))
    def fail(self, index: int, why: str) -> None:
        """An agent does not."""
        entry, agent = self.one(self.watch.offers, index)
        self.tell(ev.OfferFailed(entry.id, agent.agent.id, why))  # type: ignore[arg-type]

    def _end_talk(self, index: int) -> None:
        """A talk is over."""
        entry, agent = self.one(self.watch.talks, index)
        self.tell(ev.TalkEnded(entry, agent.agent.id))

    end_talk, end_talk_too = (
        precondition(lambda self: self.watch.talks)(rule(index=which)(one)) for one in (_end_talk,) * 2
    )

    @rule(entry=which, agent=st.sampled_from(AGENTS))
    def take_out_of_turn(self, entry: int, agent: str) -> None:
        """An agent picks somebody."""
        entries = list(self.watch.entries) or ["nobody"]
        self.tell(ev.Picked(self.one(entries, entry), agent))

    # --- what comes late, twice, or out of nowhere ---

    @rule(entry=which, agent=st.sampled_from(AGENTS), kind=st.integers(0, 5))
    def stray(self, entry: int, agent: str, kind: int) -> None:
        """An event that may not fit what is."""
        name = f"c{entry % (self.count + 2)}"
        events: list[ev.Event] = [
            ev.OfferAccepted(name, agent),
            ev.OfferFailed(name, agent, "refused"),
            ev.TalkEnded(name, agent),
            ev.CallbackEnded(f"k{entry % (self.count + 2)}", bool(entry % 2)),
            ev.HoldChanged(agent, name, bool(entry % 2)),
            ev.CallerCleared(f"k{entry % (self.count + 2)}"),
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
    @rule(index=which)
    def cleared(self, index: int) -> None:
        """The call in which it was asked for is over; also long after, and again."""
        resting = [one for one in self.watch.callbacks if one.on_the_line]
        self.tell(ev.CallerCleared(self.one(resting or self.watch.callbacks, index).id))

    @precondition(lambda self: self.watch.callbacks)
    @rule(index=which, reached=st.booleans())
    def callback_ended(self, index: int, reached: bool) -> None:
        """An attempt is over; also when none was made."""
        begun = [one for one in self.watch.callbacks if one.calling is not None or one.offers]
        self.tell(ev.CallbackEnded(self.one(begun or self.watch.callbacks, index).id, reached))

    @rule(group=st.sampled_from(NAMES), caller=pick(*CALLERS), age=pick(5.0, 95.0), rest=pick(0.0, 40.0))
    def restore_callback(self, group: str, caller: bytes, age: float, rest: float) -> None:
        """One from before a restart."""
        self.count += 1
        self.tell(
            ev.CallbackRestored(
                callback=f"k{self.count}",
                group=group,
                caller=caller,
                since=self.watch.now - age,
                attempts=self.count % 2,
                rest=rest,
            )
        )

    # --- agents ---

    @rule(agent=st.sampled_from(AGENTS))
    def sign_in(self, agent: str) -> None:
        """Work begins."""
        self.tell(ev.SignedIn(agent))

    @rule(agent=st.sampled_from(AGENTS), sure=rarely)
    def sign_out(self, agent: str, sure: bool) -> None:
        """Work ends."""
        if sure:
            self.tell(ev.SignedOut(agent, why="done"))

    @rule(agent=st.sampled_from(AGENTS), state=st.sampled_from(STATES), lasts=pick(None, 9.0))
    def choose(self, agent: str, state: str, lasts: float | None) -> None:
        """A state is chosen."""
        self.tell(ev.StateSet(agent, state, "why", "somebody", lasts))  # type: ignore[arg-type]

    @rule(agent=st.sampled_from(AGENTS))
    def wrap_up_done(self, agent: str) -> None:
        """The work after the call is done."""
        self.tell(ev.WrapUpDone(agent))

    @rule(agent=st.sampled_from(AGENTS), gone=rarely)
    def phone(self, agent: str, gone: bool) -> None:
        """A phone comes, or now and then vanishes."""
        self.tell(ev.PhoneChanged(agent, not gone))

    @rule(agent=st.sampled_from(AGENTS), number=st.integers(1, 2), begins=rarely)
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

    @rule(name=st.sampled_from(NAMES), found=rules, sure=rarely)
    def set_group(self, name: str, found: dict[str, object], sure: bool) -> None:
        """Other rules, or a group that was removed is back."""
        if sure or name not in self.watch.groups:
            self.tell(ev.GroupSet(Group(name=name, **found)))  # type: ignore[arg-type]

    @rule(name=st.sampled_from(NAMES), sure=rarely)
    def remove_group(self, name: str, sure: bool) -> None:
        """Now and then a group is removed."""
        if sure:
            self.tell(ev.GroupRemoved(name))

    @rule(agent=st.sampled_from(AGENTS), found=people)
    def set_agent(self, agent: str, found: dict[str, object]) -> None:
        """An agent is another, or new."""
        self.tell(ev.AgentSet(Agent(id=agent, phone="aor:x", **found)))  # type: ignore[arg-type]

    @rule(agent=st.sampled_from(AGENTS), sure=rarely)
    def remove_agent(self, agent: str, sure: bool) -> None:
        """Now and then an agent is removed."""
        if sure:
            self.tell(ev.AgentRemoved(agent))

    # --- time ---

    @rule(seconds=pick(1.0, 3.0, 10.0, 30.0))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.sound = False
        self.watch.wait(seconds)
        self.verify()
        self.sound = True

    @rule(seconds=pick(2.0, 5.0, 50.0, 200.0), long=rarely)
    def sleep(self, seconds: float, long: bool) -> None:
        """Time passes, and the engine hears of it late."""
        seconds = seconds if long else min(seconds, 5.0)
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
    max_examples=1500 if LONG else 90,
    stateful_step_count=200 if LONG else 50,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.mark.parametrize("seed", range(30 if LONG else 3))
def test_a_long_busy_day(seed: int) -> None:
    """Thousands of events in likely proportions: everybody is served or leaves, and nothing goes wrong on the way."""
    draw = random.Random(seed)
    watch = Watch(Engine(random.Random(seed).random, clock), clock, 120.0)
    for index, name in enumerate(NAMES):
        strategies = [draw.choice(get_args(Strategy)) for _ in NAMES]
        said = Announcements(position=True, wait=True, periodic=("x",), callback_offer=20.0)
        back = CallbackRules(first=draw.choice(("agent", "caller")), attempts=2, retry_after=60.0)
        rules = Group(
            name=name,
            strategy=strategies[index],
            weight=draw.choice((0, 0, 3)),
            wrap_up=draw.choice((0.0, 10.0)),
            requirement=draw.choice(REQUIREMENTS),
            no_answer_state=draw.choice(("idle", "break")),
            max_wait=draw.choice((None, 300.0)),
            overflow=(Overflow(f"group:{draw.choice(NAMES)}", after=90.0),),
            announcements=said,
            callbacks=back,
        )
        watch.tell(ev.GroupSet(rules))
    names = [f"agent{index}" for index in range(9)]
    for name in names:
        groups = {group: draw.randint(1, 2) for group in draw.sample(NAMES, draw.randint(1, 3))}
        skills = {"en": draw.randint(1, 6), "zh": draw.randint(0, 6)}
        watch.tell(ev.AgentSet(Agent(id=name, phone="aor:x", groups=groups, skills=skills)))
        watch.tell(ev.PhoneChanged(name, True))
        watch.tell(ev.SignedIn(name))
    for count in range(20_000 if LONG else 1500):
        watch.wait(draw.expovariate(1.0))
        for event in _likely(watch, draw, names, count):
            watch.tell(event)
        engine = watch.engine
        assert isinstance(engine, Engine)
        assert engine.check(watch.now) == []
    for outcome in ("answered", "gone", "callback"):
        assert watch.ended[outcome] > 20, watch.ended
    over = [one for _, _, done in watch.history for one in done if isinstance(one, CallbackOver)]
    assert sum(one.outcome == "reached" for one in over) > 20


def _likely(watch: Watch, draw: random.Random, names: list[str], count: int) -> list[ev.Event]:
    """What may well happen now."""
    chance = draw.random()
    agent = draw.choice(names)
    if chance < 0.16 and len(watch.entries) < 20:
        wish = {"requirement": draw.choice(REQUIREMENTS), "vip": int(draw.random() < 0.1)}
        preferred = agent if draw.random() < 0.2 else ""
        group, caller = draw.choice(NAMES), bytes([draw.randrange(40)]) * 16
        return [ev.CallerJoined(entry=f"c{count}", group=group, caller=caller, preferred=preferred, **wish)]  # type: ignore[arg-type]
    if chance < 0.50 and watch.offers:
        entry, rung = draw.choice(watch.offers)
        if entry.callback and entry.caller_first:
            return [ev.CallbackEnded(entry.id, draw.random() < 0.7)]
        if draw.random() < 0.15:
            return [ev.OfferFailed(entry.id, rung.agent.id, draw.choice(FAILURES))]  # type: ignore[arg-type]
        return [ev.OfferAccepted(entry.id, rung.agent.id)]
    if chance < 0.72 and watch.talks:
        call, talking = draw.choice(watch.talks)
        if (kept := watch.entries.get(call)) is not None and kept.callback:
            return [ev.CallbackEnded(call, draw.random() < 0.7)]
        return [ev.TalkEnded(call, talking.agent.id)]
    if chance < 0.76 and watch.waiting:
        waiting = draw.choice(watch.waiting)
        return [ev.CallbackAsked(waiting.id, f"k{count}", waiting.caller)]
    if chance < 0.79 and watch.waiting:
        return [ev.CallerGone(draw.choice(watch.waiting).id)]
    if chance < 0.83:
        return [ev.StateSet(agent, draw.choice(STATES), lasts=30.0)]  # type: ignore[arg-type]
    if chance < 0.84:
        return [ev.PhoneChanged(agent, False), ev.PhoneChanged(agent, True), ev.SignedIn(agent)]
    if chance < 0.90:
        return [ev.StateSet(agent, "idle"), ev.WrapUpDone(agent)]
    asked = [one for one in watch.callbacks if one.on_the_line]
    return [ev.CallerCleared(draw.choice(asked).id)] if asked else []
