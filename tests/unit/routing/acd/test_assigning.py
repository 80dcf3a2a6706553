"""Who gets whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from routing.acd.actions import Offer
from routing.acd.events import AgentSet, CallerGone, GroupSet, WrapUpDone
from routing.acd.groups import MOST_ROWS
from routing.acd.model import Agent, Strategy

from .room import Room, group


def test_a_caller_gets_an_idle_agent_at_once() -> None:
    """The offer comes out of the event of joining, with the group's time to ring."""
    room = Room(group(ring_timeout=15.0), agents="ann")
    assert room.joins("c1")[0] == Offer("c1", "ann", "sales", 15.0)


def test_an_agents_own_time_to_ring_comes_before_that_of_the_group() -> None:
    """Some phones take longer."""
    room = Room()
    room.agent("ann", ring_timeout=40.0)
    assert room.joins("c1")[0] == Offer("c1", "ann", "sales", 40.0)


def test_a_freed_agent_takes_who_came_first() -> None:
    """Order within equal score is by arrival, also at the same instant."""
    room = Room(agents="ann")
    room.busy("ann")
    for name in ("c2", "c1", "c3"):
        room.joins(name)
    assert room.queue() == ["c2", "c1", "c3"]
    room.hangs_up("ann")
    assert room.offered("ann") == "c2"


@pytest.mark.parametrize(
    ("first", "second", "apart", "served"),
    [
        ({}, {"priority": 1}, 59.0, "second"),
        ({}, {"priority": 1}, 61.0, "first"),
        ({}, {"vip": 1}, 119.0, "second"),
        ({}, {"vip": 1}, 121.0, "first"),
        ({"priority": -1}, {}, 59.0, "second"),
        ({"priority": 2}, {"vip": 1}, 1.0, "first"),
    ],
)
def test_the_score_weighs_age_priority_and_vip_rank(
    first: dict[str, Any], second: dict[str, Any], apart: float, served: str
) -> None:
    """A step of priority is worth a minute of waiting, a VIP rank two."""
    room = Room(agents="ann")
    room.busy("ann")
    room.joins("first", **first)
    room.after(apart)
    room.joins("second", **second)
    room.hangs_up("ann")
    assert room.offered("ann") == served


def test_waiting_that_began_elsewhere_counts() -> None:
    """`since` is when the waiting began."""
    room = Room(agents="ann")
    room.busy("ann")
    room.joins("c1")
    room.joins("c2", since=room.now - 5.0)
    assert room.queue() == ["c2", "c1"]


def _talks(room: Room, agent: str, seconds: float) -> None:
    room.joins(f"warm-{agent}-{room.now}", preferred=agent)
    room.answers(agent)
    room.after(seconds)
    room.hangs_up(agent)


def _ready(strategy: Strategy, orders: Mapping[str, int]) -> Room:
    """Ann, Bob and Cat, who have been idle in the order of the alphabet, with other calls and talk times."""
    room = Room(group(strategy=strategy))
    for name in "ann", "bob", "cat":
        room.agent(name, order=orders.get(name, -1))
    for name, talks in ("ann", (5.0, 5.0)), ("bob", (300.0,)), ("cat", (20.0, 20.0)):
        for seconds in talks:
            _talks(room, name, seconds)
            room.after(1.0)
    return room


@pytest.mark.parametrize(
    ("strategy", "orders", "asked"),
    [
        ("longest_idle", {}, ["ann", "bob", "cat"]),
        ("round_robin", {}, ["ann", "bob", "cat"]),
        ("round_robin", {"ann": 3, "bob": 2, "cat": 1}, ["bob", "ann", "cat"]),
        ("fewest_calls", {}, ["bob", "ann", "cat"]),
        ("least_talk_time", {}, ["ann", "cat", "bob"]),
        ("top_down", {"ann": 3, "bob": 1, "cat": 2}, ["bob", "cat", "ann"]),
        ("top_down", {}, ["ann", "bob", "cat"]),
        ("progressive", {}, ["ann", "bob", "cat"]),
    ],
)
def test_strategies_name_the_agent(strategy: Strategy, orders: dict[str, int], asked: list[str]) -> None:
    """Three callers at once go to three agents in the order of the strategy; round robin goes on after Cat."""
    room = _ready(strategy, orders)
    assert [offer for name in ("c1", "c2", "c3") for offer in (room.joins(name), room.rung())[1]] == asked


def test_round_robin_goes_on_after_who_was_asked_last() -> None:
    """Also when that one is idle again, or is not there any more."""
    room = Room(group(strategy="round_robin"), agents="ann bob cat")
    for turn, asked in enumerate(["ann", "bob", "cat", "ann"]):
        room.joins(f"c{turn}")
        assert room.rung() == [asked]
        room.gives_up(f"c{turn}")
    room.signs_out("ann")
    room.joins("c5")
    assert room.rung() == ["bob"]


