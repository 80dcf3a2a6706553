"""Kamailio as a proxy in front, which stays in the route of every call, and as a registrar behind.

The network's side is two hops of one machine: UDP there, TCP between it and the switch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.dialog import Call
from bench.phone import Answer, Never, Phone, Record
from tests.support.kamailio import kamailio, need_kamailio
from tests.support.ports import free_port
from tests.support.sipp import Caller, carry, need_sipp
from tests.support.stage import DOMAIN, hear_each_other, hear_something, together
from tests.support.switch import RunningSwitch, running_switch

CONFIG = Path(__file__).with_name("kamailio_proxy.cfg")
HOST, EDGE = "127.0.0.3", "127.0.0.4"
MAIN, SHOWN = "4008001234", "01088880000"
DESKS = ("d1", "d2", "d3", "d4", "d5")
FORKED = "7900"
"""The proxy brings calls to this number twice, by UDP and by TCP."""
ROAMING = ("r1", "r2")
"""Phones that register at the switch through the proxy."""


@dataclass(frozen=True, slots=True)
class World:
    """Where all of them listen."""

    switch: RunningSwitch
    port: int
    network: int
    log: Path

    @property
    def front(self) -> tuple[str, int]:
        """The proxy's side to the network."""
        return HOST, self.port

    @property
    def edge(self) -> tuple[str, int]:
        """The proxy's side to phones."""
        return EDGE, self.port

    async def carrier(self) -> Phone:
        """A phone of the network; there is one at a time, at the address that the proxy takes for it."""
        return await Phone.open("13911110000", target=self.front, port=self.network, t1=0.1)

    async def phone(self, user: str, target: tuple[str, int]) -> Phone:
        """A registered phone."""
        made = await Phone.open(user, target=target, password=f"secret-{user}", domain=DOMAIN, t1=0.1)
        await made.register()
        return made


def settings(udp: int, tcp: int, port: int) -> dict[str, Any]:
    """One carrier, whose gateway is the proxy, by TCP."""
    here = {"host": "127.0.0.1"}
    return {
        "sip": {"listen": [{**here, "port": udp}, {**here, "port": tcp, "transport": "tcp"}]},
        "trunks": [{"name": "north", "from": [HOST], "to": f"{HOST}:{port}", "transport": "tcp"}],
        "accounts": [{"user": user, "password": f"secret-{user}"} for user in (*DESKS, *ROAMING)],
        "masks": [{"number": MAIN, "extension": "100001", "real": "13900001111", "trunk": "north", "shown": SHOWN}],
        "numbers": [
            {"number": MAIN, "mask": True},
            *({"number": number_of(user), "target": f"aor:{user}"} for user in (*DESKS, *ROAMING)),
            {"number": FORKED, "target": f"aor:{DESKS[4]}"},
            {"number": "7200", "target": f"sip:behind@{EDGE}:{port}"},
        ],
        "limits": {"ring_timeout": "8s", "drain": "1s"},
    }


