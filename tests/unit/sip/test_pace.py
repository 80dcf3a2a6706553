"""How often somebody may do something."""

from __future__ import annotations

import math

import pytest

from switchboard.sip.pace import Pace


def test_a_burst_and_then_evenly() -> None:
    """Three at once, then one every two seconds; another key has its own."""
    pace = Pace(0.5, 3)
    assert [pace.take("a", 10.0) for _ in range(5)] == [0.0, 0.0, 0.0, 2.0, 2.0]
    assert pace.take("b", 10.0) == 0.0
    assert pace.take("a", 11.0) == 1.0
    assert pace.take("a", 12.0) == 0.0
    assert pace.take("a", 12.0) == 2.0


def test_who_was_refused_need_not_wait_longer() -> None:
    """What was not done is not counted."""
    pace = Pace(1.0, 1)
    pace.take("a", 0.0)
    for _ in range(100):
        assert pace.take("a", 0.5) == 0.5
    assert pace.take("a", 1.0) == 0.0


def test_as_often_as_one_likes() -> None:
    """Without a rate nothing is even remembered."""
    pace = Pace(math.inf, 1)
    assert all(pace.take("a", 0.0) == 0.0 for _ in range(10))
    assert len(pace) == 0


def test_the_memory_is_bounded() -> None:
    """The one met least recently is forgotten."""
    pace = Pace(1.0, 1, most=2)
    for key in ("a", "b", "a", "c"):
        pace.take(key, 0.0)
    assert len(pace) == 2
    assert pace.take("a", 0.0) == pytest.approx(1.0)
    assert pace.take("b", 0.0) == 0.0
