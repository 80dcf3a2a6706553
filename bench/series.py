"""Several runs of the same measurements, and what their figures have in common."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self

from bench.load import Figure, Result
from bench.report import LINES, Line

OWN: Final = "switchboard"
"""The engine of a run of this project's switch."""


class Spread(NamedTuple):
    """The least of some values, the middle one, the greatest, and how many they are."""

    least: float
    median: float
    most: float
    runs: int

    @property
    def relative(self) -> float:
        """From the least to the most, in shares of the median; 0 where that is 0."""
        return (self.most - self.least) / self.median if self.median else 0.0


def spread(values: Iterable[Figure]) -> Spread | None:
    """The spread of what was measured; nothing of nothing."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    median = statistics.median(known)
    whole = all(isinstance(value, int) for value in known) and median == round(median)
    return Spread(min(known), round(median) if whole else median, max(known), len(known))


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement, once."""

    engine: str
    measure: str
    at: str
    """When it began, UTC."""
    loop_ms: float
    """The calibration loop, before and after it."""
    load: float
    """The load average of the minute before it."""
    steal: float
    """The share of the CPUs' time that the host gave to others meanwhile."""
    figures: dict[str, Figure]
    notes: list[str] = field(default_factory=list)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """From the file; raises KeyError and TypeError when it is none of ours."""
        return cls(**{name: plain[name] for name in cls.__slots__})

    def plain(self) -> dict[str, Any]:
        """For the file: floats with five digits."""
        values = {name: getattr(self, name) for name in self.__slots__}
        short = {n: float(f"{v:.5g}") if isinstance(v, float) else v for n, v in self.figures.items()}
        rounded = {name: float(f"{values[name]:.4g}") for name in ("loop_ms", "load", "steal")}
        return values | rounded | {"figures": short}


def is_cpu(line: Line) -> bool:
    """Whether a figure is CPU time, which is compared as its ratio to the loop."""
    return "cpu" in line.figure.split("_") and line.unit in ("ms", "µs")


def of_line(line: Line, runs: Iterable[Run], engine: str = OWN) -> list[Run]:
    """The runs of an engine that have this figure."""
    return [
        r for r in runs if r.engine == engine and r.measure == line.measure and r.figures.get(line.figure) is not None
    ]


def values_of(line: Line, runs: Iterable[Run], engine: str = OWN) -> Spread | None:
    """A figure's spread over the runs of an engine."""
    return spread(run.figures[line.figure] for run in of_line(line, runs, engine))


def ratios_of(line: Line, runs: Iterable[Run], engine: str = OWN) -> list[float]:
    """A CPU figure over the loop of the same minute, run by run."""
    scale = 1.0 if line.unit == "ms" else 0.001
    found = of_line(line, runs, engine)
    return [float(run.figures[line.figure] or 0.0) * scale / run.loop_ms for run in found if run.loop_ms]


def lines_of(runs: Sequence[Run]) -> list[Line]:
    """The lines of the report that something was measured for, in its order."""
    measured = {run.measure for run in runs}
    return [
        line
        for line in LINES
        if line.measure in measured and (line.at_most is not None or values_of(line, runs) is not None)
    ]


def judged(line: Line, values: Spread) -> float:
    """What of a figure must hold its bound: the median of what has a unit, of counts the greatest."""
    return values.median if line.unit else values.most


def typical(runs: Iterable[Run]) -> dict[str, Result]:
    """One result a measure, each figure as it is judged: for the bounds of `report`."""
    kept = [run for run in runs if run.engine == OWN]
    results = {run.measure: Result(run.measure) for run in kept}
    for line in LINES:
        if line.measure in results and (values := values_of(line, kept)) is not None:
            results[line.measure].figures[line.figure] = judged(line, values)
    return results