def number_of(user: str) -> str:
    """The number that leads to an account."""
    return f"7{'0' if user in DESKS else '1'}0{user[1:]}"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The proxy and the switch."""
    need_kamailio()
    directory = tmp_path_factory.mktemp("world")
    port, network, tcp, udp = (free_port() for _ in range(4))
    with (
        running_switch(directory, **settings(udp, tcp, port)) as switch,
        kamailio(CONFIG.read_text(), directory, (HOST, port), edge=EDGE, network=network, udp=udp, tcp=tcp),
    ):
        yield World(switch, port, network, directory / "kamailio.log")


def udp_of(world: World) -> tuple[str, int]:
    """Where phones reach the switch without the proxy."""
    return "127.0.0.1", world.switch.config["sip"]["listen"][0]["port"]


def through(phone: Phone, world: World, *methods: str) -> None:
    """Requests of these kinds came to a phone, all of them through the proxy."""
    for method in methods:
        found: list[Record] = phone.received(f"{method} ")
        assert found, method
        for record in found:
            assert record.message is not None
            vias = [via.strip() for line in record.message.getall("via") for via in line.split(",")]
            assert len(vias) >= 2 or method in ("CANCEL", "ACK"), "those go from hop to hop, or may"
            assert f":{world.port}" in vias[0], vias


def hops(call: Call) -> list[str]:
    """The transports of the route set that a phone has learned, in its order."""
    return ["tcp" if "transport=tcp" in route else "udp" for route in call.routes]


# --- the network in front ---


async def desk_holds_and_hangs_up(world: World, network: Phone) -> None:
    """A call in: hold from each side, and BYE from the switch, all by the route."""
    async with await world.phone("d1", udp_of(world)) as desk:
        call = await network.dial(number_of("d1"))
        far = await desk.next_call()
        await call.answered()
        assert hops(call) == ["udp", "tcp"]
        await hear_each_other(call, far)
        assert (await call.reinvite("sendonly")).status == 200
        assert (await call.reinvite("sendrecv")).status == 200
        await hear_each_other(call, far)
        assert (await far.reinvite("sendonly")).status == 200
        call.rtp.received.clear()
        await hear_something(call)
        assert (await far.reinvite("sendrecv")).status == 200
        call.rtp.received.clear()
        await hear_each_other(call, far)
        assert (await call.info("5")).status == 200
        await far.hang_up()
        await call.ended()
        through(network, world, "BYE")
        assert desk.complaints == []


async def a_call_outlasts_its_connection(world: World, network: Phone) -> None:
    """The proxy has closed the one by which the INVITE came: our BYE goes to the port that its Record-Route names."""
    async with await world.phone("d1", udp_of(world)) as desk:
        call = await network.dial(number_of("d1"))
        far = await desk.next_call()
        await call.answered()
        await world.switch.eventually(lambda: world.switch.metrics()["sip_connections"] == 0, 15.0)
        await hear_each_other(call, far)
        await far.hang_up()
        await call.ended()
        assert desk.complaints == []


async def network_gives_up_and_hangs_up(world: World, network: Phone) -> None:
    """CANCEL reaches the desk through both; then BYE from the network."""
    async with await world.phone("d2", udp_of(world)) as desk:
        desk.behaviour = Never()
        call = await network.dial(number_of("d2"))
        far = await desk.next_call()
        await call.ringing()
        assert await call.cancel() == 487
        await far.ended()
        desk.behaviour = Answer()
        call = await network.dial(number_of("d2"))
        far = await desk.next_call()
        await call.answered()
        await hear_each_other(call, far)
        await call.hang_up()
        await far.ended()
        assert desk.complaints == []


async def out_through_the_proxy(world: World, network: Phone) -> None:
    """Calls out: cancelled while it rings; then held by the network, which hangs up; then BYE from the desk."""
    async with await world.phone("d3", udp_of(world)) as desk:
        network.behaviour = Never()
        call = await desk.dial(f"{MAIN}*100001")
        far = await network.next_call()
        await call.ringing()
        assert await call.cancel() == 487
        await far.ended()
        network.behaviour = Answer()
        for by_network in (True, False):
            call = await desk.dial(f"{MAIN}*100001")
            far = await network.next_call()
            await call.answered()
            await far.confirmed()
            assert hops(far) == ["udp", "tcp"]
            await hear_each_other(call, far)
            assert (await far.reinvite("sendonly")).status == 200
            assert (await far.reinvite("sendrecv")).status == 200
            await hear_each_other(call, far)
            await (far if by_network else call).hang_up()
            await (call if by_network else far).ended()
        through(network, world, "INVITE", "ACK", "CANCEL", "BYE")
        assert desk.complaints == []


async def the_same_call_by_two_ways(world: World, network: Phone) -> None:
    """One copy is taken, whichever comes first, and the other gets 482 (RFC 3261 §8.2.2.2): the desk rings once."""
    before = len(world.log.read_text())

    def finals() -> dict[str, str]:
        lines = [line.split() for line in world.log.read_text()[before:].splitlines() if "forked" in line]
        return {transport: status for *_, transport, status in lines if int(status) >= 200}

    async with await world.phone("d5", udp_of(world)) as desk:
        call = await network.dial(FORKED)
        far = await desk.next_call()
        await call.answered()
        await hear_each_other(call, far)
        await call.hang_up()
        await far.ended()
        assert len(desk.received("INVITE ")) == 1
        assert desk.complaints == []
    await world.switch.eventually(lambda: len(finals()) == 2)
    assert sorted(finals().values()) == ["200", "482"]


async def test_in_front(world: World, tmp_path: Path) -> None:
    """Both ways, each request of the dialogs by the recorded route: re-INVITE, INFO, CANCEL, ACK and BYE."""
    async with await world.carrier() as network:
        await desk_holds_and_hangs_up(world, network)
        await a_call_outlasts_its_connection(world, network)
        await network_gives_up_and_hangs_up(world, network)
        await out_through_the_proxy(world, network)
        await the_same_call_by_two_ways(world, network)
        assert network.complaints == []
    await world.switch.nothing_left()
    trunks = {row["trunk"] for row in world.switch.rows("select trunk from calls where called like '70%'")}
    assert trunks == {"north"}


async def test_sipp_behind_it(world: World, tmp_path: Path) -> None:
    """SIPp keeps the route as well: it hangs up one call, the desk the other."""
    need_sipp()

    async def desk_talks(*, hangs_up: bool) -> None:
        async with await world.phone("d4", udp_of(world)) as desk:
            far = await desk.next_call(within=15)
            await far.confirmed()
            far.rtp.play(880)
            await hear_something(far)
            if hangs_up:
                await far.hang_up()
            await far.ended()
            assert desk.complaints == []

    for hangs_up in (True, False):
        caller = Caller("13911110001", "", talk_ms=6000 if hangs_up else 1500, port=world.network)
        await together(
            desk_talks(hangs_up=hangs_up), carry(caller, world.front, tmp_path, number_of("d4"))
        )  # fmt: skip
    await world.switch.nothing_left()
    ended = world.switch.rows(f"select ended_by from calls where called = '{number_of('d4')}' order by started_us")
    assert [row["ended_by"] for row in ended] == ["agent", "caller"]


# --- phones behind ---


async def through_the_path(world: World) -> None:
    """Phones that register through the proxy (Path) call each other through it, proved by digest."""
    one, two = ROAMING
    async with await world.phone(one, world.edge) as calls, await world.phone(two, world.edge) as is_called:
        call = await calls.dial(number_of(two))
        far = await is_called.next_call()
        await call.answered()
        await hear_each_other(call, far)
        assert (await far.reinvite("sendonly")).status == 200
        assert (await far.reinvite("sendrecv")).status == 200
        await far.hang_up()
        await call.ended()
        through(is_called, world, "INVITE", "ACK")
        through(calls, world, "BYE")
        is_called.behaviour = Never()
        call = await calls.dial(number_of(two))
        far = await is_called.next_call()
        await call.ringing()
        assert await call.cancel() == 487
        await far.ended()
        assert calls.complaints == is_called.complaints == []


async def registered_there(world: World) -> None:
    """A phone that only the proxy knows is called there, and hangs up."""
    async with (
        await Phone.open("behind", target=world.edge, domain="behind.example", t1=0.1) as behind,
        await Phone.open(DESKS[0], target=udp_of(world), password="secret-d1", domain=DOMAIN, t1=0.1) as desk,
    ):
        await behind.register()
        call = await desk.dial("7200")
        far = await behind.next_call()
        await call.answered()
        await hear_each_other(call, far)
        await far.hang_up()
        await call.ended()
        through(behind, world, "INVITE", "ACK")
        assert behind.complaints == desk.complaints == []


async def test_behind(world: World) -> None:
    """Phones registered at the switch by a path, and phones registered at Kamailio."""
    await asyncio.gather(through_the_path(world), registered_there(world))
    await world.switch.nothing_left()
    calls = world.switch.rows("select trunk, cause from calls where called like '71%' or called like '72%'")
    assert {call["trunk"] for call in calls} == {"phones"}
