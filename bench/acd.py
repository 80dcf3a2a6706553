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
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from bench import report
from bench.errors import BenchError
from bench.exercise import Exercise, count_from, exercise
from bench.load import Result, wide

WARM: Final = 2000
"""Events before those that are measured."""
COMMON: Final = 100
"""A kind of event is judged when there are so many of it."""
_ENGINE: Final = "switchboard.queue_exercise"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--agents", type=count_from(1), default=10_000, metavar="N", help="agents, all at work")
    parser.add_argument("--groups", type=count_from(1), default=500, metavar="N", help="groups, one to three an agent")
    parser.add_argument("--waiting", type=count_from(1), default=2000, metavar="N", help="callers who wait")
    parser.add_argument("--events", type=count_from(1), default=100_000, metavar="N", help="events measured")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")


def run(options: argparse.Namespace) -> int:
    """Measure, print the table, return the exit status."""
    console = wide(Console(highlight=False))
    if crowded := report.busy():
        console.print(f"[yellow]note:[/] {crowded}", soft_wrap=True)
    results, failure = {}, ""
    try:
        result = measure(options.agents, options.groups, options.waiting, options.events)
        crowd(result, options.agents, options.waiting, max(1, options.events // 20))
        results["acd"] = result
    except BenchError as error:
        failure = str(error)
    return report.conclude(console, results, failure, "", options.json, crowded)


def measure(agents: int, groups: int, waiting: int, events: int) -> Result:
    """The figures of that many agents and callers."""
    result = Result("acd", details=[f"{agents:,} agents in {groups:,} groups, {waiting:,} waiting, {events:,} events"])
    with exercise(_ENGINE) as engine:
        before = engine.megabytes()
        filled = _told(engine, f"fill {agents} {groups} {waiting}")
        result.figures["mb"] = engine.megabytes() - before
        if filled["agents"] != agents or filled["waiting"] != waiting:
            raise BenchError(f"of {agents} agents and {waiting} callers there are {filled}")
        engine.do(f"run {WARM}")
        seconds = engine.seconds()
        told = _told(engine, f"run {events}")
        used = engine.seconds() - seconds
    everything, kinds = told["all"], told["kinds"]
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
    with exercise(_ENGINE) as engine:
        strategies = _told(engine, "strategies")
    for strategy in strategies:
        with exercise(_ENGINE) as engine:
            engine.do(f"crowd {strategy} {agents} {waiting}")
            engine.do(f"run {max(1, events // 5)}")
            told = _told(engine, f"run {events}")
        everything, kinds = told["all"], told["kinds"]
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


def _told(engine: Exercise, command: str) -> dict[str, Any]:
    """Have a command done; its answer."""
    answer: dict[str, Any] = json.loads(engine.do(command))
    return answer
