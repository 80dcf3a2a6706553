"""Carriers with several gateways over the wire: one after another, within limits, by their rules, changed under calls.

Each scenario has a trunk of its own, so that all are played side by side on one switch.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from bench.phone import Answer, Call, Dialled, Phone, Refuse
from bench.sipp import Sipp
from bench.wire import Message, angle_uri
from tests.e2e.test_api import PASSWORD, Asker, given_password
from tests.support.command import command
from tests.support.planes import Plane, on_both
from tests.support.ports import free_port
from tests.support.sipp import need_sipp, next_media_port
from tests.support.stage import hear_each_other, together
from tests.support.switch import RunningSwitch, running_switch

MAIN = "4008001234"
SHOWN = "01088880000"
SCENARIOS = Path(__file__).parent / "scenarios"
BENCH = Path(__file__).parents[2] / "bench" / "scenarios"
TRUNKS = ("busy", "dead", "full", "rude", "digest", "proxy", "wrong", "rules", "health", "live", "off", "pair")
EXTENSIONS = {name: str(100001 + place) for place, name in enumerate(TRUNKS)}
REAL = {name: f"1390000{place:04d}" for place, name in enumerate(TRUNKS)}
PORTS: dict[str, tuple[int, int]] = {}


def place(port: int, **more: object) -> dict[str, object]:
    """One gateway."""
    return {"to": f"127.0.0.1:{port}", **more}


def trunk(name: str, **more: object) -> dict[str, object]:
    """A trunk of two gateways, a before b."""
    first, second = PORTS.setdefault(name, (free_port(), free_port()))
    values: dict[str, object] = {
        "name": name,
        "from": [f"127.0.0.1:{first}", f"127.0.0.1:{second}"],
        "gateways": [place(first, name="a", order=1), place(second, name="b", order=2)],
        **more,
    }
    return values


def trunks() -> list[dict[str, object]]:
    """A trunk for each scenario, and the carrier that brings the calls."""
    login = {"user": "4001", "password": "open sesame", "realm": "carrier.example"}
    rules = {
        "numbers": {
            "caller": [{"prefix": "+86", "strip": 3}],
            "dialled": [{"match": r"95(4008001234)", "replace": r"\1"}],
            "shown": [{"prefix": "0", "strip": 1, "add": "+86"}],
            "called": [{"prefix": "1", "add": "9"}],
        },
        "headers": {
            "incoming": [{"remove": "P-Asserted-Identity"}],
            "outgoing": [
                {"set": "P-Asserted-Identity", "to": "<sip:{shown}@{domain}>"},
                {"add": "X-Trunk", "to": "{trunk}/{gateway}"},
            ],
        },
        "domain": "carrier.example",
        "codecs": ["PCMU"],
    }
    first, second = PORTS.setdefault("full", (free_port(), free_port()))
    return [
        {"name": "carrier", "from": ["127.0.0.0/8"]},
        trunk("busy"),
        trunk("dead", silence="300ms"),
        trunk("full", channels=2, gateways=[place(first, name="a", channels=1), place(second, name="b", order=2)]),
        trunk("rude"),
        trunk("digest", login=login, dtmf="info"),
        trunk("proxy", login=login),
        trunk("wrong", login={**login, "password": "open barley"}),
        trunk("rules", **rules),
        trunk("health", options={"interval": "5s", "down": 1}),
        trunk("live"),
        trunk("off"),
        trunk("pair"),
    ]


@dataclass(slots=True)
class World:
    """A switch, and the caller who dials everybody."""

    switch: RunningSwitch
    caller: Phone

    async def dial(self, name: str, caller: str = "13800000000") -> Call:
        """A call to the person behind the trunk of a scenario."""
        return await self.caller.dial(f"{MAIN}*{EXTENSIONS[name]}", Dialled(from_uri=f"sip:{caller}@127.0.0.1"))

    async def trunk(self, name: str) -> dict[str, Any]:
        """What `switchboard trunks show` tells."""
        shown: dict[str, Any] = json.loads(await command(self.switch, "trunks", "show", name, "--format", "json"))
        return shown

    async def counted(self, name: str) -> tuple[int, int, int]:
        """Calls, attempts and answered ones of a trunk."""
        counted = (await self.trunk(name))["counted"]
        return counted["calls"], counted["attempts"], counted["answered"]

    def log(self, event: str, **values: object) -> list[dict[str, Any]]:
        """Entries of the log."""
        return [
            one for one in self.switch.log_entries()
            if one["event"] == event and all(one.get(name) == value for name, value in values.items())
        ]  # fmt: skip


@contextlib.asynccontextmanager
async def gateways(name: str) -> AsyncIterator[tuple[Phone, Phone]]:
    """Both gateways of a trunk; each answers."""
    first, second = PORTS[name]
    async with await Phone.open("a", port=first, t1=0.1) as a, await Phone.open("b", port=second, t1=0.1) as b:
        yield a, b


@contextlib.asynccontextmanager
async def sipp(world: World, scenario: Path, port: int) -> AsyncIterator[Sipp]:
    """SIPp as a gateway, for one call."""
    agent = Sipp(scenario, world.switch.directory, port, next_media_port(), arguments=("-m", "1"))
    # Its start is waited for, and the other scenarios go on meanwhile.
    await asyncio.to_thread(agent.start)
    try:
        yield agent
    finally:
        await asyncio.to_thread(agent.__exit__, None, None, None)


def ended(agent: Sipp) -> bool:
    """Whether its call is over."""
    return agent.process is not None and agent.process.poll() is not None


async def ends(call: Call, far: Call) -> None:
    """The caller hangs up."""
    await call.answered()
    await call.hang_up()
    await far.ended()


# --- one after another ---


async def a_gateway_without_circuits(world: World) -> None:
    """SIPp says 503, and SIPp at the second gateway has the call."""
    first, second = PORTS["busy"]
    async with (
        sipp(world, SCENARIOS / "gateway_busy.xml", first) as busy,
        sipp(world, BENCH / "agent.xml", second) as taking,
    ):
        call = await world.dial("busy")
        await call.answered()
        assert await world.counted("busy") == (1, 2, 1)
        await call.hang_up()
        await world.switch.eventually(lambda: ended(busy) and ended(taking))
    assert (busy.totals().successful, taking.totals().successful) == (1, 1)
    assert [one["status"] for one in world.log("trunk.failed", gateway="busy/a")] == [503]
    assert await world.counted("busy") == (0, 2, 1)


async def a_gateway_that_is_silent(world: World) -> None:
    """It takes the INVITE and says nothing: the next is tried, and from then on first."""
    first, second = PORTS["dead"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", first))
        async with await Phone.open("b", port=second, t1=0.1) as b:
            for times in (1, 2):
                call = await world.dial("dead")
                far = await b.next_call()
                await far.confirmed()
                await world.switch.eventually(lambda: len(world.log("trunk.failed", gateway="dead/a", status=408)) == 1)
                await ends(call, far)
                assert await world.counted("dead") == (0, times + 1, times)
                assert [one["state"] for one in (await world.trunk("dead"))["gateways"]] == ["paused", "unknown"]


async def channels_are_limited(world: World) -> None:
    """One at a, the next at b, then none is left; what is given back is there again."""
    async with gateways("full") as (a, b):
        calls = []
        for gateway in (a, b):
            call = await world.dial("full")
            far = await gateway.next_call()
            await far.confirmed()
            calls.append((call, far))
        refused = await world.dial("full")
        assert await refused.decided() == 503
        table = await command(world.switch, "trunks", "list")
        assert next(line for line in table.splitlines() if line.startswith("full")).split()[1:4] == ["full", "-", "2/2"]
        await ends(*calls[0])
        call = await world.dial("full")
        far = await a.next_call()
        await far.confirmed()
        await ends(call, far)
        await ends(*calls[1])
    assert await world.counted("full") == (0, 3, 3)


async def busy_is_busy_everywhere(world: World) -> None:
    """The called party's own answer leads to no other gateway."""
    async with gateways("rude") as (a, b):
        a.behaviour = Refuse(486)
        call = await world.dial("rude")
        assert await call.decided() == 486
        assert b.received("INVITE") == []
    shown = await world.trunk("rude")
    assert (shown["counted"]["failed_status"], shown["counted"]["asr"]) == (None, 0.0)


