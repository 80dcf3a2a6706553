"""IVR load: calls to 4002 that hear a prompt, key four digits by RFC 4733 and are put through to the agent.

What other engines are asked for the same: Asterisk `Answer`, `Read(digits,prompt,4)`, `Dial(agent)`; FreeSWITCH
`answer`, `play_and_get_digits`, `bridge`. The agent is called by the same name for everyone, so an INVITE at the
agent belongs to the caller who has waited longest since the first packet of the last digit.
"""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Iterable
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Final

from bench.capture import Capture, Packet, Ports
from bench.cpu import CpuMeter
from bench.extension import Keyed, keyed_digits
from bench.load import (
    AGENT_PORT,
    CALLER_MEDIA,
    Calls,
    Load,
    Result,
    Sinks,
    count_faults,
    milliseconds,
    per_call,
    percentile,
    settle,
)

DIGITS: Final = 4
KEYING: Final = 3.0
"""Seconds from the answer to the BYE: SIPp needs 1.8 to key four digits, the rest is the talk."""
GIVEN_UP: Final = 2.0
"""Seconds after which no INVITE is expected for a caller any more."""

_OCTETS: Final = 600
"""What is kept of a packet: enough to find Call-ID; of audio too, for a target's SIP port may be among its ports."""


def measure(load: Load, calls: Calls, number: str = "4002") -> Result:
    """First a third of the calls with every packet watched, then all of them unwatched, for their CPU."""
    result, meter = Result("ivr"), CpuMeter(load.target.pids)
    watched = Calls(max(1, calls.total // 3), calls.rate, calls.hold)
    judge(result, _phase(load, "ivr, watched", watched, number, CpuMeter(()), result, Capture(_kept())))
    if load.target.pids:
        # The kernel hands each packet to a capture in the sender's time: CPU is measured without one.
        _phase(load, f"ivr, {calls.rate} calls/s", calls, number, meter, result, None)
    cpu = per_call(meter.used(), calls.total)
    result.figures |= {"calls": watched.total + calls.total, "rate": calls.rate, "cpu_ms_per_call": cpu}
    return result


def _kept() -> tuple[Ports, Ports]:
    return Ports(AGENT_PORT, AGENT_PORT, _OCTETS), Ports(CALLER_MEDIA.start, CALLER_MEDIA.stop - 1, _OCTETS)


def _phase(
    load: Load, title: str, calls: Calls, number: str, meter: CpuMeter, result: Result, capture: Capture | None
) -> list[Packet]:
    """Make the calls of one phase, count those that did not reach the agent, and return what was captured."""
    digits = [f"{random.randrange(10**DIGITS):0{DIGITS}}" for _ in range(calls.total)]
    Path(load.directory, "digits.csv").write_text("SEQUENTIAL\n" + "".join(f"{d};\n" for d in digits))
    faults = Result("ivr")
    with ExitStack() as stack:
        stack.enter_context(Sinks(CALLER_MEDIA.start, calls.total))
        stack.enter_context(capture or nullcontext())
        agent = stack.enter_context(load.agent())
        meter.sample()
        caller = stack.enter_context(load.caller("caller_digits", number, calls, ("-inf", "digits.csv")))
        load.drive(title, caller, calls, meter)
        settle(meter, faults)
        agent.stop()
        count_faults(faults, caller.totals(), agent.totals(), calls.total)
        faults.figures["digits_lost"] = max(0, calls.total - agent.totals().created)
    result.details += faults.details
    result.notes += faults.notes
    for name, count in faults.figures.items():
        result.figures[name] = (result.figures.get(name) or 0) + (count or 0)
    if capture is None:
        return []
    if capture.dropped:
        result.notes.append(f"the capture itself missed {capture.dropped} packets")
    return list(capture.packets())


def invited(packets: Iterable[Packet], port: int | None = None) -> list[float]:
    """When the first INVITE of each call reached a port, that of the agent unless another is given."""
    times: dict[bytes, float] = {}
    port = AGENT_PORT if port is None else port
    for packet in packets:
        if packet.destination[1] == port and packet.payload.startswith(b"INVITE "):
            found = re.search(rb"\r\n(?:Call-ID|i) *: *([^\r\n]+)", packet.payload, re.IGNORECASE)
            if found:
                times.setdefault(found[1], packet.at)
    return sorted(times.values())


def pairs(keyed: Iterable[Keyed], invites: Iterable[float]) -> list[tuple[Keyed, float]]:
    """Each INVITE with the caller who has waited for it longest, but not for longer than `GIVEN_UP`."""
    coming = deque(sorted(keyed, key=lambda call: call.first_at))
    found = []
    for at in invites:
        while coming and coming[0].last_at < at - GIVEN_UP:
            coming.popleft()
        if coming and coming[0].first_at <= at:
            found.append((coming.popleft(), at))
    return found


def judge(result: Result, packets: list[Packet]) -> None:
    """Latencies from the last digit to the INVITE; callers who did not key what they should are noted."""
    keyed = keyed_digits(packets)
    if short := [call for call in keyed if len(call.digits) != DIGITS]:
        result.notes.append(f"{len(short)} callers keyed something else than {DIGITS} digits, e.g. {short[0].digits}")
    found = pairs((call for call in keyed if len(call.digits) == DIGITS), invited(packets))
    for name, values in (
        ("from_last", [at - call.last_at for call, at in found]),
        ("from_first", [at - call.first_at for call, at in found]),
    ):
        result.figures[f"{name}_p50_ms"] = milliseconds(percentile(values, 0.5))
        result.figures[f"{name}_p99_ms"] = milliseconds(percentile(values, 0.99))
