"""The order of those who wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.acd.score import key, score

ranks = st.integers(-10, 10)
times = st.integers(0, 10_000).map(float)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((0.0, 0, 0, 1), (1.0, 0, 0, 0)),  # older first
        ((59.0, 1, 0, 1), (0.0, 0, 0, 0)),  # a step of priority is worth a minute
        ((0.0, 0, 0, 0), (61.0, 1, 0, 1)),  # and no more
        ((119.0, 0, 1, 1), (0.0, 0, 0, 0)),  # a VIP rank two minutes
        ((60.0, 1, 0, 0), (0.0, 0, 0, 1)),  # equal scores: who came first
        ((0.0, 2, 0, 0), (0.0, 0, 1, 1)),
    ],
)
def test_who_goes_first(one: tuple[float, int, int, int], other: tuple[float, int, int, int]) -> None:
    """Age, priority and VIP rank in seconds; arrival breaks ties."""
    assert key(*one) < key(*other)


@given(times, ranks, ranks, times, ranks, ranks, times)
def test_the_key_orders_like_the_score_at_any_time(
    since: float, priority: int, vip: int, since_2: float, priority_2: int, vip_2: int, now: float
) -> None:
    """Whoever has the higher score has the smaller key, now and later."""
    one, other = key(since, priority, vip, 0), key(since_2, priority_2, vip_2, 1)
    ahead = score(since, priority, vip, now) >= score(since_2, priority_2, vip_2, now)
    assert (one < other) is ahead
    assert score(since, priority, vip, now) == now - since + 60 * priority + 120 * vip
