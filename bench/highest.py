"""The highest rate of calls to 4001 without a failure: steps upward until one fails, then the middle, within a time.

A step is five seconds of calls. It fails with a call that fails, and with one sent again (500 ms late, then); and
the load itself may be what cannot follow, which is told apart.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bench.cpu import CpuMeter
from bench.load import Calls, Load, Result, count_faults, per_call, settle

STEP_SECONDS: Final = 5.0
_HOLD: Final = 0.3
_FINE: Final = 0.05
"""The search ends when what held and what failed are no further apart than this share."""
_FACTOR: Final = 1.25
_BEHIND: Final = 1.1
"""Times the planned time that the calls may take to be made; else the load was not what was asked for."""


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one rate."""

    rate: int
    failed: int
    again: int
    """Messages sent more than once."""
    cpu_ms: float | None
    behind: bool = False
    """Whether SIPp could not dial so quickly."""

    @property
    def holds(self) -> bool:
        """Whether this rate is without failure."""
        return not self.failed and not self.again and not self.behind

    def __str__(self) -> str:
        """For the report."""
        cpu = "" if self.cpu_ms is None else f", {self.cpu_ms:.2f} ms CPU a call"
        return f"{self.rate}/s: {self.failed} failed, {self.again} sent again{cpu}" + (
            ", SIPp did not dial as quickly as asked" if self.behind else ""
        )


def search(attempt: Callable[[int], Step], first: int, until: Callable[[], bool]) -> list[Step]:
    """Try rates from `first`, by a quarter more while they hold, then between the two limits, until it is time."""
    steps: list[Step] = []
    held, failed, rate = 0, 0, first
    while not until():
        steps.append(attempt(rate))
        if steps[-1].holds:
            held = max(held, rate)
        else:
            failed = min(failed or rate, rate)
        if failed and failed - held <= max(_FINE * failed, 2):
            break
        rate = (held + failed) // 2 if failed else round(rate * _FACTOR)
    return steps


def measure(load: Load, first: int = 400, seconds: float = 90.0, number: str = "4001") -> Result:
    """Search from `first` calls a second for at most about so many seconds."""
    result, ends = Result("highest"), time.monotonic() + seconds - STEP_SECONDS
    attempts = search(lambda rate: attempt(load, rate, number), first, lambda: time.monotonic() > ends)
    result.details += map(str, attempts)
    good = [step for step in attempts if step.holds]
    best = max(good, key=lambda step: step.rate, default=None)
    result.figures |= {
        "rate": best.rate if best else 0,
        "cpu_ms_per_call": best.cpu_ms if best else None,
        "steps": len(attempts),
    }
    if all(step.holds for step in attempts):
        result.notes.append("no rate failed within the time given")
    if any(step.behind for step in attempts):
        result.notes.append("SIPp itself was at its end: the switch may carry more")
    return result


def attempt(load: Load, rate: int, number: str) -> Step:
    """Five seconds of calls at this rate."""
    calls, meter, faults = Calls(round(rate * STEP_SECONDS), rate, _HOLD), CpuMeter(load.target.pids), Result("highest")
    with load.agent() as agent:
        meter.sample()
        began = time.monotonic()
        with load.caller("caller", number, calls) as caller:
            load.drive(f"highest, {rate} calls/s", caller, calls, meter)
        took = time.monotonic() - began
        settle(meter, faults)
        agent.stop()
        count_faults(faults, caller.totals(), agent.totals(), calls.total)
    failed, again = int(faults.figures["failed"] or 0), int(faults.figures["retransmissions"] or 0)
    behind = not failed and not again and took > (STEP_SECONDS + _HOLD) * _BEHIND + 1.0
    return Step(rate, failed, again, per_call(meter.used(), calls.total), behind)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that only this measurement has."""
    parser.add_argument("--first", type=int, default=400, metavar="RATE", help="calls a second to begin with")
    parser.add_argument("--seconds", type=float, default=90.0, help="how long it may take, about")
