"""What is made of a surge: who was lost or overtaken, what was heard, what it took, how quickly the API answered."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bench.api import Poll
from bench.capture import Packet
from bench.listener import Audio
from bench.load import Result, milliseconds, per_call, percentile
from bench.queues import waits
from bench.served import Service, out_of_order, overtaken
from bench.sipp import Totals

LISTENS: Final = 1.0
"""Seconds of audio from which on somebody counts as listening."""
ANNOUNCED: Final = 2
"""Talkspurts of somebody who has heard an announcement: the music after it begins anew."""
WORKER: Final = "media.worker"
_DIALLED: Final = re.compile(rb"INVITE sip:(\d+)@")
_CALL_ID: Final = re.compile(rb"\r\n(?:Call-ID|i) *: *([^\r\n]+)", re.IGNORECASE)


class Look(NamedTuple):
    """The target at one moment, seconds since the epoch: MB of its largest process, CPU seconds by process."""

    at: float
    waiting: int
    memory: float
    cpu: Mapping[str, float]


@dataclass(slots=True)
class Seen:
    """What was seen of the target meanwhile; the first look is from before anybody came."""

    began: float
    within: float
    looks: list[Look] = field(default_factory=list)

    def look(self, waiting: int, memory: float, cpu: Mapping[str, float]) -> None:
        """Note how things are now."""
        self.looks.append(Look(time.time(), waiting, memory, cpu))

    @property
    def full(self) -> list[Look]:
        """The looks of the second half of the arrivals: all who are to listen have come, and nobody has pressed."""
        return [look for look in self.looks if self.began + self.within / 2 < look.at < self.began + self.within]


@dataclass(frozen=True, slots=True)
class Wire:
    """The SIP messages between the target and agents, callers and those called back, and who is at which port."""

    packets: list[Packet]
    agents: int
    trunk: int

    def hang_ups(self) -> list[float]:
        """When agents hung up, each call once."""
        return _moments(p for p in self.packets if p.source[1] == self.agents and p.payload.startswith(b"BYE "))

    def rings(self) -> list[float]:
        """When agents' phones were rung, each call once."""
        return _moments(p for p in self.packets if p.destination[1] == self.agents and p.payload.startswith(b"INVITE "))

    def dialled(self) -> list[str]:
        """The numbers called on the trunk, each once, in the order of their INVITEs."""
        found: dict[str, None] = {}
        for packet in self.packets:
            if packet.destination[1] == self.trunk and (match := _DIALLED.match(packet.payload)):
                found.setdefault(match[1].decode())
        return list(found)


def _moments(packets: Iterable[Packet]) -> list[float]:
    """When each call's first packet passed."""
    times: dict[bytes, float] = {}
    for packet in packets:
        if found := _CALL_ID.search(packet.payload):
            times.setdefault(found[1], packet.at)
    return sorted(times.values())


def faults(result: Result, parties: Iterable[tuple[str, int, Totals]]) -> None:
    """Calls that failed, and messages sent again: by name, how many calls were wanted, and what a SIPp counted."""
    failed = again = 0
    for name, wanted, totals in parties:
        failed += max(wanted - totals.successful, totals.failed)
        again += totals.retransmissions
        result.notes += [f"{name}: {count} x {reason}" for reason, count in totals.reasons.items()]
        result.notes += [f"{name}: {line}" for line in totals.errors[:3]]
        if totals.retransmissions:
            result.notes.append(f"{name}: {totals.retransmitted} messages sent again, {totals.repeated} received again")
    result.figures |= {"failed": failed, "retransmissions": again}


def order(result: Result, service: Service, callers: int) -> None:
    """Who was lost or overtaken, as the records tell."""
    late = overtaken(service.served)
    result.figures |= {
        "callers": callers,
        "lost": max(service.lost, callers - len(service.served)),
        "overtaken": len(late),
        "rung_again": service.rung_again,
    }
    if late:
        worst = max(late, key=lambda one: one.rang_us - one.came_us)
        result.notes.append(
            f"{sum(one.called_back for one in late)} of {len(late)} who were overtaken were to be called back; "
            f"the longest of them waited {(worst.rang_us - worst.came_us) / 1e6:.1f} s"
        )


