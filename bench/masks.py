"""A million bindings of masked numbers: memory, and the CPU time of a look-up.

The table runs in a process of its own, `python -m routing.masks.exercise`, and is measured from outside like any
other program: resident memory by /proc, look-ups by the CPU time of many less that of the same loop without them.
"""

from __future__ import annotations

import argparse
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

KINDS: Final = {
    "mixed": "of a hundred 90 extensions, 9 pairs (AXB) and an owner (AX)",
    "extension": "extensions of 400 numbers, each with a sealed number",
    "axb": "pairs, 200 on an X number, two sealed numbers and an expiry each",
}
COUNT: Final = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("--count", type=_positive, default=COUNT, metavar="N", help="bindings")
    parser.add_argument("--looks", type=_positive, default=COUNT, metavar="N", help="look-ups")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")


def run(options: argparse.Namespace) -> int:
    """Measure each kind, print the table, return the exit status."""
    console = wide(Console(highlight=False))
    if crowded := report.busy():
        console.print(f"[yellow]note:[/] {crowded}", soft_wrap=True)
    result = Result("masks", details=[f"{options.count:,} bindings, {options.looks:,} look-ups all over them"])
    try:
        for kind, text in KINDS.items():
            result.details.append(f"{kind}: {text}")
            result.figures.update(measure(kind, options.count, options.looks))
    except BenchError as error:
        console.print(f"[bold red]error:[/] {error}", soft_wrap=True)
        return 1
    results = {"masks": result}
    faults = report.broken(results)
    report.print_table(results, console)
    if options.json:
        report.write_json(options.json, "", results, faults, crowded)
    for fault in faults:
        console.print(f"[bold red]broken:[/] {fault}", soft_wrap=True)
    return 1 if faults else 0


def measure(kind: str, count: int, looks: int) -> dict[str, int | float | None]:
    """The figures of a table with that many bindings of a kind."""
    with _exercise() as exercise:
        bound = exercise.do(kind, count)
        if exercise.answer != count:
            raise BenchError(f"{kind}: {exercise.answer} of {count} bindings are there")
        megabytes = exercise.megabytes()
        exercise.do("look", min(looks, 100_000))  # the first look-ups find nothing in the caches
        looking = exercise.do("look", looks)
        if exercise.answer != looks:
            raise BenchError(f"{kind}: {exercise.answer} of {looks} look-ups reached somebody")
        idle = exercise.do("idle", looks)
    return {
        f"{kind}_mb": megabytes,
        f"{kind}_us": max(0.0, looking - idle) / looks * 1e6,
        f"{kind}_bind_us": bound / count * 1e6,
    }


class _Exercise:
    """The process with the table."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.answer = 0

    def do(self, command: str, count: int) -> float:
        """Have a command done; the seconds of CPU it took."""
        before = self._seconds()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{command} {count}\n")
            self._process.stdin.flush()
            self.answer = int(self._process.stdout.readline())
        except (OSError, ValueError):
            raise BenchError(f"the exercise ended during '{command} {count}': is there enough memory?") from None
        return self._seconds() - before

    def megabytes(self) -> float:
        """Its resident memory."""
        return sum(resident_mb([self._process.pid]).values())

    def _seconds(self) -> float:
        process = read_process(self._process.pid)
        return process.seconds if process is not None else 0.0


@contextmanager
def _exercise() -> Iterator[_Exercise]:
    command = [sys.executable, "-m", "routing.masks.exercise"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="ascii"
    ) as process:
        try:
            yield _Exercise(process)
        finally:
            process.kill()


def _positive(text: str) -> int:
    value = int(text.replace(",", "").replace("_", ""))
    if value < 1000:
        raise argparse.ArgumentTypeError("a measurement takes a thousand at least")
    return value
