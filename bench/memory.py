"""What a call in progress takes of the signalling's memory, what is left of it, and whether a second time adds more.

Calls to 4001 are dialled until all are up at once and then hung up, twice over. Memory is that of the largest process,
resident, against the number of calls that the switch's own metrics tell; the first thousand warm it up. Transactions of
the last 32 s are in it as well, since all calls are dialled within that time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

from bench.cpu import resident_mb
from bench.errors import BenchError
from bench.load import Calls, Load, Result, count_faults, progress_bar
from bench.soak_figures import await_nothing, read_metrics

WARM: Final = 1000
"""Calls in progress that are not counted; of fewer in all, a quarter."""


@dataclass(slots=True)
class Course:
    """Calls in progress and memory, moment by moment."""

    looks: list[tuple[float, float]] = field(default_factory=list)
    """Calls, and MB."""

    @property
    def most(self) -> float:
        """The most memory seen."""
        return max(mb for _, mb in self.looks)

    @property
    def calls(self) -> float:
        """The most calls seen."""
        return max(calls for calls, _ in self.looks)

    def at(self, calls: float) -> float:
        """Memory when so many calls were first in progress, on the straight line between two looks."""
        before = self.looks[0]
        for look in self.looks:
            if look[0] >= calls:
                share = (calls - before[0]) / (look[0] - before[0]) if look[0] > before[0] else 1.0
                return before[1] + share * (look[1] - before[1])
            before = look
        return before[1]

    def kb_per_call(self, warm: float) -> float | None:
        """Memory of a call beyond the first `warm`."""
        return (self.most - self.at(warm)) * 1000 / (self.calls - warm) if self.calls > warm else None


def measure(load: Load, calls: Calls, url: str, number: str = "4001") -> Result:
    """Hold all calls at once, twice; the switch serves its metrics at `url`."""
    if calls.hold < calls.total / calls.rate + 2:
        raise BenchError("memory: --hold must be 2 s longer than it takes all calls to begin (--calls / --rate)")
    result, warm = Result("memory"), min(WARM, calls.total / 4)
    courses, idle, left = [], [_largest(load)], 0.0
    for turn in ("first", "again"):
        courses.append(_course(load, calls, url, number, turn, result))
        held = await_nothing(url)
        left += sum(held.values())
        result.notes += [f"{turn}: left behind: {name} {count:g}" for name, count in held.items()]
        time.sleep(1.0)
        idle.append(_largest(load))
    result.figures |= {
        "calls": round(courses[0].calls),
        "kb_per_call": courses[0].kb_per_call(warm),
        "left": round(left),
        "held_mb": courses[0].most,
        "second_held_percent": (courses[1].most / courses[0].most - 1) * 100,
        "second_left_percent": (idle[2] / idle[1] - 1) * 100,
    }
    sizes = ", ".join(f"{size:.1f} MB" for size in idle)
    result.details.append(
        f"at rest before, between, after: {sizes}; held: {courses[0].most:.1f}, {courses[1].most:.1f} MB"
    )
    if courses[0].calls < calls.total * 0.99:
        result.notes.append(f"{courses[0].calls:.0f} of {calls.total} calls were in progress at once")
    return result


def _course(load: Load, calls: Calls, url: str, number: str, turn: str, result: Result) -> Course:
    """Dial all, hold them, let them go; faults of both turns are added up."""
    course, faults = Course(), Result("memory")
    with load.agent() as agent, load.caller("caller", number, calls) as caller:
        with progress_bar(load.console, f"memory, {calls.total} calls, {turn}", calls.total) as show:

            def tick(row: dict[str, str]) -> None:
                course.looks.append((read_metrics(url).get("calls", 0.0), _largest(load)))
                show(int(row.get("SuccessfulCall(C)", 0)), f"{course.looks[-1][0]:.0f} in progress")

            caller.wait(calls.total / calls.rate + calls.hold + 60, tick)
        time.sleep(0.7)
        agent.stop()
        count_faults(faults, caller.totals(), agent.totals(), calls.total)
    for name, count in faults.figures.items():
        result.figures[name] = (result.figures.get(name) or 0) + (count or 0)
    result.notes += faults.notes
    return course


def _largest(load: Load) -> float:
    """MB of the largest process, which is the signalling."""
    return max(resident_mb(load.target.pids).values(), default=0.0)
