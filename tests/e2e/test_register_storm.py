"""Phones that all register at once: every one is registered, and calls do not suffer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from bench.phone import Phone
from bench.register_phones import Phones, password, user
from tests.support.ports import free_port
from tests.support.switch import RunningSwitch, running_switch

COUNT = 1500
DOMAIN = "switchboard.local"


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """A switch with an account for every phone, and one for a desk that is called meanwhile."""
    accounts = [{"user": user(number), "password": password(number)} for number in range(COUNT)]
    changes = {
        "accounts": [*accounts, {"user": "desk", "password": "secret-of-desk"}],
        "trunks": [{"name": "carrier", "from": ["127.0.0.1"]}],
        "numbers": [{"number": "4007", "target": "aor:desk"}],
        "masks": [],
        "limits": {"ring_timeout": "8s", "drain": "1s"},
    }
    with running_switch(tmp_path_factory.mktemp("switch"), **changes) as running:
        yield running


async def test_calls_in_a_storm(switch: RunningSwitch) -> None:
    """A call that is up goes on and is held and ended; new ones are made; no phone is left out or refused."""
    async with (
        await Phone.open("desk", target=switch.target, password="secret-of-desk", domain=DOMAIN) as desk,
        await Phone.open("13911110001", target=switch.target) as carrier,
    ):
        await desk.register()
        up = await carrier.dial("4007")
        far = await desk.next_call()
        await up.answered()
        load = Phones(COUNT, switch.target, DOMAIN, port=free_port())
        storm = asyncio.create_task(asyncio.to_thread(load.storm, lambda done: None))
        try:
            made = 0
            while made < 3 or not storm.done():
                call = await carrier.dial("4007")
                await call.answered()
                other = await desk.next_call()
                await call.hang_up()
                await other.ended()
                made += 1
            seen = await storm
        finally:
            load.close()
        assert (seen.finals[200], seen.failures) == (COUNT, 0)
        up.rtp.play(440)
        far.rtp.play(880)
        await far.hears(440)
        await up.hears(880)
        assert (await up.reinvite("sendonly")).status == 200
        await up.hang_up()
        await far.ended()
        assert carrier.complaints == []
    metrics = switch.metrics()
    assert metrics["registrations"] == COUNT + 1
    assert metrics["sip_datagrams_dropped_aside_total"] == 0
    assert metrics["calls_refused_overload_total"] == 0
    await switch.eventually(lambda: len(switch.rows("select aor from registrations")) == COUNT + 1)
