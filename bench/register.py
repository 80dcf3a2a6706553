"""The storm of REGISTERs: all phones at once, as after a power cut, and then refreshes, all with digest.

The phones are the bench's own, each with an address and an account of its own. While they register, SIPp dials 4001
beside them, so that it is seen whether calls suffer.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from rich.console import Console

from bench import report
from bench.cpu import CpuMeter, resident_mb
from bench.errors import BenchError
from bench.load import AGENT_PORT, Calls, Load, Result, loading, progress_bar, wide
from bench.own import own_switch
from bench.register_phones import Phones, Seen, password, user

_DOMAIN: Final = "switchboard.local"
_SIP_PORT: Final = 5561
_HTTP_PORT: Final = 5581
_REST: Final = 3.0
"""Seconds in which the switch writes down what it knows, before the next phase."""


@dataclass(frozen=True, slots=True)
class Storm:
    """So many phones, of which `rate` a second refresh for `seconds`; `calls` a second are dialled beside them."""

    phones: int = 10_000
    rate: int = 500
    seconds: float = 20.0
    calls: int = 10

    @property
    def dialled(self) -> Calls:
        """The calls beside it: as long as the storm may take."""
        return Calls(max(1, round(self.calls * (self.seconds + 20))), self.calls, 1.0)


def configuration(storm: Storm, store: str) -> dict[str, Any]:
    """A switch with an account for every phone."""
    return {
        "sip": {"listen": [{"host": "127.0.0.1", "port": _SIP_PORT}], "domain": _DOMAIN},
        "accounts": [{"user": user(number), "password": password(number)} for number in range(storm.phones)],
        "trunks": [{"name": "bench", "from": ["127.0.0.1"], "to": f"127.0.0.1:{AGENT_PORT}"}],
        "numbers": [{"number": "4001", "target": f"sip:agent@127.0.0.1:{AGENT_PORT}"}],
        "store": {"directory": store, "fresh": True},
        "http": {"host": "127.0.0.1", "port": _HTTP_PORT},
        "log": {"level": "warning"},
    }


def measure(load: Load, storm: Storm) -> Result:
    """Let the storm come, and calls beside it; CPU is that of every process of the switch."""
    result = Result("register")
    before = _memory(load)
    phones = Phones(storm.phones, load.target.address, _DOMAIN)
    try:
        with _calls(load, storm, result):
            took = time.monotonic()
            seen = _phase(load, result, "storm", lambda tick: phones.storm(tick), storm.phones * 2)
            result.figures["storm_s"] = time.monotonic() - took
            result.figures["storm_failed"] = storm.phones - seen.finals[200]
            time.sleep(_REST)
            total = round(storm.rate * storm.seconds)
            seen = _phase(load, result, "refresh", lambda tick: phones.refresh(storm.rate, storm.seconds, tick), total)
            result.figures["refresh_failed"] = total - seen.finals[200]
    finally:
        phones.close()
    result.figures["kb_per_phone"] = (_memory(load) - before) * 1000 / storm.phones
    result.details.append(f"{storm.phones} phones with accounts of their own; {storm.rate} refreshes a second")
    return result


def _phase(load: Load, result: Result, name: str, work: Callable[[Callable[[int], None]], Seen], total: int) -> Seen:
    meter = CpuMeter(load.target.pids)
    meter.sample()
    with progress_bar(load.console, f"register, {name}", total) as show:
        seen = work(lambda done: show(done, ""))
    meter.sample()
    used = meter.used()
    result.figures |= {
        f"{name}_cpu_ms": used * 1000 / seen.answered if used is not None and seen.answered else None,
        f"{name}_p50_ms": seen.percentile(0.5) * 1000,
        f"{name}_p99_ms": seen.percentile(0.99) * 1000,
        f"{name}_retransmissions": seen.retransmissions,
    }
    finals = ", ".join(f"{count} x {status}" for status, count in sorted(seen.finals.items()))
    result.details.append(f"{name}: {finals}; CPU {meter.shares()}")
    return seen


@contextmanager
def _calls(load: Load, storm: Storm, result: Result) -> Iterator[None]:
    """Calls to 4001 beside it, which are counted in the end."""
    if not storm.calls:
        yield
        return
    calls = storm.dialled
    with load.agent() as agent, load.caller("caller", "4001", calls) as caller:
        yield
        load.drive("register, calls beside", caller, calls, CpuMeter(()))
        agent.stop()
        totals = caller.totals()
    result.figures["calls_failed"] = calls.total - totals.successful
    result.figures["answer_ms"] = caller.mean_answer_ms()
    result.notes += [f"caller: {count} x {reason}" for reason, count in totals.reasons.items()]


def _memory(load: Load) -> float:
    return max(resident_mb(load.target.pids).values(), default=0.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m bench register`."""
    known = Storm()
    parser.add_argument("--phones", type=int, default=known.phones, help="phones, all of which register at once")
    parser.add_argument("--rate", type=int, default=known.rate, help="refreshes a second after that")
    parser.add_argument("--seconds", type=float, default=known.seconds, help="how long they refresh")
    parser.add_argument("--calls", type=int, default=known.calls, metavar="RATE", help="calls a second beside them")
    parser.add_argument("--cpus", default="", help="CPUs for the switch; all unless given")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")


def run(options: argparse.Namespace) -> int:
    """Start a switch for the storm, let it come, print the table, return the exit status."""
    console = wide(Console(highlight=False))
    storm = Storm(options.phones, options.rate, options.seconds, options.calls)
    results: dict[str, Result] = {}
    failure, crowded = "", report.busy()
    if crowded:
        console.print(f"[yellow]note:[/] {crowded}", soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="bench-register-") as directory:
        file = Path(directory, "register.yaml")
        file.write_text(yaml.safe_dump(configuration(storm, f"{directory}/store")), "utf-8")
        try:
            with ExitStack() as stack:
                own = stack.enter_context(own_switch(file, options.cpus))
                load = stack.enter_context(loading(own.target, console))
                results["register"] = measure(load, storm)
        except BenchError as error:
            failure = str(error)
    return report.conclude(console, results, failure, f"127.0.0.1:{_SIP_PORT}", options.json, crowded)
