"""A part of the switch in a process of its own, told line by line what to do and measured from outside."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.cpu import read_process, resident_mb
from bench.errors import BenchError
from bench.own import ROOT


class Exercise:
    """The process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def do(self, command: str) -> str:
        """Have a command done; the line that answers it. Raises BenchError when there is none."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{command}\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except OSError:
            answer = ""
        if not answer:
            raise BenchError(f"the exercise ended during '{command}': is there enough memory?")
        return answer

    def megabytes(self) -> float:
        """Its resident memory."""
        return sum(resident_mb([self._process.pid]).values())

    def seconds(self) -> float:
        """The CPU time it has used."""
        process = read_process(self._process.pid)
        return process.seconds if process is not None else 0.0


@contextmanager
def exercise(module: str) -> Iterator[Exercise]:
    """Run `python -m module`, which ends with the measurement."""
    with subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="ascii",
    ) as process:
        try:
            yield Exercise(process)
        finally:
            process.kill()


def count_from(least: int) -> Callable[[str], int]:
    """A number on the command line, of which a measurement takes so many at least; 1,000 and 1_000 are a thousand."""

    def read(text: str) -> int:
        value = int(text.replace(",", "").replace("_", ""))
        if value < least:
            raise argparse.ArgumentTypeError(f"a measurement takes {least:,} at least")
        return value

    read.__name__ = "number"  # what argparse calls a text that is none
    return read
