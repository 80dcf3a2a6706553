"""User agents in Python that we did not write: aiovoip, and its ancestor aiosip, against a running switch."""

from __future__ import annotations

import asyncio
import collections
import collections.abc
import contextlib
import importlib
import types
import warnings
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

import pytest

from bench.phone import Phone
from bench.rtp import RtpPort
from bench.wire import Audio, write_sdp
from tests.support.patience import PATIENCE
from tests.support.ports import free_port
from tests.support.stage import hear_something
from tests.support.switch import RunningSwitch, running_switch

INSTALL = ".venv/bin/pip install -c constraints.txt -e '.[interop]'"
NUMBER, THEIRS = "4008001234", ("701", "702")
VOIP, SIP = PLACES = free_port(), free_port()
"""Where aiovoip and aiosip are called."""
DESK = free_port()
SDP = {"Content-Type": "application/sdp"}


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """A switch whose carrier is whoever sends from this host; numbers lead to a place of each of them and to a desk."""
    targets = dict(zip((*THEIRS, "703"), (*PLACES, DESK), strict=True))
    changes = {
        "numbers": [
            {"number": NUMBER, "flow": "extension"},
            *({"number": number, "target": f"sip:it@127.0.0.1:{port}"} for number, port in targets.items()),
        ],
        "limits": {"ring_timeout": "8s", "drain": "1s"},
    }
    with running_switch(tmp_path_factory.mktemp("switch"), **changes) as running:
        yield running


