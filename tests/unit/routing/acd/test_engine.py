"""Announcements, estimates, deadlines, and the engine's look at itself."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from routing.acd.actions import Announce, Leave
from routing.acd.due import SPARE, Deadlines
from routing.acd.engine import Engine
from routing.acd.events import AgentSet, CallerGone, CallerJoined, Event, GroupSet, PhoneChanged, SignedIn, TimeDue
from routing.acd.model import Agent, Announcements, Overflow

from .room import Room, clock, group


class Subject:
    """Somebody who is due."""


def test_deadlines_come_in_order_and_once() -> None:
    """Equal ones as they were set; one that was moved or cancelled does not come."""
    due: Deadlines[Subject] = Deadlines()
    a, b, c, d = (Subject() for _ in range(4))
    for subject, at in (a, 5.0), (b, 3.0), (c, 3.0), (d, 1.0), (d, 9.0), (a, 4.0):
        due.set(subject, at)
    due.cancel(c)
    due.cancel(c)
    assert due.next() == 3.0
    assert due.pop(2.9) == []
    assert due.pop(4.0) == [b, a]
    assert (due.next(), len(due)) == (9.0, 1)
    due.cancel(d)
    assert due.next() is None


def test_deadlines_keep_bounded_memory() -> None:
    """Cancelling and setting anew a hundred thousand times."""
    due: Deadlines[Subject] = Deadlines()
    stay = [Subject() for _ in range(10)]
    for subject in stay:
        due.set(subject, 1e9)
    for number in range(20_000):
        one = Subject()
        due.set(one, 1e6 + number)
        due.set(stay[number % 10], 1e9 + number)
        due.cancel(one)
        assert due.kept <= 2 * 11 + SPARE
    assert len(due) == 10


def test_a_day_of_calls_leaves_nothing_behind() -> None:
    """When all are gone no deadline, entry or bucket is left."""
    room = Room(group(wrap_up=2.0, max_wait=300.0), agents="ann bob")
    for number in range(500):
        room.joins(f"c{number}", requirement="" if number % 3 else f"s{number} then any after 10s")
        for name in "ann", "bob":
            if room.state(name) == "ringing":
                room.answers(name)
            elif room.state(name) == "talking":
                room.hangs_up(name)
        room.after(1.0)
    for entry in list(room.engine.entries):
        room.gives_up(entry)
    for name in "ann", "bob":
        if room.state(name) == "talking":
            room.hangs_up(name)
    room.after(5.0)
    assert room.engine.next_due() is None
    assert not room.engine.entries
    assert len(room.engine.groups["sales"].buckets) < 80
    assert room.engine._floor.due.kept <= SPARE


def test_an_early_or_late_time_due_is_harmless() -> None:
    """Early: nothing; late: the event that comes instead sees time's work done first."""
    room = Room(group(wrap_up=10.0), agents="ann")
    room.busy("ann")
    room.hangs_up("ann")
    assert room.say(TimeDue()) == []
    room.now += 100.0
    room.joins("c1")
    assert room.offered("ann") == "c1"
    assert room.changes()[0] == ("ann", "idle", "", "time")


SPOKEN = Announcements(first=10.0, every=30.0, position=True, wait=True, periodic=("one", "two"))


def test_announcements_come_by_time() -> None:
    """The position of now, and the periodic texts in turn; the wait when something is known."""
    room = Room(group(announcements=SPOKEN), agents="ann")
    room.busy("ann")
    room.joins("c1")
    room.joins("c2")
    assert room.after(9.9) == []
    room.after(0.1)
    assert room.said() == [
        Announce("c1", "position", 1, None, ("one",)),
        Announce("c2", "position", 2, None, ("one",)),
    ]
    room.gives_up("c1")
    room.after(30.0)
    assert room.said() == [Announce("c2", "position", 1, None, ("two",))]


def test_the_wait_is_said_as_a_band() -> None:
    """From what the last calls took, rounded outwards; not when it was wrong of late."""
    room = Room(group(announcements=SPOKEN), agents="ann")
    for _ in range(10):
        room.busy("ann")
        room.after(60.0)
        room.hangs_up("ann")
    room.busy("ann")
    room.joins("c1")
    room.after(10.0)
    ((_, low, high),) = [(one.entry, *(one.wait or ())) for one in room.said()]
    assert low < 60.0 < high
    assert (low % 30.0, high % 30.0) == (0.0, 0.0)
    calibration = room.engine.groups["sales"].estimator.calibration
    for _ in range(60):
        calibration.settle((0.0, 1.0), 500.0)
    room.after(30.0)
    assert room.said() == [Announce("c1", "position", 1, None, ("two",))]


