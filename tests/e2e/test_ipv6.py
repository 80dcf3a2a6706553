"""IPv4 and IPv6 at once: SIPp on one family talks to a phone on the other, and each hears itself from there; phones
that are both on IPv6 talk to each other."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest
from aioice import stun

from bench.phone import Answer, Call, Phone
from bench.sipp import find_sipp
from tests.support.patience import PATIENCE
from tests.support.planes import Plane, on_both, on_workers
from tests.support.ports import MEDIA_RANGE, free_port
from tests.support.sipp import need_sipp, next_media_port
from tests.support.stage import hear_each_other, keys_heard, together
from tests.support.switch import RunningSwitch, running_switch

TO_FOUR, TO_SIX, BY_TCP, AMONG_SIX = "4001", "4002", "4003", "4004"
FOUR_AGENT, TCP_AGENT, SIX_AGENT, SIX_PHONE, SIX = (free_port() for _ in range(5))


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory, plane: Plane) -> Iterator[RunningSwitch]:
    """A switch on both families."""
    need_sipp()
    sip_port = free_port()
    listen = [{"host": "127.0.0.1", "port": sip_port}, {"host": "::1", "port": SIX}]
    listen += [{**one, "transport": "tcp"} for one in listen]
    with running_switch(
        tmp_path_factory.mktemp("switch"),
        sip={"listen": listen},
        **{"media": {"ports": MEDIA_RANGE}, **plane.changes},
        trunks=[{"name": "four", "from": ["127.0.0.0/8"]}, {"name": "six", "from": ["::1"]}],
        numbers=[
            {"number": TO_FOUR, "target": f"sip:agent@127.0.0.1:{FOUR_AGENT}"},
            {"number": BY_TCP, "target": f"sip:agent@127.0.0.1:{TCP_AGENT}"},
            {"number": TO_SIX, "target": f"sip:agent@[::1]:{SIX_AGENT}"},
            {"number": AMONG_SIX, "target": f"sip:agent@[::1]:{SIX_PHONE}"},
        ],
        masks=[],
    ) as running:
        running.sip_port = sip_port
        yield running


@contextlib.asynccontextmanager
async def sipp(directory: Path, port: int, options: Sequence[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """One SIPp on ::1 that sends its audio back."""
    line = [find_sipp(), *options, "-i", "[::1]", "-mi", "::1", "-p", str(port), "-mp", str(next_media_port())]
    line += ["-rtp_echo", "-nostdin", "-m", "1", "-trace_err", "-error_file", f"{port}.errors"]
    with (directory / f"{port}.screen").open("wb") as screen:
        process = await asyncio.create_subprocess_exec(*line, cwd=directory, stdout=screen, stderr=screen)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def errors(directory: Path, port: int) -> str:
    """What SIPp complained of."""
    file = directory / f"{port}.errors"
    return file.read_text() if file.exists() else (directory / f"{port}.screen").read_text()[-2000:]


async def six_calls_four(switch: RunningSwitch, directory: Path, number: str, agent_port: int, transport: str) -> None:
    """SIPp dials over IPv6; the phone on IPv4 hears its own tone come back."""
    port = free_port()
    async with await Phone.open("agent", target=switch.target, port=agent_port, t1=0.1) as agent:
        agent.behaviour = Answer()
        options = ("-sn", "uac", "-s", number, "-d", "2000", "-t", transport, f"[::1]:{SIX}")
        async with sipp(directory, port, options) as process:
            far = await agent.next_call()
            await far.confirmed()
            far.rtp.play(880)
            await far.hears(880)
            await far.ended()
            assert await asyncio.wait_for(process.wait(), 10 * PATIENCE) == 0, errors(directory, port)
        (invite,) = agent.received("INVITE ")
        assert b"c=IN IP4 127.0.0.1" in invite.data
        assert b"::1" not in invite.data
        assert agent.complaints == []


async def four_calls_six(switch: RunningSwitch, directory: Path) -> None:
    """The phone on IPv4 dials; SIPp answers on IPv6 and sends the tone back."""
    async with (
        sipp(directory, SIX_AGENT, ("-sn", "uas")) as process,
        await Phone.open("13800000001", target=switch.target, t1=0.1) as caller,
    ):
        call = await caller.dial(TO_SIX)
        await call.answered()
        call.rtp.play(440)
        await call.hears(440)
        await call.hang_up()
        assert await asyncio.wait_for(process.wait(), 10 * PATIENCE) == 0, errors(directory, SIX_AGENT)
        assert caller.complaints == []


async def six_calls_six(switch: RunningSwitch) -> None:
    """Two phones on IPv6: each hears the other, and keys pass."""
    six = ("::1", SIX)
    async with (
        await Phone.open("agent", target=six, host="::1", port=SIX_PHONE, t1=0.1) as agent,
        await Phone.open("13800000002", target=six, host="::1", t1=0.1) as caller,
    ):
        agent.behaviour = Answer()
        call = await caller.dial(AMONG_SIX)
        far = await agent.next_call()
        await call.answered()
        await far.confirmed()
        await hear_each_other(call, far)
        await call.rtp.key("1*")
        await until_keyed(far, "1*")
        await call.hang_up()
        await far.ended()
        assert caller.complaints == agent.complaints == []


async def until_keyed(call: Call, digits: str) -> None:
    """These keys have come, and no others."""
    async with asyncio.timeout(5 * PATIENCE):
        while keys_heard(call) != digits:
            await asyncio.sleep(0.02)


def seen_as(host: str, port: int) -> tuple[str, int]:
    """What a STUN client learns of itself on the port of SIP."""
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect((host, port))
        sock.send(bytes(request))
        reply = stun.parse_message(sock.recv(2048))
        assert reply.transaction_id == request.transaction_id
        learnt: tuple[str, int] = reply.attributes["XOR-MAPPED-ADDRESS"]
        assert learnt == sock.getsockname()[:2]
        return learnt


@on_workers
async def test_keep_alives_are_answered_on_both_families(switch: RunningSwitch) -> None:
    """A phone behind a NAT asks by STUN (RFC 5626 §4.4.2)."""
    for host, port in (switch.target, ("::1", SIX)):
        assert (await asyncio.to_thread(seen_as, host, port))[0] == host


@on_both
async def test_each_family_talks_to_the_other(switch: RunningSwitch, tmp_path: Path) -> None:
    """Both ways at once; every leg is spoken to in its own family."""
    await together(
        six_calls_four(switch, tmp_path, TO_FOUR, FOUR_AGENT, "u1"),
        six_calls_four(switch, tmp_path, BY_TCP, TCP_AGENT, "t1"),
        four_calls_six(switch, tmp_path),
        six_calls_six(switch),
    )
    await switch.nothing_left()
    assert "Traceback" not in switch.log()
