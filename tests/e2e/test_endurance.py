"""Thousands of calls leave a switch as they found it: descriptors, tasks, timers, dialogs, ports, memory.

The usual run has 2,000 calls twice; SWITCHBOARD_ENDURANCE=full makes it 10,000.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.sipp import SCENARIOS, Sipp, Totals
from tests.support.patience import PATIENCE
from tests.support.planes import CHOSEN, WORKERS
from tests.support.ports import free_port
from tests.support.processes import descriptors, memory, processes, threads
from tests.support.sipp import next_media_port
from tests.support.switch import RunningSwitch, running_switch
from tests.support.talking import AGENT, numbers

FULL = os.environ.get("SWITCHBOARD_ENDURANCE") == "full"
CALLS = 10_000 if FULL else 2_000
WARM_UP = 250 if CHOSEN == WORKERS else 60
"""Calls all up at once, more than ever later: the ports that a worker has opened once it keeps; rtpengine keeps none,
and has not as many.
"""
RATE = 100
GROWTH = 0.02
"""By how much the second of two equal runs may raise the resident memory of a process."""

pytestmark = [
    pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed: apt-get install sip-tester"),
    pytest.mark.timeout(400 if FULL else 120),
]


@pytest.fixture(scope="module")
def agent_port() -> int:
    """Where SIPp answers."""
    return free_port()


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory, agent_port: int) -> Iterator[RunningSwitch]:
    """A switch whose 4001 leads to SIPp."""
    directory = tmp_path_factory.mktemp("endurance")
    log = {"level": "info", "format": "json", "file": str(directory / "switch.log")}
    with running_switch(directory, numbers=numbers(agent_port), masks=[], log=log) as running:
        yield running


class State:
    """What the switch holds when no call is up."""

    def __init__(self, switch: RunningSwitch) -> None:
        metrics = switch.metrics()
        self.held = switch.held()
        self.tasks = metrics["tasks"]
        self.ports = metrics["media_ports_free"]
        time.sleep(0.5)  # the connection that asked for the metrics is closed by now
        self.descriptors = descriptors(switch)
        self.threads = threads(switch)
        self.pids = {name: process.pid for name, process in processes(switch).items()}

    def differs(self, other: State) -> dict[str, object]:
        """What is not as it was, with both values."""
        return {
            name: (value, getattr(other, name)) for name, value in vars(self).items() if value != getattr(other, name)
        }


async def settled(switch: RunningSwitch) -> State:
    """The state once everything that remembers calls for a while has forgotten them."""
    await switch.nothing_left(15)
    await asyncio.sleep(0.2)
    return await asyncio.to_thread(State, switch)


async def as_before(switch: RunningSwitch, before: State) -> None:
    """Wait until the state is what it was: a connection or a thread may take a moment to go."""
    until = time.monotonic() + PATIENCE * 3
    while wrong := (await settled(switch)).differs(before):
        assert time.monotonic() < until, wrong


async def load(
    switch: RunningSwitch, agent: Sipp, directory: Path, calls: int, rate: int = RATE, milliseconds: int = 0
) -> Totals:
    """So many calls that last so long, at a rate."""
    host, port = switch.target
    arguments = ("-s", AGENT, "-m", str(calls), "-r", str(rate), "-l", "2000", "-d", str(milliseconds))
    caller = Sipp(SCENARIOS / "caller.xml", directory, free_port(), next_media_port(), f"{host}:{port}", arguments)
    with caller:
        await asyncio.to_thread(caller.wait, calls / rate + 60, lambda row: None)
    assert agent.process is not None
    assert agent.process.poll() is None
    return caller.totals()


async def test_calls_leave_nothing_behind(
    switch: RunningSwitch, agent_port: int, tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    """After many calls all is as before, and as many again add next to nothing to the memory."""
    figures: dict[str, object] = {"calls": CALLS}
    with Sipp(SCENARIOS / "agent.xml", tmp_path, agent_port, next_media_port()) as agent:
        assert (await load(switch, agent, tmp_path, WARM_UP, WARM_UP, 2000)).successful == WARM_UP
        before = await settled(switch)
        sizes: list[dict[str, int]] = []
        for _ in range(2):
            began = time.monotonic()
            totals = await load(switch, agent, tmp_path, CALLS)
            assert (totals.successful, totals.failed) == (CALLS, 0), totals
            figures["seconds"] = round(time.monotonic() - began, 1)
            await as_before(switch, before)
            sizes.append(await asyncio.to_thread(memory, switch))
    figures["resident"] = sizes
    figures["growth %"] = {name: round(100 * (sizes[1][name] / size - 1), 2) for name, size in sizes[0].items()}
    print(json.dumps(figures))
    record_property("figures", json.dumps(figures))
    for name, size in sizes[0].items():
        assert sizes[1][name] <= size * (1 + GROWTH), f"{name} has grown: {sizes}"
    await switch.eventually(lambda: count(switch) == WARM_UP + 2 * CALLS, 15)
    (causes,) = switch.rows("select count(distinct cause) as n, min(cause) as cause from calls")
    assert (causes["n"], causes["cause"]) == (1, "normal")


def count(switch: RunningSwitch) -> int:
    """How many records there are."""
    return int(switch.rows("select count(*) as n from calls")[0]["n"])
