from __future__ import annotations

import pytest

from ivr_flows.errors import ExpressionError
from ivr_flows.expressions import MAX_DEPTH, MAX_SOURCE, Condition, Text

VARIABLES: dict[str, str | int] = {
    "extension": "123456",
    "choice": "2",
    "count": 3,
    "city": "北京",
    "none": "",
}
VISITS = {"ask": 2}

HOLD = [
    "extension == '123456'",
    'extension == "123456"',
    "extension == 123456",
    "123456 == extension",
    "extension != '1'",
    "choice < 10",
    "choice <= 2",
    "choice >= 2",
    "count > 2",
    "count >= 3",
    "count == '3'",
    "count == '03'",
    "'10' < '9'",
    "'a' <= 'a'",
    "'b' >= 'a'",
    "-1 < 0",
    "count > -3",
    "city == '北京'",
    "city in ('上海', '北京')",
    "choice in (1, 2, 3)",
    "choice in ('2')",
    "choice not in (1, 3)",
    "'234' in extension",
    "'9' not in extension",
    "1 in extension",
    "extension",
    "count",
    "not none",
    "not unset",
    "unset == ''",
    "unset != 'x'",
    "visits.ask == 2",
    "visits.ask < 3 and visits.other == 0",
    "none == '' or count > 100",
    "count > 100 or none == ''",
    "not (count > 100 or choice == 1)",
    "not count > 100 and choice == 2",
    "not not extension",
    "none and extension or count",
    "count>2and(choice)",
    "((((count))))",
    "choice==2 or nothing and nothing",
    "  count  ==  3  ",
    "'and' == 'and'",
    "unset < 'a'",
]
FAIL = [
    "extension == '12345'",
    "extension == city",
    "none",
    "unset",
    "0",
    "count == 'three'",
    "count < 'three'",
    "count > 'three'",
    "count <= 'three'",
    "choice in (1, 3)",
    "choice not in (1, 2)",
    "'x' in extension",
    "visits.ask > 2",
    "visits.other",
    "count > 100 or none",
    "count > 2 and none",
    "not extension",
    "choice == 1 or nothing and nothing",
    "unset < 0",
]
UNREADABLE = [
    ("", "missing at the end"),
    ("   ", "missing at the end"),
    ("count ==", "missing at the end"),
    ("== 3", "missing before '=='"),
    ("and", "missing before 'and'"),
    ("count and", "missing at the end"),
    ("count 3", "unexpected '3'"),
    ("(count == 3", "expected ')', found the end"),
    ("(count == 3 4", "expected ')', found '4'"),
    ("(count) == 3", "unexpected '=='"),
    ("count == 3 == 3", "unexpected '=='"),
    ("choice in (1, )", "missing before ')'"),
    ("choice in (1 2)", "expected ')', found '2'"),
    ("choice not 3", "expected 'in', found '3'"),
    ("choice = 3", "cannot read '= 3'"),
    ("choice == 'open", "cannot read ''open'"),
    ("__import__('os')", "unexpected '('"),
    ("a.b == 1", "only visits.<node> has a dot"),
    ("a.b.c", "cannot read '.c'"),
    ("count + 1", "cannot read '+ 1'"),
    ("x" * (MAX_SOURCE + 1), f"longer than {MAX_SOURCE}"),
    ("(" * (MAX_DEPTH + 1) + "x" + ")" * (MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH}"),
    ("not " * (MAX_DEPTH + 1) + "x", f"nested deeper than {MAX_DEPTH}"),
    ("count == 1234567890123456789", "at most 18 digits"),
]


class TestCondition:
    """Conditions of a branch."""

    @pytest.mark.parametrize("source", HOLD)
    def test_holds(self, source: str) -> None:
        """A condition that is true of the variables holds."""
        assert Condition(source).holds(VARIABLES, VISITS) is True

    @pytest.mark.parametrize("source", FAIL)
    def test_does_not_hold(self, source: str) -> None:
        """A condition that is false of the variables does not hold."""
        assert Condition(source).holds(VARIABLES, VISITS) is False

    @pytest.mark.parametrize(("source", "reason"), UNREADABLE)
    def test_unreadable(self, source: str, reason: str) -> None:
        """What the grammar does not allow is refused with the place or the cause."""
        with pytest.raises(ExpressionError) as caught:
            Condition(source)
        assert reason in str(caught.value)

    def test_names(self) -> None:
        """A condition tells which variables and counters it reads."""
        condition = Condition("a == 1 and (b in ('x', c)) or visits.ask < 3 and not 'd' == d")
        assert condition.names == {"a", "b", "c", "d"}
        assert condition.counters == {"ask"}

    def test_long_chain_is_not_nesting(self) -> None:
        """Many terms side by side are allowed as long as the text is short enough."""
        assert Condition(" or ".join(["x"] * 90 + ["count"])).holds(VARIABLES, VISITS)

    def test_a_long_number_from_outside_is_text(self) -> None:
        """A variable with more digits than an integer may have compares unequal instead of failing."""
        assert not Condition("n > 0").holds({"n": "9" * 5000}, {})


class TestText:
    """Texts with variables."""

    @pytest.mark.parametrize(
        ("source", "filled"),
        [
            ("{extension}", "123456"),
            ("sip:{extension}@{city}.example", "sip:123456@北京.example"),
            ("{count}", "3"),
            ("plain", "plain"),
            ("", ""),
            ("{unset}", ""),
            ("{none}x{none}", "x"),
        ],
    )
    def test_fill(self, source: str, filled: str) -> None:
        """Each place takes its variable; one that nobody set is empty."""
        assert Text(source).fill(VARIABLES) == filled

    @pytest.mark.parametrize("source", ["{", "}", "{}", "{a", "a}", "{a{b}}", "{a.b}", "{0}", "{a!r}", "x" * 501])
    def test_unreadable(self, source: str) -> None:
        """Anything but {name} between braces is refused."""
        with pytest.raises(ExpressionError):
            Text(source)

    def test_a_value_is_not_filled_again(self) -> None:
        """Braces that come from a variable stay as they are."""
        assert Text("{a}").fill({"a": "{b}", "b": "secret"}) == "{b}"

    def test_names(self) -> None:
        """A text tells which variables it reads."""
        assert Text("{a}-{b}-{a}").names == {"a", "b"}
