"""What every measurement under load needs: a place for files, the two SIPps, a progress bar, figures."""

from __future__ import annotations

import math
import resource
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.cpu import CpuMeter
from bench.errors import BenchError
from bench.sipp import SCENARIOS, Sipp, Totals
from bench.target import Target

AGENT_PORT: Final = 5190
CALLER_PORT: Final = 5191
BESIDE_PORT: Final = 5192
AGENT_MEDIA: Final = range(30000, 30900)
BESIDE_MEDIA: Final = 30900
CALLER_MEDIA: Final = range(31000, 41000)
"""Media ports of the agent, of calls beside the measured ones, of the measured callers: the ports up to 32767
are nobody's by chance, those above may be some program's for a moment.
"""
MEDIA_STEP: Final = 4
"""Distance of two calls' media ports in one SIPp."""
_BUFFER: Final = "1048576"
"""Octets of SIPp's socket buffers; the default loses messages when its process has to wait for a CPU."""
_HANGING: Final = 10_000
"""Calls that may hang beside those in progress before SIPp dials no more; its descriptors bound it."""

Figure = float | int | None


@dataclass(slots=True)
class Result:
    """The figures of one measurement by name."""

    name: str
    figures: dict[str, Figure] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What went wrong."""
    details: list[str] = field(default_factory=list)
    """What a reader may want to know beside."""


@dataclass(slots=True)
class Load:
    """One measurement's surroundings."""

    target: Target
    console: Console
    directory: Path
    cpus: frozenset[int] = frozenset()

    def agent(self, scenario: str = "agent") -> Sipp:
        """The agent's SIPp at 127.0.0.1:5190."""
        arguments = ("-buff_size", _BUFFER)
        return Sipp(
            self.scenario(scenario), self.directory, AGENT_PORT, AGENT_MEDIA.start, "", arguments, cpus=self.cpus
        )

    def caller(
        self, scenario: str, number: str, calls: Calls, extra: Sequence[str] = (), *, beside: bool = False
    ) -> Sipp:
        """The caller's SIPp, which begins to dial when it is entered."""
        arguments = ["-s", number, "-r", str(calls.rate), "-m", str(calls.total), "-d", str(round(calls.hold * 1000))]
        most = min(round(calls.rate * (calls.hold + 60)) + 10, round(calls.rate * calls.hold) + _HANGING)
        arguments += ["-l", str(most), "-buff_size", _BUFFER, *extra]
        port, media = (BESIDE_PORT, BESIDE_MEDIA) if beside else (CALLER_PORT, CALLER_MEDIA.start)
        return Sipp(self.scenario(scenario), self.directory, port, media, self.target.text, arguments, cpus=self.cpus)

    def scenario(self, name: str) -> Path:
        """A copy of a scenario beside the files it plays, where SIPp looks for them."""
        return Path(shutil.copy(SCENARIOS / f"{name}.xml", self.directory))

    def drive(self, title: str, caller: Sipp, calls: Calls, meter: CpuMeter) -> None:
        """Wait until the caller's calls are over, showing how far they are and sampling the CPU."""
        with progress_bar(self.console, title, calls.total) as show:

            def tick(row: dict[str, str]) -> None:
                meter.sample()
                good, bad = int(row.get("SuccessfulCall(C)", 0)), int(row.get("FailedCall(C)", 0))
                show(good + bad, f"{row.get('CurrentCall', '0')} open, {bad} failed")

            caller.wait(calls.total / calls.rate + calls.hold + 60, tick)


@dataclass(frozen=True, slots=True)
class Calls:
    """How many calls, how many a second, how long each lasts after its answer."""

    total: int
    rate: int
    hold: float


@contextmanager
def progress_bar(console: Console, title: str, total: int) -> Iterator[Callable[[int, str], None]]:
    """A bar that is told how far things are; where there is no terminal, only its end is printed."""
    columns = (TextColumn("{task.description}"), BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[state]}"), console=console) as progress:
        task = progress.add_task(title.ljust(34), total=total, state="")
        yield lambda done, state: progress.update(task, completed=done, state=state)


@contextmanager
def loading(target: Target, console: Console) -> Iterator[Load]:
    """Check the target and give a measurement a directory of its own."""
    target.check()
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        yield Load(target, console, Path(directory), target.load_cpus())


def settle(meter: CpuMeter, result: Result) -> None:
    """Let the target finish what the last BYE left to do, then take the last sample."""
    time.sleep(0.7)
    meter.sample()
    if shares := meter.shares():
        result.details.append(f"CPU {shares}")


def count_faults(result: Result, caller: Totals, agent: Totals, wanted: int) -> None:
    """Failed calls and retransmissions of both SIPps, with their reasons."""
    result.figures["failed"] = max(wanted - caller.successful, wanted - agent.successful, agent.failed)
    result.figures["retransmissions"] = caller.retransmissions + agent.retransmissions
    if agent.created < wanted:
        result.notes.append(f"{agent.created} of {wanted} calls reached the agent at 127.0.0.1:{AGENT_PORT}")
    for who, totals in (("caller", caller), ("agent", agent)):
        result.notes += [f"{who}: {count} x {reason}" for reason, count in totals.reasons.items()]
        if totals.retransmissions:
            sent, received = totals.retransmitted, totals.repeated
            result.notes.append(f"{who}: {sent} messages sent again, {received} received again")
    result.notes += [f"caller: {line}" for line in caller.errors[:3]]
    result.notes += [f"agent: {line}" for line in agent.errors[:3]]


def wide(console: Console) -> Console:
    """The console, made wide enough for tables where it is no terminal."""
    if not console.is_terminal:
        console.width = max(console.width, 140)
    return console


def per_call(seconds: float | None, calls: float) -> float | None:
    """Milliseconds of CPU for each call, or each second of call."""
    return None if seconds is None or calls <= 0 else seconds * 1000 / calls


def percentile(values: Iterable[float], share: float) -> float | None:
    """The nearest-rank percentile; nothing of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def milliseconds(seconds: float | None) -> float | None:
    """Seconds as milliseconds."""
    return None if seconds is None else seconds * 1000


class Sinks:
    """Sockets at SIPp's media ports, which it sends from but does not open: without them each packet would
    come back as an ICMP error and make the target dearer than a real phone does. Nobody reads them: the
    kernel drops what does not fit into their buffers.
    """

    def __init__(self, first: int, calls: int) -> None:
        """`calls` ports with their RTCP neighbours; the first is SIPp's own."""
        self.ports = [p + n for p in range(first + MEDIA_STEP, first + MEDIA_STEP * calls, MEDIA_STEP) for n in (0, 1)]
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Self:
        """Open them all."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < len(self.ports) + 200:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
        for port in self.ports:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError as error:
                sock.close()
                if port >= ephemeral:
                    continue  # another program's for a moment: it takes the packets
                self.__exit__(None, None, None)
                raise BenchError(f"UDP port {port} is taken; ports from 30000 up belong to the load") from error
            self._sockets.append(sock)
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None) -> None:
        """Close them."""
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()
