"""What the control socket says to the media workers."""

from __future__ import annotations

import pytest

from media.plane import WorkerPlane
from switchboard.media_workers import MOST, measure_workers, worker_commands
from switchboard.ops.control import CommandError
from switchboard.ops.metrics import Metrics


async def test_workers_by_command() -> None:
    """Those that do not answer yet are starting; the last one cannot be drained, nor one that is not there."""
    asked: list[bool] = []
    plane = WorkerPlane({0: "/nowhere/0", 3: "/nowhere/3"}, lambda events: None)
    commands = worker_commands(plane, lambda: asked.append(True))
    nothing = {"legs": 0, "free": 0, "cpu_seconds": None, "late_ms": None}
    assert commands["workers"]({}) == [{"worker": n, "state": "starting", **nothing} for n in (0, 3)]
    assert commands["add-worker"]({}) is True
    assert asked == [True]
    for wrong in ({}, {"worker": "0"}, {"worker": 1}, {"worker": 0}):
        with pytest.raises(CommandError):
            commands["drain-worker"](wrong)


def test_there_is_a_most() -> None:
    """As in the configuration."""
    plane = WorkerPlane({n: f"/nowhere/{n}" for n in range(MOST)}, lambda events: None)
    with pytest.raises(CommandError, match="64"):
        worker_commands(plane, lambda: None)["add-worker"]({})


def test_numbers_of_each_worker() -> None:
    """Legs are signalling's own count, all others the worker's."""
    metrics = Metrics()
    measure_workers(metrics, WorkerPlane({2: "/nowhere"}, lambda events: None))
    assert b'switchboard_media_legs{worker="2"} 0.0' in metrics.render()
