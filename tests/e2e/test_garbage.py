"""Tens of thousands of datagrams of rubbish at the SIP port and at the RTP ports while calls run: nobody notices.

The rubbish comes from a process of its own, in parts, after each of which the memory is looked at.
Every datagram must have been read, none may raise, and the calls hear each other without a gap.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import pytest
import pytest_asyncio

from bench.phone import Answer, Call, Never, Phone
from tests.support.fuzz import TRUSTED, Mutator, RtpMutator, tame, waiting
from tests.support.ports import MEDIA_RANGE, free_port
from tests.support.processes import memory, processes
from tests.support.stage import together
from tests.support.switch import PROJECT, RunningSwitch, running_switch

PART, MOST_PARTS = 15_000, 8
BLOCKS = "allocated_blocks"
CALLS = 3
HOST = "127.0.0.6"
"""The phones' address, so that audio of calls that the rubbish makes cannot reach them."""
LEAK = 60
"""Resident octets a datagram by which a process may grow in the part in which it grows least: what leaks does in each.

A single part may well be worse, as the allocator never gives back what the highest peak so far took.
"""
OF_SIGNALLING = {BLOCKS: 1.0, "signalling": 400}
"""What it may grow by: in blocks of memory, of which each transaction or call that is kept has dozens, and in octets.

It keeps datagrams of 20,000 octets with their transactions for some seconds, so that on a busy machine peaks differ and
a higher one may come in every part. Of blocks there is garbage in cycles as well, for which the collector comes seldom.
"""
TORTURE = Path(os.environ.get("SWITCH_CORPUS") or PROJECT.parent / "shared" / "data") / "torture"


@pytest.fixture(scope="module")
def agent_port() -> int:
    """Where the agent is."""
    return free_port()


PATIENT_FLOW = """
flow: patient
answer: now
start: ask
nodes:
  ask:
    type: collect
    into: extension
    min: 6
    max: 6
    first_timeout: 120s
    next: put
    on_timeout: bye
    on_invalid: bye
  put:
    type: extension
    next: bye
    on: {other: bye}
  bye: {type: hangup, cause: normal}
"""


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory, agent_port: int) -> Iterator[RunningSwitch]:
    """A switch that takes calls from the phones and from the rubbish."""
    target = f"sip:agent@{HOST}:{agent_port}"
    flow = tmp_path_factory.mktemp("flows") / "patient.yaml"
    flow.write_text(PATIENT_FLOW)
    with running_switch(
        tmp_path_factory.mktemp("garbage"),
        flows=[str(flow)],
        # Of its own: rubbish for ports must not reach a switch of another test.
        media={"ports": MEDIA_RANGE},
        trunks=[{"name": "carrier", "from": [HOST, TRUSTED]}],
        # Calls that rubbish makes last until their 200 has not been acknowledged; they must not take all ports.
        limits={"ring_timeout": "2s", "drain": "1s", "calls": 60},
        numbers=[
            {"number": "4001", "target": target},
            {"number": "4004", "flow": "hold_music"},
            {"number": "4008001234", "flow": "patient"},
        ],
        masks=[{"number": "4008001234", "extension": "100001", "target": target}],
    ) as running:
        yield running


@pytest_asyncio.fixture
async def phones(switch: RunningSwitch, agent_port: int) -> AsyncIterator[tuple[Phone, Phone]]:
    """A caller and an agent."""
    async with AsyncExitStack() as stack:
        caller = await stack.enter_async_context(
            await Phone.open("13800138000", target=switch.target, host=HOST, t1=0.2)
        )
        agent = await stack.enter_async_context(
            await Phone.open("agent", target=switch.target, host=HOST, port=agent_port, t1=0.2)
        )
        yield caller, agent


