"""The figures beside what must hold and what other engines need."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.load import Figure, Result


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the report: a figure, its bound, and what others need."""

    measure: str
    figure: str
    title: str
    unit: str = ""
    at_most: float | None = None
    goal: float | None = None
    others: Mapping[str, str] | None = None


LINES: Final = (
    Line("switch", "start_s", "start with the configuration given", "s", 5),
    Line("switch", "signalling_mb", "resident memory of the largest process", "MB", 400),
    Line("signalling", "failed", "signalling: calls failed", "", 0),
    Line("signalling", "retransmissions", "signalling: retransmissions, both ends", "", 0),
    Line(
        "signalling",
        "cpu_ms_per_call",
        "signalling: CPU of a bridged call",
        "ms",
        1.5,
        0.8,
        {"Asterisk": "3.2-4.6", "FreeSWITCH": "10-15", "Sippy": "5.3", "Kamailio (proxy)": "0.55-0.98"},
    ),
    Line("signalling", "answer_ms", "signalling: INVITE to 200, mean", "ms"),
    Line("short", "failed", "short: calls failed", "", 0),
    Line("short", "cpu_ms_per_call", "short: CPU of a bridged call, for `bench compare`", "ms"),
    Line("signalling100", "failed", "signalling, 100/s: calls failed", "", 0),
    Line("signalling100", "retransmissions", "signalling, 100/s: retransmissions, both ends", "", 0),
    Line("signalling100", "cpu_ms_per_call", "signalling, 100/s: CPU of a bridged call", "ms"),
    Line("signalling100", "answer_ms", "signalling, 100/s: INVITE to 200, mean", "ms"),
    Line("signalling600", "failed", "signalling, 600/s: calls failed", "", 0),
    Line("signalling600", "retransmissions", "signalling, 600/s: retransmissions, both ends", "", 0),
    Line("signalling600", "cpu_ms_per_call", "signalling, 600/s: CPU of a bridged call", "ms", 1.5, 0.8),
    Line("signalling600", "answer_ms", "signalling, 600/s: INVITE to 200, mean", "ms"),
    Line("highest", "rate", "highest: calls a second without a failure"),
    Line("highest", "cpu_ms_per_call", "highest: CPU of a bridged call at this rate", "ms"),
    Line("memory", "failed", "memory: calls failed", "", 0),
    Line("memory", "calls", "memory: calls in progress at once"),
    Line("memory", "kb_per_call", "memory: resident, of a call beyond the first thousand", "kB", 25),
    Line("memory", "held_mb", "memory: of the signalling with all calls", "MB"),
    Line("memory", "left", "memory: objects left when all calls were over", "", 0),
    Line("memory", "second_held_percent", "memory: the same calls again add, all in progress", "%", 2),
    Line("memory", "second_left_percent", "memory: the same calls again add, all over", "%", 2),
    Line("relay", "failed", "relay: calls failed", "", 0),
    Line("relay", "lost", "relay: packets lost, both ways", "", 0),
    Line(
        "relay",
        "cpu_ms_per_call_second",
        "relay: CPU of a second of call",
        "ms",
        1.5,
        1.25,
        {"Asterisk": "2.8", "FreeSWITCH": "5.8", "rtpengine": "1.25"},
    ),
    Line("relay", "delay_p50_ms", "relay: added delay, median", "ms"),
    Line("relay", "delay_p99_ms", "relay: added delay, p99", "ms"),
    Line("relay", "jitter_p50_ms", "relay: added jitter, median", "ms"),
    Line("relay", "jitter_p99_ms", "relay: added jitter, p99", "ms", 2),
    Line("even", "failed", "relay, evenly spaced: calls failed", "", 0),
    Line("even", "lost", "relay, evenly spaced: packets lost, both ways", "", 0),
    Line("even", "cpu_ms_per_call_second", "relay, evenly spaced: CPU of a second of call", "ms", 1.5, 1.0),
    Line("even", "delay_p50_ms", "relay, evenly spaced: delay, median", "ms"),
    Line("even", "delay_p99_ms", "relay, evenly spaced: delay, p99", "ms"),
    Line("even", "jitter_p50_ms", "relay, evenly spaced: added jitter, median", "ms"),
    Line("even", "jitter_p99_ms", "relay, evenly spaced: added jitter, p99", "ms"),
    Line("even", "load_cpu_percent", "relay, evenly spaced: the load's own core", "%"),
    Line("even", "late_p99_ms", "relay, evenly spaced: the load itself late, p99", "ms"),
    Line("extension", "failed", "extension: calls failed", "", 0),
    Line("extension", "not_reached", "extension: agents not reached", "", 0),
    Line("extension", "wrong_agent", "extension: agents reached wrongly", "", 0),
    Line(
        "extension",
        "idle_from_last_p50_ms",
        "transfer, idle: last packet of last digit, median",
        "ms",
        1,
        others={"Asterisk": "1.0", "FreeSWITCH": "3.3"},
    ),
    Line("extension", "idle_from_first_p50_ms", "transfer, idle: its first packet, median", "ms"),
    Line("extension", "from_last_p50_ms", "transfer, loaded: last packet, median", "ms"),
    Line("extension", "from_last_p99_ms", "transfer, loaded: last packet, p99", "ms", 20, 5),
    Line("extension", "from_first_p50_ms", "transfer, loaded: first packet, median", "ms"),
    Line("extension", "from_first_p99_ms", "transfer, loaded: first packet, p99", "ms"),
    Line("extension", "cpu_ms_per_call", "extension: CPU of a call, keying and relay", "ms"),
    Line("ivr", "failed", "ivr: calls failed", "", 0),
    Line("ivr", "digits_lost", "ivr: calls that did not reach the agent", "", 0),
    Line(
        "ivr",
        "cpu_ms_per_call",
        "ivr: CPU of a call, prompt, digits and relay",
        "ms",
        others={"Asterisk (Read + Dial)": "not measured here: --target"},
    ),
    Line("ivr", "from_last_p50_ms", "ivr: last packet of last digit to INVITE, median", "ms"),
    Line("ivr", "from_last_p99_ms", "ivr: last packet of last digit to INVITE, p99", "ms", goal=5),
    Line("ivr", "from_first_p50_ms", "ivr: its first packet, median", "ms"),
    Line("ivr", "from_first_p99_ms", "ivr: its first packet, p99", "ms"),
    Line("music", "failed", "music: calls failed", "", 0),
    Line("music", "absent", "music: callers not there all the time", "", 0),
    Line("music", "lost", "music: packets lost", "", 0),
    Line("music", "deviation_p99_ms", "music: deviation from 20 ms, p99", "ms", 5),
    Line(
        "music",
        "cpu_ms_per_call_second",
        "music: CPU of a second of call",
        "ms",
        0.6,
        others={"Asterisk": "2.1", "FreeSWITCH": "3.4"},
    ),
    Line("prompts", "failed", "prompts: calls failed", "", 0),
    Line("prompts", "absent", "prompts: callers not there all the time", "", 0),
    Line("prompts", "digits_lost", "prompts: callers with digits lost or doubled", "", 0),
    Line("prompts", "lost", "prompts: packets lost", "", 0),
    Line("prompts", "deviation_p50_ms", "prompts: deviation from 20 ms, median", "ms"),
    Line("prompts", "deviation_p99_ms", "prompts: deviation from 20 ms, p99", "ms", 5),
    Line("prompts", "worst_caller_p99_ms", "prompts: the same of the worst caller, p99", "ms"),
    Line("prompts", "deviation_max_ms", "prompts: deviation from 20 ms, most", "ms"),
    Line("prompts", "pause_p99_ms", "prompts: pause when a key changes the prompt, p99", "ms"),
    Line(
        "prompts",
        "cpu_ms_per_call_second",
        "prompts: CPU of a second of prompt",
        "ms",
        0.6,
    ),
    Line("prompts", "cpu_speaking_ms_per_call_second", "prompts: the same while callers speak", "ms"),
    Line("recording", "failed", "recording: calls failed", "", 0),
    Line("recording", "lost", "recording: packets lost, both ways", "", 0),
    Line("recording", "recordings_wrong", "recording: missing, cut, mono or of a wrong length", "", 0),
    Line("recording", "gaps", "recording: gaps in all recordings", "", 0),
    Line("recording", "packets_not_recorded", "recording: packets that are in no recording", "", 0),
    Line(
        "recording",
        "cpu_ms_per_call_second",
        "recording: CPU of a second of call",
        "ms",
        1.6,
        others={"Asterisk": "6.4"},
    ),
    Line("recording", "jitter_p99_ms", "recording: added jitter, p99", "ms"),
    Line("queue", "failed", "queue: calls failed", "", 0),
    Line("queue", "retransmissions", "queue: retransmissions, both ends", "", 0),
    Line(
        "queue",
        "cpu_ms_per_call",
        "queue: CPU of a call to a free agent",
        "ms",
        1.2,
        others={"Asterisk": "8.5", "FreeSWITCH": "33"},
    ),
    Line("queue", "invite_p50_ms", "queue: caller's INVITE to a free agent's, median", "ms"),
    Line("queue", "invite_p99_ms", "queue: the same, p99", "ms", 5),
    Line("queue", "invite_max_ms", "queue: the same, most", "ms"),
    Line("register", "storm_failed", "register: phones not registered in the storm", "", 0),
    Line("register", "storm_s", "register: from the first REGISTER to the last 200", "s"),
    Line("register", "storm_cpu_ms", "register, storm: CPU of a REGISTER", "ms", 0.6),
    Line("register", "storm_p50_ms", "register, storm: REGISTER to its response, median", "ms"),
    Line("register", "storm_p99_ms", "register, storm: the same, p99", "ms"),
    Line("register", "storm_retransmissions", "register, storm: REGISTERs sent again", ""),
    Line("register", "refresh_failed", "register: refreshes that failed", "", 0),
    Line("register", "refresh_cpu_ms", "register, refreshes: CPU of a REGISTER", "ms", 0.6),
    Line("register", "refresh_p50_ms", "register, refreshes: REGISTER to its response, median", "ms"),
    Line("register", "refresh_p99_ms", "register, refreshes: the same, p99", "ms"),
    Line("register", "refresh_retransmissions", "register, refreshes: REGISTERs sent again", ""),
    Line("register", "kb_per_phone", "register: resident memory of a phone", "kB"),
    Line("register", "calls_failed", "register: calls beside it that failed", "", 0),
    Line("register", "answer_ms", "register: INVITE to 200 of these, mean", "ms"),
    Line("surge", "lost", "surge: callers lost", "", 0),
    Line("surge", "overtaken", "surge: served after somebody who came later", "", 0),
    Line("surge", "called_back_overtaken", "surge: called back after somebody who came later", "", 0),
    Line("surge", "failed", "surge: calls failed", "", 0),
    Line("surge", "retransmissions", "surge: retransmissions, all ends", ""),
    Line("surge", "waiting_max", "surge: waited at once, most"),
    Line("surge", "called_back", "surge: called back"),
    Line("surge", "freed_p50_ms", "surge: an agent's BYE to the next INVITE, median", "ms"),
    Line("surge", "freed_p99_ms", "surge: the same, p99", "ms"),
    Line("surge", "listeners", "surge: callers who heard by RTP"),
    Line("surge", "announced", "surge: of these, heard an announcement"),
    Line("surge", "rtp_lost", "surge: packets lost"),
    Line("surge", "rtp_per_second", "surge: packets a second"),
    Line("surge", "rtp_per_core", "surge: packets a second of a core's work"),
    Line("surge", "api_failures", "surge: the API refused or failed", "", 0),
    Line("surge", "api_p50_ms", "surge: the API's answer, median", "ms"),
    Line("surge", "api_p99_ms", "surge: the same, p99", "ms", 100),
    Line("surge", "api_max_ms", "surge: the same, most", "ms"),
    Line("surge", "memory_kb_per_waiting", "surge: memory of the signalling for one who waits", "kB"),
    Line("surge", "memory_mb", "surge: its memory, most", "MB", 400),
    Line("surge", "cpu_ms_per_caller", "surge: CPU of a caller, waiting and audio included", "ms"),
    Line("surge", "seconds", "surge: until the last was served", "s"),
    Line("soak", "calls", "soak: calls"),
    Line("soak", "rate", "soak: calls a second"),
    Line("soak", "registrations", "soak: registrations"),
    Line("soak", "failed", "soak: calls that went otherwise than SIPp expected"),
    Line("soak", "failed_percent", "soak: the same, of a hundred", "%", 1),
    Line("soak", "phones_failed", "soak: calls of phones that went otherwise than expected", "", 0),
    Line("soak", "crosstalk", "soak: ends of calls that heard another call", "", 0),
    Line("soak", "records", "soak: complete records"),
    Line("soak", "records_off", "soak: records missing or too many", "", 0),
    Line("soak", "incomplete", "soak: records, legs, stretches, recordings without an end", "", 0),
    Line("soak", "left", "soak: held when all calls were over", "", 0),
    Line("soak", "changed", "soak: processes with more descriptors, threads or tasks than before", "", 0),
    Line("soak", "log_errors", "soak: errors in the log", "", 0),
    Line("soak", "memory_mb", "soak: memory of the process that grew most, at most", "MB"),
    Line("soak", "memory_ratio", "soak: its last quarter over its second", "", 1.05),
    Line("soak", "cpu_ms_per_call", "soak: CPU of a call", "ms"),
    Line("soak", "cpu_loops_per_call", "soak: the same in loops of 50,000 dictionary writes"),
    Line("soak", "cpu_ratio", "soak: the last quarter's over the second's", "", 1.2),
    Line("masks", "mixed_mb", "masks, mixed: resident memory", "MB", 600),
    Line("masks", "mixed_us", "masks, mixed: CPU of a look-up", "µs", 2),
    Line("masks", "mixed_bind_us", "masks, mixed: CPU of a binding", "µs"),
    Line("masks", "extension_mb", "masks, extensions: resident memory", "MB", 600),
    Line("masks", "extension_us", "masks, extensions: CPU of a look-up", "µs", 2),
    Line("masks", "extension_bind_us", "masks, extensions: CPU of a binding", "µs"),
    Line("masks", "axb_mb", "masks, pairs alone: resident memory", "MB", 600),
    Line("masks", "axb_us", "masks, pairs alone: CPU of a look-up", "µs", goal=2),
    Line("masks", "axb_bind_us", "masks, pairs alone: CPU of a binding", "µs"),
    Line("acd", "median_us", "queues: an event, median", "µs"),
    Line("acd", "p99_us", "queues: an event, p99", "µs"),
    Line("acd", "slowest_median_us", "queues: the slowest kind of event, median", "µs", 200),
    Line("acd", "slowest_p99_us", "queues: the slowest kind of event, p99", "µs"),
    Line("acd", "crowd_median_us", "queues: all in one group and idle, the slowest kind, median", "µs", 200),
    Line("acd", "crowd_ring_all_us", "queues: the same with ring_all, 32 phones a caller, median", "µs"),
    Line("acd", "cpu_us", "queues: CPU of an event and of making it up", "µs"),
    Line("acd", "mb", "queues: resident memory", "MB"),
)


