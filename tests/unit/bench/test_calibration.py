"""The loop."""

from __future__ import annotations

import os

from bench.calibration import loops_ms


def test_the_loop_is_run_where_it_is_asked_for_and_not_kept_there() -> None:
    """As many figures as wanted, and the affinity is as it was."""
    before = os.sched_getaffinity(0)
    assert all(value > 0 for value in loops_ms({min(before)}, 3))
    assert len(loops_ms({9999}, 2)) == 2
    assert os.sched_getaffinity(0) == before
