"""Relay load: calls with audio both ways at 50 packets a second, each packet found again behind the target."""

from __future__ import annotations

import struct
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.capture import Capture, Packet, Ports
from bench.cpu import CpuMeter
from bench.errors import BenchError
from bench.load import (
    AGENT_MEDIA,
    CALLER_MEDIA,
    MEDIA_STEP,
    Calls,
    Load,
    Result,
    count_faults,
    milliseconds,
    per_call,
    percentile,
    settle,
)

MAGIC: Final = b"\x9d\x4e\xb1\x6c"
"""What follows the number of a packet, again and again."""
_NEAR: Final = 0.1
"""Seconds in which a packet is looked for behind the target when its call is not known yet."""
START: Final = 5
"""Packets at the start of a stream, 100 ms, whose loss is told apart."""
_HEADERS: Final = 28 + 12

Flow = tuple[tuple[str, int], tuple[str, int], bytes]
"""Source, destination, SSRC."""


def audio(packets: int) -> bytes:
    """The payloads of 20 ms PCMA packets, each of which carries its number instead of speech."""
    return b"".join((struct.pack("!I", number) + MAGIC) * 20 for number in range(packets))


@dataclass(slots=True)
class Way:
    """What happened to the packets of one direction."""

    sent: int = 0
    received: int = 0
    lost: int = 0
    lost_at_start: int = 0
    """Those of the lost packets that were among the first of their stream."""
    flows: int = 0
    delays: list[float] = field(default_factory=list)
    jitter: list[float] = field(default_factory=list)
    """Each packet's delay above the least one of its call."""


def number_of(packet: Packet) -> int | None:
    """The number in a packet of `audio`, nothing for any other packet."""
    payload = packet.payload
    return struct.unpack_from("!I", payload, 12)[0] if payload[16:20] == MAGIC else None


def flows_of(packets: Iterable[Packet], wanted: Callable[[Packet], bool]) -> dict[Flow, dict[int, float]]:
    """Times of numbered packets by flow and number; of a packet seen twice, the first time."""
    flows: dict[Flow, dict[int, float]] = defaultdict(dict)
    for packet in packets:
        if wanted(packet) and (number := number_of(packet)) is not None:
            flows[packet.source, packet.destination, packet.payload[8:12]].setdefault(number, packet.at)
    return flows


def same_call(flow: Flow, behind: dict[int, float], ahead: dict[Flow, dict[int, float]]) -> Flow | None:
    """The flow ahead of the target that a flow behind it belongs to: the only one with its SSRC, or, where the target
    has changed that or all calls share one, where most packets came just before.

    Calls begin tens of milliseconds apart, so the packets with one number are that far apart as well, unless the load
    was held up.
    """
    same = [one for one in ahead if one[2] == flow[2]]
    if len(same) == 1:
        return same[0]
    votes: Counter[Flow] = Counter()
    for number, at in list(behind.items())[:50]:
        candidates = [(at - sent[number], one) for one, sent in ahead.items() if number in sent]
        near = [(delay, one) for delay, one in candidates if 0 <= delay < _NEAR]
        if near:
            votes[min(near)[1]] += 1
    return votes.most_common(1)[0][0] if votes else None


def match(ahead: dict[Flow, dict[int, float]], behind: dict[Flow, dict[int, float]]) -> Way:
    """Find every packet sent to the target behind it."""
    way = Way(sent=sum(map(len, ahead.values())))
    found: dict[Flow, dict[int, float]] = {}
    for one, times in behind.items():
        flow = same_call(one, times, ahead)
        if flow is not None:
            found.setdefault(flow, {}).update(times)
            way.flows += 1
    for flow, sent in ahead.items():
        times = found.get(flow, {})
        delays = [times[number] - at for number, at in sent.items() if number in times]
        way.received += len(delays)
        way.lost_at_start += sum(number < START and number not in times for number in sent)
        way.delays += delays
        way.jitter += [delay - min(delays) for delay in delays]
    way.lost = way.sent - way.received
    return way


