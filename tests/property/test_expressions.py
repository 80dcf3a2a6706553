from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from ivr_flows.clock import LocalTime
from ivr_flows.errors import ExpressionError
from ivr_flows.expressions import FUNCTIONS, MAX_DIGITS, Expression, Scope, Text

values = st.one_of(st.text(max_size=20), st.text("0123456789-:", max_size=20), st.integers(-(10**18), 10**18))
leaves = st.one_of(
    st.sampled_from(["a", "b", "c", "visits.n"]),
    st.integers(0, 10**18 - 1).map(str),
    st.text("xyz 0123456789:", max_size=6).map(lambda text: f"'{text}'"),
)


def _wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(
        ["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "and", "or", "in", "not in"]
    )
    return st.one_of(
        st.tuples(inner, operators, inner).map(lambda part: f"({part[0]} {part[1]} {part[2]})"),
        inner.map(lambda part: f"(not {part})"),
        inner.map(lambda part: f"-{part}"),
        st.sampled_from(sorted(FUNCTIONS)).flatmap(
            lambda name: st.lists(inner, min_size=FUNCTIONS[name][0], max_size=FUNCTIONS[name][1]).map(
                lambda given: f"{name}({', '.join(given)})"
            )
        ),
    )


sources = st.recursive(leaves, _wider, max_leaves=12)


class Clock:
    """A clock that stands still."""

    def local(self, now: float) -> LocalTime:
        """Return the same time always."""
        return LocalTime("2026-10-01", "21:30", 4, False, "x")


@given(sources, values, values)
def test_what_can_be_read_can_be_worked_out(source: str, a: str | int, b: str | int) -> None:
    """Whatever variables hold, an expression gives a text, or a number of at most 18 digits or one it was given."""
    try:
        expression = Expression(source)
    except ExpressionError:
        return
    result = expression.value(Scope({"a": a, "b": b}, visits={"n": 3}, clock=Clock()))
    assert type(result) in (str, int)
    assert isinstance(result, str) or result in (a, b) or abs(result) < 10**MAX_DIGITS


@given(st.text("abcxyz 0123456789'\"()=!<>+-*/%,.{}|andorti", max_size=60))
def test_any_text_is_read_or_refused(source: str) -> None:
    """Rubbish is refused with our own error, never another."""
    for kind in (Expression, Text):
        with suppress(ExpressionError):
            assert kind(source).source == source


@given(st.integers(-(10**12), 10**12), st.integers(-(10**5), 10**5))
def test_arithmetic(a: int, b: int) -> None:
    """Numbers are reckoned with as everywhere, whether they come as such or as text."""
    for scope in (Scope({"a": a, "b": b}), Scope({"a": str(a), "b": str(b)})):
        assert Expression("a + b * 2 - (a - b)").value(scope) == 3 * b
        if b:
            assert Expression("(a / b) * b + a % b").value(scope) == a
