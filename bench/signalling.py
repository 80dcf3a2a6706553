"""Signalling load: masked calls straight to the agent, no audio."""

from __future__ import annotations

from bench.cpu import CpuMeter
from bench.load import Calls, Load, Result, count_faults, per_call, settle


def measure(load: Load, calls: Calls, number: str = "4001") -> Result:
    """Dial `number` again and again; count CPU, failures and retransmissions."""
    result, meter = Result("signalling"), CpuMeter(load.target.pids)
    with load.agent() as agent:
        meter.sample()
        with load.caller("caller", number, calls) as caller:
            load.drive(f"signalling, {calls.rate} calls/s", caller, calls, meter)
        settle(meter, result)
        agent.stop()
        count_faults(result, caller.totals(), agent.totals(), calls.total)
    result.figures |= {
        "calls": calls.total,
        "rate": calls.rate,
        "cpu_ms_per_call": per_call(meter.used(), calls.total),
        "answer_ms": caller.mean_answer_ms(),
    }
    return result
