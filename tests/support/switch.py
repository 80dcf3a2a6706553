"""A real switch in processes of its own, for end-to-end tests: started, watched, killed, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import yaml

from switchboard.store.intake import DECODERS
from switchboard.store.segments import read_segment, segment_number, segment_paths
from tests.support.patience import PATIENCE
from tests.support.planes import on_chosen
from tests.support.ports import MEDIA_RANGE, WEB_RANGE, free_port
from tests.support.rtpengine import calls_at

PROJECT = Path(__file__).parents[2]
START_SECONDS = 60.0
HELD = (
    "calls",
    "dialogs",
    "media_legs",
    "web_legs",
    "invites_in",
    "invites_out",
    "call_timers",
    "client_transactions",
    "server_transactions",
    "timers",
    "pending_2xx",
    "accepted_invites",
    "merge_keys",
    "waiting_destinations",
    "anteroom",
    "media_ports_leased",
)
"""What a call holds; every one is zero when nothing was left behind."""
RECENT: deque[RunningSwitch] = deque(maxlen=2)
"""The last ones that were started, for whoever asks why a test has failed."""
SHORT_TIMERS = {"t1": 0.05, "t2": 0.4, "t4": 0.5, "d": 3.2}
"""64 * T1 is 3.2 s, so that what was left behind can be told soon."""


class RunningSwitch:
    """One switch: its supervisor's process, its configuration, and what can be seen of it from outside."""

    def __init__(self, directory: Path, *, timers: dict[str, float] = SHORT_TIMERS, **changes: Any) -> None:
        """Start it; `changes` replace whole sections of the test configuration, but of `sip` only what they name."""
        self.directory = directory
        self.timers = timers
        self.sip_port = free_port()
        self.http_port = free_port()
        self.store = directory / "store"
        self.pid_file = directory / "switch.pid"
        self.output = directory / "output.log"
        defaults = self._defaults()
        self.config = {**defaults, **changes, "sip": {**defaults["sip"], **changes.get("sip", {})}}
        self.config_file = directory / "switch.yaml"
        self.config_file.write_text(yaml.safe_dump(self.config, allow_unicode=True))
        self.idle_tasks = 0.0
        RECENT.append(self)
        try:
            self.process = self._start()
        except BaseException:
            # Nobody has it who could end it.
            self.kill()
            raise

    @property
    def target(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self.sip_port

    def _defaults(self) -> dict[str, Any]:
        return {
            "sip": {
                "listen": [{"host": "127.0.0.1", "port": self.sip_port}],
                "timers": dict(self.timers),
            },
            "media": {"ports": MEDIA_RANGE},
            "webrtc": {"ports": WEB_RANGE, "sessions": 100},
            "limits": {"ring_timeout": "2s", "drain": "1s"},
            "trunks": [{"name": "carrier", "from": ["127.0.0.0/8"]}],
            "accounts": [{"user": "alice", "password": "alice-secret"}, {"user": "bob", "password": "bob-secret"}],
            "numbers": [{"number": "4008001234", "flow": "extension"}],
            "masks": [
                {"number": "4008001234", "extension": "800001", "target": "aor:alice"},
                {"number": "4008001234", "extension": "800002", "target": "aor:bob"},
            ],
            "trace": {"megabytes": 1},
            # A busy machine is no reason for the switch under test to turn calls away.
            "overload": {"delay": "0s"},
            # Getting ready to speak takes a third of a second; those who want texts spoken say so.
            "speech": {"engine": "none"},
            "store": {"directory": str(self.store)},
            "http": {"port": self.http_port},
            "log": {"level": "debug", "format": "json", "file": str(self.directory / "switch.log")},
        }

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "switchboard", "run"]
        command += ["--config", str(self.config_file), "--pid-file", str(self.pid_file)]
        with self.output.open("ab") as output:
            process = subprocess.Popen(
                command, cwd=PROJECT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.process = process
        until = time.monotonic() + START_SECONDS
        while b"is ready" not in self.output.read_bytes():
            if process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"the switch did not start:\n{self.output.read_text()}")
            time.sleep(0.02)
        self._await_http(until)
        return process

    def _await_http(self, until: float) -> None:
        while True:
            try:
                self.idle_tasks = self.metrics()["tasks"]
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
            else:
                return

    # --- looking ---

    def get(self, path: str) -> bytes:
        """A page of its web server."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=PATIENCE * 5) as answer:
            return bytes(answer.read())

    def metrics(self) -> dict[str, float]:
        """All numbers of /metrics by name, labels included."""
        numbers = {}
        for line in self.get("/metrics").decode().splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                numbers[name.removeprefix("switchboard_")] = float(value)
        return numbers

    def held(self) -> dict[str, float]:
        """What calls hold at the moment, without the zeros; of tasks, those above what an idle switch has."""
        metrics = self.metrics()
        metrics["tasks"] -= min(self.idle_tasks, metrics["tasks"])
        return {name: metrics[name] for name in (*HELD, "tasks") if metrics[name]}

    async def nothing_left(self, within: float = 64 * 0.05 + 3.0) -> None:
        """Wait until nothing of any call is left but its record, in the database; fails with what is."""
        until = time.monotonic() + PATIENCE * within
        while held := await asyncio.to_thread(self.held):
            assert time.monotonic() < until, f"left behind: {held}"
            await asyncio.sleep(0.25)  # each look costs the switch 3 ms
        await self.eventually(self.has_loaded)
        await self.eventually(self.rtpengine_has_ended_all)

    def rtpengine_has_ended_all(self) -> bool:
        """Whether it has, where it is there, no calls but those that are opened ahead, of two ports each."""
        media = self.config.get("media", {})
        metrics = self.metrics()
        if media.get("plane") != "rtpengine" or not metrics["media_ports_rtpengine"]:
            return True
        host, _, port = media["rtpengine"]["address"].rpartition(":")
        return 2 * calls_at((host, int(port))) == metrics["media_ports_free"]

    def has_loaded(self) -> bool:
        """Whether the database has all that the journal has of what is over."""
        known = self.rows("select segment, position from journal_position")
        segment, position = (known[0]["segment"], known[0]["position"]) if known else (0, 0)
        with contextlib.suppress(FileNotFoundError):  # a segment is dropped when all of it is loaded
            return not any(
                True
                for path in segment_paths(self.store / "journal")
                if (number := segment_number(path)) >= segment
                for _ in read_segment(path, position if number == segment else 0).entries(DECODERS)
            )
        return False

    async def eventually(self, check: Callable[[], bool], within: float = 5.0) -> None:
        """Wait until `check` is true."""
        until = time.monotonic() + PATIENCE * within
        while not await asyncio.to_thread(check):
            assert time.monotonic() < until, "it did not become true in time"
            await asyncio.sleep(0.05)

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Rows of its database, read from outside."""
        with contextlib.closing(sqlite3.connect(f"file:{self.store}/switchboard.db?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(query)]

    async def records(self, count: int, within: float = 5.0) -> list[dict[str, Any]]:
        """The call rows once there are `count` of them, oldest first."""
        await self.eventually(lambda: len(self.rows("select id from calls")) >= count, within)
        return self.rows("select * from calls order by started_us")

    def log(self) -> str:
        """Everything it has printed and logged."""
        file = self.directory / "switch.log"
        return self.output.read_text() + (file.read_text() if file.exists() else "")

    def last_words(self, most: int = 8) -> str:
        """The last lines of its log that are a warning or worse; what it printed where it has no log."""
        file = self.directory / "switch.log"
        if not file.exists():
            return self.output.read_text()[-2000:] if self.output.exists() else ""
        told = [line for line in file.read_text().splitlines() if '"level": "debug"' not in line]
        return "\n".join([line for line in told if '"level": "info"' not in line][-most:] or told[-most:])

    def log_entries(self) -> list[dict[str, Any]]:
        """The entries of its log."""
        return [json.loads(line) for line in (self.directory / "switch.log").read_text().splitlines()]

    def child(self, part: str) -> psutil.Process:
        """The child whose module contains `part`, such as "signalling" or "media.worker"."""
        found = self.children(part)
        assert found, f"no child {part}"
        return found[0]

    def children(self, part: str) -> list[psutil.Process]:
        """All of these."""
        children = psutil.Process(self.process.pid).children()
        return [one for one in children if part in " ".join(one.cmdline()[1:3])]  # -m MODULE

    # --- ending ---

    def stop(self, within: float = 15.0) -> int:
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(PATIENCE * within)

    def kill(self) -> None:
        """End every process of it at once, whatever it is doing."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE * 5)
        # Its children have ports that the next one is to have.
        until = time.monotonic() + 5
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < until:
                os.killpg(self.process.pid, 0)
                time.sleep(0.01)

    def restart(self) -> None:
        """Start it again after its end, on the same store."""
        self.output.write_bytes(b"")
        self._start()


@contextlib.contextmanager
def running_switch(directory: Path, *, but: str = "", **changes: Any) -> Iterator[RunningSwitch]:
    """A switch for the time of a test; at the end it must stop cleanly and must have logged no error.

    `but` is the event of one that the test itself gives cause to.
    """
    with on_chosen(directory, changes) as settings:
        switch = RunningSwitch(directory, **settings)
        try:
            yield switch
            assert switch.stop() == 0, switch.log()
            log = "\n".join(line for line in switch.log().splitlines() if f'"event": "{but}"' not in line)
            for sign in ('"level": "error"', "Traceback"):
                assert sign not in log, log[-4000:]
        finally:
            switch.kill()