def load(name: str) -> ModuleType:
    """Import a package, whatever it warns of; skip the test, aloud, where that is impossible."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ImportError as error:
            pytest.skip(f"{name} cannot be imported ({error}): {INSTALL}")


@pytest.fixture
def aiosip(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """aiosip 0.2.0, given back what Python has taken away since it was written."""
    monkeypatch.setattr(asyncio, "coroutine", types.coroutine, raising=False)
    monkeypatch.setattr(collections, "MutableMapping", collections.abc.MutableMapping, raising=False)
    return load("aiosip")


def contact(module: ModuleType, user: str, host: str, port: int) -> Any:
    """A From, To or Contact as these packages want it."""
    return module.Contact.from_header(f"<sip:{user}@{host}:{port}>")


def described(rtp: RtpPort, direction: str = "sendrecv") -> str:
    """An offer, or an answer, of A-law and keys."""
    codecs = {"PCMA": 8, "telephone-event": 101}
    return write_sdp(Audio(*rtp.address, codecs, direction), session=1, version=1).decode()


async def hears(rtp: RtpPort, hertz: int) -> None:
    """Wait until a tone arrives."""
    async with asyncio.timeout(5 * PATIENCE):
        while not rtp.hears(hertz, 0.4):
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def voip(switch: RunningSwitch, number: str = NUMBER) -> AsyncIterator[tuple[Any, dict[str, Any]]]:
    """An aiovoip peer connected to the switch, and the arguments that each of its requests wants."""
    package = load("aiovoip")
    load("aiovoip.contact")
    application = package.Application(dns_resolver=object())
    port = free_port()
    peer = await application.connect(switch.target, local_addr=("127.0.0.1", port))
    try:
        yield (
            peer,
            {
                "from_details": contact(package.contact, "13800138000", "127.0.0.1", port),
                "to_details": contact(package.contact, number, *switch.target),
            },
        )
    finally:
        await application.close(timeout=1)


async def test_aiovoip_learns_what_the_switch_can(switch: RunningSwitch) -> None:
    """OPTIONS is answered 200."""
    async with voip(switch) as (peer, parties), asyncio.timeout(5 * PATIENCE):
        dialog = await peer.request("OPTIONS", **parties)
        assert dialog.status_code == 200
        await dialog.close()


async def test_aiovoip_calls_and_hangs_up(switch: RunningSwitch) -> None:
    """Its INVITE is answered and acknowledged, it is sent the prompt, its BYE ends the call."""
    rtp = await RtpPort.open()
    async with voip(switch) as (peer, parties), asyncio.timeout(10 * PATIENCE):
        call = await peer.invite(headers=SDP, payload=described(rtp), **parties)
        await call.ready()
        while rtp.loudness(0.5) < 100:
            await asyncio.sleep(0.02)
        await call.close()
    rtp.close()
    await switch.eventually(lambda: bool(switch.rows("select id from calls")))
    record = switch.rows("select called, ended_by, cause from calls order by started_us")[-1]
    assert tuple(record.values()) == (NUMBER, "caller", "normal")


async def test_aiovoip_keys_and_holds(switch: RunningSwitch) -> None:
    """Its INFO is a telephone-event for the desk, its re-INVITE puts the desk on hold; the desk hangs up."""
    rtp = await RtpPort.open()
    async with (
        await Phone.open("desk", target=switch.target, port=DESK, t1=0.1) as desk,
        voip(switch, "703") as (peer, parties),
        asyncio.timeout(15 * PATIENCE),
    ):
        call = await peer.invite(headers=SDP, payload=described(rtp), **parties)
        far = await desk.next_call()
        await call.ready()
        far.rtp.play(880)
        await hears(rtp, 880)
        # rtpengine puts a key into what is said.
        rtp.remote = rtp.received[-1].source
        rtp.play(440)
        await far.hears(440)
        relay = {"Content-Type": "application/dtmf-relay"}
        assert (await call.request("INFO", headers=relay, payload="Signal=5\r\nDuration=160\r\n")).status_code == 200
        while not (told := [p for p in far.rtp.received if p.payload_type == far.rtp.event_type]):
            await asyncio.sleep(0.02)
        assert {packet.payload[0] for packet in told} == {5}
        held = await call.request("INVITE", headers=SDP, payload=described(rtp, "sendonly"))
        assert (held.status_code, "a=recvonly" in held.payload) == (200, True)
        await hear_something(far)
        await far.hang_up()
        assert desk.complaints == []
    rtp.close()


async def test_aiovoip_is_called(switch: RunningSwitch) -> None:
    """It rings, answers and is heard; either side hangs up; a caller gives up while it rings."""
    package = load("aiovoip")
    rtp = await RtpPort.open()
    dialogs: asyncio.Queue[Any] = asyncio.Queue()

    async def rings(request: Any, invite: Any) -> None:
        dialog = request._create_dialog()
        await dialog.reply(invite, 180)
        await asyncio.sleep(0.3)
        await dialog.reply(invite, 200, headers=SDP, payload=described(rtp))
        dialogs.put_nowait(dialog)
        async for message in dialog:
            if message.method != "ACK":
                await dialog.reply(message, 200)
            if message.method in ("BYE", "CANCEL"):
                return

    class Dialplan(load("aiovoip.dialplan").BaseDialplan):  # type: ignore[misc]
        async def resolve(self, method: str, *_: Any, **__: Any) -> Any:
            return rings if method == "INVITE" else None

    application = package.Application(dns_resolver=object(), dialplan=Dialplan())
    await application.run(local_addr=("127.0.0.1", VOIP))
    async with await Phone.open("13911110000", target=switch.target, t1=0.1) as caller, asyncio.timeout(15 * PATIENCE):
        for by_it in (False, True):
            call = await caller.dial(THEIRS[0])
            await call.ringing()
            await call.answered()
            dialog = await dialogs.get()
            call.rtp.play(440)
            await hears(rtp, 440)
            rtp.received.clear()
            if by_it:
                assert (await dialog.request("BYE")).status_code == 200
                await call.ended()
            else:
                await call.hang_up()
        call = await caller.dial(THEIRS[0])
        await call.ringing()
        assert await call.cancel() == 487
        assert caller.complaints == []
        await application.close(timeout=1)
    rtp.close()
    await switch.nothing_left()


@contextlib.asynccontextmanager
async def old_dialog(
    aiosip: ModuleType, switch: RunningSwitch, number: str, port: int = 0
) -> AsyncIterator[tuple[Any, Any]]:
    """An aiosip application and its dialog with a number."""
    application = aiosip.Application()
    local = ("127.0.0.1", port or free_port())
    dialog = await application.start_dialog(
        from_uri=f"sip:13800138000@{local[0]}:{local[1]}",
        to_uri=f"sip:{number}@{switch.target[0]}:{switch.target[1]}",
        local_addr=local,
        remote_addr=switch.target,
    )
    try:
        yield application, dialog
    finally:
        dialog.protocol.transport.close()
        await asyncio.sleep(0)


async def test_aiosip_learns_what_the_switch_can(switch: RunningSwitch, aiosip: ModuleType) -> None:
    """OPTIONS of the ancestor is answered as well."""
    async with old_dialog(aiosip, switch, NUMBER) as (_, dialog), asyncio.timeout(5 * PATIENCE):
        answer = await dialog.send_message("OPTIONS")
        assert answer.status_code == 200
        assert "INVITE" in answer.headers["Allow"]


async def test_aiosip_calls_and_hangs_up(switch: RunningSwitch, aiosip: ModuleType) -> None:
    """Its INVITE is answered, its ACK is taken, the prompt is heard, and its BYE ends the call."""
    headers_of = load("multidict").CIMultiDict
    rtp = await RtpPort.open()
    async with old_dialog(aiosip, switch, NUMBER) as (_, dialog), asyncio.timeout(10 * PATIENCE):
        ok = await dialog.invite(headers=headers_of(SDP), sdp=described(rtp))
        assert ok.status_code == 200

        def within() -> Any:
            return headers_of({"From": ok.headers["From"], "To": ok.headers["To"]})

        dialog.send_message("ACK", headers=within())
        while rtp.loudness(0.5) < 100:
            await asyncio.sleep(0.02)
        # It counts the requests of each method apart, as if they were dialogs of their own.
        dialog.cseqs["BYE"] = 1
        assert (await dialog.send_message("BYE", headers=within())).status_code == 200
    rtp.close()


async def test_aiosip_is_called(switch: RunningSwitch, aiosip: ModuleType) -> None:
    """It rings and answers; the caller hangs up."""
    headers_of = load("multidict").CIMultiDict
    rtp = await RtpPort.open()

    async def rings(dialog: Any, invite: Any) -> None:
        for status, reason, payload in ((180, "Ringing", None), (200, "OK", described(rtp))):
            dialog.send_reply(
                status, reason, to_details=invite.to_details, from_details=invite.from_details,
                headers=headers_of({name: invite.headers[name] for name in ("Via", "CSeq", "Call-ID")}),
                content_type="application/sdp" if payload else None, payload=payload,
            )  # fmt: skip

    async with (
        old_dialog(aiosip, switch, NUMBER, SIP) as (application, _),
        await Phone.open("13911110000", target=switch.target, t1=0.1) as caller,
        asyncio.timeout(10 * PATIENCE),
    ):
        application.router.add_route("INVITE", rings)
        call = await caller.dial(THEIRS[1])
        await call.answered()
        call.rtp.play(440)
        await hears(rtp, 440)
        await call.hang_up()
        assert caller.complaints == []
        await switch.nothing_left()
    rtp.close()
