"""The queue engine with 10,000 agents in 500 groups and 2,000 who wait: the time of an event by kind, and memory.

Then, for each strategy, all of them in one group where nearly everybody is idle, and most who wait want what nobody can
do: that is where looking at all of the idle would be seen.

The engine runs in a process of its own, `python -m switchboard.queue_exercise`, without any calls around it. How long
each event took it tells itself, since no clock outside of it sees a few microseconds; memory, and the CPU time of
all events together with that of making them up, are measured from outside.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console

from bench import report
from bench.cpu import read_process, resident_mb
from bench.errors import BenchError
from bench.load import Result, wide
from bench.own import ROOT

WARM: Final = 2000
"""Events before those that are measured."""
COMMON: Final = 100
"""A kind of event is judged when there are so many of it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--agents", type=_positive, default=10_000, metavar="N", help="agents, all at work")
    parser.add_argument("--groups", type=_positive, default=500, metavar="N", help="groups, one to three an agent")
    parser.add_argument("--waiting", type=_positive, default=2000, metavar="N", help="callers who wait")
    parser.add_argument("--events", type=_positive, default=100_000, metavar="N", help="events measured")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")


def run(options: argparse.Namespace) -> int:
    """Measure, print the table, return the exit status."""
    console = wide(Console(highlight=False))
    if crowded := report.busy():
        console.print(f"[yellow]note:[/] {crowded}", soft_wrap=True)
    try:
        result = measure(options.agents, options.groups, options.waiting, options.events)
        crowd(result, options.agents, options.waiting, max(1, options.events // 20))
    except BenchError as error:
        console.print(f"[bold red]error:[/] {error}", soft_wrap=True)
        return 1
    results = {"acd": result}
    faults = report.broken(results)
    report.print_table(results, console)
    if options.json:
        report.write_json(options.json, "", results, faults, crowded)
    for fault in faults:
        console.print(f"[bold red]broken:[/] {fault}", soft_wrap=True)
    return 1 if faults else 0


def measure(agents: int, groups: int, waiting: int, events: int) -> Result:
    """The figures of that many agents and callers."""
    result = Result("acd", details=[f"{agents:,} agents in {groups:,} groups, {waiting:,} waiting, {events:,} events"])
    with _exercise() as exercise:
        before = exercise.megabytes()
        filled = exercise.do(f"fill {agents} {groups} {waiting}")
        result.figures["mb"] = exercise.megabytes() - before
        if filled["agents"] != agents or filled["waiting"] != waiting:
            raise BenchError(f"of {agents} agents and {waiting} callers there are {filled}")
        exercise.do(f"run {WARM}")
        seconds = exercise.seconds()
        told = exercise.do(f"run {events}")
        used = exercise.seconds() - seconds
    everything, kinds = told["all"], told["kinds"]
    assert isinstance(everything, list)
    assert isinstance(kinds, dict)
    common = [found for found in kinds.values() if found[0] >= COMMON]
    result.figures.update(
        median_us=everything[1],
        p99_us=everything[2],
        slowest_median_us=max((found[1] for found in common), default=None),
        slowest_p99_us=max((found[2] for found in common), default=None),
        cpu_us=used / everything[0] * 1e6,
    )
    for kind, (count, median, p99, most) in sorted(kinds.items(), key=lambda one: -one[1][0]):
        result.details.append(f"{kind}: {count:,.0f} events, median {median:.1f} µs, p99 {p99:.1f}, most {most:,.0f}")
    return result


def crowd(result: Result, agents: int, waiting: int, events: int) -> None:
    """Add the figures of one group of that many idle agents, by strategy; `ring_all`, which rings 32, stands apart."""
    slowest: dict[str, float] = {}
    with _exercise() as exercise:
        strategies = exercise.do("strategies")
    for strategy in strategies:
        with _exercise() as exercise:
            exercise.do(f"crowd {strategy} {agents} {waiting}")
            exercise.do(f"run {max(1, events // 5)}")
            told = exercise.do(f"run {events}")
        everything, kinds = told["all"], told["kinds"]
        assert isinstance(everything, list)
        assert isinstance(kinds, dict)
        kind, figures = max(
            ((kind, found) for kind, found in kinds.items() if found[0] >= min(COMMON, events // 20)),
            key=lambda one: one[1][1],
        )
        slowest[strategy] = figures[1]
        result.details.append(
            f"{agents:,} idle in one group, {strategy}: median {everything[1]:.1f} µs, p99 {everything[2]:.1f}, "
            f"slowest {kind}, median {figures[1]:.1f}"
        )
    result.figures["crowd_ring_all_us"] = slowest.pop("ring_all")
    result.figures["crowd_median_us"] = max(slowest.values())


class _Exercise:
    """The process with the engine."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def do(self, command: str) -> dict[str, object]:
        """Have a command done; its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{command}\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline())
        except (OSError, ValueError):
            raise BenchError(f"the exercise ended during '{command}'") from None
        assert isinstance(answer, dict)
        return answer

    def megabytes(self) -> float:
        """Its resident memory."""
        return sum(resident_mb([self._process.pid]).values())

    def seconds(self) -> float:
        """The CPU time it has used."""
        process = read_process(self._process.pid)
        return process.seconds if process is not None else 0.0


@contextmanager
def _exercise() -> Iterator[_Exercise]:
    command = [sys.executable, "-m", "switchboard.queue_exercise"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="ascii"
    ) as process:
        try:
            yield _Exercise(process)
        finally:
            process.kill()


def _positive(text: str) -> int:
    value = int(text.replace(",", "").replace("_", ""))
    if value < 1:
        raise argparse.ArgumentTypeError("at least one")
    return value