def test_ring_all_rings_everybody_at_the_best_level() -> None:
    """A level that has somebody idle hides the next."""
    room = Room(group(strategy="ring_all"))
    for name, level in ("ann", 2), ("bob", 1), ("cat", 1):
        room.agent(name, groups={"sales": level})
    room.joins("c1")
    assert sorted(room.rung()) == ["bob", "cat"]


def test_random_prefers_lower_levels_and_is_the_same_under_a_seed() -> None:
    """Level 2 is asked half as often as level 1."""

    def asked(seed: int) -> list[str]:
        room = Room(group(strategy="random"), seed=seed)
        room.agent("ann", groups={"sales": 1})
        room.agent("bob", groups={"sales": 2})
        found = []
        for turn in range(300):
            room.joins(f"c{turn}")
            found += room.rung()
            room.gives_up(f"c{turn}")
        return found

    assert asked(7) == asked(7) != asked(8)
    assert 160 < asked(7).count("ann") < 240


def test_skill_best_asks_who_knows_most_of_what_is_required() -> None:
    """Only the skills required count."""
    room = Room(group(strategy="skill_best", requirement="en"))
    room.agent("ann", skills={"en": 3, "zh": 10})
    room.agent("bob", skills={"en": 8})
    room.agent("cat", skills={"zh": 10})
    for name in "c1", "c2", "c3":
        room.joins(name)
    assert (room.offered("bob"), room.offered("ann"), room.offered("cat")) == ("c1", "c2", "")
    assert room.queue() == ["c1", "c2", "c3"]


def test_levels_come_before_the_strategy() -> None:
    """Level 2 is asked when level 1 is busy, and then at once."""
    room = Room()
    room.agent("ann", groups={"sales": 2})
    room.after(10.0)
    room.agent("bob", groups={"sales": 1})
    room.joins("c1")
    assert room.rung() == ["bob"]
    room.joins("c2")
    assert room.rung() == ["ann"]


def test_a_freed_agent_serves_the_heaviest_group_first() -> None:
    """Weight comes before score: age does not help a lighter group."""
    room = Room(group("sales"), group("gold", weight=5), agents="")
    room.agent("ann", groups={"sales": 1, "gold": 9})
    room.busy("ann")
    room.joins("c1", "sales", priority=10)
    room.after(600.0)
    room.joins("c2", "gold")
    room.hangs_up("ann")
    assert room.offered("ann") == "c2"


def test_groups_of_equal_weight_are_served_by_score() -> None:
    """A freed agent takes the best over all groups."""
    room = Room(group("sales"), group("help"))
    room.agent("ann", groups={"sales": 1, "help": 1})
    room.busy("ann")
    room.joins("c1", "help")
    room.joins("c2", "sales")
    room.joins("c3", "help", priority=1)
    for entry in "c3", "c1", "c2":
        room.hangs_up("ann")
        assert room.offered("ann") == entry
        room.answers("ann")


def test_an_agent_takes_nobody_whose_requirement_is_not_met() -> None:
    """The first who fits goes; those before keep their places."""
    room = Room()
    room.agent("ann", skills={"en": 2})
    room.busy("ann")
    room.joins("c1", requirement="en>=3")
    room.joins("c2", requirement="zh")
    room.joins("c3", requirement="en")
    room.hangs_up("ann")
    assert room.offered("ann") == "c3"
    assert room.queue() == ["c1", "c2", "c3"]


def test_a_requirement_relaxes_at_its_time_and_not_before() -> None:
    """The engine says when, and the waiting caller gets the agent then."""
    room = Room(group(requirement="en>=3 then en>=1 after 30s then any after 60s"))
    room.agent("ann", skills={"en": 1})
    room.agent("bob")
    room.joins("c1")
    room.joins("c2")
    assert room.rung() == []
    assert room.engine.next_due() == room.now + 30.0
    assert room.after(29.9) == []
    room.after(0.1)
    assert room.offered("ann") == "c1"
    room.answers("ann")
    room.after(29.9)
    assert room.offered("bob") == ""
    room.after(0.2)
    assert room.offered("bob") == "c2"


def test_a_caller_who_has_waited_elsewhere_joins_with_a_relaxed_requirement() -> None:
    """All of the waiting counts."""
    room = Room(group(requirement="en>=3 then any after 30s"), agents="ann")
    room.joins("c1", since=room.now - 30.0)
    assert room.offered("ann") == "c1"


def test_a_callers_own_requirement_stands_for_that_of_the_group() -> None:
    """It is more particular than the group's."""
    room = Room(group(requirement="en"))
    room.agent("ann", skills={"zh": 1})
    room.joins("c1", requirement="zh")
    assert room.offered("ann") == "c1"


