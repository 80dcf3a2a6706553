"""Browsers in calls: a foreign peer connection signals over a WebSocket, and is heard on either plane."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest

from bench.phone import Phone
from bench.rtp import share
from tests.support.planes import Plane, on_both
from tests.support.ports import MEDIA_RANGE, WEB_RANGE, free_port
from tests.support.sounds import read_wav
from tests.support.stage import together
from tests.support.switch import RunningSwitch
from tests.support.web_peer import on_loopback, web_peer
from tests.support.web_phone import web_phone

USERS = ("anna", "ben", "cleo", "dora", "emil", "finn")
SIP_PORT, WEB_PORT = free_port(), free_port()
URL = f"ws://127.0.0.1:{WEB_PORT}/"


def settings(sip_port: int) -> dict[str, Any]:
    """A switch on UDP and WS, an account for each user and a number for each account."""
    here = {"host": "127.0.0.1"}
    return {
        "sip": {"listen": [{**here, "port": sip_port}, {**here, "port": WEB_PORT, "transport": "ws"}]},
        "accounts": [{"user": user, "password": f"secret-of-{user}"} for user in USERS],
        "masks": [],
        "numbers": [
            *({"number": f"70{n:02}", "target": f"aor:{user}"} for n, user in enumerate(USERS)),
            {"number": "7010", "target": "aor:anna", "record": True},
            {"number": "4004", "flow": "hold_music"},
        ],
        "limits": {"ring_timeout": "8s", "drain": "1s"},
        "media": {"ports": MEDIA_RANGE, "codecs": ["opus", "PCMA", "PCMU"]},
        "webrtc": {"ports": WEB_RANGE, "sessions": 50, "patience": "3s"},
    }


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory, plane: Plane) -> Iterator[RunningSwitch]:
    """The switch; of errors only the death of the edge may be in its log."""
    running = RunningSwitch(tmp_path_factory.mktemp("switch"), **plane.put_into(settings(SIP_PORT)))
    try:
        with on_loopback():
            yield running
        assert running.stop() == 0, running.log()
        errors = [entry for entry in running.log_entries() if entry["level"] == "error"]
        assert {entry["event"] for entry in errors} <= {"media.worker_lost"}, errors
        assert "Traceback" not in running.log()
    finally:
        running.kill()


def phone(user: str) -> Any:
    """A browser with this account."""
    return web_phone(URL, user, f"secret-of-{user}")


async def carrier(number: str) -> Phone:
    """A caller behind the carrier."""
    return await Phone.open(number, target=("127.0.0.1", SIP_PORT))


async def desk(user: str) -> Phone:
    """A registered telephone."""
    made = await Phone.open(
        user, target=("127.0.0.1", SIP_PORT), password=f"secret-of-{user}", domain="switchboard.local"
    )
    await made.register()
    return made


@on_both
async def test_calls_of_browsers(switch: RunningSwitch) -> None:
    """Called by a phone and recorded, calling one, calling another browser; put on hold; all heard both ways."""

    async def called() -> None:
        async with phone("anna") as anna, await carrier("13800000001") as caller, web_peer(660) as peer:
            call = await caller.dial("7010")
            far = await anna.take(peer)
            await call.answered()
            call.rtp.play(440)
            await peer.hears(440)
            await call.hears(660)
            await asyncio.sleep(0.5)
            await call.hang_up()
            await far.over()
            assert caller.complaints == []

    def recorded() -> None:
        # An earlier try has left one as well.
        file = max((switch.store / "recordings").rglob("*.wav"), key=lambda path: path.stat().st_mtime)
        left, right = read_wav(file)[-3200:].T
        assert share(left.tolist(), 440) > 0.7
        assert share(right.tolist(), 660) > 0.7

    async def calls() -> None:
        async with phone("ben") as ben, await desk("cleo") as cleo, web_peer(660) as peer:
            call = await ben.dial("7002", peer)
            assert call.answers[-1].status == 200
            far = await cleo.next_call()
            await far.confirmed()
            far.rtp.play(550)
            await peer.hears(550)
            await far.hears(660)
            await holds(call, far)
            await call.hang_up()
            await far.ended()

    async def holds(call: Any, far: Any) -> None:
        # The same transport offered again, as one who holds does: nothing is lost of it.
        offer = call.peer.pc.localDescription.sdp.encode()
        answer = await call.reoffer(offer.replace(b"a=sendrecv", b"a=sendonly"))
        assert answer.status == 200
        assert b"a=recvonly" in answer.body
        assert re.findall(rb"a=ice-ufrag:\S+", answer.body) == re.findall(rb"a=ice-ufrag:\S+", call.answers[1].body)
        answer = await call.reoffer(offer)
        assert b"a=sendrecv" in answer.body
        far.rtp.play(330)
        await call.peer.hears(330)

    async def each_other() -> None:
        both = ("opus", "PCMU")
        async with phone("dora") as dora, phone("emil") as emil, web_peer(700, both) as one, web_peer(500, both) as two:
            dialling = asyncio.ensure_future(dora.dial("7004", one))
            far = await emil.take(two)
            call = await dialling
            await one.hears(500)
            await two.hears(700)
            # Opus passes from one to the other, which is what both prefer.
            assert b"opus/48000" in call.answers[-1].body
            await far.hang_up()
            await call.over()

    async def music() -> None:
        async with phone("finn") as finn, web_peer(700) as peer:
            call = await finn.dial("4004", peer)
            await switch.eventually(lambda: peer.heard > 4000)
            await call.hang_up()

    await together(called(), calls(), each_other(), music())
    await switch.nothing_left()
    await switch.eventually(lambda: switch.metrics()["webrtc_endpoints_taken"] == 0)
    recorded()


@on_both
async def test_failures(switch: RunningSwitch) -> None:
    """Who cannot be reached, is somebody else, or vanishes, has a call that ends with its cause."""

    async def ends(user: str, number: str, change: tuple[bytes, bytes], caller: str) -> None:
        async with phone(user) as browser, web_peer(660) as peer:
            call = await browser.dial(number, peer, change)
            bye = await call.over()
            assert caller in bye.get("reason")

    async def vanishes() -> None:
        async with phone("dora") as dora, web_peer(660) as peer:
            call = await dora.dial("4004", peer)
            await switch.eventually(lambda: peer.heard > 1000)
            await peer.pc.close()
            assert "webrtc_lost" in (await call.over()).get("reason")

    async def not_offered() -> None:
        async with phone("emil") as emil, web_peer(660) as peer:
            call = await emil.dial("4004", peer, (b"a=rtcp-mux", b"a=x"))
            assert call.answers[-1].status == 488

    async def rings_both() -> None:
        # One account on a telephone and in a browser: each is offered what it can have.
        async with phone("finn") as finn, await desk("finn") as plain, await carrier("13800000002") as caller:
            call = await caller.dial("7005")
            far = await plain.next_call()
            invite = await finn.invited()
            assert b"UDP/TLS/RTP/SAVPF" in invite.body
            assert b"RTP/AVP" in far.request.body
            await call.answered()
            far.rtp.play(440)
            await call.hears(440)
            await call.hang_up()

    await together(
        ends("anna", "4004", (rb"(a=fingerprint:\S+ )..", rb"\g<1>00"), "webrtc_failed"),
        ends("ben", "4004", (b"a=ice-ufrag:", b"a=ice-ufrag:x"), "webrtc_failed"),
        vanishes(),
        not_offered(),
        rings_both(),
    )
    await switch.nothing_left()
    causes = {row["cause"] for row in switch.rows("select cause from calls")}
    assert {"webrtc_failed", "webrtc_lost"} <= causes


@on_both
async def test_the_edge_dies(switch: RunningSwitch) -> None:
    """Its calls end, others go on, and the next one has audio again."""
    async with phone("anna") as anna, web_peer(660) as peer, await carrier("13800000003") as other:
        plain = await other.dial("4004")
        await plain.answered()
        call = await anna.dial("4004", peer)
        await switch.eventually(lambda: peer.heard > 1000)
        switch.child("media.edge").kill()
        assert "edge_lost" in (await call.over()).get("reason")
        assert not plain.is_over
        await switch.eventually(lambda: switch.metrics()["webrtc_endpoints_ready"] > 0, within=15)
        async with web_peer(660) as again:
            call = await anna.dial("4004", again)
            await switch.eventually(lambda: again.heard > 1000)
            await call.hang_up()
        await plain.hang_up()
