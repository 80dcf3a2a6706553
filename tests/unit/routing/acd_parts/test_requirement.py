"""Requirements: the grammar, what is met when, and what is said about mistakes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.acd.requirement import ANYBODY, RequirementError, parse_requirement

TEXT = "en>=3 and zh>=1 or vip>=2 then en>=1 after 30s then any after 60s"


@pytest.mark.parametrize(
    ("text", "skills", "waited", "met"),
    [
        ("", {}, 0, True),
        ("any", {}, 0, True),
        ("en", {"en": 1}, 0, True),
        ("en", {"en": 0}, 0, False),
        ("en", {}, 0, False),
        ("en>=3", {"en": 3}, 0, True),
        ("en>3", {"en": 3}, 0, False),
        ("en=3", {"en": 3}, 0, True),
        ("en==3", {"en": 4}, 0, False),
        ("en<3", {}, 0, True),
        ("en<=3", {"en": 4}, 0, False),
        ("英语>=2", {"英语": 2}, 0, True),
        (TEXT, {"en": 3, "zh": 1}, 0, True),
        (TEXT, {"en": 3}, 0, False),
        (TEXT, {"vip": 2}, 0, True),
        (TEXT, {"en": 1}, 29.9, False),
        (TEXT, {"en": 1}, 30, True),
        (TEXT, {"vip": 2}, 30, False),
        (TEXT, {}, 59.9, False),
        (TEXT, {}, 60, True),
        ("a then b after 1m then c after 1h", {"b": 1}, 60, True),
        ("a then b after 1m then c after 1h", {"c": 1}, 3599, False),
        ("a then b after 1m then c after 1h", {"c": 1}, 3600, True),
        ("a then b after 90", {"b": 1}, 90, True),
    ],
)
def test_who_meets_what_when(text: str, skills: dict[str, int], waited: float, met: bool) -> None:
    """`and` binds tighter than `or`, a missing skill has level 0, a step holds from its second on."""
    assert parse_requirement(text).met(skills, waited) is met


@pytest.mark.parametrize(
    ("waited", "expected"), [(0, 30.0), (29.9, 30.0), (30, 60.0), (59, 60.0), (60, None), (1e6, None)]
)
def test_when_the_next_step_begins(waited: float, expected: float | None) -> None:
    """The next step's seconds, none after the last."""
    assert parse_requirement(TEXT).relaxes_after(waited) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("en>=", "column 5: expected a level, found the end; 0 to 10"),
        ("en>=11", "column 5: expected a level, found '11'; 0 to 10"),
        ("en>=3s", "column 5: expected a level, found '3s'; 0 to 10"),
        ("en>= zh", "column 6: expected a level, found 'zh'; 0 to 10"),
        ("en adn zh", "column 4: unexpected 'adn'; did you mean 'and'?"),
        ("en zh", "column 4: unexpected 'zh'; go on with and, or or then"),
        ("en and", "column 7: expected a skill, found the end; e.g. en>=3"),
        ("en and any", "column 8: expected a skill, found 'any'; 'any' stands alone"),
        ("any and en", "column 5: 'any' stands alone; leave out one of the two"),
        ("en then any", "column 12: a step after 'then' says when it begins; end it with 'after 30s'"),
        ("en then any after", "column 18: expected a duration, found the end; e.g. 30s, 5m or 1h"),
        ("en then any after 5x", "column 19: expected a duration, found '5x'; e.g. 30s, 5m or 1h"),
        ("en then zh after 30s then any after 30s", "column 37: steps begin one after the other; more than 30s"),
        ("en; zh", "column 3: ';' has no meaning here; e.g. en>=3 and zh>=1"),
        ("3>=en", "column 1: expected a skill, found '3'; e.g. en>=3"),
        ("a" * 401, "column 401: longer than 400 characters"),
    ],
)
def test_mistakes_say_where_and_what(text: str, expected: str) -> None:
    """The column, what was found, what to write."""
    with pytest.raises(RequirementError) as caught:
        parse_requirement(text)
    assert str(caught.value) == expected


def test_the_same_text_is_the_same_object() -> None:
    """Ten thousand callers with one requirement share it; equal steps are equal keys."""
    assert parse_requirement(TEXT) is parse_requirement(TEXT)
    assert parse_requirement("  ") is ANYBODY
    assert hash(parse_requirement("en").steps[0]) == hash(parse_requirement(" en>=1 ").steps[0])


def test_mastery_is_that_of_the_best_alternative_met() -> None:
    """An alternative that is not met does not count, however high its levels."""
    step = parse_requirement("en>=3 and zh>=3 or vip>=2").steps[0]
    assert step.mastery({"en": 10, "zh": 1, "vip": 2}) == 2
    assert step.mastery({"en": 4, "zh": 3, "vip": 2}) == 7
    assert step.mastery({}) == 0
    assert ANYBODY.steps[0].mastery({"en": 10}) == 0


def test_names_of_all_skills() -> None:
    """For checks whether anybody has them."""
    assert parse_requirement(TEXT).skills == {"en", "zh", "vip"}


skill = st.sampled_from(["en", "zh", "vip", "x-1", "术"])
condition = st.builds("{}{}{}".format, skill, st.sampled_from([">=", ">", "=", "<=", "<"]), st.integers(0, 10))
step = st.lists(st.lists(condition, min_size=1, max_size=3).map(" and ".join), min_size=1, max_size=3).map(" or ".join)


@given(st.text(max_size=60) | st.lists(st.sampled_from([*"<>=3 ", "en", "and", "then", "after", "9s"])).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but RequirementError, with a column in the text or right behind it."""
    try:
        parse_requirement(text)
    except RequirementError as error:
        column = error.column
    else:
        column = 1
    assert 1 <= column <= len(text) + 1


@given(st.lists(step, min_size=1, max_size=4), st.dictionaries(skill, st.integers(0, 10)), st.floats(0, 500))
def test_steps_hold_one_after_the_other(steps: list[str], skills: dict[str, int], waited: float) -> None:
    """A chain of steps is met when that step is which has begun last."""
    text = steps[0] + "".join(f" then {one} after {100 * index}s" for index, one in enumerate(steps[1:], 1))
    now = min(int(waited // 100), len(steps) - 1)
    chain = parse_requirement(text)
    assert chain.met(skills, waited) == parse_requirement(steps[now]).met(skills, 0)
    following = chain.relaxes_after(waited)
    assert following == (100.0 * (now + 1) if now + 1 < len(steps) else None)
