from __future__ import annotations

import pytest

from ivr_flows.clock import LocalTime
from ivr_flows.errors import ExpressionError
from ivr_flows.expressions import FUNCTIONS, MAX_DEPTH, MAX_SOURCE, Condition, Expression, Scope, Text

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
    "(count) == 3",
    "count + 1 == 4",
    "count-1 == 2",
    "2 + 3 * 4 == 14",
    "(2 + 3) * 4 == 20",
    "10 - 3 - 2 == 5",
    "(count == 3) + 1 == 2",
    "count + 1 in (4, 5)",
    "starts(extension, '123') and not ends(extension, '5')",
    "number(choice) == 2 and len(extension) == 6",
    "visits.ask + 1 == 3",
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
    ("count == 3 == 3", "unexpected '=='"),
    ("choice in (1, )", "missing before ')'"),
    ("choice in (1 2)", "expected ')', found '2'"),
    ("choice not 3", "expected 'in', found '3'"),
    ("choice = 3", "cannot read '= 3'"),
    ("choice == 'open", "cannot read ''open'"),
    ("__import__('os')", "no function '__import__'"),
    ("starts_(count)", "did you mean 'starts'?"),
    ("len()", "len() takes 1 value, not 0"),
    ("starts(count)", "starts() takes 2 values, not 1"),
    ("part(count)", "part() takes 2 to 3 values, not 1"),
    ("len(count", "expected ',', found the end"),
    ("len(count,)", "missing before ')'"),
    ("len(count count)", "expected ',', found 'count'"),
    ("between('9:00', '18:00')", "'9:00' is not a time of day; write '09:00'"),
    ("between('09:00', '25:00')", "'25:00' is not a time of day"),
    ("count.len()", "no function 'count.len'"),
    ("a.b == 1", "only visits.<node> has a dot"),
    ("a.b.c", "cannot read '.c'"),
    ("count +", "missing at the end"),
    ("* 3", "missing before '*'"),
    ("count ** 3", "missing before '*'"),
    ("2 ^ 3", "cannot read '^ 3'"),
    ("-" * (MAX_DEPTH + 1) + "1", f"nested deeper than {MAX_DEPTH}"),
    ("len(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH}"),
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
        assert Condition(source).holds(Scope(VARIABLES, visits=VISITS)) is True

    @pytest.mark.parametrize("source", FAIL)
    def test_does_not_hold(self, source: str) -> None:
        """A condition that is false of the variables does not hold."""
        assert Condition(source).holds(Scope(VARIABLES, visits=VISITS)) is False

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
        assert Condition(" or ".join(["x"] * 90 + ["count"])).holds(Scope(VARIABLES, visits=VISITS))

    def test_a_long_number_from_outside_is_text(self) -> None:
        """A variable with more digits than an integer may have compares unequal instead of failing."""
        assert not Condition("n > 0").holds(Scope({"n": "9" * 5000}))


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

    def test_url(self) -> None:
        """In a URL values are quoted, but one that the URL begins with."""
        text = Text("{base}/x/{id}?n={id}")
        assert text.fill_url({"base": "http://b/", "id": "a/b &"}) == "http://b//x/a%2Fb%20%26?n=a%2Fb%20%26"

    def test_whole(self) -> None:
        """A text that is one place and nothing else gives the very value."""
        assert Text("{n}").whole({"n": 3}) == 3
        assert Text("n{n}").whole({"n": 3}) == "n3"
        assert Text("{n}").whole({}) == ""

    def test_forms(self) -> None:
        """Only what is spoken has forms, and only known ones."""
        forms = frozenset({"money", "date"})
        text = Text("{a|money} {b}", forms)
        assert text.places == (("a", "money"), ("b", ""))
        assert text.read_out({"a": "1", "b": "2"}, lambda value, form: f"<{value} {form}>") == "<1 money> <2 >"
        with pytest.raises(ExpressionError, match=r"only what is spoken has forms; write \{a\}"):
            Text("{a|money}")
        with pytest.raises(ExpressionError, match="'mony' is not a way to read out a value; did you mean 'money'"):
            Text("{a|mony}", forms)
        with pytest.raises(ExpressionError, match="one of date, money"):
            Text("{a|xyz}", forms)


class Evening:
    """A clock that stands at half past nine in the evening of a holiday."""

    asked = 0

    def local(self, now: float) -> LocalTime:
        """Return the evening, and count how often it was asked for."""
        self.asked += 1
        return LocalTime("2026-10-01", "21:30", 4, False, "National Day")


