"""The measurement of the queue engine, with few agents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import acd
from bench.__main__ import main
from bench.errors import BenchError
from bench.load import Result


def test_every_kind_of_event_is_measured() -> None:
    """With time, counts and memory; the parts are not slower than what the process used in all."""
    result = acd.measure(60, 9, 30, 4000)
    figures = result.figures
    assert figures.keys() == {"mb", "median_us", "p99_us", "slowest_median_us", "slowest_p99_us", "cpu_us"}
    median, used = figures["median_us"], figures["cpu_us"]
    assert median is not None
    assert used is not None
    assert 0.5 < median < 5000
    assert used > median / 4
    told = " ".join(result.details)
    for kind in ("caller_joined", "offer_accepted", "talk_ended", "caller_gone", "offer_failed", "time_due"):
        assert f"{kind}: " in told


def test_every_strategy_is_measured_in_one_group() -> None:
    """The slowest kind of event counts; that which rings many phones at once stands apart."""
    result = Result("acd")
    acd.crowd(result, 40, 20, 600)
    assert result.figures.keys() == {"crowd_ring_all_us", "crowd_median_us"}
    assert all(0.5 < (figure or 0.0) < 50_000 for figure in result.figures.values())
    assert len(result.details) == 9


def test_the_command_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table for people, a file for programs."""
    size = ["--agents", "40", "--groups", "9", "--waiting", "20", "--events", "3_000"]
    status = main(["acd", *size, "--json", str(tmp_path / "out.json")])
    document = json.loads((tmp_path / "out.json").read_text())
    assert status == (1 if document["broken"] else 0)
    assert document["results"]["acd"]["figures"]["median_us"] > 0
    assert "queues: the slowest kind of event, median" in capsys.readouterr().out


def test_an_exercise_that_ends_is_an_error() -> None:
    """The measurement says at which command: there are no groups that agents could be in."""
    with pytest.raises(BenchError, match="ended during 'fill 10 0 5'"):
        acd.measure(10, 0, 5, 100)


def test_too_little_to_measure() -> None:
    """Nobody at all is refused."""
    with pytest.raises(SystemExit):
        main(["acd", "--agents", "0"])
