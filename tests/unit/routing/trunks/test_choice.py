"""Which gateway comes first."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.trunks.choice import in_order
from routing.trunks.model import Gateway


def gateways(*rows: tuple[str, int, int]) -> list[Gateway]:
    """Gateways of name, order and weight."""
    return [Gateway(name=name, order=order, weight=weight) for name, order, weight in rows]


CASES = [
    ([], "", 0.0, ""),
    ([("a", 0, 1)], "", 0.9, "a"),
    ([("a", 2, 9), ("b", 1, 1)], "", 0.0, "ba"),
    ([("a", 0, 1), ("b", 0, 1)], "", 0.0, "ab"),
    ([("a", 0, 1), ("b", 0, 1)], "", 0.49, "ab"),
    ([("a", 0, 1), ("b", 0, 1)], "", 0.5, "ba"),
    ([("a", 0, 3), ("b", 0, 1)], "", 0.74, "ab"),
    ([("a", 0, 3), ("b", 0, 1)], "", 0.76, "ba"),
    ([("a", 0, 0), ("b", 0, 5)], "", 0.0, "ba"),
    ([("a", 0, 0), ("b", 0, 0)], "", 0.6, "ba"),
    ([("a", 0, 1), ("b", 1, 1), ("c", 2, 1)], "a", 0.0, "bca"),
    ([("a", 0, 1), ("b", 1, 1), ("c", 2, 1)], "abc", 0.0, "abc"),
    ([("a", 0, 1), ("b", 0, 1), ("c", 1, 1)], "b", 0.9, "acb"),
]


@pytest.mark.parametrize(("rows", "doubtful", "random", "order"), CASES)
def test_order_then_weight_and_the_doubtful_last(
    rows: list[tuple[str, int, int]], doubtful: str, random: float, order: str
) -> None:
    """The lowest order first; within it chance by weight; who is down comes after all others, but does come."""
    found = in_order(gateways(*rows), lambda place: place.name in doubtful, lambda: random)
    assert "".join(place.name for place in found) == order


def test_weights_are_shares() -> None:
    """Of ten thousand calls each gateway gets its part first."""
    random = Random(7)
    places = gateways(("a", 0, 70), ("b", 0, 20), ("c", 0, 10))
    first = Counter(in_order(places, lambda place: False, random.random)[0].name for _ in range(10_000))
    assert first["a"] == pytest.approx(7000, abs=300)
    assert first["b"] == pytest.approx(2000, abs=300)
    assert first["c"] == pytest.approx(1000, abs=300)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.booleans()), max_size=8),
    st.floats(0.0, 1.0, exclude_max=True),
)
def test_everybody_is_tried_once(rows: list[tuple[int, int, bool]], random: float) -> None:
    """Whatever chance says, nobody is lost or doubled, and orders do not mix."""
    down = {str(index): doubtful for index, (_, _, doubtful) in enumerate(rows)}
    places = gateways(*((str(index), order, weight) for index, (order, weight, _) in enumerate(rows)))
    found = in_order(places, lambda place: down[place.name], lambda: random)
    assert sorted(place.name for place in found) == sorted(down)
    keys = [(down[place.name], place.order) for place in found]
    assert keys == sorted(keys)