VALUES: list[tuple[str, str | int]] = [
    ("7 / 2", 3),
    ("-7 / 2", -4),
    ("-7 % 3", 2),
    ("7 / 0", ""),
    ("7 % none", ""),
    ("1 + none", ""),
    ("1 + city", ""),
    ("none + 1 == ''", 1),
    ("choice * 10 + count", 23),
    ("999999999999999999 + 1", ""),
    ("999999999999999999 * 999999999999999999", ""),
    ("0 - 999999999999999999 - 1", ""),
    ("-count", -3),
    ("- -count", 3),
    ("-city", ""),
    ("count > 2", 1),
    ("not count", 0),
    ("count and none", 0),
    ("city", "北京"),
    ("len(city)", 2),
    ("len(unset)", 0),
    ("lower('AbC')", "abc"),
    ("upper('AbC')", "ABC"),
    ("starts(extension, 123)", 1),
    ("starts(extension, '23')", 0),
    ("ends(extension, 456)", 1),
    ("part(extension, 1, 2)", "12"),
    ("part(extension, 5)", "56"),
    ("part(extension, -4)", "3456"),
    ("part(extension, -4, 2)", "34"),
    ("part(extension, -40, 2)", "12"),
    ("part(extension, 0, 2)", ""),
    ("part(extension, 9, 2)", ""),
    ("part(extension, 1, 0)", ""),
    ("part(extension, city, 1)", ""),
    ("number('007')", 7),
    ("number('x')", ""),
    ("has(city)", 1),
    ("has(unset)", 0),
    ("has(0)", 1),
    ("now_time()", "21:30"),
    ("now_date()", "2026-10-01"),
    ("weekday()", 4),
    ("workday()", 0),
    ("holiday()", "National Day"),
    ("between('09:00', '18:00')", 0),
    ("between('21:30', '21:31')", 1),
    ("between('21:00', '21:30')", 0),
    ("between('20:00', '08:00')", 1),
    ("between('22:00', '08:00')", 0),
    ("between('00:00', '24:00')", 1),
    ("between('08:00', '08:00')", 1),
    ("between(city, '24:00')", 0),
    ("now_date() >= '2026-10-01' and now_date() <= '2026-10-07'", 1),
]


class TestExpression:
    """Values that are worked out."""

    @pytest.mark.parametrize(("source", "value"), VALUES)
    def test_value(self, source: str, value: str | int) -> None:
        """Arithmetic and functions give a text or a whole number, and the empty text where there is none."""
        result = Expression(source).value(Scope(VARIABLES, visits=VISITS, clock=Evening(), now=5.0))
        assert (result, type(result)) == (value, type(value))

    def test_all_functions_are_here(self) -> None:
        """The values above know every function."""
        assert {name for name in FUNCTIONS if not any(f"{name}(" in source for source, _ in VALUES)} == set()

    @pytest.mark.parametrize(
        ("written", "value"), [(5, 5), (-5, -5), ({"text": "{count}/{city}"}, "3/北京"), ("'x'", "x")]
    )
    def test_written(self, written: object, value: str | int) -> None:
        """A value may be written as a number, as an expression, or as a text."""
        assert Expression(written).value(Scope(VARIABLES)) == value

    @pytest.mark.parametrize("written", [True, 1.5, None, [], {}, {"text": 5}, {"text": "a", "b": 1}])
    def test_unreadable(self, written: object) -> None:
        """Anything else is refused."""
        with pytest.raises(ExpressionError):
            Expression(written)

    def test_names(self) -> None:
        """An expression tells what it reads, in functions and texts as well."""
        expression = Expression("len(a) + part(b, c) * visits.ask")
        assert (expression.names, expression.counters) == ({"a", "b", "c"}, {"ask"})
        assert Expression({"text": "{d}"}).names == {"d"}

    def test_secrets_are_read(self) -> None:
        """Expressions see secret variables too; an open one of the same name goes first."""
        scope = Scope({"a": 1}, {"a": 2, "b": 3})
        assert (Expression("a").value(scope), Expression("b").value(scope)) == (1, 3)

    def test_time_is_asked_once(self) -> None:
        """The clock is not asked when no time is wanted, and once when it is wanted often."""
        clock = Evening()
        Expression("count").value(Scope(VARIABLES, clock=clock))
        assert clock.asked == 0
        Expression("weekday() + weekday()").value(Scope(VARIABLES, clock=clock))
        assert clock.asked == 1

    def test_without_a_clock(self) -> None:
        """Without a clock no time of day is any."""
        scope = Scope({})
        assert [Expression(source).value(scope) for source in ("now_time()", "between('00:00', '24:00')")] == ["", 0]

    def test_long_sum_is_not_nesting(self) -> None:
        """A sum as long as the text may be is worked out without recursion."""
        assert Expression("+".join(["1"] * 250)).value(Scope({})) == 250