def test_a_requirement_that_cannot_be_read_is_told_and_the_groups_holds() -> None:
    """Nobody is lost for a mistake in a flow."""
    room = Room(agents="ann")
    room.joins("c1", requirement="en>>3")
    assert room.alerts() == [("bad_requirement", "c1")]
    assert room.offered("ann") == "c1"


def test_agents_who_are_free_at_once_are_chosen_by_the_strategy() -> None:
    """Both wrap-ups end at the same instant; the caller goes to who stands first, not to who was due first."""
    room = Room(group(strategy="top_down", wrap_up=10.0))
    room.agent("ann", order=2)
    room.agent("bob", order=1)
    room.busy("ann", "bob")
    room.hangs_up("ann")
    room.hangs_up("bob")
    room.joins("c1")
    room.after(10.0)
    assert room.rung() == ["bob"]


def test_nobody_is_taken_from_a_heavier_group_by_the_strategy_of_a_lighter_one() -> None:
    """Two are free at once: Bob stands first for c1, but serves the heavier group."""
    room = Room(group("sales", strategy="top_down", wrap_up=10.0), group("gold", weight=1))
    room.agent("ann", order=2)
    room.agent("bob", order=1, groups={"sales": 1, "gold": 1})
    room.busy("ann", "bob")
    room.hangs_up("ann")
    room.hangs_up("bob")
    room.joins("c1", "sales")
    room.joins("c2", "gold")
    room.after(10.0)
    assert (room.offered("ann"), room.offered("bob")) == ("c1", "c2")


def test_those_who_relax_at_once_are_served_by_place() -> None:
    """Two may have anybody at the same instant; one agent is free, and the heavier group comes first."""
    room = Room(group("sales", requirement="x then any after 30s"), group("gold", requirement="x then any after 30s"))
    room.agent("ann", groups={"sales": 1, "gold": 1})
    room.joins("c1", "sales")
    room.joins("c2", "gold", priority=1, since=room.now)
    room.after(30.0)
    assert room.offered("ann") == "c2"


def test_a_preferred_agent_is_waited_for() -> None:
    """As long as the patience lasts nobody else will do; then anybody will."""
    room = Room(group(preferred_patience=20.0), agents="ann bob")
    room.busy("ann")
    room.joins("c1", preferred="ann")
    assert room.rung() == []
    room.after(19.9)
    assert room.offered("bob") == ""
    room.after(0.1)
    assert room.offered("bob") == "c1"


def test_a_preferred_agent_who_is_freed_takes_the_caller() -> None:
    """Within the patience, and in order of service with the others."""
    room = Room(group(preferred_patience=20.0), agents="ann bob")
    room.busy("ann", "bob")
    room.joins("c1")
    room.joins("c2", preferred="ann")
    room.hangs_up("ann")
    assert room.offered("ann") == "c1"
    room.gives_up("c1")
    assert room.offered("ann") == "c2"


@pytest.mark.parametrize("away", ["break", "signed_out", "unknown"])
def test_a_preferred_agent_who_is_not_at_work_is_not_waited_for(away: str) -> None:
    """Nor one who goes while the caller waits."""
    for before in (True, False):
        room = Room(agents="ann bob")
        room.busy("ann")

        def go(room: Room = room) -> None:
            if away == "break":
                room.chooses("ann", "break")
                if room.state("ann") == "talking":
                    room.hangs_up("ann")
            elif away == "signed_out":
                room.signs_out("ann")

        if before:
            go()
        room.joins("c1", preferred="ann" if away != "unknown" else "nobody")
        go()
        assert room.offered("bob") == "c1"


def test_a_preferred_agent_need_not_be_of_the_group() -> None:
    """Who talked to the caller last time may be of another one."""
    room = Room(group("sales", join_empty="always"), group("help"))
    room.agent("ann", groups={"help": 1})
    room.joins("c1", "sales", preferred="ann")
    assert room.out[0] == Offer("c1", "ann", "sales", 20.0)


def test_a_caller_whom_the_preferred_agent_refuses_goes_to_anybody() -> None:
    """Patience is over with that."""
    room = Room(agents="ann bob")
    room.joins("c1", preferred="bob")
    room.fails("bob")
    assert room.offered("ann") == "c1"


def test_new_skills_and_groups_of_an_agent_count_at_once() -> None:
    """Who waits gets the agent by the event of the change."""
    room = Room(group(requirement="en"))
    room.agent("ann")
    room.joins("c1")
    room.agent("ann", skills={"en": 1}, ready=False)
    assert room.offered("ann") == "c1"


def test_the_queue_is_served_to_the_last_in_order() -> None:
    """Fifty callers and three agents: each freed agent takes the next."""
    room = Room(group(wrap_up=5.0), agents="ann bob cat")
    for number in range(50):
        room.joins(f"c{number}")
    served: list[str] = []
    while len(served) < 50:
        for name in "ann", "bob", "cat":
            if room.state(name) == "ringing":
                served.append(room.offered(name))
                room.answers(name)
            elif room.state(name) == "talking":
                room.hangs_up(name)
                room.say(WrapUpDone(name))
    assert served == [f"c{number}" for number in range(50)]
    assert room.queue() == []


