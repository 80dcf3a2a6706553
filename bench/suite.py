"""All measurements, several times over: `python -m bench all`.

Each round starts the switch anew and makes every measurement once, so that the runs of a figure lie minutes apart and
what the host does at one time falls upon all of them alike. Before and after each measurement the calibration loop is
run on the switch's CPU. A foreign server (--beside) is measured right after ours, by the same load on the same CPU.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import yaml
from rich.console import Console

from bench import (
    even,
    extension,
    highest,
    ivr,
    memory,
    music,
    prompts,
    queues,
    recording,
    register,
    relay,
    report,
    results,
    signalling,
)
from bench.calibration import loops_ms
from bench.errors import BenchError
from bench.load import Calls, Load, Result, loading, wide
from bench.own import ROOT, add_server, own_switch
from bench.series import OWN, Run, typical
from bench.target import Target, parse_address

Measure = Callable[[Load, argparse.Namespace], Result]

BESIDE: Final = ("signalling100", "ivr", "queue")
"""What is measured of a foreign server too: no more than one core of the dearest can carry."""
_STARTING: Final = 6
"""Seconds to start and to stop a switch."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One measurement of a round."""

    name: str
    measure: Measure
    seconds: int
    """How long it takes, about."""
    quick: Measure
    quick_seconds: int
    alone: bool = False
    """Whether it needs a switch that did nothing before."""
    compared: bool = False
    """Whether it is only made where a foreign server is measured beside."""
    config: Callable[[str], dict[str, object]] | None = None
    """What its switch is configured like, where not as that of the others; given a directory for its store."""


def _named(result: Result, name: str) -> Result:
    return replace(result, name=name)


def _short(load: Load, options: argparse.Namespace) -> Result:
    """Calls to 4001 for four seconds, after those that warm the switch up."""
    warm = signalling.measure(load, Calls(200, 100, 0.3))
    result = _named(signalling.measure(load, Calls(800, 200, 0.3)), "short")
    result.figures["failed"] = (result.figures["failed"] or 0) + (warm.figures["failed"] or 0)
    return result


def _recordings(options: argparse.Namespace) -> Path | None:
    return recording.recordings_in(options.config) if options.self else None


def _storm(phones: int, rate: int, seconds: float) -> tuple[Measure, Callable[[str], dict[str, object]]]:
    storm = register.Storm(phones, rate, seconds)
    return (lambda load, options: register.measure(load, storm)), lambda store: register.configuration(storm, store)


def _url(config: Path) -> str:
    """Where a switch with this configuration serves its metrics."""
    http = yaml.safe_load(config.read_text("utf-8"))["http"]
    return f"http://{http['host']}:{http['port']}"


_STORM, _STORM_CONFIG = _storm(10_000, 500, 20.0)
_SMALL_STORM, _ = _storm(10_000, 500, 5.0)

PLANS: Final = (
    Plan("short", _short, 9, _short, 9),
    Plan(
        "signalling",
        lambda load, options: signalling.measure(load, Calls(4000, 200, 0.3)),
        22,
        lambda load, options: signalling.measure(load, Calls(600, 200, 0.3)),
        5,
    ),
    Plan(
        "signalling100",
        lambda load, options: _named(signalling.measure(load, Calls(2000, 100, 0.3)), "signalling100"),
        22,
        lambda load, options: _named(signalling.measure(load, Calls(300, 100, 0.3)), "signalling100"),
        5,
        compared=True,
    ),
    Plan(
        "relay",
        lambda load, options: relay.measure(load, Calls(100, 20, 15.0)),
        46,
        lambda load, options: relay.measure(load, Calls(40, 20, 6.0)),
        22,
    ),
    Plan(
        "even",
        lambda load, options: even.measure(load, Calls(800, 80, 12.0)),
        36,
        lambda load, options: even.measure(load, Calls(80, 40, 4.0)),
        10,
    ),
    Plan(
        "recording",
        lambda load, options: recording.measure(load, Calls(100, 20, 12.0), _recordings(options)),
        42,
        lambda load, options: recording.measure(load, Calls(20, 20, 5.0), _recordings(options)),
        18,
    ),
    Plan(
        "music",
        lambda load, options: music.measure(load, Calls(500, 50, 19.0)),
        31,
        lambda load, options: music.measure(load, Calls(50, 50, 5.0)),
        8,
    ),
    Plan(
        "prompts",
        lambda load, options: prompts.measure(load, Calls(500, 50, 24.0)),
        36,
        lambda load, options: prompts.measure(load, Calls(50, 50, 10.0)),
        13,
    ),
    Plan(
        "extension",
        lambda load, options: extension.measure(load, Calls(200, 10, extension.KEYING), idle_calls=10, background=200),
        44,
        lambda load, options: extension.measure(load, Calls(20, 10, extension.KEYING), idle_calls=3, background=50),
        18,
    ),
    Plan(
        "ivr",
        lambda load, options: ivr.measure(load, Calls(300, 20, ivr.KEYING)),
        32,
        lambda load, options: ivr.measure(load, Calls(30, 20, ivr.KEYING)),
        14,
    ),
    Plan(
        "queue",
        lambda load, options: queues.measure(load, Calls(1000, 50, 3.0)),
        40,
        lambda load, options: queues.measure(load, Calls(100, 50, 1.0)),
        10,
    ),
    Plan(
        "signalling600",
        lambda load, options: _named(signalling.measure(load, Calls(9000, 600, 0.3)), "signalling600"),
        17,
        lambda load, options: _named(signalling.measure(load, Calls(1800, 600, 0.3)), "signalling600"),
        5,
    ),
    Plan(
        "memory",
        lambda load, options: memory.measure(load, Calls(4000, 200, 24.0), _url(options.config)),
        165,
        lambda load, options: memory.measure(load, Calls(400, 100, 6.0), _url(options.config)),
        90,
        alone=True,
    ),
    Plan(
        "highest",
        lambda load, options: highest.measure(load, 400, 90.0),
        95,
        lambda load, options: highest.measure(load, 200, 15.0),
        20,
        alone=True,
    ),
    Plan("register", _STORM, 50, _SMALL_STORM, 30, alone=True, config=_STORM_CONFIG),
)


