"""Relay load whose packets come evenly spaced: many calls, each at its own place in the 20 ms.

SIPp starts its packets in bursts, since all its calls share one clock; carriers' calls do not. The phones are
`bench.even_phones`, on the CPUs that the target leaves.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from typing import Any, Final

from bench.cpu import CpuMeter
from bench.errors import BenchError
from bench.load import Calls, Load, Result, per_call, progress_bar, settle

_SETTLED: Final = 1.0
"""Seconds of talk that are left out at its begin."""
_LATE: Final = 5.0
"""Milliseconds that the load may be late at p99 before its packets are no longer evenly spaced."""
_DROPPED: Final = ("talking", "silent", "faults", "error")


def measure(load: Load, calls: Calls, number: str = "4001") -> Result:
    """`calls` at once, all of which talk for `hold` seconds."""
    result, meter = Result("even"), CpuMeter(load.target.pids)
    command = [sys.executable, "-m", "bench.even_phones", load.target.text, number]
    command += [str(calls.total), str(calls.rate), str(calls.hold)]
    told: dict[str, Any] = {}
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        if load.cpus:
            os.sched_setaffinity(process.pid, load.cpus)
        _watch(load, process, calls, meter, told)
    finally:
        process.kill()
        process.wait()
    if "error" in told or "sent" not in told:
        raise BenchError(f"even: {told.get('error', 'the load ended without a word')}")
    settle(meter, result)
    start, end = told["talking"] + _SETTLED, told["silent"]
    result.figures |= {name: value for name, value in told.items() if name not in _DROPPED}
    used = meter.used(start, end) if end - start >= 1 else None
    result.figures |= {
        "steady_seconds": end - start,
        "cpu_ms_per_call_second": per_call(used, calls.total * (end - start)),
    }
    result.notes += told["faults"]
    if told["silent_streams"]:
        result.notes.append(f"{told['silent_streams']} of {2 * calls.total} streams did not arrive at all")
    if told["late_p99_ms"] > _LATE:
        result.notes.append(f"the load was {told['late_p99_ms']:.0f} ms late at p99: its packets came in bursts")
    return result


def _watch(load: Load, process: subprocess.Popen[str], calls: Calls, meter: CpuMeter, told: dict[str, Any]) -> None:
    """Read what the load says until it ends, and sample the CPU."""
    assert process.stdout is not None
    planned = round(2 * calls.total / calls.rate + calls.hold)
    with progress_bar(load.console, f"even, {calls.total} calls", planned) as show:
        for beat in range(4 * (planned + 60)):
            meter.sample()
            show(min(planned, beat // 4), "talking" if "talking" in told and "silent" not in told else "")
            ready, _, _ = select.select([process.stdout], [], [], 0.25)
            if ready:
                line = process.stdout.readline()
                if not line:
                    return
                told |= json.loads(line)
        raise BenchError("even: the load did not end")
