"""Pictures of the figures of several runs; needs matplotlib, of the extra `bench`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.figure import Figure

from bench.report import Line
from bench.series import OWN, Run, Spread, is_cpu, lines_of, of_line, ratios_of, spread, values_of

_OURS: Final = "#1f6fb4"
_THEIRS: Final = ("#b4631f", "#5a8f3c", "#8f3c84")
_BOUND: Final = "#c03030"


def draw(directory: Path, runs: Sequence[Run]) -> list[Path]:
    """CPU beside its bounds, its ratio to the loop run by run, latencies, and others beside ours."""
    directory.mkdir(parents=True, exist_ok=True)
    lines = lines_of(runs)
    cpu = [line for line in lines if is_cpu(line) and values_of(line, runs) is not None]
    late = [line for line in lines if line.unit == "ms" and not is_cpu(line) and values_of(line, runs) is not None]
    pictures = [
        _bars(directory / "cpu.png", "CPU: least, median, greatest (red: must hold or goal)", cpu, runs),
        _bars(directory / "latencies.png", "Latencies (red: must hold or goal)", late, runs),
        _courses(directory / "rounds.png", cpu, runs),
        _engines(directory / "beside.png", cpu, runs),
    ]
    return [picture for picture in pictures if picture is not None]


def _errors(values: Spread) -> list[list[float]]:
    """How far the least and the greatest are from the median, as error bars want it."""
    return [[values.median - values.least], [values.most - values.median]]


def _bars(file: Path, title: str, lines: Sequence[Line], runs: Sequence[Run]) -> Path | None:
    """A bar a figure with its range and its bound."""
    if not lines:
        return None
    figure, axes = pyplot.subplots(figsize=(10, 0.8 + 0.32 * len(lines)))
    for place, line in enumerate(reversed(lines)):
        values, bound = values_of(line, runs), line.goal if line.goal is not None else line.at_most
        assert values is not None
        axes.barh(place, values.median, xerr=_errors(values), color=_OURS, height=0.6, capsize=3)
        if bound:
            axes.plot([bound, bound], [place - 0.4, place + 0.4], color=_BOUND, linewidth=2)
    axes.set_yticks(range(len(lines)), [line.title for line in reversed(lines)], fontsize=8)
    if max(abs(values.median) for line in lines if (values := values_of(line, runs))) > 100:
        axes.set_xscale("symlog", linthresh=1)
    axes.set_xlabel("ms")
    axes.set_title(title, fontsize=10)
    return _save(figure, file)


def _courses(file: Path, lines: Sequence[Line], runs: Sequence[Run]) -> Path | None:
    """Each CPU figure over the loop, in shares of its median, round by round: what is not flat here is noise."""
    several = [line for line in lines if len(of_line(line, runs)) > 1]
    if not several:
        return None
    figure, axes = pyplot.subplots(figsize=(10, 5))
    for line in several:
        ratios = ratios_of(line, runs)
        values = spread(ratios)
        if values and values.median:
            axes.plot(range(1, len(ratios) + 1), [r / values.median for r in ratios], marker="o", label=line.title)
    axes.axhline(1.0, color="grey", linewidth=0.5)
    axes.set_xlabel("run")
    axes.set_title("CPU over the loop of the same minute, in shares of its median", fontsize=10)
    axes.legend(fontsize=6, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return _save(figure, file)


def _engines(file: Path, lines: Sequence[Line], runs: Sequence[Run]) -> Path | None:
    """Ours and the others' CPU over the loop, measured in turns."""
    engines = sorted({run.engine for run in runs} - {OWN})
    common = [line for line in lines if any(of_line(line, runs, engine) for engine in engines)]
    if not common:
        return None
    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.6 * len(common)))
    height = 0.8 / (1 + len(engines))
    for order, (engine, colour) in enumerate(zip([OWN, *engines], [_OURS, *_THEIRS], strict=False)):
        for place, line in enumerate(common):
            if values := spread(ratios_of(line, runs, engine)):
                where, label = place + order * height, engine if place == 0 else None
                axes.barh(where, values.median, height, xerr=_errors(values), color=colour, capsize=3, label=label)
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(common))], [line.title for line in common])
    axes.invert_yaxis()
    axes.set_xlabel("loops of dictionary writes")
    axes.legend()
    return _save(figure, file)


def _save(figure: Figure, file: Path) -> Path:
    figure.savefig(file, dpi=110, bbox_inches="tight")
    pyplot.close(figure)
    return file
