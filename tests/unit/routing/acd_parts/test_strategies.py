"""Who is asked first, by every strategy."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.acd.model import Strategy
from routing.acd.requirement import ANYBODY, parse_requirement
from routing.acd.strategies import MOST_AT_ONCE, NOBODY, Place, line_up, pick, place, together

STRATEGIES = get_args(Strategy)
STEP = ANYBODY.steps[0]


class Member(msgspec.Struct, frozen=True):
    """An idle agent in a group."""

    id: str
    level: int = 1
    idle_since: float = 0.0
    calls: int = 0
    talked: float = 0.0
    order: int = 0
    skills: Mapping[str, int] = {}


def ids(strategy: Strategy, idle: list[Member], after: Place = NOBODY, requirement: str = "") -> str:
    """The line as one text."""
    step = parse_requirement(requirement).steps[0]
    return "".join(one.id for one in line_up(strategy, idle, after=after, step=step, random=random.Random(1).random))


A = Member("a", 1, 30.0, 2, 50.0, 0, {"en": 2})
B = Member("b", 1, 20.0, 3, 90.0, 1, {"en": 5, "zh": 1})
C = Member("c", 1, 10.0, 1, 70.0, 2)
D = Member("d", 2, 0.0, 0, 0.0, 3, {"en": 9})


@pytest.mark.parametrize(
    ("strategy", "after", "requirement", "expected"),
    [
        ("longest_idle", NOBODY, "", "cbad"),
        ("ring_all", NOBODY, "", "cbad"),
        ("progressive", NOBODY, "", "cbad"),
        ("fewest_calls", NOBODY, "", "cabd"),
        ("least_talk_time", NOBODY, "", "acbd"),
        ("top_down", NOBODY, "", "abcd"),
        ("round_robin", NOBODY, "", "abcd"),
        ("round_robin", (0, "a"), "", "bcad"),
        ("round_robin", (2, "c"), "", "abcd"),
        ("round_robin", (3, "d"), "", "abcd"),
        ("round_robin", (1, "away"), "", "bcad"),  # who was asked last is not idle: the next after that place
        ("skill_best", NOBODY, "en>=1 or zh>=1", "dbac"),
        ("skill_best", NOBODY, "", "cbad"),
    ],
)
def test_the_line(strategy: Strategy, after: Place, requirement: str, expected: str) -> None:
    """Level first but for skill_best, then what the strategy is named for, then the longest idle."""
    assert ids(strategy, [A, B, C, D], after, requirement) == expected
    assert ids(strategy, [D, C, B, A], after, requirement) == expected


def test_round_robin_goes_round() -> None:
    """Asked again and again with its memory, it asks everybody in turn."""
    asked, after = "", NOBODY
    for _ in range(7):
        found = pick("round_robin", [C, A, B], after=after, step=STEP, random=random.random)
        assert found is not None
        asked, after = asked + found.id, place(found)
    assert asked == "abcabca"


def test_random_weighs_levels() -> None:
    """Level 1 twice as often as level 2, four times as often as level 4; by the numbers passed in alone."""
    idle = [Member("a", 1), Member("b", 2), Member("c", 4)]
    draw = random.Random(7).random
    found = Counter(pick("random", idle, after=NOBODY, step=STEP, random=draw).id for _ in range(7000))  # type: ignore[union-attr]
    assert found["a"] == pytest.approx(4000, rel=0.08)
    assert found["b"] == pytest.approx(2000, rel=0.12)
    assert found["c"] == pytest.approx(1000, rel=0.15)


@pytest.mark.parametrize("drawn", [0.0, 0.5, 0.9999999999999999])
def test_random_takes_any_number(drawn: float) -> None:
    """The ends of [0, 1) as well."""
    assert pick("random", [A], after=NOBODY, step=STEP, random=lambda: drawn) is A


def test_nobody_idle_nobody_asked() -> None:
    """None for every strategy."""
    for strategy in STRATEGIES:
        assert pick(strategy, [], after=NOBODY, step=STEP, random=random.random) is None
        assert together(strategy, []) == []


@pytest.mark.parametrize(
    ("strategy", "ringing", "expected"),
    [
        ("ring_all", 0, "cba"),
        ("ring_all", 1, "cba"),
        ("ring_all", MOST_AT_ONCE - 1, "c"),
        ("ring_all", MOST_AT_ONCE, ""),
        ("progressive", 0, "c"),
        ("progressive", 3, "c"),
        ("progressive", MOST_AT_ONCE, ""),
        ("longest_idle", 0, "c"),
        ("longest_idle", 1, ""),
    ],
)
def test_how_many_ring(strategy: Strategy, ringing: int, expected: str) -> None:
    """ring_all: a whole level, progressive: one more, the others: one at a time; never too many."""
    line = line_up(strategy, [A, B, C, D], after=NOBODY, step=STEP, random=random.random)
    assert "".join(one.id for one in together(strategy, line, ringing)) == expected


members = st.lists(
    st.builds(
        Member,
        id=st.text("abcdef", min_size=1, max_size=2),
        level=st.integers(1, 4),
        idle_since=st.integers(0, 5).map(float),
        calls=st.integers(0, 5),
        talked=st.integers(0, 5).map(float),
        order=st.integers(0, 5),
        skills=st.dictionaries(st.sampled_from(["en", "zh"]), st.integers(0, 10)),
    ),
    unique_by=lambda one: one.id,
    max_size=12,
)


@given(st.sampled_from(STRATEGIES), members, st.integers(0, 100), st.tuples(st.integers(-2, 5), st.text("abc")))
def test_the_first_of_the_line_is_who_is_picked(
    strategy: Strategy, idle: list[Member], seed: int, after: Place
) -> None:
    """Both ways agree under a seed, everybody is in the line once, and the order given matters only to chance."""
    step = parse_requirement("en>=3").steps[0]
    line = line_up(strategy, idle, after=after, step=step, random=random.Random(seed).random)
    assert sorted(one.id for one in line) == sorted(one.id for one in idle)
    picked = pick(strategy, idle, after=after, step=step, random=random.Random(seed).random)
    assert picked is (line[0] if line else None)
    if strategy != "random":
        assert line_up(strategy, idle[::-1], after=after, step=step, random=random.random) == line
    if strategy not in ("random", "skill_best") and picked is not None:
        assert picked.level == min(one.level for one in idle)
