"""Extension load: calls to the 400 number that key six digits and must reach the right hidden agent."""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.capture import Capture, Packet, Ports
from bench.cpu import CpuMeter
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

FIRST_EXTENSION: Final = 100_000
LAST_EXTENSION: Final = 299_999
KEYING: Final = 4.5
"""Seconds from the answer to the BYE: SIPp needs 3.4 to key six digits, the rest is the talk."""
_EVENT_TYPE: Final = 96
_KEPT: Final = (Ports(AGENT_PORT, AGENT_PORT, 400), Ports(CALLER_MEDIA.start, CALLER_MEDIA.stop - 1, 48))


@dataclass(slots=True)
class Keyed:
    """What one caller keyed, and when the last digit's first and last packet passed."""

    digits: str
    first_at: float
    last_at: float


def keyed_digits(packets: Iterable[Packet]) -> list[Keyed]:
    """The digits each caller sent by RFC 4733, one event a timestamp."""
    calls: dict[tuple[str, int], Keyed] = {}
    events: dict[tuple[str, int], int] = {}
    for packet in packets:
        data, source = packet.payload, packet.source
        if source[1] not in CALLER_MEDIA or len(data) < 16 or data[1] & 127 != _EVENT_TYPE:
            continue
        timestamp, call = struct.unpack_from("!I", data, 4)[0], calls.setdefault(source, Keyed("", 0, 0))
        if events.get(source) != timestamp:
            events[source] = timestamp
            call.digits += "0123456789*#ABCD"[data[12] & 15]
            call.first_at = packet.at
        call.last_at = packet.at
    return list(calls.values())


def invited(packets: Iterable[Packet]) -> dict[str, float]:
    """When the first INVITE for each extension reached the agent."""
    times: dict[str, float] = {}
    for packet in packets:
        if packet.destination[1] == AGENT_PORT:
            found = re.match(rb"INVITE sip:(\d+)@", packet.payload)
            if found:
                times.setdefault(found[1].decode(), packet.at)
    return times


def measure(load: Load, calls: Calls, *, idle_calls: int = 10, background: int = 0, seed: int = 0) -> Result:
    """Key extensions first at one call a second, then at the rate asked for."""
    result, meter = Result("extension"), CpuMeter(load.target.pids)
    chosen = random.Random(seed or None).sample(range(FIRST_EXTENSION, LAST_EXTENSION + 1), idle_calls + calls.total)
    extensions = [str(number) for number in chosen]
    if idle_calls:
        quiet = Calls(idle_calls, 1, KEYING)
        alone = _phase(load, "extensions, idle", quiet, extensions[:idle_calls], CpuMeter(()), result)
        _latencies(result, "idle_", alone)
    title = f"extensions, {calls.rate} calls/s"
    busy = _phase(load, title, calls, extensions[idle_calls:], meter, result, background)
    _latencies(result, "", busy)
    cpu = None if background else per_call(meter.used(), calls.total)
    result.figures |= {"calls": calls.total, "rate": calls.rate, "cpu_ms_per_call": cpu}
    return result


def _phase(
    load: Load, title: str, calls: Calls, extensions: list[str], meter: CpuMeter, result: Result, background: int = 0
) -> list[Packet]:
    """Make the calls of one phase and return what was captured."""
    Path(load.directory, "extensions.csv").write_text("SEQUENTIAL\n" + "".join(f"{e};\n" for e in extensions))
    other = Calls(round((calls.total / calls.rate + calls.hold) * background), background, 0.3)
    with ExitStack() as stack:
        stack.enter_context(Sinks(CALLER_MEDIA.start, calls.total))
        capture = stack.enter_context(Capture(_KEPT))
        agent = stack.enter_context(load.agent())
        meter.sample()
        beside = stack.enter_context(load.caller("caller", "4001", other, beside=True)) if background else None
        caller = stack.enter_context(load.caller("caller_digits", "4008001234", calls, ("-inf", "extensions.csv")))
        load.drive(title, caller, calls, meter)
        settle(meter, result)
    before = result.figures.get("failed") or 0, result.figures.get("retransmissions") or 0
    count_faults(result, caller.totals(), agent.totals(), calls.total)
    for name, earlier in zip(("failed", "retransmissions"), before, strict=True):
        result.figures[name] = (result.figures[name] or 0) + earlier
    if beside and (failed := beside.totals().failed):
        result.notes.append(f"{failed} of the 4001 calls beside them failed")
    if capture.dropped:
        result.notes.append(f"the capture itself missed {capture.dropped} packets")
    packets = list(capture.packets())
    judge(result, packets, extensions)
    return packets


def judge(result: Result, packets: list[Packet], extensions: list[str]) -> None:
    """Count extensions that were keyed but reached nobody, and agents that were called by nobody."""
    keyed = {call.digits for call in keyed_digits(packets)}
    reached = {extension for extension in invited(packets) if len(extension) == 6}
    unkeyed = set(extensions) - keyed
    if unkeyed:
        result.notes.append(f"{len(unkeyed)} callers did not key what they should, e.g. {min(unkeyed)}")
    missing, wrong = set(extensions) - reached, reached - set(extensions)
    result.figures["not_reached"] = (result.figures.get("not_reached") or 0) + len(missing)
    result.figures["wrong_agent"] = (result.figures.get("wrong_agent") or 0) + len(wrong)
    for what, which in (("not reached", missing), ("reached without being keyed", wrong)):
        if which:
            result.notes.append(f"{len(which)} extensions {what}, e.g. {', '.join(sorted(which)[:5])}")


def _latencies(result: Result, prefix: str, packets: list[Packet]) -> None:
    """From the last digit's last and first packet to the INVITE at the agent."""
    arrived = invited(packets)
    pairs = [(call, arrived[call.digits]) for call in keyed_digits(packets) if call.digits in arrived]
    for name, values in (
        ("from_last", [at - call.last_at for call, at in pairs]),
        ("from_first", [at - call.first_at for call, at in pairs]),
    ):
        result.figures[f"{prefix}{name}_p50_ms"] = milliseconds(percentile(values, 0.5))
        result.figures[f"{prefix}{name}_p99_ms"] = milliseconds(percentile(values, 0.99))
