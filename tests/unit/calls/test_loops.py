"""Calls that lead back to us: a number may lead to another of ours, but never to one that led to it."""

from __future__ import annotations

import pytest

from routing.dialplan import DialPlan, Entry
from routing.trunks import Trunks
from switchboard.directory import Directory
from switchboard.sip.outgoing import OutgoingRequest
from tests.support.exchange import AGENT, CARRIER, SWITCH, World

HERE = f"{SWITCH[0]}:{SWITCH[1]}"


@pytest.fixture
def world() -> World:
    """Numbers that lead to each other; the switch takes its own calls as a carrier's."""
    world = World()
    plan = DialPlan(
        [
            Entry(number="5001", target=f"sip:5001@{HERE}"),
            Entry(number="5002", target=f"sip:5003@{HERE}"),
            Entry(number="5003", target=f"sip:5004@{HERE}"),
            Entry(number="5004", target=f"sip:5002@{HERE}"),
            Entry(number="5005", target=f"sip:5006@{HERE}"),
            Entry(number="5006", target=f"sip:agent@{AGENT[0]}:{AGENT[1]}"),
            Entry(number="5007", target=f"sip:5007@{AGENT[0]}:{AGENT[1]}"),
        ]
    )
    sources = Trunks({"bench": [CARRIER[0], SWITCH[0], AGENT[0]]})
    world.exchange.routing = Directory(plan, sources, world.masks)
    return world


@pytest.mark.parametrize(("number", "calls"), [("5001", 2), ("5002", 4)])
def test_a_number_that_leads_to_itself_ends_at_once(world: World, number: str, calls: int) -> None:
    """482 where it comes round, at every call on the way; nothing is left."""
    world.dial(number)
    assert world.carrier.statuses[-1] == 482
    assert 'Reason: Q.850;cause=25;text="loop"' in world.carrier.wire[-1].decode()
    world.advance(40)
    assert len(world.journal.records) == calls
    assert world.leftovers() == {}


def test_a_number_may_lead_to_another_of_ours(world: World) -> None:
    """A spiral is none (RFC 3261 §6): the agent rings, and can be talked to."""
    world.dial("5005")
    assert world.agent.requests[-1][1].method == "INVITE"
    assert world.agent.requests[-1][1].max_forwards == 68


def test_a_proxy_that_sends_a_call_back_does_not_hide_it(world: World) -> None:
    """Our Via is among those of the request."""
    world.dial("5007")
    came = world.agent.requests[-1][1]
    back = OutgoingRequest(
        "INVITE",
        f"sip:5007@{HERE}",
        SWITCH,
        from_="<sip:1@x>;tag=1",
        to="<sip:5007@x>",
        call_id=came.call_id,
        cseq=came.cseq,
        headers=(f"Via: {came.headers.get('via')}", "Contact: <sip:1@x>"),
        body=came.body,
        max_forwards=(came.max_forwards or 0) - 1,
    )
    world.agent.core.request(back, world.now)
    world.run()
    assert world.agent.wire[-1].startswith(b"SIP/2.0 482 Loop Detected")
