"""Whether a call has become dearer: its CPU in loops of the calibration, beside the figures that are committed.

The short form (some twenty seconds) makes calls to 4001 alone, in the same way as the `short` line of `bench all`; with
--with FILE all CPU figures of that file are compared. A figure has become worse when every run of now is dearer than
every one of then, by more than MARGIN: were nothing changed, three runs would all lie above five with a chance of 1 in
56, whatever the spread is, and the margin keeps out what is too small to matter. The price is that a wide spread hides
a small loss: what would just be noticed is said.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.errors import BenchError
from bench.load import wide
from bench.own import CONFIG, ONE_CPU, ROOT
from bench.series import OWN, Run, is_cpu, lines_of, ratios_of

BASELINE: Final = ROOT / "bench" / "results.json"
MARGIN: Final = 0.05
"""By how much the cheapest run of now must be dearer than the dearest of then."""
SHORT_RUNS: Final = 3


@dataclass(frozen=True, slots=True)
class Comparison:
    """A CPU figure then and now, in loops."""

    title: str
    then: tuple[float, ...]
    now: tuple[float, ...]

    @property
    def change(self) -> float:
        """How much dearer the median is, in shares."""
        return statistics.median(self.now) / statistics.median(self.then) - 1

    @property
    def noticed(self) -> float:
        """How much dearer all runs of now would have to be, over the median of then, to be found worse."""
        return max(self.then) * (1 + MARGIN) / statistics.median(self.then) - 1

    @property
    def worse(self) -> bool:
        """Whether it has become dearer beyond doubt."""
        return min(self.now) > max(self.then) * (1 + MARGIN)

    @property
    def better(self) -> bool:
        """Whether it has become cheaper beyond doubt."""
        return max(self.now) * (1 + MARGIN) < min(self.then)


def read_runs(file: Path) -> list[Run]:
    """The runs in a file of `bench all`; raises BenchError."""
    try:
        return [Run.from_plain(run) for run in json.loads(file.read_text("utf-8"))["runs"]]
    except OSError as error:
        raise BenchError(f"{file}: {error.strerror}; `make bench` writes it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BenchError(f"{file}: not the figures of `python -m bench all`: {error}") from error


def compare(then: Sequence[Run], now: Sequence[Run]) -> list[Comparison]:
    """Every CPU figure that both have."""
    found = []
    for line in lines_of([run for run in now if run.engine == OWN]):
        old, new = (tuple(ratio for ratio in ratios_of(line, runs) if ratio > 0) for runs in (then, now))
        if is_cpu(line) and old and new:
            found.append(Comparison(line.title, old, new))
    return found


def print_comparisons(found: Sequence[Comparison], console: Console) -> None:
    """The table."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("CPU, in loops", no_wrap=True)
    for name in ("then", "now", "change", "noticed from"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found:
        colour = "bold red" if one.worse else "green" if one.better else "default"
        ranges = (f"{min(v):.4f}-{max(v):.4f}" for v in (one.then, one.now))
        table.add_row(one.title, *ranges, f"[{colour}]{one.change:+.1%}[/]", f"{one.noticed:+.1%}")
    console.print(table)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m bench compare`."""
    parser.add_argument("--baseline", type=Path, default=BASELINE, metavar="FILE", help="the figures of then")
    parser.add_argument("--with", type=Path, dest="other", metavar="FILE", help="those of now; else the short form")
    parser.add_argument("--runs", type=int, default=SHORT_RUNS, help="runs of the short form")
    parser.add_argument("--config", type=Path, default=CONFIG, help="configuration of the switch")
    parser.add_argument("--cpus", default=ONE_CPU, help="CPUs for the switch")


def run(options: argparse.Namespace) -> int:
    """Compare, print, return the exit status: 1 when something has become worse."""
    from bench.suite import short_runs  # which needs this module's place for its file

    console = wide(Console(highlight=False))
    try:
        then = read_runs(options.baseline)
        if options.other:
            now = read_runs(options.other)
        else:
            now = short_runs(options.config, options.cpus, options.runs, console)
    except BenchError as error:
        console.print(f"[bold red]error:[/] {error}", soft_wrap=True)
        return 1
    found = compare(then, now)
    if not found:
        console.print("[bold red]error:[/] no CPU figure is in both")
        return 1
    print_comparisons(found, console)
    worse = [one for one in found if one.worse]
    for one in worse:
        console.print(f"[bold red]worse:[/] {one.title}, by {one.change:.0%}", soft_wrap=True)
    return 1 if worse else 0
