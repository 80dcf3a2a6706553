"""Scanners, guessers and floods against a running switch, while those that belong to it go on as if nothing were."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.phone import OverdueError, Phone, RefusedError
from tests.support.command import command
from tests.support.ports import free_port
from tests.support.processes import processes
from tests.support.switch import RunningSwitch, running_switch

CARRIER, FLOOD, PHONE, GUESSER = "127.0.0.6", "127.0.0.7", "127.0.0.8", "127.0.0.9"
NUMBER = "4008001234"
OUTSTANDING = 300
"""INVITEs of the flood that wait for an answer: more than are worked off in the delay that is allowed."""
TOOL_SECONDS = 40.0


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """A switch with two trunks and little patience."""
    with running_switch(
        tmp_path_factory.mktemp("strangers"),
        trunks=[{"name": "carrier", "from": [CARRIER, FLOOD]}],
        overload={"delay": "50ms", "retry_after": "2s"},
        sources={"failures": 8, "silence": "5m"},
    ) as running:
        yield running


async def registers(
    switch: RunningSwitch, password: str = "alice-secret", host: str = PHONE, within: float = 2.0
) -> int:
    """The status of a REGISTER for alice."""
    async with await Phone.open("alice", target=switch.target, host=host, password=password) as phone:
        try:
            return (await phone.register(within=within)).status
        except RefusedError as refused:
            return refused.status


def tool(name: str, home: Path, *words: str) -> str:
    """What a tool of sipvicious says, run as an attacker does."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name(f"sipvicious_{name}")), *words],
        capture_output=True,
        text=True,
        timeout=TOOL_SECONDS,
        check=False,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
    )
    return done.stdout + done.stderr