# --- passwords ---


async def a_gateway_asks_for_a_password(world: World) -> None:
    """SIPp challenges INVITE, INFO and BYE by 401 and qop, verifies what comes, and has the call and a key of it."""
    async with sipp(world, SCENARIOS / "gateway_digest.xml", PORTS["digest"][0]) as agent:
        call = await world.dial("digest")
        await call.answered()
        await call.rtp.key("5")
        await call.hang_up()
        await world.switch.eventually(lambda: ended(agent))
    assert (agent.totals().successful, agent.totals().failed) == (1, 0)


async def a_proxy_asks_for_a_password(world: World) -> None:
    """The same by 407 and as RFC 2069 has it, so that the one right answer is known beforehand."""
    port = PORTS["proxy"][0]
    account = md5(b"4001:carrier.example:open sesame").hexdigest()
    request = md5(f"INVITE:sip:{REAL['proxy']}@127.0.0.1:{port}".encode()).hexdigest()
    right = md5(f"{account}:once and for all:{request}".encode()).hexdigest()
    scenario = world.switch.directory / "proxy.xml"
    scenario.write_text((SCENARIOS / "gateway_proxy.xml").read_text().replace("@response@", right))
    async with sipp(world, scenario, port) as agent:
        call = await world.dial("proxy")
        await call.answered()
        await call.hang_up()
        await world.switch.eventually(lambda: ended(agent))
    assert (agent.totals().successful, agent.totals().failed) == (1, 0)