@dataclass(frozen=True, slots=True)
class Foreign:
    """Another SIP server that is measured beside ours."""

    name: str
    target: Target


@dataclass(slots=True)
class Suite:
    """The measurements chosen, and what has been measured so far."""

    options: argparse.Namespace
    plans: Sequence[Plan]
    console: Console
    beside: Sequence[Foreign] = ()
    runs: list[Run] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _done: int = 0
    """Planned seconds of what is over."""
    _began: float = field(default_factory=time.monotonic)

    def seconds(self, plan: Plan) -> int:
        """How long one measurement takes, about, with those beside it."""
        once = plan.quick_seconds if self.options.quick else plan.seconds
        return once * (1 + len(self.beside) * (plan.name in BESIDE)) + (_STARTING if plan.alone else 0)

    @property
    def planned(self) -> int:
        """How long all takes, about."""
        return int(self.options.runs) * (_STARTING + sum(map(self.seconds, self.plans)))

    def run(self) -> None:
        """Make all rounds."""
        for number in range(1, self.options.runs + 1):
            self._round(number)

    def _round(self, number: int) -> None:
        """Each measurement once; what fails is noted, and the others are made."""
        together, alone = ([p for p in self.plans if p.alone is only] for only in (False, True))
        if together:
            try:
                with self._switch() as (target, started):
                    if started.figures:
                        self._keep(OWN, started, loops_ms(), _now(), os.getloadavg()[0], 0.0)
                    for plan in together:
                        self._tell(number, plan)
                        self._measure(plan, target)
            except BenchError as error:
                self._fail("switch", error)
        for plan in alone:
            self._tell(number, plan)
            try:
                with self._switch(plan) as (target, _):
                    self._measure(plan, target)
            except BenchError as error:
                self._fail(plan.name, error)

    @contextmanager
    def _switch(self, plan: Plan | None = None) -> Iterator[tuple[Target, Result]]:
        """Our switch, or the target given."""
        if not self.options.self:
            yield Target(self.options.target, tuple(self.options.pid)), Result("switch")
            return
        with _configured(plan, self.options.config) as file, own_switch(file, self.options.cpus) as own:
            yield own.target, own.result
            own.note_memory()

    def _measure(self, plan: Plan, target: Target) -> None:
        """Ours, then the others."""
        self._once(OWN, plan, target)
        for other in self.beside if plan.name in BESIDE else ():
            self._once(other.name, plan, other.target)
        self._done += self.seconds(plan)

    def _once(self, engine: str, plan: Plan, target: Target) -> None:
        before, at, load_average = loops_ms(_cpus(target)), _now(), os.getloadavg()[0]
        stolen = results.stolen()
        try:
            with loading(target, self.console) as load:
                result = (plan.quick if self.options.quick else plan.measure)(load, self.options)
        except BenchError as error:
            self._fail(f"{engine}, {plan.name}", error)
            return
        steal = results.share_stolen(stolen, results.stolen())
        loops = [*before, *loops_ms(_cpus(target))]
        self._keep(engine, result, loops, at, load_average, steal)

    def _keep(
        self, engine: str, result: Result, loops: Sequence[float], at: str, load_average: float, steal: float
    ) -> None:
        run = Run(engine, result.name, at, statistics.median(loops), load_average, steal, result.figures, result.notes)
        self.runs.append(run)
        for note in result.notes:
            self.console.print(f"  [yellow]{engine}, {result.name}:[/] {note[:200]}", soft_wrap=True, highlight=False)

    def _fail(self, what: str, error: BenchError) -> None:
        self.failures.append(f"{what}: {error}")
        self.console.print(f"[bold red]error:[/] {self.failures[-1]}", soft_wrap=True)

    def _tell(self, number: int, plan: Plan) -> None:
        """Where we are, and how long it will take yet."""
        passed = time.monotonic() - self._began
        pace = passed / self._done if self._done > 60 else 1.0
        left = max(0.0, (self.planned - self._done) * pace)
        self.console.print(
            f"[bold]round {number} of {self.options.runs}, {plan.name}[/], some {left / 60:.0f} min left",
            highlight=False,
        )


