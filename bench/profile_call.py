"""Where the microseconds of a call go: the signalling is sampled by py-spy while SIPp dials 4001.

The kernel's part is told by /proc. The rest is divided by the samples in which a thread held the interpreter's lock:
each counts for its innermost Python frame that is of this project, and C code under it (msgspec, a regular expression)
with it. Sampling does not stop the switch, so that a few samples are torn.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench import signalling
from bench.cpu import command_of, descendants, short_name
from bench.errors import BenchError
from bench.load import Calls, loading, wide
from bench.own import CONFIG, ONE_CPU, ROOT, own_switch

PARTS: Final = (
    ("switchboard/sip/transaction/", "transactions"),
    ("switchboard/sip/timers.py", "transactions"),
    ("switchboard/sip/core.py", "transactions"),
    ("switchboard/sip/render.py", "writing messages"),
    ("switchboard/sip/outgoing.py", "writing messages"),
    ("switchboard/sip/own.py", "writing messages"),
    ("switchboard/sip/dialog.py", "dialogs"),
    ("switchboard/sip/", "reading and checking messages"),
    ("media/sdp.py", "SDP"),
    ("media/formats.py", "SDP"),
    ("media/offer_answer.py", "SDP"),
    ("switchboard/calls/negotiation.py", "SDP"),
    ("switchboard/calls/", "calls"),
    ("switchboard/store/", "journal and records"),
    ("switchboard/net/message_ring.py", "traces"),
    ("switchboard/net/", "sockets"),
    ("media/", "orders to media workers"),
    ("routing/", "routing and masks"),
    ("switchboard/ops/", "metrics, overload, log"),
    ("switchboard/", "wiring"),
)
"""Parts by the begin of a file's path, the first that fits."""
REST: Final = "event loop and others' code"
KERNEL: Final = "the kernel: sockets, wake-ups, files"
_SAMPLES: Final = 250


def part_of(file: str) -> str:
    """The part of the program that a file of it is, empty for any other file."""
    relative = file.removeprefix(f"{ROOT}/")
    return next((name for begin, name in PARTS if relative.startswith(begin)), "")


def shares(stacks: Iterable[str]) -> dict[str, float]:
    """The share of the samples that each part has, the largest first; lines of py-spy's raw format."""
    counts: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        files = (frame.rpartition("(")[2].partition(":")[0].rstrip(")") for frame in reversed(stack.split(";")))
        counts[next(filter(None, map(part_of, files)), REST)] += int(count)
    total = counts.total() or 1
    return {name: count / total for name, count in counts.most_common()}


def with_kernel(found: Mapping[str, float], user: float, system: float) -> dict[str, float]:
    """Shares of user time beside the kernel's, all of them of one whole, the largest first."""
    whole = max(user + system, 1e-9)
    shared = {name: share * user / whole for name, share in found.items()} | {KERNEL: system / whole}
    return dict(sorted(shared.items(), key=lambda item: -item[1]))


def times_of(pid: int) -> tuple[float, float]:
    """User and system time of a process so far, in ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    return float(fields[11]), float(fields[12])


def print_shares(found: Mapping[str, float], cpu_ms: float, console: Console) -> None:
    """Each part's share, and what it is of a call's CPU."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("part of the signalling")
    for name in ("share", "µs a call"):
        table.add_column(name, justify="right")
    for name, share in found.items():
        table.add_row(name, f"{share:.1%}", f"{share * cpu_ms * 1000:.0f}")
    console.print(table)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m bench profile`."""
    parser.add_argument("--rate", type=int, default=200, help="calls a second to 4001")
    parser.add_argument("--seconds", type=int, default=15, help="how long")
    parser.add_argument("--raw", type=Path, metavar="FILE", help="keep the samples, for a flame graph")
    parser.add_argument("--config", type=Path, default=CONFIG, help="configuration of the switch")
    parser.add_argument("--cpus", default=ONE_CPU, help="CPUs for the switch")


def run(options: argparse.Namespace) -> int:
    """Sample a switch under load, print the shares, return the exit status."""
    console = wide(Console(highlight=False))
    spy = Path(sys.executable).with_name("py-spy")
    found = str(spy) if spy.exists() else shutil.which("py-spy")
    try:
        if not found:
            raise BenchError("py-spy is not installed: it comes with the extra `dev`")
        parts, cpu = _sample(options, found, console)
    except BenchError as error:
        console.print(f"[bold red]error:[/] {error}", soft_wrap=True)
        return 1
    print_shares(parts, cpu, console)
    return 0


def _sample(options: argparse.Namespace, spy: str, console: Console) -> tuple[dict[str, float], float]:
    """Shares of the signalling while calls are made, and its CPU of a call in ms, measured without sampling."""
    calls = Calls(options.rate * options.seconds, options.rate, 0.3)
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-profile-"))
        own = stack.enter_context(own_switch(options.config, options.cpus))
        load = stack.enter_context(loading(own.target, console))
        pid = next(p for p in descendants(own.target.pids) if short_name(command_of(p)) == "switchboard.signalling")
        before = times_of(pid)
        signalling.measure(load, calls)
        user, system = (after - first for after, first in zip(times_of(pid), before, strict=True))
        out = Path(directory, "stacks.txt")
        command = [spy, "record", "--pid", str(pid), "--rate", str(_SAMPLES), "--duration", str(options.seconds)]
        command += ["--format", "raw", "--full-filenames", "--gil", "--nonblocking", "--output", str(out)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for other in (process.pid, *descendants(own.target.pids)):
            # On the same core the one that is woken runs at once, and its time would count for who woke it.
            if load.cpus and other != pid:
                os.sched_setaffinity(other, load.cpus)
        try:
            signalling.measure(load, calls)
            said, _ = process.communicate(timeout=30)
        except subprocess.TimeoutExpired as error:
            raise BenchError("py-spy did not end") from error
        finally:
            process.kill()
        if not out.exists():
            raise BenchError(f"py-spy: {said.decode(errors='replace').strip()[-300:]}")
        if options.raw:
            shutil.copy(out, options.raw)
        cpu = (user + system) / os.sysconf("SC_CLK_TCK") * 1000 / calls.total
        console.print(f"{calls.total} calls at {calls.rate}/s: {cpu:.2f} ms of the signalling's CPU each")
        return with_kernel(shares(out.read_text("utf-8", "replace").splitlines()), user, system), cpu
