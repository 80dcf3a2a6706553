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
from routing.acd.rows import DRAWS, Row
from routing.acd.strategies import MOST_AT_ONCE, NOBODY, Place, place, together

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


def line_up(
    strategy: Strategy, idle: list[Member], after: Place = NOBODY, requirement: str = "", seed: int = 1
) -> list[Member]:
    """All of the idle in the order in which they are asked."""
    row: Row[Member] = Row(strategy, parse_requirement(requirement).steps[0])
    for one in idle:
        row.add(one)
    return list(row.in_turn(after, random.Random(seed).random))


def ids(strategy: Strategy, idle: list[Member], after: Place = NOBODY, requirement: str = "") -> str:
    """The line as one text."""
    return "".join(one.id for one in line_up(strategy, idle, after, requirement))


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
        found = line_up("round_robin", [C, A, B], after)[0]
        asked, after = asked + found.id, place(found)
    assert asked == "abcabca"


def test_random_weighs_levels() -> None:
    """Level 1 twice as often as level 2, four times as often as level 4; by the numbers passed in alone."""
    row = Row("random", STEP, [Member("a", 1), Member("b", 2), Member("c", 4)])
    draw = random.Random(7).random
    found = Counter(next(row.in_turn(NOBODY, draw)).id for _ in range(7000))
    assert found["a"] == pytest.approx(4000, rel=0.08)
    assert found["b"] == pytest.approx(2000, rel=0.12)
    assert found["c"] == pytest.approx(1000, rel=0.15)


def test_random_draws_anybody_of_a_level_as_often_as_another() -> None:
    """Five of a level, and five of the next, who are half as likely each."""
    row = Row("random", STEP, [Member(name, 1 + (name > "e")) for name in "abcdefghij"])
    draw = random.Random(7).random
    found = Counter(next(row.in_turn(NOBODY, draw)).id for _ in range(7500))
    assert all(found[name] == pytest.approx(1000 if name <= "e" else 500, rel=0.2) for name in "abcdefghij")


@pytest.mark.parametrize("drawn", [0.0, 0.5, 0.9999999999999999])
def test_random_takes_any_number(drawn: float) -> None:
    """The ends of [0, 1) as well; who has been asked is not asked again, however often the same number comes."""
    row = Row("random", STEP, [A, B, D])
    assert sorted(one.id for one in row.in_turn(NOBODY, lambda: drawn)) == ["a", "b", "d"]


def test_a_long_row_is_drawn_to_its_end() -> None:
    """More than are drawn one by one, each once."""
    idle = [Member(f"m{number}", 1 + number % 3) for number in range(5 * DRAWS)]
    assert sorted(one.id for one in line_up("random", idle)) == sorted(one.id for one in idle)


def test_nobody_idle_nobody_asked() -> None:
    """With every strategy."""
    for strategy in STRATEGIES:
        assert line_up(strategy, []) == []
    assert together([]) == []


@pytest.mark.parametrize(("ringing", "expected"), [(0, "cba"), (1, "cba"), (MOST_AT_ONCE - 1, "c"), (MOST_AT_ONCE, "")])
def test_how_many_ring_at_once(ringing: int, expected: str) -> None:
    """A whole level, and never too many."""
    assert "".join(one.id for one in together(line_up("ring_all", [A, B, C, D]), ringing)) == expected


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
def test_everybody_is_in_the_line_once(strategy: Strategy, idle: list[Member], seed: int, after: Place) -> None:
    """Under a seed always alike, in whatever order they came, and the same after others have come and gone."""
    line = line_up(strategy, idle, after, "en>=3", seed)
    assert sorted(one.id for one in line) == sorted(one.id for one in idle)
    assert line_up(strategy, idle[::-1], after, "en>=3", seed) == line
    row = Row(strategy, parse_requirement("en>=3").steps[0], idle)
    for one in idle[::2]:
        row.remove(one)
        row.remove(one)
        assert one not in row
    for one in idle[::2]:
        row.add(one)
    assert list(row.in_turn(after, random.Random(seed).random)) == line
    assert len(row) == len(idle)
    if strategy not in ("random", "skill_best") and line:
        assert [one.level for one in line] == sorted(one.level for one in line)
