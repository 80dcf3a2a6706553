"""The search for the highest rate."""

from __future__ import annotations

import itertools

import pytest

from bench.highest import Step, search


@pytest.mark.parametrize("limit", [90, 100, 101, 450, 1000, 2345])
def test_the_limit_is_found(limit: int) -> None:
    """The best rate that held is at most the limit, and not far below it."""
    steps = search(lambda rate: Step(rate, max(0, rate - limit), 0, 1.0), 100, lambda: False)
    best = max((step.rate for step in steps if step.holds), default=0)
    assert limit * 0.94 <= best <= limit
    assert len(steps) < 25


def test_it_ends_when_it_is_time() -> None:
    """Rates that always hold would go on for ever."""
    beats = itertools.count()
    steps = search(lambda rate: Step(rate, 0, 0, None), 100, lambda: next(beats) >= 4)
    assert [step.rate for step in steps] == [100, 125, 156, 195]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Step(1, 0, 0, 1.0), True),
        (Step(1, 1, 0, 1.0), False),
        (Step(1, 0, 1, 1.0), False),
        (Step(1, 0, 0, 1.0, behind=True), False),
    ],
)
def test_what_holds(step: Step, expected: bool) -> None:
    """No call failed, none sent again, and the load was what was asked for."""
    assert step.holds is expected
    assert str(step).startswith("1/s: ")
