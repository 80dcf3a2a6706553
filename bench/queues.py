"""Queue load: calls to 4003 that are answered at once and handed to a free one of the group's agents.

Calls come evenly spaced and each keeps its agent for the whole hold, so that `rate` times `hold` of the agents are busy
at a time. A first part of the calls is watched on the wire, which warms the switch up; then all of them are made
unwatched, for their CPU. The agents share one address, so an INVITE that leaves for it belongs to the caller who came
first of those without one.

What another engine is asked for the same: Asterisk `Answer`, `Queue`; FreeSWITCH `answer`, `callcenter`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import ExitStack, nullcontext
from typing import Final

from bench.capture import Capture, Packet, Ports
from bench.cpu import CpuMeter
from bench.ivr import invited
from bench.load import (
    AGENT_PORT,
    CALLER_PORT,
    Calls,
    Load,
    Result,
    count_faults,
    milliseconds,
    per_call,
    percentile,
    settle,
)

GIVEN_UP: Final = 2.0
"""Seconds after which no INVITE is expected for a caller any more."""
WATCHED: Final = 10
"""Seconds of calls that are watched first."""
_OCTETS: Final = 600


def measure(load: Load, calls: Calls, number: str = "4003") -> Result:
    """Dial `number` again and again; count CPU, failures and retransmissions, and time the agents' INVITEs."""
    result, meter = Result("queue"), CpuMeter(load.target.pids)
    watched = Calls(min(calls.total, calls.rate * WATCHED), calls.rate, calls.hold)
    capture = Capture((Ports(AGENT_PORT, CALLER_PORT, _OCTETS),))
    _phase(load, "queue, watched", watched, number, CpuMeter(()), result, capture)
    judge(result, list(capture.packets()), load.target.address[1])
    if load.target.pids:
        # The kernel hands each packet to a capture in the sender's time: CPU is measured without one.
        _phase(load, f"queue, {calls.rate} calls/s", calls, number, meter, result, None)
    result.figures |= {
        "calls": calls.total,
        "rate": calls.rate,
        "cpu_ms_per_call": per_call(meter.used(), calls.total),
    }
    result.details.append(
        f"{calls.rate} calls/s evenly spaced, {calls.hold:g} s each: {calls.rate * calls.hold:g} agents busy at a time"
    )
    return result


def _phase(
    load: Load, title: str, calls: Calls, number: str, meter: CpuMeter, result: Result, capture: Capture | None
) -> None:
    """Make the calls of one phase and add up what went wrong."""
    faults = Result("queue")
    with ExitStack() as stack:
        stack.enter_context(capture or nullcontext())
        agent = stack.enter_context(load.agent())
        meter.sample()
        caller = stack.enter_context(load.caller("caller", number, calls))
        load.drive(title, caller, calls, meter)
        settle(meter, faults)
        agent.stop()
        count_faults(faults, caller.totals(), agent.totals(), calls.total)
    if capture is not None and capture.dropped:
        faults.notes.append(f"the capture itself missed {capture.dropped} packets")
    result.details += faults.details
    result.notes += faults.notes
    for name, count in faults.figures.items():
        result.figures[name] = (result.figures.get(name) or 0) + (count or 0)


def waits(arrived: Iterable[float], invites: Iterable[float]) -> list[float]:
    """From each caller's INVITE to that of the agent found for it; who came first is served first."""
    coming = deque(sorted(arrived))
    found = []
    for at in sorted(invites):
        while coming and coming[0] < at - GIVEN_UP:
            coming.popleft()
        if coming and coming[0] <= at:
            found.append(at - coming.popleft())
    return found


def judge(result: Result, packets: list[Packet], port: int) -> None:
    """How long free agents waited for their INVITEs, callers reaching the target at its SIP port."""
    took = waits(invited(packets, port), invited(packets, AGENT_PORT))
    result.figures |= {
        "invite_p50_ms": milliseconds(percentile(took, 0.5)),
        "invite_p99_ms": milliseconds(percentile(took, 0.99)),
        "invite_max_ms": milliseconds(max(took, default=None)),
    }
