"""Flows that change while calls of a carrier are in them: who hears the old one, who the new one, who is told."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench.rtp import share
from switchboard.ops.control_client import ask
from switchboard.store.store import CONTROL_NAME
from tests.support.command import command, shown_call
from tests.support.sipp import Caller, Heard, carry, listening, need_sipp
from tests.support.switch import RunningSwitch
from tests.support.talking import fragile_switch

NUMBER = "4008004000"
OLD_HZ, NEW_HZ, LATEST_HZ = 600, 800, 1000
RECEPTION = """
flow: reception
answer: now
start: wait
nodes:
  wait:
    type: collect
    into: key
    prompts: ["tone:400:0.5"]
    min: 1
    max: 1
    first_timeout: 20s
    digit_timeout: 5s
    next: notice
    on_timeout: over
    on_invalid: over
  notice: {type: subflow, flow: notice, next: over}
  over: {type: hangup}
"""
NOTICE = """
flow: notice
answer: now
start: say
nodes:
  say: {type: play, prompts: ["tone:HZ:1.5"], next: over}
  over: {type: return}
"""


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    """The operator's own flows."""
    directory = tmp_path / "flows"
    directory.mkdir()
    (directory / "reception.yaml").write_text(RECEPTION)
    write_notice(directory, OLD_HZ)
    return directory


@pytest.fixture
def switch(tmp_path: Path, flows: Path) -> Iterator[RunningSwitch]:
    """A switch with a number that leads to them."""
    need_sipp()
    numbers = [{"number": NUMBER, "flow": "reception"}]
    with fragile_switch(tmp_path, 0, numbers=numbers, masks=[], flows=[str(flows)]) as running:
        yield running


def write_notice(directory: Path, hz: int) -> None:
    """Put a whole new file in the place of the old one, as editors do."""
    fresh = directory / "notice.yaml.new"
    fresh.write_text(NOTICE.replace("HZ", str(hz)))
    fresh.replace(directory / "notice.yaml")


def versions(switch: RunningSwitch, flow: str = "reception") -> list[dict[str, Any]]:
    """What the running switch says of a flow's versions, the newest first."""
    listing = ask(switch.store / CONTROL_NAME, "flows")
    assert isinstance(listing, dict)
    return [row for row in listing["flows"] if row["flow"] == flow]


def told(switch: RunningSwitch, event: str) -> list[dict[str, Any]]:
    """Entries of its log."""
    return [entry for entry in switch.log_entries() if entry["event"] == event]


async def live_calls(switch: RunningSwitch, *counts: int) -> list[dict[str, Any]]:
    """The versions, once they have so many calls each."""
    await switch.eventually(lambda: [row["calls"] for row in versions(switch)] == list(counts), within=8)
    return versions(switch)


async def newest(switch: RunningSwitch, before: str) -> str:
    """The newest version, once it is another one than before."""
    await switch.eventually(lambda: versions(switch)[0]["version"] != before, within=8)
    return str(versions(switch)[0]["version"])


async def version_of_call(switch: RunningSwitch, caller: Caller) -> str:
    """The version that a call's record names; it must have gone the whole way."""
    (row,) = switch.rows(f"select id from calls where caller_masked like '%{caller.number[-4:]}'")
    call = await shown_call(switch, row["id"])
    assert (call["cause"], call["path"]) == ("normal", ["wait", "notice", "notice.say", "notice.over", "over"])
    return str(call["flow_version"])


def tone_heard(heard: Heard, caller: Caller) -> int:
    """Which of the tones a caller heard last."""
    samples = heard.by(caller).heard(1.0, skip=0.2)
    (hz,) = [hz for hz in (OLD_HZ, NEW_HZ, LATEST_HZ) if share(samples, hz) > 0.7]
    return hz


async def test_running_calls_keep_their_flow_and_bad_changes_are_refused(
    switch: RunningSwitch, flows: Path, tmp_path: Path
) -> None:
    """A call that has not even entered the changed subflow hears the old one; new calls hear what was live then."""
    early, second, third, last = (
        Caller(f"1391111400{place}", keys, 8000, audio=None)
        for place, keys in enumerate((",,,,,,,,,1", ",,,,,1", ",1", ",1"))
    )

    async def call(caller: Caller) -> None:
        await carry(caller, switch.target, tmp_path, NUMBER)

    with listening() as captured:
        async with asyncio.TaskGroup() as calls:
            (old,) = [row["version"] for row in versions(switch)]
            calls.create_task(call(early))
            await live_calls(switch, 1)
            write_notice(flows, NEW_HZ)
            new = await newest(switch, old)
            calls.create_task(call(second))
            both = await live_calls(switch, 1, 1)
            assert [(row["version"], row["newest"]) for row in both] == [(new, True), (old, False)]
            listed = await command(switch, "flows", "list")
            assert re.search(rf"(?m)^reception +{new} +1 +live ", listed), listed
            assert re.search(rf"(?m)^reception +{old} +1 +until they end ", listed), listed
            await refused_changes(switch, flows)
            assert [row["version"] for row in versions(switch) if row["newest"]] == [new]
            calls.create_task(call(third))
            await live_calls(switch, 2, 1)
        assert [(row["version"], row["calls"]) for row in versions(switch)] == [(new, 0)]
        write_notice(flows, LATEST_HZ)
        latest = await newest(switch, new)
        await call(last)
    await switch.nothing_left()
    await switch.records(4)
    callers = (early, second, third, last)
    assert [tone_heard(captured[0], caller) for caller in callers] == [OLD_HZ, NEW_HZ, NEW_HZ, LATEST_HZ]
    assert [await version_of_call(switch, caller) for caller in callers] == [old, new, new, latest]
    assert [entry["changed"] for entry in told(switch, "flows.live")] == [["notice", "reception"]] * 2


async def refused_changes(switch: RunningSwitch, flows: Path) -> None:
    """One that leads nowhere, one that is cut off, a file that is gone: each is told with its place, and their end."""
    file = flows / "notice.yaml"
    good = file.read_text()
    for bad, said in (
        (good.replace("next: over", "next: ower"), "notice.yaml:6:54: next: no node 'ower'; did you mean 'over'?"),
        (good[:-30], "notice.yaml:6:53: not YAML"),
        (None, "reception.yaml:17:33: no flow 'notice'"),
    ):
        if bad is None:
            file.unlink()
        else:
            file.write_text(bad)
        await switch.eventually(partial(is_refused, switch, said), within=8)
        answer = ask(switch.store / CONTROL_NAME, "reload-flows")
        assert isinstance(answer, dict)
        assert any(said in fault for fault in answer["refused"]), answer
    assert switch.metrics()["flow_reloads_refused_total"] >= 6
    file.write_text(good)
    await switch.eventually(lambda: len(told(switch, "flows.restored")) == 1, within=8)


def is_refused(switch: RunningSwitch, said: str) -> bool:
    """Whether a change was refused for such a fault, as an error."""
    levels = {entry["level"] for entry in told(switch, "flows.refused") if said in entry["fault"]}
    return levels == {"error"}
