"""Music load: callers of 4004 who hear music and say nothing, how evenly it comes and what it costs.

Other engines are asked for the same by Asterisk's `Answer`, `MusicOnHold`.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bench.callers import Callers
from bench.cpu import CpuMeter
from bench.errors import BenchError
from bench.load import Calls, Load, Result, per_call, settle
from bench.prompts import SETTLED, Times, cadence, hear

_LEAST: Final = 2.0
"""Seconds of music that all callers hear at once."""


def measure(load: Load, calls: Calls, number: str = "4004") -> Result:
    """Keep `calls` listening at once; each lasts `hold` seconds and is ended by its caller."""
    if calls.hold - calls.total / calls.rate < SETTLED + _LEAST:
        raise BenchError("music: --hold must be 3 s longer than it takes all calls to begin (--calls / --rate)")
    result, meter = Result("music"), CpuMeter(load.target.pids)
    with ExitStack() as stack:
        callers = stack.enter_context(Callers([""] * calls.total, [], load.cpus))
        rows = (f"138001{place:05};{caller.port};\n" for place, caller in enumerate(callers.everybody))
        Path(load.directory, "callers.csv").write_text("SEQUENTIAL\n" + "".join(rows))
        meter.sample()
        began = time.time()
        caller = stack.enter_context(load.caller("caller_music", number, calls, ("-inf", "callers.csv")))
        load.drive(f"music, {calls.total} callers at once", caller, calls, meter)
        settle(meter, result)
    totals = caller.totals()
    there, end = began + calls.total / calls.rate + SETTLED, began + calls.hold
    planned = Times(there, end, end)
    hear(result, [cadence(one.stream(), there, end) for one in callers.everybody], planned)
    result.figures |= {
        "calls": calls.total,
        "failed": calls.total - totals.successful,
        "retransmissions": totals.retransmissions,
        "cpu_ms_per_call_second": per_call(meter.used(there, end), calls.total * (end - there)),
    }
    result.notes += [f"callers: {count} x {reason}" for reason, count in totals.reasons.items()]
    result.notes += [f"callers: {line}" for line in totals.errors[:3]]
    return result
