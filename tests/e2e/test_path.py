"""A softphone and a proxy that we did not write (pjsua2 behind Kamailio): registered with a Path, called through it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.phone import Phone
from tests.support.command import command
from tests.support.kamailio import edge_proxy, need_kamailio
from tests.support.pjsua import TONE, need_pjsua, softphone
from tests.support.switch import RunningSwitch, running_switch

USER = "800001"


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """A switch with one account."""
    need_pjsua()
    need_kamailio()
    changes = {
        "accounts": [{"user": USER, "password": f"secret-{USER}"}],
        "masks": [],
        "numbers": [{"number": "4007", "target": f"aor:{USER}"}],
        "limits": {"ring_timeout": "8s", "drain": "1s"},
    }
    with running_switch(tmp_path_factory.mktemp("switch"), **changes) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(switch: RunningSwitch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Where the proxy is."""
    with edge_proxy(tmp_path_factory.mktemp("kamailio"), switch.target) as address:
        yield address


async def test_a_phone_behind_a_proxy(switch: RunningSwitch, proxy: tuple[str, int], tmp_path: Path) -> None:
    """The INVITE takes the way of the REGISTER back; audio, hold and BYE go as in any call."""
    async with (
        softphone(tmp_path, USER, f"secret-{USER}", proxy) as phone,
        await Phone.open("13911110001", target=switch.target) as carrier,
    ):
        shown = await command(switch, "registrations", "show", USER)
        assert f"<sip:127.0.0.1:{proxy[1]};" in shown
        assert f"from     127.0.0.1:{proxy[1]}/udp" in shown
        for by_phone in (False, True):
            call = await carrier.dial("4007")
            told = await phone.event("incoming", within=12)
            assert f"Record-Route: <sip:127.0.0.1:{proxy[1]}" in told["message"]
            phone.tell("answer")
            await call.answered()
            call.rtp.play(440)
            await call.hears(TONE)
            assert (await call.reinvite("sendonly")).status == 200
            if by_phone:
                phone.tell("hangup")
                await call.ended()
            else:
                await call.hang_up()
            await phone.event("ended")
        assert carrier.complaints == []
    await switch.nothing_left()
    assert [call["cause"] for call in switch.rows("select cause from calls")] == ["normal", "normal"]
