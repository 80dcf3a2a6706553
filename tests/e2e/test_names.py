"""Targets that are names: a real DNS says where their servers are, one of which is dead (RFC 3263)."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.phone import Answer, Call, Phone, Refuse
from bench.sipp import Sipp
from tests.support.dns import NameServer
from tests.support.ports import free_port
from tests.support.sipp import need_sipp, next_media_port
from tests.support.stage import hear_each_other, together
from tests.support.switch import RunningSwitch, running_switch

SPREAD, PORT_ONLY, BUSY, GONE, PLAIN, MOVED = "4001", "4002", "4003", "4004", "4005", "4006"
MASKED, REAL = "4008001236", "13956781234"
DEAD, LIVING, SECOND, REFUSING, CARRIER, LEAVING, CLOSED, THERE = (free_port() for _ in range(8))
SCENARIOS = Path(__file__).parent / "scenarios"

RECORDS = (
    "host-record=dead.test,127.0.0.1",
    "host-record=living.test,127.0.0.1",
    "naptr-record=agents.test,10,10,s,SIP+D2U,,_sip._udp.agents.test",
    f"srv-host=_sip._udp.agents.test,dead.test,{DEAD},1",
    f"srv-host=_sip._udp.agents.test,living.test,{LIVING},2",
    f"srv-host=_sip._udp.busy.test,living.test,{REFUSING},1",
    f"srv-host=_sip._udp.busy.test,living.test,{SECOND},2",
    "host-record=near.several.test,127.0.0.5",
    "host-record=far.several.test,127.0.0.6",
    f"srv-host=_sip._udp.several.test,near.several.test,{DEAD},1",
    f"srv-host=_sip._udp.several.test,far.several.test,{LIVING},2",
    "host-record=old.test,127.0.0.1",
    "host-record=new.test,127.0.0.1",
    f"srv-host=_sip._udp.moved.test,old.test,{CLOSED},1",
    f"srv-host=_sip._udp.moved.test,new.test,{THERE},2",
    "naptr-record=carrier.test,10,10,s,SIP+D2U,,_sip._udp.elsewhere.test",
    f"srv-host=_sip._udp.elsewhere.test,living.test,{CARRIER}",
)


class Silent:
    """A socket at which everything ends; `heard` counts datagrams."""

    def __init__(self, port: int) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", port))
        self.sock.setblocking(False)

    async def aclose(self) -> None:
        """Be there no more."""
        self.sock.close()

    def heard(self) -> int:
        """How many have come since it was asked last."""
        count = 0
        with contextlib.suppress(BlockingIOError):
            while self.sock.recv(65535):
                count += 1
        return count


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """A switch whose targets are names, and its DNS."""
    targets = {
        SPREAD: "sip:agent@agents.test",
        PORT_ONLY: f"sip:agent@living.test:{LIVING}",
        BUSY: "sip:agent@busy.test;transport=udp",
        GONE: "sip:agent@gone.test",
        PLAIN: f"sip:agent@127.0.0.1:{SECOND}",
        MOVED: f"sip:agent@127.0.0.1:{LEAVING}",
    }
    with (
        NameServer(RECORDS) as server,
        running_switch(
            tmp_path_factory.mktemp("switch"),
            trunks=[
                {"name": "here", "from": ["127.0.0.0/8"]},
                {"name": "named", "to": "carrier.test", "transport": "any"},
                {"name": "several", "to": "several.test"},
            ],
            numbers=[
                *({"number": number, "target": target} for number, target in targets.items()),
                {"number": MASKED, "mask": True},
            ],
            masks=[
                {"number": MASKED, "extension": extension, "real": REAL, "trunk": trunk, "shown": "01088880000"}
                for extension, trunk in (("345678", "named"), ("345679", "several"))
            ],
            dns={"servers": [server.address]},
            limits={"ring_timeout": "15s", "drain": "1s"},
        ) as running,
    ):
        yield running


async def talk(caller: Phone, agent: Phone, number: str) -> Call:
    """A call to a number that the agent takes; both hear each other."""
    call = await caller.dial(number)
    far = await agent.next_call(within=10)
    await far.confirmed()
    await call.answered()
    await hear_each_other(call, far)
    await call.hang_up()
    await far.ended()
    return far


async def test_calls_go_to_the_servers_that_dns_names(switch: RunningSwitch) -> None:
    """The first server is dead: the call goes to the second, and later calls do not try the dead one first."""
    async with (
        await Phone.open("13800000001", target=switch.target, t1=0.1) as caller,
        await Phone.open("13800000002", target=switch.target, t1=0.1) as other,
        await Phone.open("agent", target=switch.target, port=LIVING, t1=0.1) as agent,
        contextlib.aclosing(Silent(DEAD)) as dead,
    ):
        agent.behaviour = Answer()

        async def failover() -> None:
            await talk(caller, agent, SPREAD)
            assert dead.heard() > 1, "the first was tried, and tried again"
            await talk(caller, agent, SPREAD)
            await talk(caller, agent, PORT_ONLY)
            assert dead.heard() == 0, "nobody waits for it twice"

        async def nowhere() -> None:
            call = await other.dial(GONE)
            assert await call.decided() >= 400

        await together(failover(), nowhere())
        assert len(agent.received("INVITE ")) == 3
        assert caller.complaints == agent.complaints == []
    assert switch.metrics()["dns_places"] >= 4
    await switch.nothing_left()


async def test_a_503_leads_to_the_next_server(switch: RunningSwitch) -> None:
    """RFC 3263 §4.3; and for a while it is not asked first."""
    async with (
        await Phone.open("13800000003", target=switch.target, t1=0.1) as caller,
        await Phone.open("agent", target=switch.target, port=REFUSING, t1=0.1) as refusing,
        await Phone.open("agent", target=switch.target, port=SECOND, t1=0.1) as second,
    ):
        refusing.behaviour = Refuse(503)
        second.behaviour = Answer()
        await talk(caller, second, BUSY)
        await talk(caller, second, BUSY)
        assert len(refusing.received("INVITE ")) == 1
    await switch.nothing_left()


async def test_a_carrier_is_found_by_its_name(switch: RunningSwitch) -> None:
    """Where `to` of a trunk is a name without a port, its NAPTR and SRV records say how and where it listens."""
    async with (
        await Phone.open("13800000004", target=switch.target, t1=0.1) as caller,
        await Phone.open(REAL, target=switch.target, port=CARRIER, t1=0.1) as carrier,
    ):
        carrier.behaviour = Answer()
        await talk(caller, carrier, f"{MASKED}*345678")
        (invite,) = carrier.received("INVITE ")
        assert b"13800000004" not in invite.data
        assert carrier.complaints == []


async def test_a_contact_that_is_a_name_is_where_dns_leads(switch: RunningSwitch) -> None:
    """SIPp answers with one; nobody is at the first of its servers, and SIPp at the second gets the BYE."""
    need_sipp()
    known = switch.metrics()["dns_answers"]
    async with await Phone.open("13800000007", target=switch.target, t1=0.1) as caller:
        moved, there = (
            Sipp(SCENARIOS / scenario, switch.directory, port, next_media_port(), arguments=("-m", "1"))
            for scenario, port in (("moved_agent.xml", LEAVING), ("takes_bye.xml", THERE))
        )
        with moved, there:
            call = await caller.dial(MOVED)
            await call.answered()
            # One answer says which servers there are, two where they are.
            await switch.eventually(lambda: switch.metrics()["dns_answers"] >= known + 3)
            await call.hang_up()
            await switch.eventually(
                lambda: all(one.process and one.process.poll() is not None for one in (moved, there))
            )
        assert [(one.totals().successful, one.totals().failed) for one in (moved, there)] == [(1, 0), (1, 0)]
    await switch.nothing_left()


async def test_a_carrier_with_several_addresses(switch: RunningSwitch) -> None:
    """Calls go to its second server, as the first is not there; what comes from any of its addresses is its call."""
    async with (
        await Phone.open("13800000005", target=switch.target, t1=0.1) as caller,
        await Phone.open("13700000005", host="127.0.0.6", target=switch.target, port=LIVING, t1=0.1) as far,
        await Phone.open("13700000006", host="127.0.0.5", target=switch.target, t1=0.1) as near,
        await Phone.open("agent", target=switch.target, port=SECOND, t1=0.1),
    ):
        await talk(caller, far, f"{MASKED}*345679")
        (invite,) = far.received("INVITE ")
        assert invite.message is not None
        assert invite.message.uri == f"sip:{REAL}@several.test"
        for phone in (far, near):
            call = await phone.dial(PLAIN)
            await call.answered()
            await call.hang_up()
    query = "select caller_masked from calls where trunk = 'several' order by caller_masked"
    await switch.eventually(lambda: len(switch.rows(query)) == 2)
    assert [one["caller_masked"] for one in switch.rows(query)] == ["137****0005", "137****0006"]
    await switch.nothing_left()
