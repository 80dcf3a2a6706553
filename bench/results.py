"""The figures of many runs on paper: RESULTS.md for people, results.json to compare with later."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.calibration import WRITES
from bench.own import ROOT
from bench.report import Line, number
from bench.series import (
    OWN,
    Run,
    Spread,
    is_cpu,
    judged,
    lines_of,
    ratios_of,
    spread,
    values_of,
)

_HEAD: Final = """\
# Figures

Measured {at} by `{command}`: {rounds} rounds{short}. Each figure is its least, its median and its greatest value
over the rounds. A bound holds if the median of a time, a size or CPU does, and if the greatest value of a count does.
CPU is user and system time of the server and all it started, all of it on one core.

Beside CPU stands its ratio to a loop of {writes:,} dictionary writes, which was run on the same core right before and
after each measurement ([why](README.md)): it took {loop} ms (least, median, greatest). The load average of the minute
before a measurement was {load}; the host gave {steal} of the CPUs' time to others.
"""


def machine() -> dict[str, str]:
    """This machine and what runs on it."""
    found = {
        "processor": f"{_value('/proc/cpuinfo', 'model name')}, {os.cpu_count()} CPUs",
        "memory": f"{int(_value('/proc/meminfo', 'MemTotal').split()[0] or 0) / 1e6:.1f} GB",
        "system": f"{_value('/etc/os-release', 'PRETTY_NAME', '=')}, Linux {platform.release()}",
        "python": f"{platform.python_version()}, {platform.python_compiler()}",
        "uvloop": metadata.version("uvloop"),
        "SIPp": _said("sipp", "-v", containing="SIPp v"),
        "commit": _said("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
    }
    return {name: value.strip() for name, value in found.items() if value.strip()}


def _value(file: str, name: str, separator: str = ":") -> str:
    """A line's value in a file of such lines; a zero when there is none."""
    try:
        for line in Path(file).read_text("utf-8", "replace").splitlines():
            key, found, value = line.partition(separator)
            if found and key.strip() == name:
                return value.strip().strip('"')
    except OSError:
        pass
    return "0"


def _said(*command: str, containing: str = "") -> str:
    """The first line that a program says with this in it, nothing when there is no such program."""
    try:
        out = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return next((line.strip().rstrip(".") for line in out.splitlines() if containing in line and line.strip()), "")


def stolen(stat: str = "") -> tuple[float, float]:
    """What the host gave to others of this machine's CPU time, and all of it, in ticks."""
    text = stat or Path("/proc/stat").read_text("ascii")
    fields = [float(value) for value in text.splitlines()[0].split()[1:9]]
    return fields[7], sum(fields)


def share_stolen(before: tuple[float, float], after: tuple[float, float]) -> float:
    """The share between two moments."""
    return (after[0] - before[0]) / max(after[1] - before[1], 1.0)


def document(runs: Sequence[Run], command: str, rounds: int, *, quick: bool) -> dict[str, Any]:
    """All that is written."""
    return {
        "measured_at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "command": command,
        "rounds": rounds,
        "quick": quick,
        "machine": machine(),
        "runs": [run.plain() for run in runs],
    }


def write(directory: Path, known: Mapping[str, Any]) -> list[Path]:
    """RESULTS.md, results.json with a line a run, and the plots if matplotlib is installed."""
    directory.mkdir(parents=True, exist_ok=True)
    runs = [Run.from_plain(run) for run in known["runs"]]
    try:
        from bench import plots  # its library comes with the extra `bench`

        pictures = plots.draw(directory / "plots", runs)
    except ImportError:
        pictures = []
    data, page = directory / "results.json", directory / "RESULTS.md"
    lines = ",\n".join("    " + json.dumps(run, ensure_ascii=False) for run in known["runs"])
    head = json.dumps({name: value for name, value in known.items() if name != "runs"}, indent=2, ensure_ascii=False)
    data.write_text(f'{head[:-2]},\n  "runs": [\n{lines}\n  ]\n}}\n', "utf-8")
    page.write_text(markdown(known, [picture.relative_to(directory) for picture in pictures]), "utf-8")
    return [page, data, *pictures]