async def corpus(switch: RunningSwitch, caller: Phone, agent: Phone, directory: Path) -> list[Path]:
    """Everything that is said in calls of each kind, as files; their dialogs are over, so that none can be hit.

    But one: what is said in the call of the noisy peer is spoilt while it is up.
    """
    agent.behaviour = Answer(early=True)
    for number in ("4001", "4008001234"):
        call = await caller.dial(number)
        await call.answered()
        if number != "4001":
            await call.rtp.key("100001", on=0.06, gap=0.04)
        far = await agent.next_call()
        await far.confirmed()
        await call.info("5")
        await call.reinvite("sendonly")
        await far.reinvite("sendrecv")
        await (call if number == "4001" else far).hang_up()
    agent.behaviour = Never()
    call = await caller.dial("4001")
    await call.ringing()
    await call.cancel()
    await agent.next_call()
    agent.behaviour = Answer()
    caller.password = "wrong"
    await caller.options()
    await asyncio.gather(caller.register(within=2), return_exceptions=True)
    for phone in (caller, agent):
        for number, record in enumerate(phone.log):
            (directory / f"{phone.user}-{number:03d}.dat").write_bytes(record.data)
    return [directory, *([TORTURE] if TORTURE.exists() else [])]


async def rubbish(
    switch: RunningSwitch, seed: int, count: int, ports: list[int], files: list[Path]
) -> dict[str, float]:
    """Send it and return what was sent."""
    host, port = switch.target
    command = [sys.executable, "-m", "tests.support.fuzz", "--seed", str(seed), "--count", str(count)]
    command += ["--sip", f"{host}:{port}", "--rtp", ",".join(map(str, ports))]
    for directory in files:
        command += ["--corpus", str(directory)]
    process = await asyncio.create_subprocess_exec(*command, cwd=PROJECT, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(output)  # type: ignore[no-any-return]


async def within_the_call(phone: Phone, call: Call, directory: Path) -> None:
    """What a phone says in a call that goes on, as files."""
    await call.info("7")
    await call.reinvite("sendonly")
    await call.reinvite("sendrecv")
    await call.send("OPTIONS")
    for number, record in enumerate(phone.log):
        if record.message is not None and record.message.call_id == call.call_id and record.direction == "out":
            (directory / f"{phone.user}-noisy-{number:03d}.dat").write_bytes(record.data)


def is_digested(switch: RunningSwitch, received: float) -> bool:
    """Whether so many datagrams have been read, and no transaction is kept for one of them any more."""
    metrics = switch.metrics()
    waits = metrics["server_transactions"] + metrics["client_transactions"]
    return metrics["sip_datagrams_received_total"] >= received and not waits


def used(switch: RunningSwitch) -> dict[str, int]:
    """Resident octets of each process, and signalling's blocks of memory."""
    return {**memory(switch), BLOCKS: int(switch.metrics()[BLOCKS])}


def growing(sizes: list[dict[str, int]]) -> dict[str, list[int]]:
    """The course of what has grown in every part."""
    courses = {name: [size[name] for size in sizes] for name in sizes[0]}
    return {
        name: course
        for name, course in courses.items()
        if min(after - before for before, after in pairwise(course)) > OF_SIGNALLING.get(name, LEAK) * PART
    }


class NoisyPeer:
    """A peer whose own phone sends rubbish between its audio, from the very address that the switch listens to."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._packets = RtpMutator(7)
        self._task = asyncio.create_task(self._run())
        self.sent = 0

    async def _run(self) -> None:
        rtp = self._call.rtp
        while True:
            for _ in range(4):
                assert rtp._transport is not None
                rtp._transport.sendto(self._packets.next()[:1400], rtp.remote)
                self.sent += 1
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """Send no more of it."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_rubbish_harms_nobody(
    switch: RunningSwitch, phones: tuple[Phone, Phone], tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    """No exception, no growth, no datagram lost, no gap in any call, a flow goes on, and the next call is taken."""
    caller, agent = phones
    files = await corpus(switch, caller, agent, tmp_path)
    before = {name: process.pid for name, process in processes(switch).items()}
    talks = [await talk(caller, agent) for _ in range(CALLS)]
    noisy_call, noisy_far = await talk(caller, agent)
    noisy = NoisyPeer(noisy_call)
    for phone, one in ((caller, noisy_call), (agent, noisy_far)):
        await within_the_call(phone, one, tmp_path)
    music = await dialled(caller, "4004")
    asked = await dialled(caller, "4008001234")
    everybody = [one for pair in talks for one in pair]
    lines = [*everybody, noisy_call, music, asked]
    ports = [one.rtp.remote[1] for one in lines if one.rtp.remote]
    # Ports that no call has: a worker must read what comes there, too.
    ports += [16_200, 16_500]
    sent: list[dict[str, float]] = []
    sizes: list[dict[str, int]] = []
    received = switch.metrics()["sip_datagrams_received_total"]
    for part in range(MOST_PARTS):
        sent.append(await rubbish(switch, part, PART, ports, files))
        wanted = received + sum(one["sip"] for one in sent)
        await switch.eventually(lambda wanted=wanted: is_digested(switch, wanted), within=60)
        sizes.append(await asyncio.to_thread(used, switch))
        if part > 2 and not growing(sizes):
            break
    await noisy.stop()
    noisy_call.rtp.close()
    noisy_far.rtp.close()
    assert noisy.sent > 500
    metrics = await asyncio.to_thread(switch.metrics)
    figures = {"sent": sent, "used": sizes, "noise": noisy.sent}
    print(json.dumps(figures))
    record_property("figures", json.dumps(figures))
    assert sum(int(one["sip"] + one["rtp"]) for one in sent) == PART * len(sent)
    assert waiting(switch.sip_port)[1] == 0, "none was dropped by the kernel"
    assert sum(value for name, value in metrics.items() if name.startswith("errors_total")) == 0
    assert {name: process.pid for name, process in processes(switch).items()} == before
    assert growing(sizes) == {}
    await unharmed(talks)
    for one in everybody:
        assert one.rtp.stats().lost == 0, "no packet of a call was lost"
    assert music.rtp.loudness(1.0) > 100, "the music still plays"
    while not agent.incoming.empty():
        agent.incoming.get_nowait()  # what the rubbish has called
    await asked.rtp.key("100001")
    answered = await agent.next_call()
    await answered.confirmed()
    for one in (*(call for call, _ in talks), music, asked):
        await one.hang_up()
    await unharmed([await talk(caller, agent)])


async def dialled(caller: Phone, number: str) -> Call:
    """A call to a flow, which hears silence from its caller."""
    call = await caller.dial(number)
    await call.answered()
    call.rtp.play(0)
    return call


async def talk(caller: Phone, agent: Phone) -> tuple[Call, Call]:
    """A call with tones both ways."""
    call = await caller.dial("4001")
    await call.answered()
    far = await agent.next_call()
    await far.confirmed()
    call.rtp.play(440)
    far.rtp.play(880)
    await far.hears(440)
    await call.hears(880)
    return call, far


async def unharmed(talks: list[tuple[Call, Call]]) -> None:
    """Each hears the other's tone for a second."""
    ears = [(one, hertz) for talk in talks for one, hertz in zip(talk, (880, 440), strict=True)]
    await together(*(one.hears(hertz, seconds=1.0) for one, hertz in ears))
    assert not any(one.is_over for one, _ in ears)


def test_rubbish_is_the_same_for_one_seed_and_of_many_kinds() -> None:
    """A failure can be repeated; hardly any datagram comes twice, and most do not even begin as a message."""
    corpus = [b"OPTIONS sip:x@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK1\r\nTo: <sip:x@y>\r\n\r\n"]
    one, two, other = (Mutator(seed, corpus) for seed in (1, 1, 2))
    made = [one.next() for _ in range(2_000)]
    assert made == [two.next() for _ in range(2_000)]
    assert made != [other.next() for _ in range(2_000)]
    assert len(set(made)) > 1_500
    assert 0 < sum(data.startswith(b"OPTIONS sip:x@") for data in made) < 1_800


def test_no_rubbish_leads_elsewhere() -> None:
    """Addresses in it are its own, also such as come about by joining numbers."""
    for text in (b"c=IN IP4 10.1.2.3", b"<sip:a@192.0.2.1:5060>", b"1234.5.6.7", b"9" * 20_000 + b".1.1.1"):
        found = tame(text)
        assert TRUSTED.encode() in found
        assert not re.search(rb"(?<!\d)(?!127\.)\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?!\d)", found)