def test_the_same_history_gives_the_same_actions() -> None:
    """Nothing depends on anything but events, times and the numbers passed in."""

    def history() -> tuple[list[Any], Any]:
        room = Room(group(strategy="random", wrap_up=3.0), agents="ann bob cat", seed=3)
        out: list[Any] = []
        for number in range(30):
            out += room.joins(f"c{number}", priority=number % 3)
            for name in "ann", "bob", "cat":
                if room.state(name) == "ringing":
                    out += room.answers(name) if number % 2 else room.fails(name, "no_answer")
                elif room.state(name) == "break":
                    out += room.chooses(name, "idle")
            out += room.after(4.0)
            for name in "ann", "bob", "cat":
                if room.state(name) == "talking":
                    out += room.hangs_up(name)
        return out, room.engine.snapshot()

    assert history() == history()


def test_one_who_joins_twice_waits_once() -> None:
    """A repeated event changes nothing."""
    room = Room(group(join_empty="always"))
    room.joins("c1", vip=1)
    assert room.joins("c1") == []
    assert room.queue() == ["c1"]


def test_who_has_talked_may_join_again_under_the_same_id() -> None:
    """A caller who is transferred to the group while the first agent is still in the call."""
    room = Room(agents="ann bob")
    room.joins("c1", preferred="ann")
    room.answers("ann")
    room.joins("c1")
    assert room.offered("bob") == "c1"
    room.answers("bob")
    room.hangs_up("ann")
    assert (room.state("ann"), room.state("bob")) == ("idle", "talking")


def test_events_about_nobody_change_nothing() -> None:
    """They are late or repeated."""
    room = Room(agents="ann")
    before = room.engine.snapshot()
    assert room.say(CallerGone("nobody")) == []
    assert room.joins("c1", "nowhere")[0].__class__.__name__ == "Leave"
    assert room.left() == [("c1", "failed", "")]
    assert room.engine.snapshot() == before


def test_an_agent_with_many_groups_is_rung_once() -> None:
    """Callers in all of them, one offer."""
    names = [f"g{number}" for number in range(20)]
    room = Room(*(group(name, join_empty="always") for name in names))
    for name in names:
        room.joins(f"c-{name}", name)
    room.say(AgentSet(Agent(id="ann", phone="aor:ann", groups=dict.fromkeys(names, 1))))
    room.agent("ann", groups=dict.fromkeys(names, 1))
    assert room.offered("ann") == "c-g0"
    assert room.rung() == ["ann"]


@pytest.mark.parametrize("strategy", ["longest_idle", "skill_best", "random", "round_robin"])
def test_any_number_of_requirements_finds_who_fits(strategy: Strategy) -> None:
    """More than rows are kept for, asked for in turn again and again, while agents come, go and learn."""
    room = Room(group(strategy=strategy))
    skills = [f"s{number}" for number in range(MOST_ROWS + 4)]
    for name in skills:
        room.agent(f"agent-{name}", skills={name: 5})
        room.agent(f"other-{name}", skills={name: 1})
    for turn in range(2):
        for name in skills:
            entry = f"{name}-{turn}"
            room.joins(entry, requirement=f"{name}>=3")
            assert room.offered(f"agent-{name}") == entry
            room.gives_up(entry)
    assert len(room.engine.groups["sales"].rowed) == MOST_ROWS
    room.agent("other-s0", skills={"s0": 9}, ready=False)
    room.signs_out("agent-s0")
    room.joins("late", requirement="s0>=3")
    assert room.offered("other-s0") == "late"


def test_another_strategy_puts_the_idle_in_another_order() -> None:
    """Also those who were found for a requirement before."""
    room = Room(group(strategy="top_down", requirement="en"))
    room.agent("ann", skills={"en": 2})
    room.agent("bob", skills={"en": 9})
    room.joins("c1")
    assert room.offered("ann") == "c1"
    room.gives_up("c1")
    room.say(GroupSet(group(strategy="skill_best", requirement="en")))
    room.joins("c2")
    assert room.offered("bob") == "c2"


def test_who_would_be_asked_next_is_told() -> None:
    """By the strategy and what the group remembers; nobody when nobody is free."""
    room = Room(group(strategy="round_robin"), agents="ann bob")
    assert room.engine.next_idle("sales") == "ann"
    room.joins("c1")
    room.gives_up("c1")
    assert room.engine.next_idle("sales") == "bob"
    room.busy("ann")
    room.busy("bob")
    assert room.engine.next_idle("sales") == room.engine.next_idle("nowhere") == ""
