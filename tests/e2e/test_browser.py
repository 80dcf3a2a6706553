"""JsSIP in Chromium against a real switch: over WSS it registers, calls and is called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.phone import Phone
from tests.support.browser import Browser, running_browser
from tests.support.certificates import Authority
from tests.support.ports import free_port
from tests.support.switch import RunningSwitch, running_switch

ANNA, BEN = "anna", "ben"
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
            "accounts": [{"user": user, "password": f"secret-of-{user}"} for user in (ANNA, BEN)],
            "masks": [],
            "numbers": [
                {"number": "7001", "target": f"aor:{ANNA}"},
                {"number": "7002", "target": f"aor:{BEN}"},
            ],
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
def switch(browser: Browser, place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """The switch."""
    with running_switch(tmp_path_factory.mktemp("switch"), **place.settings()) as running:
        yield running


async def test_it_registers_and_refreshes(browser: Browser, place: Place, switch: RunningSwitch) -> None:
    """By digest; again when it is told to, with one binding; it signs off, or its tab is closed."""
    async with browser.phones(ANNA, BEN) as (anna, ben):
        contact = await anna.register(place.url, f"secret-of-{ANNA}", DOMAIN)
        assert ".invalid;transport=ws>" in contact
        assert contact.count("<sip:") == 1
        await ben.register(place.url, f"secret-of-{BEN}", DOMAIN)
        await anna.do("again")
        await anna.event("got", method="REGISTER", line="SIP/2.0 200 OK")
        await switch.eventually(lambda: switch.metrics()["registrations"] == 2)
        await anna.do("stop")
        await anna.event("unregistered")
        await switch.eventually(lambda: switch.metrics()["registrations"] == 1)
        await ben.close()
        await switch.eventually(lambda: switch.metrics()["registrations"] == 0)
    await switch.eventually(lambda: switch.metrics()["sip_connections"] == 0)


async def test_a_wrong_password(browser: Browser, place: Place, switch: RunningSwitch) -> None:
    """It is told."""
    async with browser.phones(ANNA) as (anna,):
        await anna.do("start", {"url": place.url, "user": ANNA, "password": "wrong", "domain": DOMAIN})
        assert (await anna.event("registrationFailed"))["cause"] == "Authentication Error"


async def test_ringing(browser: Browser, place: Place, switch: RunningSwitch) -> None:
    """A browser rings: the caller gives up, or the browser refuses; both learn what became of it."""
    async with (
        browser.phones(ANNA) as (anna,),
        await Phone.open("13800138000", target=("127.0.0.1", place.udp)) as caller,
    ):
        await anna.register(place.url, f"secret-of-{ANNA}", DOMAIN)
        call = await caller.dial("7001")
        await anna.event("incoming")
        await call.ringing()
        assert await call.cancel() == 487
        assert (await anna.event("failed"))["cause"] == "Canceled"
        call = await caller.dial("7001")
        await anna.event("incoming")
        await anna.do("refuse", 486)
        assert await call.decided() == 486
        call = await caller.dial("7001")
        await anna.event("incoming")
        await anna.close()
        assert await call.decided() == 480
        assert caller.complaints == []
    await switch.nothing_left()