def value_of(line: Line, results: Mapping[str, Result]) -> Figure:
    """The figure a line shows, nothing when it was not measured."""
    result = results.get(line.measure)
    return result.figures.get(line.figure) if result else None


def broken(results: Mapping[str, Result]) -> list[str]:
    """What must hold and does not, and what must hold and could not be measured."""
    faults = []
    for line in LINES:
        if line.at_most is None or line.measure not in results:
            continue
        value = value_of(line, results)
        if value is None:
            faults.append(f"{line.title}: not measured")
        elif value > line.at_most:
            faults.append(f"{line.title}: {number(value)} {line.unit}".rstrip() + f", at most {line.at_most:g}")
    return faults


def print_table(results: Mapping[str, Result], console: Console) -> None:
    """Print every figure measured, with its bound and the other engines' figures."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("figure", no_wrap=True)
    for name in ("measured", "must hold", "goal"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("others, same machine")
    for line in LINES:
        value = value_of(line, results)
        if line.measure not in results or (value is None and line.at_most is None):
            continue
        bound = "" if line.at_most is None else f"≤ {line.at_most:g}"
        goal = "" if line.goal is None else f"≤ {line.goal:g}"
        others = ", ".join(f"{engine} {figure}" for engine, figure in (line.others or {}).items())
        table.add_row(line.title, _coloured(line, value), bound, goal, others)
    console.print()
    console.print(table)
    for result in results.values():
        for detail in result.details:
            console.print(f"[dim]{result.name}: {detail}[/]", soft_wrap=True, highlight=False)
    for result in results.values():
        for note in result.notes:
            console.print(f"[yellow]{result.name}:[/] {note}", soft_wrap=True, highlight=False)


def _coloured(line: Line, value: Figure) -> str:
    """A figure with its unit: green when it holds, red when it does not."""
    if value is None:
        return "[red]not measured[/]"
    text = f"{number(value)} {line.unit}".rstrip()
    if line.at_most is None:
        return text
    return f"[green]{text}[/]" if value <= line.at_most else f"[bold red]{text}[/]"


def number(value: float) -> str:
    """A figure with no more digits than it deserves."""
    return str(value) if isinstance(value, int) else f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"


def busy() -> str:
    """A warning when other programs use this machine, as far as the load average of a minute tells; else empty."""
    load, cpus = os.getloadavg()[0], os.cpu_count() or 1
    return f"load average {load:.1f} on {cpus} CPUs before the start: figures suffer" if load > cpus / 4 else ""


def write_json(
    path: Path, target: str, results: Mapping[str, Result], faults: Sequence[str], crowded: str = ""
) -> None:
    """Everything measured, for another program to read."""
    document = {
        "target": target,
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
        "busy": crowded,
        "results": {
            name: {"figures": r.figures, "notes": r.notes, "details": r.details} for name, r in results.items()
        },
        "broken": list(faults),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")


def conclude(
    console: Console,
    results: Mapping[str, Result],
    failure: str,
    target: str,
    file: Path | None,
    crowded: str,
    *,
    judged: bool = True,
) -> int:
    """Print what was measured, what broke its bound and what failed, write it where asked; the exit status.

    Where it is not `judged` a bound may be broken.
    """
    faults = broken(results)
    if results:
        print_table(results, console)
        if file:
            write_json(file, target, results, faults, crowded)
    if not judged:
        faults = []
    for fault in faults if not failure else ():
        console.print(f"[bold red]broken:[/] {fault}", soft_wrap=True)
    if failure:
        console.print(f"[bold red]error:[/] {failure}", soft_wrap=True)
    return 1 if failure or faults else 0
