"""A million bindings of masked numbers: memory, and the CPU time of a look-up.

The table runs in a process of its own, `python -m routing.masks.exercise`, and is measured from outside like any
other program: resident memory by /proc, look-ups by the CPU time of many less that of the same loop without them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from rich.console import Console

from bench import report
from bench.errors import BenchError
from bench.exercise import Exercise, count_from, exercise
from bench.load import Result, wide

KINDS: Final = {
    "mixed": "of a hundred 90 extensions, 9 pairs (AXB) and an owner (AX)",
    "extension": "extensions of 400 numbers, each with a sealed number",
    "axb": "pairs, 200 on an X number, two sealed numbers and an expiry each",
}
COUNT: Final = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--count", type=count_from(1000), default=COUNT, metavar="N", help="bindings")
    parser.add_argument("--looks", type=count_from(1000), default=COUNT, metavar="N", help="look-ups")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")


def run(options: argparse.Namespace) -> int:
    """Measure each kind, print the table, return the exit status."""
    console = wide(Console(highlight=False))
    if crowded := report.busy():
        console.print(f"[yellow]note:[/] {crowded}", soft_wrap=True)
    result = Result("masks", details=[f"{options.count:,} bindings, {options.looks:,} look-ups all over them"])
    results, failure = {"masks": result}, ""
    try:
        for kind, text in KINDS.items():
            result.details.append(f"{kind}: {text}")
            result.figures.update(measure(kind, options.count, options.looks))
    except BenchError as error:
        results, failure = {}, str(error)
    return report.conclude(console, results, failure, "", options.json, crowded)


def measure(kind: str, count: int, looks: int) -> dict[str, int | float | None]:
    """The figures of a table with that many bindings of a kind."""
    with exercise("routing.masks.exercise") as table:
        bound = _seconds(table, kind, count)
        megabytes = table.megabytes()
        # The first look-ups find nothing in the caches.
        _seconds(table, "look", min(looks, 100_000))
        looking = _seconds(table, "look", looks)
        idle = _seconds(table, "idle", looks)
    return {
        f"{kind}_mb": megabytes,
        f"{kind}_us": max(0.0, looking - idle) / looks * 1e6,
        f"{kind}_bind_us": bound / count * 1e6,
    }


def _seconds(table: Exercise, command: str, count: int) -> float:
    """The CPU time of a command that must have found or bound so many."""
    before = table.seconds()
    done = int(table.do(f"{command} {count}"))
    if done != count:
        raise BenchError(f"{command}: {done} of {count} are there")
    return table.seconds() - before
