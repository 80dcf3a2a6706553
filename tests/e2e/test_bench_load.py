"""The load harness against itself: SIPp calling SIPp, and SIPp calling a phone that forgets."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from bench import load as loads
from bench import relay, signalling
from bench.load import Calls, Load
from bench.phone import Answer, Phone, Refuse
from bench.sipp import SCENARIOS, Sipp
from bench.target import Target
from bench.wire import Message

pytestmark = pytest.mark.skipif(not shutil.which("sipp"), reason="needs SIPp: apt-get install sip-tester")
root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: SIPp's audio and the capture use raw sockets")


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """A load whose target is its own agent, on ports of its own."""
    monkeypatch.setattr(loads, "AGENT_PORT", 5690)
    monkeypatch.setattr(loads, "CALLER_PORT", 5691)
    return Load(Target(("127.0.0.1", 5690), (os.getpid(),)), Console(quiet=True), tmp_path)


def test_signalling_without_a_server_between_has_no_faults(load: Load) -> None:
    """Caller and agent agree, and the CPU of this process's children is seen."""
    result = signalling.measure(load, Calls(50, 100, 0.05))
    assert result.notes == []
    assert (result.figures["failed"], result.figures["retransmissions"]) == (0, 0)
    assert 0 < (result.figures["cpu_ms_per_call"] or 0) < 50


@root
def test_relay_without_a_server_between_loses_nothing(load: Load) -> None:
    """Every packet of every call is seen, at fifty a second both ways, and delayed by nothing."""
    result = relay.measure(load, Calls(4, 20, 2.0))
    assert result.notes == []
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
        caller = Sipp(SCENARIOS / "caller.xml", tmp_path, 5692, 31000, target, arguments)
        with caller:
            await asyncio.to_thread(caller.wait, 20, lambda row: None)
    totals = caller.totals()
    assert (totals.created, totals.successful, totals.failed, totals.retransmitted) == (3, 2, 1, 3)
    assert totals.reasons == {"FailedUnexpectedMessage": 1}
    assert any("486" in line for line in totals.errors)