async def a_wrong_password_is_refused(world: World) -> None:
    """The same SIPp refuses it, and the next gateway is not troubled: it would be refused as well."""
    first, second = PORTS["wrong"]
    async with await Phone.open("b", port=second, t1=0.1) as b:
        async with sipp(world, SCENARIOS / "gateway_digest.xml", first):
            call = await world.dial("wrong")
            assert await call.decided() >= 400
        assert b.received("INVITE") == []
    assert (await world.trunk("wrong"))["counted"]["failed_status"] == 403
    for word in ("open sesame", "open barley"):
        assert word not in world.switch.log()


# --- rules ---


def header(message: Message | None, name: str) -> list[str]:
    """The values of a header."""
    assert message is not None
    return message.getall(name)


async def numbers_and_headers_by_rule(world: World) -> None:
    """What goes out and what comes in is as the rules have it; the caller's own number is nowhere."""
    async with gateways("rules") as (a, _):
        call = await world.dial("rules", "13812345678")
        far = await a.next_call()
        await far.confirmed()
        invite = far.request
        assert invite is not None
        assert invite.uri == f"sip:9{REAL['rules']}@carrier.example"
        assert angle_uri(invite.get("from")) == "sip:+861088880000@carrier.example"
        assert header(invite, "p-asserted-identity") == ["<sip:+861088880000@carrier.example>"]
        assert header(invite, "x-trunk") == ["rules/a"]
        assert b"PCMA" not in invite.body
        assert b"13812345678" not in a.received_bytes()
        await hear_each_other(call, far)
        await ends(call, far)
        a.target = world.switch.target
        back = await a.dial(
            f"95{MAIN}*{EXTENSIONS['pair']}",
            Dialled(("P-Asserted-Identity: <sip:13900009999@x>",), from_uri="sip:+8613700001234@x", codecs=("PCMU",)),
        )
        async with gateways("pair") as (other, _):
            far = await other.next_call()
            await far.confirmed()
            await ends(back, far)
    query = "select called, trunk from calls where caller_masked = '137****1234'"
    await world.switch.eventually(lambda: bool(world.switch.rows(query)))
    assert world.switch.rows(query) == [{"called": MAIN, "trunk": "rules"}]


# --- health ---


async def a_gateway_is_down_and_comes_back(world: World) -> None:
    """OPTIONS find out: who is down is tried last; metrics and log tell."""
    first, second = PORTS["health"]

    def states() -> list[float | None]:
        metrics = world.switch.metrics()
        return [metrics.get(f'gateway_up{{gateway="{one}",trunk="health"}}') for one in "ab"]

    async with await Phone.open("b", port=second, t1=0.1) as b:
        await world.switch.eventually(lambda: states() == [0.0, 1.0], 10.0)
        call = await world.dial("health")
        far = await b.next_call()
        await far.confirmed()
        await ends(call, far)
        assert (await world.counted("health"))[2] == 1
        async with await Phone.open("a", port=first, t1=0.1) as a:
            await world.switch.eventually(lambda: states() == [1.0, 1.0], 12.0)
            assert a.received("OPTIONS")
    assert world.log("trunk.gateway_down", gateway="health/a")
    assert world.log("trunk.gateway_up", gateway="health/a")


# --- changes ---


