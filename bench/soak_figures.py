"""What is seen of a switch while it is soaked, and what of it must hold."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.cpu import command_of, cpu_seconds, descendants, resident_mb, short_name
from bench.errors import BenchError
from bench.load import Result
from bench.sipp import Totals
from bench.soak_phones import Outcome
from bench.target import Target

HELD: Final = (
    "calls", "dialogs", "media_legs", "invites_in", "invites_out", "call_timers", "client_transactions",
    "server_transactions", "pending_2xx", "accepted_invites", "merge_keys", "waiting_destinations",
    "media_ports_leased",
)  # fmt: skip
"""What a call holds, by its metric; each is zero when nothing was left behind."""
_WITH_PORTS: Final = ("switchboard", "media.worker")
"""The processes that hold the sockets for audio: who opened them and, of one worker, who reads them."""
_LONGEST_END: Final = 60.0
"""Seconds that what remembers calls may take to forget the last: 64 * T1, the journal, the recorder."""
_IDLE: Final = 15.0
"""Seconds after which a connection that nobody uses is closed at the latest."""
_COMPLETE: Final = "WHERE ended_us IS NOT NULL AND cause <> '' AND ended_by <> ''"
_LEG: Final = ("role", "answered_us", "ended_us", "cause", "received", "sent", "strangers", "silent")
"""What of a leg is told where its call went otherwise than expected."""
_PARTS: Final = {
    "calls without an end": "SELECT COUNT(*) FROM calls WHERE ended_us IS NULL OR cause = '' OR ended_by = ''",
    "legs without an end": "SELECT COUNT(*) FROM legs WHERE ended_us IS NULL",
    "stretches without an end": "SELECT COUNT(*) FROM segments WHERE ended_us IS NULL",
    "calls without a leg": "SELECT COUNT(*) FROM calls WHERE id NOT IN (SELECT call_id FROM legs)",
    "recorded calls without a recording": (
        "SELECT COUNT(*) FROM calls WHERE called = '4005' AND answered_us IS NOT NULL"
        " AND id NOT IN (SELECT call_id FROM call_recordings)"
    ),
}
"""What of a record may be missing."""


@dataclass(frozen=True, slots=True)
class Look:
    """The switch at one moment."""

    at: float
    cpu: float
    calls: float
    """Records of calls that have ended."""
    memory: dict[str, float]
    loop: float
    """CPU seconds of a loop of dictionary writes, on this machine in this moment."""


@dataclass(slots=True)
class Samples:
    """Looks at a switch by its metrics and by /proc, before, meanwhile and after."""

    target: Target
    url: str
    looks: list[Look] = field(default_factory=list)
    before: dict[str, float] = field(default_factory=dict)
    after: dict[str, float] = field(default_factory=dict)
    left: dict[str, float] = field(default_factory=dict)

    def every(self, seconds: float) -> float:
        """Seconds between two looks, so that there are some two hundred of them."""
        return min(10.0, max(1.0, seconds / 200))

    def look(self) -> None:
        """Note CPU, memory and calls."""
        named: dict[str, float] = {}
        for pid, size in resident_mb(self.target.pids).items():
            name = short_name(command_of(pid))
            named[name] = named.get(name, 0.0) + size
        calls = self._metrics().get("calls_total", 0.0)
        self.looks.append(Look(time.monotonic(), cpu_seconds(self.target.pids), calls, named, calibrate()))

    def told(self) -> str:
        """What is shown while it runs."""
        newest = self.looks[-1]
        return f"{newest.calls:.0f} calls, {max(newest.memory.values(), default=0):.0f} MB"

    def settle(self) -> None:
        """Wait until nothing is held, and note how the idle switch is."""
        self.left = self._await_nothing()
        self.before = self._state()
        self.look()

    def end(self) -> None:
        """The same after all calls."""
        self.look()
        self.left = self._await_nothing()
        until = time.monotonic() + _IDLE
        self.after = self._state()
        while self.grown() and time.monotonic() < until:
            self.after = self._state()

    def grown(self) -> dict[str, tuple[float, float]]:
        """What there is more of than before, with both counts."""
        pairs = {name: (self.before.get(name, 0.0), count) for name, count in self.after.items()}
        return {name: pair for name, pair in pairs.items() if pair[1] > pair[0]}

    def _await_nothing(self) -> dict[str, float]:
        return await_nothing(self.url)

    def _state(self) -> dict[str, float]:
        """Tasks, threads and descriptors of all processes.

        Pairs of ports for audio are opened as more are needed and kept: those that are free are left out, and so
        are the connections to the database, of which a pool keeps a few.
        """
        time.sleep(1.0)  # connections for the metrics are closed by then
        metrics = self._metrics()
        state, pairs = {"tasks": metrics["tasks"]}, metrics["media_ports_free"]
        for pid in descendants(self.target.pids):
            with contextlib.suppress(OSError):
                name = short_name(command_of(pid))
                held = 2 * pairs if name in _WITH_PORTS else 0
                state[f"descriptors of {name}"] = _descriptors(pid) - held
                state[f"threads of {name}"] = len(os.listdir(f"/proc/{pid}/task"))
        return state

    def _metrics(self) -> dict[str, float]:
        return read_metrics(self.url)


def read_metrics(url: str) -> dict[str, float]:
    """The metrics of a switch by name, those with labels added up."""
    numbers: dict[str, float] = {}
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:  # noqa: S310 - http of our own
        for line in answer.read().decode().splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                name = name.removeprefix("switchboard_").partition("{")[0]
                numbers[name] = numbers.get(name, 0.0) + float(value)
    return numbers


def await_nothing(url: str) -> dict[str, float]:
    """Wait until a switch holds nothing of any call; what it still holds after the longest time that may take."""
    until = time.monotonic() + _LONGEST_END
    while True:
        metrics = read_metrics(url)
        held = {name: metrics[name] for name in HELD if metrics.get(name)}
        if not held or time.monotonic() > until:
            return held
        time.sleep(0.5)


def _descriptors(pid: int) -> int:
    """Open descriptors of a process, but for those of the database."""
    count = 0
    for entry in os.scandir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            count += ".db" not in os.readlink(entry.path)
    return count


def calibrate() -> float:
    """CPU seconds of 50,000 dictionary writes now."""
    began = time.thread_time()
    table = {}
    for number in range(50_000):
        table[number & 4095] = number
    return time.thread_time() - began


@dataclass(frozen=True, slots=True)
class Made:
    """The calls that were made: SIPp's and how many were wanted, by the number they called; the phones'."""

    totals: Mapping[str, Totals]
    wanted: Mapping[str, int]
    outcome: Outcome


def judge(
    seconds: float, samples: Samples, calls: Made, database: Path, log: Path, lost: Mapping[str, Counter[str]]
) -> Result:
    """All figures of a soak; those that must be zero or near one are bounds of `report`."""
    result = Result("soak")
    figures = result.figures
    outcome = calls.outcome
    made = {number: total.created for number, total in calls.totals.items()}
    count = sum(made.values()) + sum(outcome.made.values())
    figures |= {"calls": count, "rate": count / seconds, "seconds": seconds, "registrations": outcome.registered}
    failed = sum(calls.wanted[number] - total.successful for number, total in calls.totals.items())
    figures |= {"failed": failed, "failed_percent": 100 * failed / sum(calls.wanted.values())}
    figures["phones_failed"] = sum(outcome.failed.values())
    figures["crosstalk"] = len(outcome.crosstalk)
    _records(result, made, outcome, database)
    figures["left"] = round(sum(samples.left.values()))
    grown = samples.grown()
    figures["changed"] = len(grown)
    result.notes += [f"{name}: {old} before, {new} after" for name, (old, new) in grown.items()]
    result.notes += [f"left behind: {name} {count:g}" for name, count in samples.left.items()]
    _course(result, samples.looks)
    errors = _errors(log)
    figures["log_errors"] = len(errors)
    result.notes += [f"log: {line[:200]}" for line in errors[:5]]
    result.notes += outcome.told()
    result.notes += [f"{count} x {text}" for text, count in Counter(outcome.crosstalk).items()]
    result.notes += [f"record of {caller}: {record_of(database, caller)}" for caller in outcome.otherwise[:5]]
    result.notes += [f"phone: {text}" for text in outcome.complaints[:5]]
    for number, total in calls.totals.items():
        if total.successful < calls.wanted[number]:
            result.notes.append(f"{number}: {total.successful} of {calls.wanted[number]} went well, as SIPp sees it")
        result.notes += [f"{number}: {count} x {reason}" for reason, count in total.reasons.items()]
        result.notes += [f"{number}: {line[:200]}" for line in total.errors[:2]]
    for kind, counts in lost.items():
        told = ", ".join(f"{name} {counts[name]:,}" for name in ("came", "lost", "doubled", "reordered"))
        result.details.append(f"{kind} datagrams at the relays: {told}")
    return result


def _records(result: Result, made: Mapping[str, int], outcome: Outcome, database: Path) -> None:
    """One complete record for each call: by called number for SIPp's, by caller for the phones'."""
    expected = sum(made.values()) + len(outcome.callers)
    for _ in range(100):
        rows = _counts(database, f"SELECT called, COUNT(*) FROM calls {_COMPLETE} GROUP BY 1")  # noqa: S608 - a constant
        if sum(rows.values()) >= expected:
            break
        time.sleep(0.2)
    counts = rows
    missing = {number: made[number] - counts.get(number, 0) for number in made}
    others = sum(count for called, count in counts.items() if called not in made)
    missing["phones"] = len(outcome.callers) - others
    result.figures["records"] = sum(counts.values())
    result.figures["records_off"] = sum(abs(difference) for difference in missing.values())
    result.notes += [f"records: {kind} {count:+d} missing" for kind, count in missing.items() if count]
    lacking = {what: sum(_counts(database, query).values()) for what, query in _PARTS.items()}
    result.figures["incomplete"] = sum(lacking.values())
    result.notes += [f"records: {count} {what}" for what, count in lacking.items() if count]
    causes = _counts(database, "SELECT cause, COUNT(*) FROM calls GROUP BY 1 ORDER BY 2 DESC")
    result.details.append("causes: " + ", ".join(f"{cause} {count}" for cause, count in causes.items()))


def record_of(database: Path, caller: str) -> str:
    """What the record says of the last call of a phone's number, of which it shows the last four digits."""
    query = (
        "SELECT called, cause, ended_by, (ended_us - started_us) / 1000000, path, id FROM calls"
        " WHERE caller_masked LIKE ? ORDER BY started_us DESC LIMIT 1"
    )
    found = _rows(database, query, f"{caller[:3]}%{caller[-4:]}")
    if not found:
        return "there is none"
    called, cause, ended_by, seconds, path, call_id = found[0]
    legs = _rows(database, f"SELECT {', '.join(_LEG)} FROM legs WHERE call_id = ? ORDER BY place", call_id)  # noqa: S608 - a constant
    told = "; ".join(", ".join(f"{name} {value}" for name, value in zip(_LEG, leg, strict=True)) for leg in legs)
    return f"{called}, {cause} by {ended_by} after {seconds} s, {path}; {told}"


