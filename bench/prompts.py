"""Prompt load: many callers at once inside a flow that plays to them, how evenly they hear it, whether keys are lost.

Signalling is SIPp's (4006, the flow of bench/flows/listening.yaml); what callers hear, say and key is `bench.callers`.
Each keys the last four digits of its own number, one every few seconds while something plays; the switch lets it go
with cause 16 if they were these. For the first half of the time all of them speak as well, fifty packets a second,
for the second half they are silent: the CPU of what plays is measured then.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.callers import TICK, Callers, Stream
from bench.cpu import CpuMeter
from bench.errors import BenchError
from bench.load import Calls, Load, Result, per_call, progress_bar, settle
from bench.sipp import Totals

KEYS: Final = (0.15, 0.4, 0.7, 1.0)
"""When the keys are pressed, in shares of the time a call lasts."""
SETTLED: Final = 1.0
"""Seconds after the last call has begun, until all of them are there."""
LONGEST: Final = 80.0
"""Seconds a call may last: no prompts of the flow are over before the next key."""
_TURNED: Final = 0.5
"""Seconds until the switch has read what callers said before they fell silent."""
_WRONG: Final = "FailedRegexpDoesntMatch"
_STEP: Final = round(TICK * 1e9)


@dataclass(slots=True)
class Cadence:
    """How one caller heard: milliseconds that packets came off the 20 ms after the one before, packets lost,
    milliseconds between the end of one thing played and the begin of the next.
    """

    deviations: NDArray[np.float64]
    lost: int
    pauses: NDArray[np.float64]
    packets: int
    whole: bool
    """Whether it was there from the first moment to the last."""


def cadence(stream: Stream, start: float, end: float) -> Cadence:
    """Judge what a caller heard between two moments, seconds since the epoch."""
    first, last = round(start * 1e9), round(end * 1e9)
    whole = len(stream.at) > 0 and bool(stream.at[0] <= first and stream.at[-1] >= last - 10 * _STEP)
    inside = (stream.at >= first) & (stream.at <= last)
    at, seq, marker = stream.at[inside], stream.seq[inside], stream.marker[inside]
    apart, steps = np.diff(at) / 1e6, np.diff(seq) & 0xFFFF
    missing = steps[(steps > 1) & (steps < 0x8000)] - 1
    goes_on = (steps == 1) & ~marker[1:]
    return Cadence(
        np.abs(apart[goes_on] - TICK * 1000), int(missing.sum()), apart[(steps == 1) & marker[1:]], len(at), whole
    )


@dataclass(frozen=True, slots=True)
class Times:
    """Moments since the epoch: all are there, all fall silent, the first one leaves."""

    all_there: float
    silent: float
    end: float


def times(began: float, calls: Calls) -> Times:
    """The moments of calls that began then."""
    start, end = began + calls.total / calls.rate + SETTLED, began + calls.hold
    return Times(start, (start + end) / 2, end)


def measure(load: Load, calls: Calls, number: str = "4006") -> Result:
    """Keep `calls` listening at once; each lasts `hold` seconds."""
    if calls.hold - calls.total / calls.rate < SETTLED + 2 * _TURNED + 1:
        raise BenchError("prompts: --hold must be 3 s longer than it takes all calls to begin (--calls / --rate)")
    if calls.hold > LONGEST:
        raise BenchError(f"prompts: --hold is at most {LONGEST:g}, since no prompt may end before the next key")
    result, meter = Result("prompts"), CpuMeter(load.target.pids)
    digits = [f"{random.randrange(10_000):04}" for _ in range(calls.total)]
    with ExitStack() as stack:
        callers = stack.enter_context(Callers(digits, [share * calls.hold for share in KEYS], load.cpus))
        rows = (f"1380013{c.keys};{c.port};\n" for c in callers.everybody)
        Path(load.directory, "callers.csv").write_text("SEQUENTIAL\n" + "".join(rows))
        meter.sample()
        planned = times(time.time(), calls)
        sipp = stack.enter_context(load.caller("caller_listens", number, calls, ("-inf", "callers.csv")))
        with progress_bar(load.console, f"prompts, {calls.total} callers at once", calls.total) as show:

            def tick(row: dict[str, str]) -> None:
                meter.sample()
                callers.speaking = time.time() < planned.silent
                good, bad = int(row.get("SuccessfulCall(C)", 0)), int(row.get("FailedCall(C)", 0))
                show(good + bad, f"{row.get('CurrentCall', '0')} open, {bad} failed")

            sipp.wait(calls.total / calls.rate + calls.hold + 60, tick)
        settle(meter, result)
    count(result, sipp.totals(), calls.total, sum(c.keyed < len(c.keys) for c in callers.everybody))
    hear(result, [cadence(c.stream(), planned.all_there, planned.end) for c in callers.everybody], planned)
    result.figures |= {
        "calls": calls.total,
        "cpu_ms_per_call_second": _cpu(meter, planned.silent + _TURNED, planned.end, calls.total),
        "cpu_speaking_ms_per_call_second": _cpu(meter, planned.all_there, planned.silent, calls.total),
    }
    result.details.append(f"callers were {callers.late_max * 1000:.1f} ms late to speak at most")
    return result


def _cpu(meter: CpuMeter, start: float, end: float, callers: int) -> float | None:
    return per_call(meter.used(start, end), callers * (end - start))


def count(result: Result, totals: Totals, wanted: int, unkeyed: int) -> None:
    """Callers let go with another cause had keys lost, doubled or swapped; other failures are told apart."""
    wrong = totals.reasons.get(_WRONG, 0)
    result.figures |= {
        "failed": wanted - totals.successful - wrong,
        "digits_lost": wrong,
        "retransmissions": totals.retransmissions,
    }
    if unkeyed:
        result.notes.append(f"{unkeyed} callers could not key all their digits: they heard nothing, or too late")
    result.notes += [f"callers: {n} x {reason}" for reason, n in totals.reasons.items() if reason != _WRONG]
    result.notes += [f"callers: {line}" for line in totals.errors[:3]]


def hear(result: Result, heard: list[Cadence], planned: Times) -> None:
    """What all callers together heard, and the worst of them."""
    deviations, pauses = (_together(each) for each in ([c.deviations for c in heard], [c.pauses for c in heard]))
    worst = [_percentile(c.deviations, 99) for c in heard]
    result.figures |= {
        "absent": sum(not c.whole for c in heard),
        "packets": sum(c.packets for c in heard),
        "lost": sum(c.lost for c in heard),
        "deviation_p50_ms": _percentile(deviations, 50),
        "deviation_p99_ms": _percentile(deviations, 99),
        "deviation_max_ms": _percentile(deviations, 100),
        "worst_caller_p99_ms": max((p for p in worst if p is not None), default=None),
        "pause_p99_ms": _percentile(pauses, 99),
        "seconds": planned.end - planned.all_there,
    }
    due = len(heard) * (planned.end - planned.all_there) / TICK
    if (played := sum(c.packets for c in heard) / due) < 0.97:
        result.notes.append(f"callers heard something {played:.0%} of the time only")


def _together(arrays: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate([np.zeros(0), *arrays])


def _percentile(values: NDArray[np.float64], share: float) -> float | None:
    """The nearest-rank percentile; nothing of nothing."""
    return float(np.percentile(values, share, method="inverted_cdf")) if len(values) else None
