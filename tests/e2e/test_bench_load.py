"""The load harness against itself: SIPp calling SIPp, a phone that forgets, and a small switch of each kind."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from bench import even_phones, ivr, music, prompts, queues, recording, relay, signalling
from bench import load as loads
from bench.load import Calls, Load, Result
from bench.phone import Answer, Phone, Refuse
from bench.sipp import SCENARIOS, Sipp
from bench.target import Target
from bench.wire import Message
from tests.support.planes import CHOSEN, WORKERS, workers_only
from tests.support.ports import SIPP_FIRST, free_port
from tests.support.sipp import next_media_port
from tests.support.switch import PROJECT, RunningSwitch, running_switch

AGENT_PORT, CALLER_PORT = free_port(), free_port()
pytestmark = pytest.mark.skipif(not shutil.which("sipp"), reason="needs SIPp: apt-get install sip-tester")
root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: SIPp's audio and the capture use raw sockets")


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """A load whose target is its own agent, on ports of its own."""
    monkeypatch.setattr(loads, "AGENT_PORT", AGENT_PORT)
    monkeypatch.setattr(loads, "CALLER_PORT", CALLER_PORT)
    return Load(Target(("127.0.0.1", AGENT_PORT), (os.getpid(),)), Console(quiet=True), tmp_path)


def test_signalling_without_a_server_between_has_no_faults(load: Load) -> None:
    """Caller and agent agree, and the CPU of this process's children is seen."""
    result = signalling.measure(load, Calls(50, 100, 0.05))
    assert faults(result) == []
    assert (result.figures["failed"], result.figures["retransmissions"]) == (0, 0)
    assert 0 < (result.figures["cpu_ms_per_call"] or 0) < 50


@root
def test_relay_without_a_server_between_loses_nothing(load: Load) -> None:
    """Every packet of every call is seen, at fifty a second both ways, and delayed by nothing."""
    result = relay.measure(load, Calls(4, 20, 2.0))
    assert faults(result) == []
    assert (result.figures["sent_to_agent"], result.figures["sent_to_caller"]) == (400, 400)
    assert (result.figures["lost"], result.figures["delay_p99_ms"], result.figures["jitter_p99_ms"]) == (0, 0.0, 0.0)


async def test_retransmissions_and_failures_are_counted(tmp_path: Path) -> None:
    """A phone that ignores each first INVITE and refuses one of three callers: three repetitions, one failure."""
    heard: set[str] = set()

    def forget(way: str, message: Message) -> bool:
        new = way == "in" and message.method == "INVITE" and message.call_id not in heard
        heard.add(message.call_id)
        return new

    async with await Phone.open("agent") as phone:
        phone.endpoint.drop = forget
        phone.behaviour = lambda invite: Refuse(486) if "sip:13800132@" in invite.get("from") else Answer()
        target = f"127.0.0.1:{phone.address[1]}"
        arguments = ("-m", "3", "-r", "50", "-d", "10", "-s", "4001")
        caller = Sipp(SCENARIOS / "caller.xml", tmp_path, free_port(), next_media_port(), target, arguments)
        with caller:
            await asyncio.to_thread(caller.wait, 20, lambda row: None)
    totals = caller.totals()
    assert (totals.created, totals.successful, totals.failed, totals.retransmitted) == (3, 2, 1, 3)
    assert totals.reasons == {"FailedUnexpectedMessage": 1}
    assert any("486" in line for line in totals.errors)


AGENT = f"sip:agent@127.0.0.1:{AGENT_PORT}"


def flow(directory: Path, file: str, name: str, before: str, after: str) -> None:
    """A flow of the project under another name, with one thing in it changed."""
    text = (PROJECT / file).read_text()
    assert before in text
    changed = text.replace(before, after).replace(f"flow: {Path(file).stem}\n", f"flow: {name}\n")
    (directory / f"{name}.yaml").write_text(changed)


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """A switch with the numbers of the load, and 4007, which takes other digits than callers key."""
    directory = tmp_path_factory.mktemp("switch")
    flows = directory / "flows"
    flows.mkdir()
    flow(flows, "ivr_flows/library/four_digits.yaml", "four", "sip:agent@127.0.0.1:5190", AGENT)
    flow(flows, "bench/flows/listening.yaml", "deaf", "part(caller, 8, 4)", "part(caller, 1, 4)")
    numbers = [{"number": "4002", "flow": "four"}, {"number": "4005", "target": AGENT, "record": True}]
    numbers += [{"number": "4001", "target": AGENT}, {"number": "4004", "flow": "hold_music"}]
    numbers += [{"number": "4006", "flow": "listening"}, {"number": "4007", "flow": "deaf"}]
    numbers += [{"number": "4003", "group": "bench"}]
    groups = [{"name": "bench", "announcements": {"music": []}}]
    agents = [{"id": "bench", "phone": AGENT, "count": 20, "groups": {"bench": 1}, "always": True}]
    sources = [str(flows), str(PROJECT / "bench/flows")]
    sections = {"numbers": numbers, "groups": groups, "agents": agents}
    with running_switch(directory, masks=[], flows=sources, **sections) as running:
        yield running


