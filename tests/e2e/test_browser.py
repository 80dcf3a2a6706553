"""JsSIP in Chromium against a real switch: over WSS it registers, calls and is called, on either plane."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.phone import Call, Phone
from tests.support.browser import TONE, Browser, WebPhone, running_browser
from tests.support.certificates import Authority
from tests.support.patience import PATIENCE
from tests.support.planes import Plane, on_both, on_workers
from tests.support.ports import MEDIA_RANGE, WEB_RANGE, free_port
from tests.support.stage import FLOWS, together
from tests.support.switch import RunningSwitch, running_switch

ANNA, BEN, CLEO, DORA, EMIL, FAYE, GINA = USERS = ("anna", "ben", "cleo", "dora", "emil", "faye", "gina")
DESK, OTHER = DESKS = ("desk", "other")
KEYS = "4007"
"""Asks for two keys by a tone of 500 Hz, for two more by one of 300, and has them all at 2500."""
TWO_SECONDS = "4008"
"""Sounds a tone for so long, and waits for a key in silence."""
DOMAIN = "switchboard.local"


class Place:
    """A switch on UDP and WSS, and what it needs for that."""

    def __init__(self, directory: Path) -> None:
        self.pair = Authority(directory).sign("switch")
        self.udp, self.wss = free_port(), free_port()

    @property
    def url(self) -> str:
        """Where browsers connect."""
        return f"wss://127.0.0.1:{self.wss}/"

    def settings(self) -> dict[str, Any]:
        """Accounts of browsers, and a number for each."""
        here = {"host": "127.0.0.1"}
        secure = {"transport": "wss", "certificate": str(self.pair.certificate), "key": str(self.pair.key)}
        return {
            "sip": {"listen": [{**here, "port": self.udp}, {**here, "port": self.wss, **secure}]},
            "flows": [str(FLOWS)],
            "accounts": [{"user": user, "password": f"secret-of-{user}"} for user in (*USERS, *DESKS)],
            "masks": [],
            "numbers": [
                {"number": "7001", "target": f"aor:{ANNA}"},
                {"number": "7003", "target": f"aor:{DESK}"},
                {"number": "7004", "target": f"aor:{DORA}"},
                {"number": "7005", "target": f"aor:{EMIL}"},
                {"number": "7006", "target": f"aor:{FAYE}"},
                {"number": "7007", "target": f"aor:{OTHER}"},
                {"number": KEYS, "flow": "two_keys"},
                {"number": TWO_SECONDS, "flow": "one_tone"},
            ],
            "media": {"ports": MEDIA_RANGE, "codecs": ["PCMA", "PCMU", "opus"]},
            "webrtc": {"ports": WEB_RANGE, "away": "5s"},
            "limits": {"ring_timeout": "8s", "drain": "1s"},
        }


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The browser."""
    with running_browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Ports and certificates."""
    return Place(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def switch(
    browser: Browser, place: Place, plane: Plane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSwitch]:
    """The switch."""
    with running_switch(tmp_path_factory.mktemp("switch"), **plane.put_into(place.settings())) as running:
        yield running


async def carrier(place: Place) -> Phone:
    """A caller behind the carrier."""
    return await Phone.open("13800138000", target=("127.0.0.1", place.udp))


async def telephone(place: Place, user: str = DESK) -> Phone:
    """A registered one on a desk."""
    made = await Phone.open(user, target=("127.0.0.1", place.udp), password=f"secret-of-{user}", domain=DOMAIN)
    await made.register()
    return made


async def sign_in(phone: WebPhone, place: Place) -> str:
    """Register with the password; the Contact of the answer."""
    return await phone.register(place.url, f"secret-of-{phone.user}", DOMAIN)


async def talk(called: WebPhone, caller: Phone, number: str) -> Call:
    """A call that a browser answers; both hear the other's tone."""
    call = await caller.dial(number)
    await called.event("incoming")
    await called.do("answer")
    await call.answered()
    call.rtp.play(440)
    await called.hears(440)
    await call.hears(TONE)
    return call


async def music(call: Call) -> None:
    """Wait until a call hears something that is not the browser's microphone."""
    async with asyncio.timeout(5 * PATIENCE):
        while call.rtp.hears(TONE, 0.5) or call.rtp.loudness(0.5) < 100:
            await asyncio.sleep(0.05)


@on_workers
async def test_it_registers_and_refreshes(browser: Browser, place: Place, switch: RunningSwitch) -> None:
    """By digest; again when it is told to, with one binding; it signs off, or its tab is closed."""
    async with browser.phones(ANNA, BEN) as (anna, ben):
        contact = await sign_in(anna, place)
        assert ".invalid;transport=ws>" in contact
        assert contact.count("<sip:") == 1
        await sign_in(ben, place)
        await anna.do("again")
        await anna.event("got", method="REGISTER", line="SIP/2.0 200 OK")
        await switch.eventually(lambda: switch.metrics()["registrations"] == 2)
        await anna.do("stop")
        await anna.event("unregistered")
        await switch.eventually(lambda: switch.metrics()["registrations"] == 1)
        await ben.close()
        await switch.eventually(lambda: switch.metrics()["registrations"] == 0)
    await switch.eventually(lambda: switch.metrics()["sip_connections"] == 0)


@on_workers
async def test_a_wrong_password(browser: Browser, place: Place, switch: RunningSwitch) -> None:
    """It is told."""
    async with browser.phones(ANNA) as (anna,):
        await anna.do("start", {"url": place.url, "user": ANNA, "password": "wrong", "domain": DOMAIN})
        assert (await anna.event("registrationFailed"))["cause"] == "Authentication Error"


