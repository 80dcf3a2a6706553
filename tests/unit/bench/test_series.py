"""Several runs of a figure: their spread, their ratio to the loop, what of them must hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load import Figure
from bench.report import LINES, Line, broken
from bench.series import OWN, Run, is_cpu, judged, lines_of, ratios_of, spread, typical, values_of

CPU = next(line for line in LINES if (line.measure, line.figure) == ("signalling", "cpu_ms_per_call"))
FAILED = next(line for line in LINES if (line.measure, line.figure) == ("signalling", "failed"))


def run(cpu: Figure, *, loop: float = 5.0, failed: int = 0, engine: str = OWN) -> Run:
    """One run of the signalling load."""
    figures: dict[str, Figure] = {"cpu_ms_per_call": cpu, "failed": failed, "retransmissions": 0}
    return Run(engine, "signalling", "2026-01-01T00:00:00Z", loop, 0.5, 0.0, figures)


@given(st.lists(st.floats(0.001, 1e6), min_size=1, max_size=9))
def test_the_median_lies_between(values: list[float]) -> None:
    """Least, median, greatest, in this order, of as many as there were."""
    found = spread([None, *values])
    assert found is not None
    assert found.least == min(values) <= found.median <= found.most == max(values)
    assert found.runs == len(values)
    assert found.relative >= 0


def test_nothing_has_no_spread() -> None:
    """What was never measured has no figure."""
    assert spread([None, None]) is None


def test_ratios_are_taken_run_by_run() -> None:
    """CPU that grows with the loop is the same ratio; a run without the figure and another engine's do not count."""
    runs = [run(1.0, loop=5.0), run(2.0, loop=10.0), run(None), run(9.0, engine="Other")]
    assert ratios_of(CPU, runs) == [0.2, 0.2]
    assert ratios_of(CPU, runs, "Other") == [1.8]
    values = values_of(CPU, runs)
    assert values is not None
    assert values[:3] == (1.0, 1.5, 2.0)


def test_microseconds_over_milliseconds() -> None:
    """The loop is milliseconds, whatever the figure's unit is."""
    line = Line("signalling", "cpu_ms_per_call", "title", "µs")
    assert ratios_of(line, [run(1000.0, loop=5.0)]) == pytest.approx([0.2])


@pytest.mark.parametrize(
    ("figure", "unit", "expected"),
    [
        ("cpu_ms_per_call", "ms", True),
        ("refresh_cpu_ms", "ms", True),
        ("cpu_ratio", "", False),
        ("delay_p50_ms", "ms", False),
    ],
)
def test_what_is_cpu(figure: str, unit: str, expected: bool) -> None:
    """CPU time is compared as a ratio, latencies are not."""
    assert is_cpu(Line("x", figure, "title", unit)) is expected


def test_times_are_judged_by_the_median_and_counts_by_the_worst() -> None:
    """One slow run of three breaks no bound, one failed call in one of them does."""
    runs = [run(1.0), run(1.1), run(9.0, failed=1)]
    spreads = [values_of(line, runs) for line in (CPU, FAILED)]
    assert [judged(line, found) for line, found in zip((CPU, FAILED), spreads, strict=True) if found] == [1.1, 1]
    assert broken(typical(runs)) == ["signalling: calls failed: 1, at most 0"]


def test_a_foreign_run_breaks_nothing() -> None:
    """Bounds are for this project's switch."""
    assert typical([run(99.0, engine="Other")]) == {}


def test_what_must_hold_is_shown_even_if_it_was_not_measured() -> None:
    """A line with a bound does not vanish with its figure."""
    assert CPU in lines_of([run(None)])
    assert all(line.measure == "signalling" for line in lines_of([run(1.0)]))


def test_a_run_survives_the_file() -> None:
    """Five digits of each figure are kept, whole numbers wholly."""
    once = Run.from_plain(run(1.23456789, failed=123456789).plain())
    assert once.figures == {"cpu_ms_per_call": 1.2346, "failed": 123456789, "retransmissions": 0}
    assert Run.from_plain(once.plain()) == once
