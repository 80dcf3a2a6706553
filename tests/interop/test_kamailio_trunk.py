"""Kamailio as a carrier: we register there with a password, calls come from it and go to it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from bench.phone import Call, Dialled, Phone
from bench.wire import angle_uri
from tests.support.command import command
from tests.support.kamailio import kamailio
from tests.support.ports import free_port
from tests.support.stage import hear_each_other
from tests.support.switch import RunningSwitch, running_switch

MAIN, EXTENSION, DESK, REAL, SHOWN = "4008001234", "100001", "100002", "13900001111", "01088880000"
CONFIG = Path(__file__).with_name("kamailio_trunk.cfg")


def carrier(port: int) -> dict[str, Any]:
    """The trunk: its first gateway is not there, the second is Kamailio."""
    return {
        "name": "north",
        "gateways": [{"to": f"127.0.0.1:{free_port()}", "name": "gone"}, {"to": f"127.0.0.1:{port}", "order": 2}],
        "login": {"user": "4001", "password": "open sesame"},
        "register": {"expires": "10s", "retry": "1s"},
        "domain": "carrier.example",
        "options": {"interval": "5s", "down": 1},
    }


async def registration(switch: RunningSwitch) -> dict[str, Any]:
    """What the switch tells of its registration there."""
    shown = json.loads(await command(switch, "trunks", "show", "north", "--format", "json"))
    found: dict[str, Any] = shown["registrations"][0]
    return found


async def held(switch: RunningSwitch, more_than: float = 0.0) -> float:
    """Wait until it is held for longer than that; the seconds it has left."""
    async with asyncio.timeout(30):
        while ((await registration(switch))["expires_in"] or 0.0) <= more_than:
            await asyncio.sleep(0.2)
    return float((await registration(switch))["expires_in"])


async def comes(network: Phone) -> Call:
    """A call from the network to our number, which Kamailio brings to our contact."""
    return await network.dial(f"{MAIN}*{DESK}", Dialled(from_uri="sip:13812345678@network.example"))


async def test_registered_at_kamailio(tmp_path: Path) -> None:
    """Registered by digest at the second place, refreshed; a call each way; nothing is left there at the end."""
    port = free_port()
    async with (
        await Phone.open("network", target=("127.0.0.1", port), t1=0.1) as network,
        await Phone.open("desk", t1=0.1) as desk,
    ):
        with (
            kamailio(CONFIG.read_text(), tmp_path, ("127.0.0.1", port), network=network.address[1]),
            running_switch(
                tmp_path,
                limits={"ring_timeout": "20s", "drain": "1s"},
            trunks=[carrier(port), {"name": "other", "from": ["127.0.0.0/8"]}],
                numbers=[{"number": MAIN, "mask": True}],
                masks=[
                    {"number": MAIN, "extension": EXTENSION, "real": REAL, "trunk": "north", "shown": SHOWN},
                    {
                        "number": MAIN, "extension": DESK,
                        "target": f"sip:desk@127.0.0.1:{desk.address[1]}",
                    },
                ],
            ) as switch,
        ):  # fmt: skip
            # More than was asked for: Kamailio grants 12 seconds at least.
            left = await held(switch)
            assert (await registration(switch))["at"] == "2"

            call = await comes(network)
            far = await desk.next_call()
            await call.answered()
            await hear_each_other(call, far)
            await call.hang_up()
            await far.ended()

            async with await Phone.open("caller", target=switch.target, t1=0.1) as caller:
                call = await caller.dial(f"{MAIN}*{EXTENSION}")
                far = await network.next_call()
                await call.answered()
                assert far.request is not None
                assert far.request.uri == f"sip:{REAL}@carrier.example"
                assert angle_uri(far.request.get("from")) == f"sip:{SHOWN}@carrier.example"
                await hear_each_other(call, far)
                await call.hang_up()
                await far.ended()
            assert left <= 12.0
            # Refreshed with the same nonce, counted on.
            await asyncio.sleep(1.0)
            await held(switch, (await registration(switch))["expires_in"])
            assert len([one for one in switch.log_entries() if one["event"] == "trunk.registered"]) == 1
            await switch.eventually(lambda: bool(_by_trunk(switch)))
            assert [one["trunk"] for one in _by_trunk(switch)] == ["north"]
            metrics = switch.metrics()
            assert metrics['gateway_registered{gateway="2",trunk="north"}'] == 1.0
            assert metrics['gateway_up{gateway="gone",trunk="north"}'] == 0.0
            assert switch.stop() == 0
            assert "open sesame" not in switch.log()
            call = await comes(network)
            assert await call.decided() == 404


def _by_trunk(switch: RunningSwitch) -> list[dict[str, Any]]:
    """The record of the call that came from the network."""
    return switch.rows("select trunk from calls where caller_masked = '138****5678'")