@on_both
async def test_calls_of_browsers(browser: Browser, place: Place, switch: RunningSwitch) -> None:
    """Called by a carrier, calling a telephone, keying into a flow, calling each other, transferring."""

    async def is_called() -> None:
        async with browser.phones(ANNA) as (anna,), await carrier(place) as caller:
            await sign_in(anna, place)
            call = await talk(anna, caller, "7001")
            await anna.do("hold")
            await music(call)
            await anna.do("resume")
            await anna.hears(440)
            await call.hears(TONE)
            await call.hang_up()
            assert (await anna.event("ended"))["originator"] == "remote"
            assert caller.complaints == []

    async def calls() -> None:
        async with browser.phones(BEN) as (ben,), await telephone(place) as desk:
            await sign_in(ben, place)
            await ben.do("call", f"sip:7003@{DOMAIN}")
            far = await desk.next_call()
            await far.confirmed()
            await ben.event("confirmed")
            far.rtp.play(550)
            await ben.hears(550)
            await far.hears(TONE)
            await far.reinvite("sendonly")
            await far.reinvite()
            await ben.hears(550)
            await ben.do("hangUp")
            await far.ended()
            assert desk.complaints == []

    async def keys() -> None:
        async with browser.phones(CLEO) as (cleo,):
            await sign_in(cleo, place)
            await cleo.do("call", f"sip:{KEYS}@{DOMAIN}")
            await cleo.event("confirmed")
            await cleo.hears(500)
            await cleo.do("key", "12", "RFC2833")
            await cleo.hears(300)
            await cleo.do("key", "3#", "INFO")
            await cleo.hears(2500)
            await cleo.do("hangUp")
            await cleo.event("ended")

    async def hears_the_begin() -> None:
        """Of a prompt of two seconds the hundred packets reach the browser, though it could hear nothing at first."""
        async with browser.phones(GINA) as (gina,):
            await sign_in(gina, place)
            await gina.do("call", f"sip:{TWO_SECONDS}@{DOMAIN}")
            await gina.event("confirmed")
            # A busy machine may lose one or two; what comes too early would be many.
            counted = await gina.do("counted")
            until = asyncio.get_running_loop().time() + 10 * PATIENCE
            while counted["received"] < 97:
                assert asyncio.get_running_loop().time() < until, counted
                await asyncio.sleep(0.1)
                counted = await gina.do("counted")
            await gina.do("hangUp")
            await gina.event("ended")

    async def each_other() -> None:
        async with browser.phones(DORA, EMIL) as (dora, emil):
            await sign_in(dora, place)
            await sign_in(emil, place)
            await dora.do("call", f"sip:7005@{DOMAIN}")
            await emil.event("incoming")
            await emil.do("answer")
            await dora.event("confirmed")
            await dora.hears(TONE)
            await emil.hears(TONE)
            assert (await dora.do("counted"))["codec"] == "audio/opus"
            await emil.do("hangUp")
            await dora.event("ended")

    async def transfers() -> None:
        async with (
            browser.phones(FAYE) as (faye,),
            await carrier(place) as caller,
            await telephone(place, OTHER) as desk,
        ):
            await sign_in(faye, place)
            call = await talk(faye, caller, "7006")
            await faye.do("transfer", f"sip:7007@{DOMAIN}")
            await faye.event("transfer", what="requestSucceeded")
            far = await desk.next_call()
            await far.confirmed()
            far.rtp.play(550)
            await call.hears(550)
            await far.hears(440)
            await faye.event("transfer", what="accepted")
            await faye.event("ended")
            await call.hang_up()
            await far.ended()
            assert caller.complaints == desk.complaints == []

    await together(is_called(), calls(), keys(), hears_the_begin(), each_other(), transfers())
    await switch.nothing_left()
    calls = switch.rows("select called, cause, ended_by from calls order by called")
    assert [call["called"] for call in calls] == ["4007", "4008", "7001", "7003", "7005", "7006"]
    assert {call["cause"] for call in calls} == {"normal"}


@on_workers
async def test_who_does_not_answer_or_vanishes(browser: Browser, place: Place, switch: RunningSwitch) -> None:
    """Callers who give up, browsers that refuse, tabs that are closed, and a WebSocket that is replaced by another."""

    async def rings() -> None:
        async with browser.phones(DORA) as (dora,), await carrier(place) as caller:
            await sign_in(dora, place)
            call = await caller.dial("7004")
            await dora.event("incoming")
            await call.ringing()
            assert await call.cancel() == 487
            assert (await dora.event("failed"))["cause"] == "Canceled"
            call = await caller.dial("7004")
            await dora.event("incoming")
            await dora.do("refuse", 486)
            assert await call.decided() == 486
            call = await caller.dial("7004")
            await dora.event("incoming")
            await dora.close()
            assert await call.decided() == 480
            assert caller.complaints == []

    async def comes_back() -> None:
        async with browser.phones(ANNA) as (anna,), await carrier(place) as caller:
            await sign_in(anna, place)
            call = await talk(anna, caller, "7001")
            await anna.do("cut")
            await anna.event("disconnected")
            await anna.event("got", method="REGISTER", line="SIP/2.0 200 OK")
            await anna.hears(440)
            await call.hears(TONE)
            await call.hang_up()
            await anna.event("ended", originator="remote")
            assert caller.complaints == []

    async def is_closed() -> None:
        async with browser.phones(EMIL) as (emil,), await carrier(place) as caller:
            await sign_in(emil, place)
            call = await talk(emil, caller, "7005")
            await emil.close()
            await call.ended(within=20)
            assert call.ended_by is not None
            assert 'text="webrtc_lost"' in (call.ended_by.get("reason") or "")

    await together(rings(), comes_back(), is_closed())
    await switch.nothing_left()