@pytest.mark.parametrize(
    ("rules", "agents", "reason"),
    [
        ({}, "ann", None),
        ({}, "", "empty"),
        ({"join_empty": "always"}, "", None),
        ({"hours": "20:00-21:00"}, "ann", "closed"),
        ({"max_length": 0}, "ann", None),
        ({"max_length": 0, "join_empty": "always"}, "", "full"),
        ({"overflow": (Overflow("voicemail:box", on=("empty",)),)}, "", None),
        ({"overflow": (Overflow("voicemail:box", on=("full",)),)}, "", "empty"),
    ],
)
def test_whether_a_group_would_take_somebody(rules: dict[str, Any], agents: str, reason: str | None) -> None:
    """Somebody is free, or they may wait, or go on to where its rules say; what is told is what then happens."""
    room = Room(group(**rules), agents=agents)
    assert room.engine.refusal("sales", room.now) == reason
    told = room.joins("c1")
    left = [action.reason for action in told if isinstance(action, Leave) and not action.to]
    assert left == ([reason] if reason else [])
    assert room.engine.refusal("nowhere", room.now) == "failed"


def test_a_found_agent_never_waits_for_an_announcement() -> None:
    """It is under way when the agent is freed: the offer is made at once; while a phone rings nothing is said."""
    room = Room(group(announcements=SPOKEN, ring_timeout=60.0), agents="ann")
    room.busy("ann")
    room.joins("c1")
    room.after(10.0)
    assert len(room.said()) == 1
    room.hangs_up("ann")
    assert room.offered("ann") == "c1"
    room.after(50.0)
    assert room.said() == []
    room.fails("ann")
    assert room.said() == [Announce("c1", "position", 1, None, ("two",))]


def test_being_called_back_is_offered() -> None:
    """After its time."""
    room = Room(group(announcements=Announcements(callback_offer=20.0)), agents="ann")
    room.busy("ann")
    room.joins("c1")
    room.after(20.0)
    assert room.said() == [Announce("c1", "callback_offer")]


def test_estimates_are_kept_and_compared() -> None:
    """What was expected when somebody began to wait against what came; who is served at once says nothing."""
    room = Room(group(), agents="ann")
    assert room.engine.estimate("c0") is None
    for _ in range(5):
        room.busy("ann")
        room.after(60.0)
        room.hangs_up("ann")
    assert room.engine.groups["sales"].estimator.counts().said_seconds == 0.0
    room.busy("ann")
    room.joins("c1")
    band = room.engine.estimate("c1")
    assert band is not None
    assert 0.0 <= band[0] < 60.0 < band[1]
    room.after(60.0)
    room.hangs_up("ann")
    assert room.engine.estimate("c1") == (0.0, 0.0)
    room.answers("ann")
    counts = room.engine.groups["sales"].estimator.counts()
    assert (counts.within, counts.below, counts.above, counts.real_seconds) == (1, 0, 0, 60.0)
    assert counts.said_seconds == pytest.approx(sum(band) / 2)


def test_wrap_up_counts_as_service() -> None:
    """An agent is not free before it is over."""
    room = Room(group(wrap_up=20.0), agents="ann")
    room.busy("ann")
    room.after(60.0)
    room.hangs_up("ann")
    assert room.engine.groups["sales"].estimator.rate.served == 0
    room.after(20.0)
    rate = room.engine.groups["sales"].estimator.rate
    assert (rate.served, rate.seconds) == (1, 80.0)


def test_agents_of_several_groups_count_by_their_share() -> None:
    """Two thirds of an agent, while at work or idle."""
    room = Room(group("sales"), group("help"), group("gold"))
    room.agent("ann", groups={"sales": 1, "help": 1, "gold": 1})
    room.agent("bob", groups={"sales": 1, "help": 1, "gold": 1})
    sales = room.engine.groups["sales"]
    assert sales.capacity == pytest.approx(2 / 3)
    room.chooses("ann", "break")
    assert sales.capacity == pytest.approx(1 / 3)
    room.signs_out("bob")
    assert sales.capacity == 0.0


def _engine(*, watch: bool = False) -> Engine:
    engine = Engine(Random(1).random, clock, watch=watch)
    for event in _BEGIN:
        engine.handle(event, 0.0)
    return engine


_BEGIN: list[Event] = [
    GroupSet(group()),
    AgentSet(Agent(id="ann", phone="aor:ann", groups={"sales": 1})),
    AgentSet(Agent(id="bob", phone="aor:bob", groups={"sales": 1})),
    PhoneChanged("ann", True),
    SignedIn("ann"),
    CallerJoined(entry="c1", group="sales"),
    CallerJoined(entry="c2", group="sales"),
]


