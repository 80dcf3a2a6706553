"""SIPp as the load: started, watched, stopped, and its own counts read back."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bench.errors import BenchError
from bench.target import listens

SCENARIOS: Final = Path(__file__).parent / "scenarios"


def find_sipp() -> str:
    """The path of SIPp, or an error that says where to get it."""
    found = shutil.which("sipp")
    if not found:
        raise BenchError("SIPp is not installed: apt-get install sip-tester")
    return found


@dataclass(frozen=True, slots=True)
class Totals:
    """What one SIPp counted in its whole life."""

    created: int
    successful: int
    failed: int
    retransmitted: int
    """Messages this SIPp sent again."""
    repeated: int
    """Messages this SIPp received again."""
    unexpected: int
    timeouts: int
    reasons: dict[str, int] = field(default_factory=dict)
    errors: tuple[str, ...] = ()

    @property
    def retransmissions(self) -> int:
        """Messages sent more than once, by either end."""
        return self.retransmitted + self.repeated


def read_statistics(text: str) -> dict[str, str]:
    """The last row of a -trace_stat file by column name."""
    rows = [line.split(";") for line in text.splitlines() if line]
    return dict(zip(rows[0], rows[-1], strict=False)) if len(rows) > 1 else {}


def read_totals(statistics: str, counts: str, errors: str = "") -> Totals:
    """Put a SIPp's statistics, message counts and error file together."""
    row = read_statistics(statistics)
    messages = read_statistics(counts)

    def total(ending: str, sort: str) -> int:
        return sum(
            int(number)
            for name, number in messages.items()
            if name.endswith(ending) and number.isdigit() and f"{name.removesuffix(ending)}_{sort}" in messages
        )

    reasons = {
        name.removesuffix("(C)"): int(number)
        for name, number in row.items()
        if name.startswith("Failed") and name.endswith("(C)") and name != "FailedCall(C)" and int(number)
    }
    return Totals(
        created=int(row.get("TotalCallCreated", 0)),
        successful=int(row.get("SuccessfulCall(C)", 0)),
        failed=int(row.get("FailedCall(C)", 0)),
        retransmitted=total("_Retrans", "Sent"),
        repeated=total("_Retrans", "Recv"),
        unexpected=total("_Unexp", "Recv"),
        timeouts=total("_Timeout", "Sent") + total("_Timeout", "Recv"),
        reasons=reasons,
        errors=tuple(line for line in errors.splitlines() if line.strip())[:20],
    )


@dataclass(slots=True)
class Sipp:
    """One SIPp process, a caller when it has a `remote`, an agent otherwise."""

    scenario: Path
    directory: Path
    port: int
    media_port: int
    remote: str = ""
    arguments: Sequence[str] = ()
    host: str = "127.0.0.1"
    cpus: frozenset[int] = frozenset()
    process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """caller or agent, and its port: the stem of its files."""
        return f"{'caller' if self.remote else 'agent'}-{self.port}"

    def command(self) -> list[str]:
        """The command line."""
        line = [find_sipp(), *([self.remote] if self.remote else []), "-sf", str(self.scenario)]
        line += ["-i", self.host, "-p", str(self.port), "-bind_local"]
        line += ["-mi", self.host, "-mp", str(self.media_port), "-nostdin", "-aa", "-timer_resol", "1"]
        line += ["-trace_stat", "-stf", f"{self.name}.csv", "-fd", "1", "-trace_counts"]
        line += ["-trace_err", "-error_file", f"{self.name}.errors"]
        return [*line, *self.arguments]

    def start(self) -> None:
        """Start it; an agent is waited for until it listens."""
        transport = "tcp" if "t1" in self.arguments else "udp"
        if not self.remote and listens((self.host, self.port), transport):
            raise BenchError(f"{self.host}:{self.port} is taken: another agent or measurement is still running")
        (self.directory / f"{self.name}.csv").unlink(missing_ok=True)  # of one before it, at the same port
        with (self.directory / f"{self.name}.screen").open("wb") as screen:
            self.process = subprocess.Popen(
                self.command(), cwd=self.directory, stdin=subprocess.DEVNULL, stdout=screen, stderr=screen
            )
        if self.cpus:
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(self.process.pid, self.cpus)
        for _ in range(200):
            if self.remote or listens((self.host, self.port), transport):
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise BenchError(f"SIPp did not start: {self.last_words()}")

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None) -> None:
        """Stop it, gently first."""
        self.stop()

    def wait(self, within: float, tick: Callable[[dict[str, str]], None], every: float = 0.25) -> None:
        """Wait for its end, handing its newest statistics to `tick` again and again."""
        assert self.process is not None
        deadline = time.monotonic() + within
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                self.stop()
                raise BenchError(f"SIPp was not done within {within:g} s; its calls hang ({self.last_words()})")
            tick(read_statistics(self._read(f"{self.name}.csv")))
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(every)
        tick(read_statistics(self._read(f"{self.name}.csv")))
        if self.process.returncode not in (0, 1):
            raise BenchError(f"SIPp stopped with status {self.process.returncode}: {self.last_words()}")

    @property
    def over(self) -> bool:
        """Whether it has made all its calls, which are over."""
        return self.process is not None and self.process.poll() is not None

    def so_far(self) -> int:
        """How many of its calls have gone well, a second ago or now."""
        return int(read_statistics(self._read(f"{self.name}.csv")).get("SuccessfulCall(C)", 0))

    def stop(self) -> None:
        """Let its calls end, for five seconds; then stop it anyway."""
        if self.process is None or self.process.poll() is not None:
            return
        for sign, patience in ((signal.SIGUSR1, 5.0), (signal.SIGTERM, 1.0), (signal.SIGKILL, 5.0)):
            self.process.send_signal(sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
                return

    def totals(self) -> Totals:
        """Its counts; asked for after its end."""
        stem = self.scenario.stem
        pid = self.process.pid if self.process else 0
        return read_totals(
            self._read(f"{self.name}.csv"),
            self._read(f"{stem}_{pid}_counts.csv"),
            self._read(f"{self.name}.errors"),
        )

    def mean_answer_ms(self) -> float | None:
        """Mean time from INVITE to 200, as SIPp measured it; asked for after its end."""
        text = read_statistics(self._read(f"{self.name}.csv")).get("ResponseTime1(C)", "")
        if text.count(":") != 3:
            return None
        _, minutes, seconds, microseconds = map(int, text.split(":"))
        return (minutes * 60 + seconds) * 1000 + microseconds / 1000

    def last_words(self) -> str:
        """What it said last, for an error message."""
        text = self._read(f"{self.name}.errors") or self._read(f"{self.name}.screen")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return "; ".join(lines[-3:]) or "it said nothing"

    def _read(self, name: str) -> str:
        """One of its files, empty when it is not there."""
        with contextlib.suppress(OSError):
            return (self.directory / name).read_text("utf-8", "replace")
        return ""
