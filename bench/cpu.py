"""CPU and memory of a process and everything it started, from /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")


class Process(NamedTuple):
    """What /proc/PID/stat says of one process."""

    pid: int
    parent: int
    seconds: float
    """user and system time, its own and that of the children it has reaped."""


def read_process(pid: int, proc: Path = _PROC) -> Process | None:
    """One process, or nothing when it has gone."""
    try:
        text = (proc / str(pid) / "stat").read_text("ascii", "replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    return Process(pid, int(fields[1]), sum(map(int, fields[11:15])) * _TICK)


def descendants(roots: Iterable[int], proc: Path = _PROC) -> dict[int, Process]:
    """The roots and all processes below them."""
    everything = {p.pid: p for p in (read_process(int(e), proc) for e in os.listdir(proc) if e.isdigit()) if p}
    found = {pid: everything[pid] for pid in roots if pid in everything}
    fresh = set(found)
    while fresh:
        fresh = {p.pid for p in everything.values() if p.parent in fresh and p.pid not in found}
        found.update((pid, everything[pid]) for pid in fresh)
    return found


def cpu_seconds(roots: Iterable[int], proc: Path = _PROC) -> float:
    """CPU time so far of the roots and all their descendants, living and reaped."""
    return sum(process.seconds for process in descendants(roots, proc).values())


def resident_mb(roots: Iterable[int], proc: Path = _PROC) -> dict[int, float]:
    """Resident memory of each process of the tree, in MB."""
    sizes = {}
    for pid in descendants(roots, proc):
        try:
            pages = int((proc / str(pid) / "statm").read_text().split()[1])
        except OSError:
            continue
        sizes[pid] = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    return sizes


def command_of(pid: int, proc: Path = _PROC) -> str:
    """A process's command line."""
    try:
        return (proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def short_name(command: str) -> str:
    """What a command line is known by: its Python module, or its program."""
    words = command.split()
    if "-m" in words[:-1]:
        return words[words.index("-m") + 1]
    return Path(words[0]).name if words else "?"


@dataclass(slots=True)
class CpuMeter:
    """Samples of a process tree's CPU time, so that any window can be asked for afterwards."""

    pids: tuple[int, ...]
    samples: list[tuple[float, float]] = field(default_factory=list)
    first: dict[int, float] = field(default_factory=dict)
    last: dict[int, float] = field(default_factory=dict)

    def sample(self) -> None:
        """Note wall-clock time and CPU time now."""
        if self.pids:
            self.last = {pid: process.seconds for pid, process in descendants(self.pids).items()}
            self.first = self.first or self.last
            self.samples.append((time.time(), sum(self.last.values())))

    def shares(self) -> str:
        """CPU seconds of each process that used any, the busiest first."""
        used = {pid: seconds - self.first.get(pid, 0.0) for pid, seconds in self.last.items()}
        busiest = sorted(((s, pid) for pid, s in used.items() if s > 0), reverse=True)
        return ", ".join(f"{short_name(command_of(pid))} {seconds:.2f} s" for seconds, pid in busiest)

    def used(self, start: float | None = None, end: float | None = None) -> float | None:
        """CPU seconds between two wall-clock times, by default between the first and last sample."""
        if len(self.samples) < 2:
            return None
        first, last = self.samples[0][0], self.samples[-1][0]
        return self._at(last if end is None else end) - self._at(first if start is None else start)

    def _at(self, moment: float) -> float:
        """CPU time at a moment, on the straight line between the samples around it."""
        before = self.samples[0]
        for after in self.samples[1:]:
            if after[0] >= moment or after is self.samples[-1]:
                share = (moment - before[0]) / max(after[0] - before[0], 1e-9)
                return before[1] + (after[1] - before[1]) * min(max(share, 0.0), 1.0)
            before = after
        return before[1]