def measure(load: Load, calls: Calls, number: str = "4001", name: str = "relay") -> Result:
    """Hold `calls` at once with audio both ways for `hold` seconds."""
    if calls.rate > 50:
        raise BenchError(f"{name} calls begin at most 50 a second, so that their packets can be told apart")
    most = len(AGENT_MEDIA) // MEDIA_STEP
    if calls.total > most:
        raise BenchError(f"{name} takes at most {most} calls, since the agent's media ports end there")
    result = Result(name)
    Path(load.directory, "audio.alaw").write_bytes(audio(round(calls.hold * 50)))
    kept = Ports(AGENT_MEDIA.start, CALLER_MEDIA.stop - 1, _HEADERS + 8)
    with Capture([kept]) as capture:
        _hold(load, calls, number, f"{name}, {calls.total} calls watched", CpuMeter(()), result)
    if capture.dropped:
        result.notes.append(f"the capture itself missed {capture.dropped} packets: losses are not the target's alone")
    evaluate(result, list(capture.packets()), calls)
    if load.target.pids:
        # The kernel hands each packet to a capture in the sender's time: CPU is measured without one.
        meter = CpuMeter(load.target.pids)
        began = time.time()
        _hold(load, calls, number, f"{name}, {calls.total} calls unwatched", meter, result)
        measure_cpu(result, meter, began, calls)
    return result


def _hold(load: Load, calls: Calls, number: str, title: str, meter: CpuMeter, result: Result) -> None:
    """Make the calls, let them talk, and count their faults beside those of an earlier round."""
    lasting = Calls(calls.total, calls.rate, calls.hold + 1)
    faults = Result(result.name)
    with load.agent("agent_audio") as agent:
        meter.sample()
        with load.caller("caller_audio", number, lasting) as caller:
            load.drive(title, caller, lasting, meter)
        settle(meter, faults)
        agent.stop()
        count_faults(faults, caller.totals(), agent.totals(), calls.total)
    result.details += faults.details
    result.notes += faults.notes
    for name, count in faults.figures.items():
        result.figures[name] = (result.figures.get(name) or 0) + (count or 0)


def measure_cpu(result: Result, meter: CpuMeter, began: float, calls: Calls) -> None:
    """CPU of a second of call, from when the last call speaks to when the first falls silent."""
    start, end = began + calls.total / calls.rate + 1.0, began + calls.hold
    used = meter.used(start, end) if end - start >= 1 else None
    result.figures |= {
        "steady_seconds": end - start if used is not None else None,
        "cpu_ms_per_call_second": per_call(used, calls.total * (end - start)),
    }


def evaluate(result: Result, packets: list[Packet], calls: Calls) -> None:
    """Turn the packets into figures."""
    from_callers = flows_of(packets, lambda p: p.source[1] in CALLER_MEDIA)
    to_agent = match(from_callers, flows_of(packets, lambda p: p.destination[1] in AGENT_MEDIA))
    to_caller = match(
        flows_of(packets, lambda p: p.source[1] in AGENT_MEDIA),
        flows_of(packets, lambda p: p.destination[1] in CALLER_MEDIA),
    )
    both = Way(delays=to_agent.delays + to_caller.delays, jitter=to_agent.jitter + to_caller.jitter)
    for name, way in (("to_agent", to_agent), ("to_caller", to_caller)):
        result.figures |= {f"sent_{name}": way.sent, f"lost_{name}": way.lost}
        if way.sent < calls.total * calls.hold * 50 * 0.99 or way.flows < calls.total:
            result.notes.append(f"{name}: {way.sent} packets of {way.flows} calls seen, audio did not flow in all")
    if at_start := to_agent.lost_at_start + to_caller.lost_at_start:
        result.notes.append(f"{at_start} of the lost packets were among the first {START} of their stream")
    result.figures |= {
        "calls": calls.total,
        "lost": to_agent.lost + to_caller.lost,
        "delay_p50_ms": milliseconds(percentile(both.delays, 0.5)),
        "delay_p99_ms": milliseconds(percentile(both.delays, 0.99)),
        "jitter_p50_ms": milliseconds(percentile(both.jitter, 0.5)),
        "jitter_p99_ms": milliseconds(percentile(both.jitter, 0.99)),
    }