@contextmanager
def _configured(plan: Plan | None, config: Path) -> Iterator[Path]:
    """The configuration given, or a file with that of a plan."""
    if plan is None or plan.config is None:
        yield config
        return
    with tempfile.TemporaryDirectory(prefix="bench-config-") as directory:
        file = Path(directory, "bench.yaml")
        file.write_text(yaml.safe_dump(plan.config(f"{directory}/store")), "utf-8")
        yield file


def _cpus(target: Target) -> frozenset[int]:
    """The CPUs of a target, where the loop is run."""
    return frozenset(cpu for pid in target.pids for cpu in os.sched_getaffinity(pid))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def chosen(only: str) -> list[Plan]:
    """The plans of these names, separated by commas; all but none is all. Raises BenchError."""
    names = [name for name in only.split(",") if name]
    known = {plan.name for plan in PLANS}
    if strange := [name for name in names if name not in known]:
        raise BenchError(f"there is no measurement {', '.join(strange)}; there are {', '.join(sorted(known))}")
    return [plan for plan in PLANS if not names or plan.name in names]


def short_runs(config: Path, cpus: str, runs: int, console: Console) -> list[Run]:
    """The short form of signalling, so many times on one switch; raises BenchError."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = parser.parse_args(["--self", "--runs", "1", "--config", str(config), "--cpus", cpus])
    suite = Suite(options, chosen("short") * runs, console)
    console.print(f"{suite.planned} s of calls to 4001, about", highlight=False)
    suite.run()
    if suite.failures:
        raise BenchError(suite.failures[0])
    return suite.runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `python -m bench all`."""
    add_server(parser)
    parser.add_argument("--runs", type=int, help="rounds: each measurement so many times; 5, or 1 with --quick")
    parser.add_argument("--quick", action="store_true", help="short measurements, whose figures are no figures")
    parser.add_argument("--only", default="", metavar="NAME,…", help=", ".join(plan.name for plan in PLANS))
    parser.add_argument(
        "--beside",
        nargs=3,
        action="append",
        default=[],
        metavar=("NAME", "HOST:PORT", "PID"),
        help=f"another server, measured in turns with ours ({', '.join(BESIDE)}); may be repeated",
    )
    parser.add_argument(
        "--into",
        type=Path,
        metavar="DIR",
        help="where RESULTS.md, results.json, plots go; bench/, var/bench-quick if --quick",
    )


def run(options: argparse.Namespace) -> int:
    """Measure, write, print, return the exit status: 1 when a bound is broken or something could not be measured."""
    console = wide(Console(highlight=False))
    options.runs = options.runs or (1 if options.quick else 5)
    try:
        plans = [p for p in chosen(options.only) if options.self or not (p.alone or p.name == "short")]
        plans = [p for p in plans if options.beside or options.only or not p.compared]
        others = [Foreign(name, Target(parse_address(at), (int(pid),))) for name, at, pid in options.beside]
        for other in others:
            other.target.check()
    except (BenchError, ValueError, argparse.ArgumentTypeError) as error:
        console.print(f"[bold red]error:[/] {error}", soft_wrap=True)
        return 1
    suite = Suite(options, plans, console, others)
    console.print(
        f"{options.runs} rounds of {len(plans)} measurements: some {suite.planned / 60:.0f} minutes", highlight=False
    )
    if crowded := report.busy():
        console.print(f"[yellow]note:[/] {crowded}", soft_wrap=True)
    try:
        suite.run()
    except KeyboardInterrupt:
        suite.failures.append("stopped before its end")
    return _conclude(suite, console)


def _conclude(suite: Suite, console: Console) -> int:
    """Write and print what has been measured."""
    options = suite.options
    if not suite.runs:
        return 1
    command = shlex.join(["python", "-m", "bench", *sys.argv[1:]])
    into = options.into or (ROOT / "var" / "bench-quick" if options.quick or not options.self else ROOT / "bench")
    document = results.document(suite.runs, command, options.runs, quick=options.quick)
    written = results.write(into, document)
    results.print_series(suite.runs, console)
    console.print(f"written: {', '.join(str(file) for file in written)}", soft_wrap=True)
    faults = report.broken(typical(suite.runs))
    for fault in faults:
        console.print(f"[bold red]broken:[/] {fault}", soft_wrap=True)
    for failure in suite.failures:
        console.print(f"[bold red]error:[/] {failure}", soft_wrap=True)
    return 1 if faults or suite.failures else 0