def _counts(database: Path, query: str) -> dict[str, int]:
    """The second column by the first; a single number is its own key."""
    return {str(row[0]): int(row[-1]) for row in _rows(database, query)}


def _rows(database: Path, query: str, *values: str) -> list[tuple[Any, ...]]:
    try:
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
            return connection.execute(query, values).fetchall()
    except sqlite3.Error as error:
        raise BenchError(f"{database}: {error}") from error


def _course(result: Result, looks: Sequence[Look]) -> None:
    """Memory and CPU a call of the last quarter over those of the second: the first one warms the switch up."""
    quarter = len(looks) // 4
    if quarter < 3:
        result.notes.append("too short for a course: memory and CPU were not compared")
        return
    early, late = looks[quarter : 2 * quarter + 1], looks[-quarter - 1 :]
    names = set(early[0].memory) & set(late[-1].memory)
    growth = {name: _mean(late, name) / _mean(early, name) for name in names}
    worst = max(growth, key=lambda name: growth[name])
    result.figures["memory_ratio"] = growth[worst]
    result.figures["memory_mb"] = max(look.memory[worst] for look in looks if worst in look.memory)
    result.details.append("memory: " + ", ".join(f"{name} x{ratio:.3f}" for name, ratio in sorted(growth.items())))
    before, after = _cost(early), _cost(late)
    if before is not None and after is not None:
        (first, loops), (last, more) = before, after
        result.figures |= {"cpu_ms_per_call": last * 1000, "cpu_loops_per_call": last / more}
        result.figures["cpu_ratio"] = (last / more) / (first / loops)


def _mean(looks: Sequence[Look], name: str) -> float:
    sizes = [look.memory[name] for look in looks if name in look.memory]
    return sum(sizes) / len(sizes)


def _cost(looks: Sequence[Look]) -> tuple[float, float] | None:
    """CPU seconds of a call, and the median of the loop in the same time."""
    calls = looks[-1].calls - looks[0].calls
    loops = sorted(look.loop for look in looks)
    return None if calls <= 0 else ((looks[-1].cpu - looks[0].cpu) / calls, loops[len(loops) // 2])


def _errors(log: Path) -> list[str]:
    """Lines of the log that tell of an error."""
    text = log.read_text("utf-8", "replace") if log.exists() else ""
    return [line for line in text.splitlines() if re.search(r"\berror\b|Traceback|\"level\": \"error\"", line)]