@pytest.fixture
def beside(load: Load, switch: RunningSwitch, monkeypatch: pytest.MonkeyPatch) -> Load:
    """A load upon that switch."""
    for module in (ivr, queues):
        monkeypatch.setattr(module, "AGENT_PORT", AGENT_PORT)
    monkeypatch.setattr(queues, "CALLER_PORT", CALLER_PORT)
    load.target = Target(switch.target, (switch.process.pid,))
    return load


def faults(result: Result) -> list[str]:
    """What was noted, without what only tells that the machine had other things to do."""
    busy = ("sent again", "% of the time only", "watchdog", "The following events occurred:")
    return [note for note in result.notes if not any(sign in note for sign in busy)]


def figures(result: Result, *names: str) -> dict[str, float | int | None]:
    """Some figures of a result."""
    return {name: result.figures[name] for name in names}


@root
def test_ivr_calls_key_and_reach_the_agent(beside: Load) -> None:
    """Nothing fails, nothing is lost, and the INVITE follows the last digit's first packet."""
    result = ivr.measure(beside, Calls(6, 10, 2.6))
    assert faults(result) == []
    assert figures(result, "failed", "digits_lost", "calls") == {"failed": 0, "digits_lost": 0, "calls": 8}
    assert (result.figures["from_first_p50_ms"] or 0) > 0
    assert (result.figures["from_last_p50_ms"] or 0) < (result.figures["from_first_p50_ms"] or 0)
    assert 0 < (result.figures["cpu_ms_per_call"] or 0) < 500


@root
def test_callers_of_a_group_reach_its_free_agents(beside: Load) -> None:
    """None fails, each agent's INVITE follows its caller's, and the CPU of a call is known."""
    result = queues.measure(beside, Calls(20, 20, 0.4))
    assert faults(result) == []
    assert figures(result, "failed", "calls") == {"failed": 0, "calls": 20}
    assert 0 < (result.figures["invite_p50_ms"] or 0) <= (result.figures["invite_max_ms"] or 0)
    assert 0 < (result.figures["cpu_ms_per_call"] or 0) < 500


@workers_only("of a thousand packets of what rtpengine plays the bench misses a few")
def test_callers_listen_and_key(beside: Load) -> None:
    """All are there at once, hear fifty packets a second, and are let go for the digits they keyed."""
    result = prompts.measure(beside, Calls(10, 20, 4.5))
    assert faults(result) == []
    none = dict.fromkeys(("failed", "digits_lost", "absent", "lost"), 0)
    assert figures(result, *none) == none
    assert (result.figures["packets"] or 0) > 10 * 50 * 2.5
    assert result.figures["deviation_p50_ms"] is not None
    assert result.figures["pause_p99_ms"] is not None
    assert 0 < (result.figures["cpu_ms_per_call_second"] or 0) < 100
    assert 0 < (result.figures["cpu_speaking_ms_per_call_second"] or 0) < 100


def test_digits_that_were_not_taken_are_found_out(beside: Load) -> None:
    """A switch that hears other digits than were keyed lets its callers go with another cause."""
    result = prompts.measure(beside, Calls(4, 20, 4.0), "4007")
    assert figures(result, "failed", "digits_lost") == {"failed": 0, "digits_lost": 4}


@root
def test_recordings_are_read_back(beside: Load, switch: RunningSwitch) -> None:
    """Each is there, complete, as long as its call, holds every packet of both sides, and is deleted afterwards."""
    directory = switch.store / "recordings"
    result = recording.measure(beside, Calls(3, 20, 2.0), directory)
    assert faults(result) == []
    none = dict.fromkeys(("failed", "lost", "recordings_wrong", "gaps"), 0)
    assert figures(result, *none) == none
    assert (result.figures["packets_not_recorded"] or 0) <= 2, "those under way when a call ended"
    assert result.figures["recordings"] == 6
    assert recording.files_in(directory) == []


def test_music_is_heard_by_all_and_costs_something(beside: Load) -> None:
    """Six callers hear it without a gap from when all are there until the first hangs up."""
    result = music.measure(beside, Calls(6, 20, 3.5))
    assert faults(result) == []
    assert figures(result, "failed", "absent", "lost") == {"failed": 0, "absent": 0, "lost": 0}
    assert (result.figures["packets"] or 0) > 6 * 50 * 1.0
    # What rtpengine plays costs the switch less than a tick of the processor's clock.
    assert 0 <= (result.figures["cpu_ms_per_call_second"] or 0) < 500
    assert CHOSEN != WORKERS or result.figures["cpu_ms_per_call_second"]


def test_evenly_spaced_packets_arrive_once(switch: RunningSwitch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight calls, one second: each of the 16 streams arrives whole, and the calls end."""
    names = ("AGENT_PORT", "CALLER_PORT", "AGENT_AUDIO", "CALLER_AUDIO")
    for name, port in zip(names, (AGENT_PORT, CALLER_PORT, SIPP_FIRST, SIPP_FIRST + 120), strict=True):
        monkeypatch.setattr(even_phones, name, port)
    told: dict[str, object] = {}
    even_phones.run(switch.target, "4001", 8, 20, 1.0, told.update)
    assert (told["failed"], told["faults"], told["silent_streams"]) == (0, [], 0)
    assert (told["sent"], told["lost"], told["doubled"]) == (800, 0, 0)
