"""Memory against calls in progress."""

from __future__ import annotations

import pytest

from bench.errors import BenchError
from bench.load import Calls, Load
from bench.memory import Course, measure


def test_the_first_thousand_are_left_out() -> None:
    """What is counted is the memory beyond, over the calls beyond."""
    course = Course([(0, 100.0), (500, 140.0), (1500, 160.0), (4000, 210.0), (4000, 215.0), (100, 205.0)])
    assert course.at(1000) == 150.0
    assert course.kb_per_call(1000) == pytest.approx(65.0 / 3000 * 1000)
    assert (course.most, course.calls) == (215.0, 4000)


def test_too_few_calls_have_no_figure() -> None:
    """Without calls beyond the first there is nothing to divide by."""
    assert Course([(0, 100.0), (900, 140.0)]).kb_per_call(1000) is None


def test_calls_must_be_up_at_once(load: Load) -> None:
    """A hold shorter than the dialling takes would measure something else."""
    with pytest.raises(BenchError, match="--hold"):
        measure(load, Calls(4000, 200, 20.0), "http://127.0.0.1:9")