async def switched_off_and_on(world: World) -> None:
    """By the command line and over the API: calls that are up go on, new ones find no way."""
    async with gateways("off") as (a, b):
        call = await world.dial("off")
        far = await a.next_call()
        await far.confirmed()
        assert "go on" in await command(world.switch, "trunks", "disable", "off/a")
        second = await world.dial("off")
        other = await b.next_call()
        await other.confirmed()
        async with aiohttp.ClientSession() as http:
            ask = Asker(world.switch, http)
            ask.tokens = await ask("POST", "/auth/login", body={"name": "admin", "password": PASSWORD})
            disabled = await ask("POST", "/trunks/off/disable")
            assert (disabled["state"], disabled["counted"]["calls"]) == ("disabled", 2)
            refused = await world.dial("off")
            assert await refused.decided() == 480
            await hear_each_other(call, far)
            assert (await ask("POST", "/trunks/off/enable"))["state"] == "open"
            assert (await ask("POST", "/trunks/off/gateways/a/enable"))["gateways"][0]["state"] == "unknown"
            await ask("POST", "/trunks/nobody/disable", 404)
            log = await ask("GET", "/audit")
            assert {"trunk.disable", "trunk.enable"} <= {one["action"] for one in log["items"]}
        third = await world.dial("off")
        last = await a.next_call()
        await last.confirmed()
        for pair in ((call, far), (second, other), (third, last)):
            await ends(*pair)


async def trunks_change_under_calls(world: World) -> None:
    """By the file: one is taken away and one gets another place while calls are up; a fault changes nothing."""
    config = world.switch.config
    _, second = PORTS["live"]
    async with gateways("live") as (a, b):
        call = await world.dial("live")
        far = await a.next_call()
        await far.confirmed()
        before = config["trunks"]
        others = [one for one in before if one["name"] != "live"]

        def write(trunks: list[dict[str, object]]) -> None:
            world.switch.config_file.write_text(yaml.safe_dump({**config, "trunks": trunks}, allow_unicode=True))

        write([*others, trunk("live", gateways=[place(second, name="b")]), trunk("newcomer")])
        try:
            assert await command(world.switch, "trunks", "reload") == "added newcomer; changed live\n"
            moved = await world.dial("live")
            other = await b.next_call()
            await other.confirmed()
            assert (await world.trunk("live"))["counted"]["calls"] == 2
            write([*others, trunk("live", gateways=[place(second, name="b", weight=-1)])])
            with pytest.raises(AssertionError, match="weight"):
                await command(world.switch, "trunks", "reload")
            write(before)
            assert await command(world.switch, "trunks", "reload") == "changed live; removed newcomer\n"
        finally:
            write(before)
        assert not call.is_over
        await hear_each_other(call, far)
        await ends(call, far)
        await ends(moved, other)
        assert await world.counted("live") == (0, 2, 2)


# --- all of it ---


@pytest.fixture
def switch(tmp_path_factory: pytest.TempPathFactory, plane: Plane) -> Iterator[RunningSwitch]:
    """A switch with a trunk for each scenario, and a person behind each."""
    need_sipp()
    with running_switch(
        tmp_path_factory.mktemp("trunks"),
        limits={"ring_timeout": "20s", "drain": "1s"},
        trunks=trunks(),
        numbers=[{"number": MAIN, "mask": True}],
        masks=[
            {"number": MAIN, "extension": EXTENSIONS[name], "real": REAL[name], "trunk": name, "shown": SHOWN}
            for name in TRUNKS
        ],
        **plane.changes,
    ) as running:
        yield running


@pytest.fixture
async def world(switch: RunningSwitch) -> AsyncIterator[World]:
    """The switch, its first administrator, and a caller."""
    async with aiohttp.ClientSession() as http:
        ask = Asker(switch, http)
        given = given_password(switch)
        ask.tokens = await ask("POST", "/auth/login", body={"name": "admin", "password": given})
        await ask("POST", "/auth/password", body={"current": given, "new": PASSWORD})
    async with await Phone.open("13800000000", target=switch.target, t1=0.1) as caller:
        caller.behaviour = Answer()
        yield World(switch, caller)


@on_both
async def test_carriers(world: World) -> None:
    """All scenarios side by side, and nothing is left of them."""
    await together(
        a_gateway_without_circuits(world),
        a_gateway_that_is_silent(world),
        channels_are_limited(world),
        busy_is_busy_everywhere(world),
        a_gateway_asks_for_a_password(world),
        a_proxy_asks_for_a_password(world),
        a_wrong_password_is_refused(world),
        numbers_and_headers_by_rule(world),
        a_gateway_is_down_and_comes_back(world),
        switched_off_and_on(world),
    )
    await trunks_change_under_calls(world)
    await world.switch.nothing_left(10.0)
