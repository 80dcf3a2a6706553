"""baresip as a gateway behind a trunk with TLS and SRTP: called by a carrier in clear, and calling one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.capture import Capture, Ports
from bench.phone import Phone
from bench.rtp import share
from tests.support.baresip import TONE, Baresip, baresip, need_baresip
from tests.support.baresip import Place as Gateway
from tests.support.certificates import Authority
from tests.support.planes import Plane, on_both
from tests.support.ports import free_port
from tests.support.sounds import read_wav
from tests.support.switch import RunningSwitch, running_switch

REAL = "13956781234"
CARRIER_TONES = (440, 880)


class Place:
    """Where the switch, the carrier and the gateway listen."""

    def __init__(self, directory: Path) -> None:
        self.udp, self.tls, self.carrier = free_port(), free_port(), free_port()
        self.gateway = Gateway()
        self.authority = Authority(directory)
        self.ours = self.authority.sign("switch")
        self.theirs = self.authority.sign("gateway")

    def settings(self) -> dict[str, object]:
        """A trunk in clear, one with TLS and SRTP, and a number that leads from each to the other."""
        listen = [
            {"host": "127.0.0.1", "port": self.udp},
            {
                "host": "127.0.0.1",
                "port": self.tls,
                "transport": "tls",
                "certificate": str(self.ours.certificate),
                "key": str(self.ours.key),
            },
        ]
        return {
            "sip": {"listen": listen, "connections": {"server_ca": str(self.authority.file)}},
            "trunks": [
                {"name": "carrier", "from": ["127.0.0.2"]},
                {
                    "name": "gateway",
                    "from": ["127.0.0.1"],
                    "to": f"127.0.0.1:{self.gateway.tls}",
                    "transport": "tls",
                    "srtp": "required",
                },
            ],
            "masks": [
                {"number": "4008001234", "extension": "1", "real": REAL, "trunk": "gateway", "shown": "01088880000"}
            ],
            "numbers": [
                {"number": "4008001234", "mask": True},
                {"number": "4001", "target": f"sip:carrier@127.0.0.2:{self.carrier}"},
            ],
            "limits": {"ring_timeout": "8s", "drain": "1s"},
        }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Ports and certificates."""
    need_baresip()
    return Place(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def switch(place: Place, plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """The switch there."""
    with running_switch(tmp_path_factory.mktemp("switch"), **place.settings(), **plane.changes) as running:
        yield running


@on_both
async def test_called_and_calling(place: Place, switch: RunningSwitch, tmp_path: Path) -> None:
    """Two calls, one each way, each with a tone each way; the records tell which leg was secured."""
    target = ("127.0.0.1", place.udp)
    gateway = baresip(
        tmp_path, place.gateway, REAL, ("127.0.0.1", place.tls), authority=place.authority.file, pair=place.theirs
    )
    with Capture([Ports(*place.gateway.media)]) as wire:
        async with (
            gateway as phone,
            await Phone.open("13911110001", target=target, host="127.0.0.2", port=place.carrier, t1=0.1) as carrier,
        ):
            await called(phone, carrier)
            await calling(phone, carrier)
            assert carrier.complaints == []
    for file, hz in zip(phone.heard(), CARRIER_TONES, strict=True):
        samples = [int(sample) for sample in read_wav(file)[:, 0]]
        assert max(share(samples[at : at + 1600], hz) for at in range(0, len(samples) - 1599, 400)) > 0.9
    await switch.nothing_left()
    legs = switch.rows(
        "select l.secured, l.lost from legs l join calls c on c.id = l.call_id order by started_us, place"
    )
    secured = "AES_CM_128_HMAC_SHA1_80"
    assert [leg["secured"] for leg in legs] == ["", secured, secured, ""]
    assert all(leg["lost"] == 0 for leg in legs)
    # It says hello and goodbye by RTCP in clear, which is dropped; all else was authentic.
    clear = [p for p in wire.packets() if p.destination[1] % 2 and (b"PONG" in p.payload or b"Adjo" in p.payload)]
    assert len(clear) >= 2
    assert switch.metrics()["media_unauthentic_total"] <= len(clear)


async def called(phone: Baresip, carrier: Phone) -> None:
    """The carrier dials, baresip takes the call, the carrier hangs up."""
    call = await carrier.dial("4008001234*1")
    await phone.event("CALL_INCOMING")
    phone.tell("accept")
    await call.answered()
    call.rtp.play(CARRIER_TONES[0])
    await call.hears(TONE)
    call.rtp.received.clear()
    await call.hears(TONE, seconds=1.0)
    await call.hang_up()
    await phone.event("CALL_CLOSED")


async def calling(phone: Baresip, carrier: Phone) -> None:
    """baresip dials, the carrier answers, baresip hangs up."""
    phone.tell("dial", "sip:4001@127.0.0.1")
    call = await carrier.next_call()
    await call.confirmed()
    call.rtp.play(CARRIER_TONES[1])
    await call.hears(TONE)
    call.rtp.received.clear()
    await call.hears(TONE, seconds=1.0)
    phone.tell("hangup")
    await phone.event("CALL_CLOSED")
    await call.ended()