def _set(path: str, value: Any) -> Callable[[Engine], None]:
    """Damage something inside of the engine."""

    def damage(engine: Engine) -> None:
        places = {
            "ann": engine.agents["ann"],
            "bob": engine.agents["bob"],
            "c1": engine.entries["c1"],
            "c2": engine.entries["c2"],
            "sales": engine.groups["sales"],
            "floor": engine._floor,
        }
        name, attribute = path.split(".")
        setattr(places[name], attribute, value)

    return damage


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_set("ann.state", "idle"), "agent ann is idle, but should be ringing"),
        (_set("ann.offer", None), "agent ann holds no offer, but is rung for"),
        (_set("ann.offer_until", float("inf")), "agent ann rings without end"),
        (_set("ann.own_calls", {"o1": 0.0}), "agent ann is rung for c1 in a call"),
        (_set("bob.free", True), "entry c2 waits, and bob is free"),
        (_set("bob.rests_until", -1.0), "agent bob is overdue"),
        (_set("bob.armed", 5.0), "agent bob is due at inf, but armed for 5.0"),
        (_set("c2.armed", 5.0), "entry c2 is due at inf, but armed for 5.0"),
        (_set("sales.rings", [(0.0, 9, "c9")]), "group sales has others for whom more phones may ring"),
        (_set("sales.buckets", {}), "group sales has others in its buckets"),
        (_set("floor.out", [None]), "something is not settled"),
        (_set("bob.removed", True), "agent bob is removed and has no call"),
        (_set("c2.leaves", -1.0), "entry c2 is overdue"),
        (_set("c2.shown", False), "entry c2 looks for an agent"),
        (_set("c2.queued", False), "entry c2 is out of the queue"),
        (_set("c2.place", (0.0, 1, "c1")), "entry c2 has the place of c1"),
        (_set("sales.line", []), "group sales has another line"),
        (_set("sales.callers", 7), "group sales counts 7 callers"),
        (_set("sales.looking", 7), "group sales counts 7 who look"),
        (_set("sales.present", 7), "group sales counts 7 present"),
        (_set("sales.capacity", 7.0), "group sales has a capacity of 7.0"),
        (_set("sales.joined", 7), "group sales: 7 came"),
        (_set("sales.seats", {}), "group sales has other members"),
        (_set("floor.joined", 7), "7 came"),
        (_set("floor.groups", {}), "entry c1 waits in a group that is no more"),
    ],
)
def test_the_engine_says_what_does_not_hold(damage: Callable[[Engine], None], says: str) -> None:
    """Every invariant can be found broken."""
    engine = _engine()
    assert engine.check(0.0) == []
    damage(engine)
    assert [one for one in engine.check(0.0) if one.startswith(says)]


def test_a_watched_engine_counts_what_does_not_hold() -> None:
    """After every event; an unwatched one does not look."""
    for watch in (True, False):
        engine, told = _engine(watch=watch), []
        engine.report = told.append
        assert engine.violations == 0
        engine.groups["sales"].callers += 1
        engine.handle(CallerGone("c2"), 0.0)
        assert (engine.violations > 0) == watch
        assert bool(engine.last_violations) == watch
        assert told == ([engine.last_violations] if watch else [])


def test_the_views_of_the_engine() -> None:
    """Queues, lengths and nothing for what is not there."""
    engine = _engine()
    assert [entry.id for entry in engine.queue("sales")] == ["c1", "c2"]
    assert (engine.waiting("sales"), engine.waiting("nowhere")) == (2, 0)
    assert (engine.queue("nowhere"), engine.callbacks("nowhere")) == ([], [])
    assert engine.agents["ann"].calls == ()
    assert engine.agents["ann"].groups == {"sales": 1}
    assert engine.snapshot().agents["ann"].offered == "c1"
    assert engine.snapshot().entries["c1"].offers == ("ann",)


@pytest.mark.parametrize(("periodic", "said"), [(("one",), [Announce("c1", "periodic", 0, None, ("one",))]), ((), [])])
def test_a_wait_that_is_not_known_is_not_said(periodic: tuple[str, ...], said: list[Announce]) -> None:
    """The periodic text comes alone, or nothing."""
    room = Room(group(announcements=Announcements(wait=True, periodic=periodic)), agents="ann")
    room.busy("ann")
    room.joins("c1")
    room.after(10.0)
    assert room.said() == said