def markdown(known: Mapping[str, Any], pictures: Sequence[Path] = ()) -> str:
    """The page."""
    runs = [Run.from_plain(run) for run in known["runs"]]
    timed = [run for run in runs if run.measure != "switch"] or runs
    loop = spread(run.loop_ms for run in timed)
    load = spread(run.load for run in timed)
    steal = spread(run.steal for run in timed)
    assert loop is not None
    assert load is not None
    assert steal is not None
    parts = [
        _HEAD.format(
            at=known["measured_at"],
            command=known["command"],
            rounds=known["rounds"],
            short=" of short measurements, which are no figures" if known["quick"] else "",
            writes=WRITES,
            loop=three(loop),
            load=three(load),
            steal=f"{steal.least:.0%}-{steal.most:.0%}",
        ),
        _rows(("", ""), known["machine"].items()),
        "## What was measured\n",
        _rows(
            ("figure", "least", "median", "greatest", "over the loop", "must hold", "goal", "holds", "others"),
            (_row(line, runs) for line in lines_of(runs)),
        ),
        "Others' figures without a ratio were measured earlier, on the same kind of machine.\n",
    ]
    if foreign := sorted({run.engine for run in runs} - {OWN}):
        parts += [
            f"## In turns with {', '.join(foreign)}\n",
            "Each round measured them right after ours, by the same load on the same core. CPU over the loop is what is"
            " compared.\n",
            _rows(
                ("figure", "engine", "least", "median", "greatest", "over the loop", "ours is"),
                (row for line in lines_of(runs) for row in _beside(line, runs, foreign)),
            ),
        ]
    notes = sorted({f"{run.engine}, {run.measure}: {note}" for run in runs for note in run.notes})
    if notes:
        parts += ["## What was noted\n", "".join(f"* {note[:300]}\n" for note in notes[:40])]
    parts += [f"![{picture.stem}]({picture.as_posix()})\n" for picture in pictures]
    return "\n".join(parts)


def _rows(head: Sequence[str], rows: Any) -> str:
    """A table."""
    text = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*text, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def three(values: Spread) -> str:
    """Least, median, greatest."""
    return ", ".join(number(value) for value in values[:3])


def ratio_text(line: Line, runs: Sequence[Run], engine: str = OWN) -> str:
    """The median ratio of a CPU figure to the loop and its range, nothing for any other figure."""
    ratios = spread(ratios_of(line, runs, engine)) if is_cpu(line) else None
    return f"{ratios.median:.4f} ({ratios.least:.4f}-{ratios.most:.4f})" if ratios else ""


def holds(line: Line, values: Spread | None) -> str:
    """yes, no, or that only the goal is missed."""
    if line.at_most is None and line.goal is None:
        return ""
    if values is None:
        return "**not measured**"
    value = judged(line, values)
    if line.at_most is not None and value > line.at_most:
        return "**no**"
    return "yes" if line.goal is None or value <= line.goal else "goal missed"


def _row(line: Line, runs: Sequence[Run]) -> tuple[str, ...]:
    values = values_of(line, runs)
    title = f"{line.title}, {line.unit}" if line.unit else line.title
    shown = [number(value) for value in values[:3]] if values else ["", "", ""]
    bounds = ["" if bound is None else f"{bound:g}" for bound in (line.at_most, line.goal)]
    others = [f"{engine} {figure}" for engine, figure in (line.others or {}).items()]
    for engine in sorted({run.engine for run in runs} - {OWN}):
        if found := values_of(line, runs, engine):
            others = [f"{engine} **{number(found.median)}**", *(o for o in others if not o.startswith(f"{engine} "))]
    return (title, *shown, ratio_text(line, runs), *bounds, holds(line, values), ", ".join(others))


def _beside(line: Line, runs: Sequence[Run], foreign: Sequence[str]) -> list[tuple[str, ...]]:
    """Our row of a figure, and that of every other engine which has it."""
    having = [engine for engine in foreign if values_of(line, runs, engine)]
    rows = []
    for engine in [OWN, *having] if having else []:
        values = values_of(line, runs, engine)
        shown = [number(value) for value in values[:3]] if values else ["", "", ""]
        title = f"{line.title}, {line.unit}" if line.unit else line.title
        rows.append((title, engine, *shown, ratio_text(line, runs, engine), _times(line, runs, engine)))
    return rows


def _times(line: Line, runs: Sequence[Run], engine: str) -> str:
    """How many times ours is contained in another engine's figure, by their medians over the loop."""
    theirs, ours = (spread(ratios_of(line, runs, name)) if is_cpu(line) else None for name in (engine, OWN))
    if engine == OWN or not theirs or not ours or not ours.median:
        return ""
    return f"1/{theirs.median / ours.median:.2f}"


def print_series(runs: Sequence[Run], console: Console) -> None:
    """The same on a screen."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("figure", no_wrap=True)
    for name in ("least", "median", "greatest", "over the loop", "must hold", "goal", "holds"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in lines_of(runs):
        table.add_row(*(cell.replace("**", "") for cell in _row(line, runs)[:-1]))
    console.print()
    console.print(table)
    if loop := spread(run.loop_ms for run in runs if run.measure != "switch"):
        console.print(f"loop of {WRITES:,} dictionary writes: {three(loop)} ms", highlight=False)