# The latter two send from wherever the system likes, whatever they are told.
ATTACKS = {
    "svmap": ("127.0.0.12", ()),
    "svwar": ("127.0.0.1", ("-e", "100-110", "--maximumtime", "3")),
    "svcrack": ("127.0.0.1", ("-u", "alice", "-r", "100-110", "--maximumtime", "3")),
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_scanners_find_nothing(switch: RunningSwitch, tmp_path: Path, name: str) -> None:
    """Each tool of sipvicious gets no single answer, and its address stays silent; phones register meanwhile."""
    source, words = ATTACKS[name]
    before = switch.metrics()
    # Its own choice is 5060 of all addresses, which others need.
    ports = ("-P", str(free_port()), "-p", str(switch.sip_port))
    said = await asyncio.to_thread(tool, name, tmp_path, "-b", source, "-x", source, *ports, *words, "127.0.0.1")
    after = switch.metrics()
    assert after["sources_silenced_total"] == before["sources_silenced_total"] + 1
    assert "switchboard" not in said
    assert source in await command(switch, "sources", "list")
    assert await registers(switch) == 200
    await command(switch, "sources", "unblock", source)


async def test_who_guesses_passwords_is_silenced_until_let_in_again(switch: RunningSwitch) -> None:
    """Eight wrong passwords; then the right one is not even looked at, until an operator says so."""
    assert [await registers(switch, "wrong", GUESSER) for _ in range(8)] == [401] * 8
    with pytest.raises(OverdueError):
        await registers(switch, host=GUESSER, within=0.5)
    listed = await command(switch, "sources", "list")
    assert re.search(rf"{re.escape(GUESSER)} +failures +\d+ s", listed)
    await command(switch, "sources", "unblock", GUESSER)
    assert await registers(switch, host=GUESSER) == 200
    assert GUESSER not in await command(switch, "sources", "list")


async def test_an_operator_blocks_and_unblocks(switch: RunningSwitch) -> None:
    """A datagram of one that is blocked is counted and nothing else; carriers and phones cannot be blocked."""
    asker = "127.0.0.21"
    assert await registers(switch) == 200
    await command(switch, "sources", "block", asker, "--for", "5m")
    before = switch.metrics()["sip_datagrams_blocked_total"]
    async with await Phone.open("x", target=switch.target, host=asker) as phone:
        with pytest.raises(OverdueError):
            await phone.options(within=0.4)
        assert switch.metrics()["sip_datagrams_blocked_total"] > before
        await command(switch, "sources", "unblock", asker)
        assert (await phone.options()).status == 200
    for known in (CARRIER, PHONE):
        with pytest.raises(AssertionError, match=r"belongs to a trunk|registered phone"):
            await command(switch, "sources", "block", known)


class Flood(threading.Thread):
    """Keeps many INVITEs of a trunk waiting for an answer, and acknowledges each answer; in a thread of its own."""

    def __init__(self, target: tuple[str, int], outstanding: int, count: int) -> None:
        super().__init__(daemon=True)
        self.statuses: dict[int, int] = {}
        self.waits: set[int] = set()
        self._target, self._outstanding, self._count = target, outstanding, count
        self._sent = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind((FLOOD, 0))
        self._socket.settimeout(2.0)
        self._place = f"{FLOOD}:{self._socket.getsockname()[1]}"

    def run(self) -> None:
        """Until all have their answer, or nothing comes any more."""
        with self._socket:
            for _ in range(self._outstanding):
                self._invite()
            answered: set[bytes] = set()
            while len(answered) < self._count:
                try:
                    data = self._socket.recv(4096)
                except TimeoutError:
                    return
                status = int(data[8:11])
                call_id = data.partition(b"Call-ID: ")[2].partition(b"\r")[0]
                if status < 200 or call_id in answered:
                    continue
                answered.add(call_id)
                self.statuses[status] = self.statuses.get(status, 0) + 1
                if match := re.search(rb"Retry-After: (\d+)", data):
                    self.waits.add(int(match[1]))
                self._acknowledge(data, call_id.decode())
                if self._sent < self._count:
                    self._invite()

    def _invite(self) -> None:
        self._sent += 1
        self._send("INVITE", f"flood-{self._place}-{self._sent}", f"<sip:4999@{self._target[0]}>")

    def _acknowledge(self, answer: bytes, call_id: str) -> None:
        to = answer.partition(b"\nTo: ")[2].partition(b"\r")[0].decode()
        self._send("ACK", call_id, to)

    def _send(self, method: str, call_id: str, to: str) -> None:
        text = (
            f"{method} sip:4999@{self._target[0]}:{self._target[1]} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self._place};branch=z9hG4bK{call_id}\r\n"
            f"From: <sip:13900001111@{FLOOD}>;tag={call_id}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n"
            f"CSeq: 1 {method}\r\nContact: <sip:{self._place}>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
        self._socket.sendto(text.encode(), self._target)


async def flooded(switch: RunningSwitch, outstanding: int, count: int) -> tuple[Flood, float]:
    """A flood, and the CPU seconds of the signalling for each of its INVITEs."""
    flood = Flood(switch.target, outstanding, count)
    before = processes(switch)["signalling"].cpu_times()
    flood.start()
    await asyncio.to_thread(flood.join, 60.0)
    after = processes(switch)["signalling"].cpu_times()
    return flood, (after.user + after.system - before.user - before.system) / count


async def test_calls_that_are_up_do_not_suffer_from_a_flood(switch: RunningSwitch) -> None:
    """A carrier sends more calls than can be worked off: a part gets 503, calls of others go on and end as ever.

    What comes one after another is taken whole, before and after; who is refused costs less than who is taken.
    """
    calm, taken = await flooded(switch, 1, 300)
    assert calm.statuses == {404: 300}
    async with await Phone.open("13800138000", target=switch.target, host=CARRIER) as carrier:
        calls = [await carrier.dial(NUMBER) for _ in range(4)]
        for call in calls:
            await call.answered()
        flood = asyncio.create_task(flooded(switch, OUTSTANDING, 12_000))
        began = time.monotonic()
        while not switch.metrics()["overload_share"] and time.monotonic() < began + 20 and not flood.done():
            await asyncio.sleep(0.05)
        assert not flood.done(), "the flood was over before anybody was refused"
        for call in calls:
            assert (await call.info("5")).status == 200
            ended = await call.hang_up()
            assert ended is not None
            assert ended.status == 200
        storm, each = await flood
        assert sum(storm.statuses.values()) == 12_000, "each INVITE has its answer"
        assert set(storm.statuses) == {404, 503}
        assert storm.waits <= {2, 3, 4}
        assert len(storm.waits) == 3
        metrics = switch.metrics()
        assert metrics["calls_refused_overload_total"] == storm.statuses[503]
        assert metrics["sip_datagrams_lost_total"] == 0
        await switch.eventually(lambda: switch.metrics()["overload_share"] == 0.0, within=20.0)
        call = await carrier.dial(NUMBER)
        await call.answered()
        await call.hang_up()
    assert (await flooded(switch, 1, 50))[0].statuses == {404: 50}
    events = [entry["event"] for entry in switch.log_entries() if entry["event"].startswith("overload.")]
    assert events[:2] == ["overload.began", "overload.ended"]
    assert len(events) % 2 == 0
    assert each < 0.9 * taken
