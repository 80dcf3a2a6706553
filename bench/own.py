"""This project's own switch as the target: started for the measurement, stopped after it."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from bench.cpu import cpu_seconds, resident_mb
from bench.errors import BenchError
from bench.load import Result
from bench.target import Target, listens, parse_address, wait_until_answering

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "config" / "bench.yaml"
ONE_CPU: Final = "0" if (os.cpu_count() or 1) > 1 else ""
"""What the switch is pinned to, so that the load has the others; nothing where there is but one."""


def add_server(parser: argparse.ArgumentParser) -> None:
    """The options that say what is measured: another SIP server, or this project's switch."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--target", type=parse_address, metavar="HOST:PORT", help="the SIP server to measure")
    what.add_argument("--self", action="store_true", help="start and measure this project's switch")
    parser.add_argument("--pid", type=int, action="append", default=[], help="its process (may be repeated)")
    parser.add_argument("--config", type=Path, default=CONFIG, help="configuration for --self")
    parser.add_argument("--cpus", default=ONE_CPU, help="CPUs for --self; the first one unless given, '' for all")


@dataclass(slots=True)
class OwnSwitch:
    """The running switch and how it started."""

    target: Target
    result: Result
    log: Path

    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text("utf-8", "replace")

    def note_memory(self) -> None:
        """Note the resident memory of its largest process, which is the signalling."""
        sizes = resident_mb(self.target.pids).values()
        self.result.figures["signalling_mb"] = max(sizes, default=None)


def address_in(config: Path) -> tuple[str, int]:
    """Where a configuration makes the switch listen."""
    try:
        listen = yaml.safe_load(config.read_text("utf-8"))["sip"]["listen"][0]
        return str(listen["host"]), int(listen["port"])
    except OSError as error:
        raise BenchError(f"{config}: {error.strerror}") from error
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise BenchError(f"{config}: no sip.listen with host and port") from error


@contextmanager
def own_switch(config: Path = CONFIG, cpus: str = "") -> Iterator[OwnSwitch]:
    """Start the switch, wait until it answers, stop it in the end."""
    address = address_in(config)
    if listens(address):
        raise BenchError(f"{address[0]}:{address[1]} is taken: is a switch with {config.name} running already?")
    with tempfile.TemporaryDirectory(prefix="bench-switch-") as directory:
        log, pid_file = Path(directory, "switch.log"), Path(directory, "pid")
        command = [sys.executable, "-m", "switchboard", "run", "--config", str(config), "--pid-file", str(pid_file)]
        command += ["--cpus", cpus] if cpus else []
        started = time.monotonic()
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        try:
            _wait(process, address, log)
            result = Result("switch", {"start_s": time.monotonic() - started})
            pid = int(pid_file.read_text()) if pid_file.exists() else process.pid
            _quieten(pid, result)
            yield OwnSwitch(Target(address, (pid,)), result, log)
        finally:
            _stop(process)


def _wait(process: subprocess.Popen[bytes], address: tuple[str, int], log: Path) -> None:
    """Wait until the switch answers OPTIONS."""
    deadline = time.monotonic() + 30
    while not wait_until_answering(address, 0.2):
        if process.poll() is not None or time.monotonic() > deadline:
            lines = log.read_text("utf-8", "replace").splitlines()
            what = "ended" if process.poll() is not None else "did not answer within 30 s"
            raise BenchError(f"the switch {what}: " + ("; ".join(lines[-3:]) or "it said nothing"))


def _quieten(pid: int, result: Result) -> None:
    """Wait, ten seconds at most, until the start has left nothing to do that would be counted as calls'."""
    first = used = cpu_seconds([pid])
    for _ in range(20):
        time.sleep(0.5)
        before, used = used, cpu_seconds([pid])
        if used - before < 0.03:
            break
    result.details.append(f"CPU {used - first:.2f} s after the first answer, before any call")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Let it drain; what is left of its group after that is killed."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(5)