def wire(result: Result, seen: Wire, pressers: Sequence[str]) -> None:
    """The order of those who were called back, `pressers` being theirs, and how long freed agents waited."""
    places = {number: place for place, number in enumerate(pressers)}
    called = [places[number] for number in seen.dialled() if number in places]
    freed = seen.hang_ups()
    # Until the first agent is free again, those are rung who have not had a call.
    took = waits(freed, [at for at in seen.rings() if freed and at > freed[0]])
    result.figures |= {
        "called_back": len(called),
        "called_back_overtaken": out_of_order(called),
        "freed_p50_ms": milliseconds(percentile(took, 0.5)),
        "freed_p99_ms": milliseconds(percentile(took, 0.99)),
    }


def audio(result: Result, heard: Audio, seen: Seen) -> None:
    """Who heard music and announcements by RTP, and how many packets that was a second, and a second of a core."""
    listened = [one for one in heard.streams if one.last_at - one.first_at > LISTENS]
    result.figures |= {
        "listeners": len(listened),
        "announced": sum(one.spurts >= ANNOUNCED for one in listened),
        "rtp_lost": sum(one.missing for one in listened),
    }
    if len(seen.full) < 2:
        return
    first, last = seen.full[0], seen.full[-1]
    seconds = range(int(first.at) + 1, int(last.at))
    if len(seconds):
        rate = sum(heard.seconds.get(second, 0) for second in seconds) / len(seconds)
        cores = {name: (used - first.cpu.get(name, 0.0)) / (last.at - first.at) for name, used in last.cpu.items()}
        worker = cores.get(WORKER, 0.0)
        result.figures |= {"rtp_per_second": rate, "rtp_per_core": rate / worker if worker else None}
        shares = ", ".join(f"{name} {share:.0%}" for name, share in sorted(cores.items(), key=lambda one: -one[1]))
        result.details.append(f"of a core each while all of them listened: {shares}")


def cost(result: Result, seen: Seen) -> None:
    """CPU of a caller, from the first to the end; memory of the target's largest process for each who waited."""
    first, most = seen.looks[0], max(look.waiting for look in seen.looks)
    top = max(look.memory for look in seen.looks)
    full = max((look for look in seen.looks if look.waiting >= 0.9 * most), key=lambda look: look.memory)
    callers = result.figures.get("callers") or 0
    result.figures |= {
        "waiting_max": most,
        "memory_mb": top,
        "memory_kb_per_waiting": (full.memory - first.memory) * 1000 / full.waiting if full.waiting else None,
        "cpu_ms_per_caller": per_call(sum(seen.looks[-1].cpu.values()) - sum(first.cpu.values()), callers),
    }
    result.details.append(
        f"memory of the signalling {first.memory:.0f} MB before, {full.memory:.0f} MB with {full.waiting} waiting, "
        f"{seen.looks[-1].memory:.0f} MB in the end"
    )


def api(result: Result, poll: Poll, began: float) -> None:
    """How quickly the API answered meanwhile."""
    took = [one.seconds for one in poll.asked if one.at >= began]
    result.figures |= {
        "api_asked": len(took),
        "api_failures": len(poll.failures),
        "api_p50_ms": milliseconds(percentile(took, 0.5)),
        "api_p99_ms": milliseconds(percentile(took, 0.99)),
        "api_max_ms": milliseconds(max(took, default=None)),
    }
    result.notes += poll.failures[:3]
    slow = sorted(poll.asked, key=lambda one: -one.seconds)[:5]
    moments = ", ".join(f"{one.seconds * 1000:.0f} ms at {one.at - began:.1f} s" for one in slow)
    result.details.append(f"the API's slowest answers: {moments}")
