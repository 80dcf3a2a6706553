"""Requests within a dialog whose Contact or route is a name: where DNS leads, and to the next place when one fails."""

from __future__ import annotations

import pytest

from switchboard.calls.call import Call
from switchboard.net.locator import Locator, without_dns
from switchboard.sip.aiming import aim
from switchboard.sip.core import SipCore
from switchboard.sip.flow import TcpAddress
from switchboard.sip.outgoing import Address, OutgoingRequest
from switchboard.sip.timers import Timers
from switchboard.sip.uri import Uri
from tests.support.exchange import AGENT, CARRIER, PHONE, SWITCH, World

NAMED = "Contact: <sip:agent@pbx.example.com>"
NOWHERE = ("127.0.0.77", 5060)


class Told(Locator):
    """Knows what a test says, and whom it was told to have failed."""

    def __init__(self, *places: Address) -> None:
        self.places = places
        self.asked: list[str] = []
        self.broken: list[Address] = []

    def targets_of(self, uri: Uri, now: float) -> tuple[Address, ...]:
        """The places, in this order."""
        self.asked.append(uri.host)
        return self.places

    def failed(self, address: Address, now: float) -> None:
        """Remember it."""
        self.broken.append(address)


def answered(*places: Address, contact: str = NAMED) -> tuple[World, Told, Call]:
    """The agent has answered with a Contact that is a name, or as told; the name leads to these places."""
    world, locator = World(), Told(*places)
    world.exchange.locator = locator
    out, _ = world.dial("4001")
    tx, invite = world.agent.requests[-1]
    world.agent.core.respond(tx, 200, headers=(contact,), body=world.agent.answer(invite.body), now=world.now)
    world.run()
    world.within(world.carrier, out, "ACK", 1)
    (call,) = world.exchange.calls.values()
    return world, locator, call


def hang_up(world: World) -> None:
    """The switch ends the call."""
    world.engine.end_all(world.now)
    world.run()


@pytest.mark.parametrize("places", [(PHONE, NOWHERE), (PHONE, (AGENT[0], 5061))])
def test_a_name_is_where_dns_leads(places: tuple[Address, ...]) -> None:
    """ACK and BYE go to the first place, not to where the peer has spoken from."""
    world, locator, _ = answered(*places)
    assert set(locator.asked) == {"pbx.example.com"}
    assert (len(world.agent.acks), len(world.phone.acks)) == (0, 1)
    hang_up(world)
    assert (len(world.agent.received("BYE")), len(world.phone.received("BYE"))) == (0, 1)


def test_who_has_spoken_from_one_of_the_places_is_asked_there() -> None:
    """It has the dialog."""
    world, _, _ = answered(PHONE, AGENT)
    hang_up(world)
    assert (len(world.agent.acks), len(world.agent.received("BYE"))) == (1, 1)


def test_an_unknown_name_is_where_the_peer_has_spoken_from() -> None:
    """Nobody waits for DNS."""
    world, locator, _ = answered()
    assert len(world.agent.acks) == 1
    locator.places = (PHONE,)
    hang_up(world)
    assert (len(world.agent.received("BYE")), len(world.phone.received("BYE"))) == (0, 1)


def test_an_address_is_never_looked_up() -> None:
    """There is nothing to be known of it."""
    world, locator, _ = answered(PHONE, contact="Contact: <sip:agent@127.0.0.3:5190>")
    hang_up(world)
    assert (locator.asked, len(world.agent.received("BYE"))) == ([], 1)


def test_the_next_place_is_asked_when_one_fails() -> None:
    """By silence, by a transport that fails or by 503: the same request, in the end where the peer has spoken from."""
    world, locator, _ = answered(NOWHERE, PHONE)
    hang_up(world)
    world.exchange.core.transport_error(NOWHERE, world.now)
    world.run()
    (bye,) = world.phone.received("BYE")
    world.reply(world.phone, 503)
    (last,) = world.agent.received("BYE")
    assert (last.cseq, last.call_id, last.uri) == (bye.cseq, bye.call_id, bye.uri)
    assert last.branch != bye.branch
    assert locator.broken == [NOWHERE, PHONE]
    world.reply(world.agent, 503)
    assert locator.broken == [NOWHERE, PHONE, AGENT]
    world.advance(80)
    assert world.leftovers() == {}


def test_silence_leads_on_as_well() -> None:
    """After 64·T1."""
    world, locator, _ = answered(NOWHERE, PHONE)
    hang_up(world)
    world.advance(40)
    assert (locator.broken, len(world.phone.received("BYE"))) == ([NOWHERE], 1)


def test_an_ack_that_is_not_heard_goes_to_the_next_place() -> None:
    """Each time the 2xx is repeated, in a circle; the last is where the peer has spoken from."""
    world, _, _ = answered(NOWHERE, PHONE)
    assert (len(world.phone.acks), len(world.agent.acks)) == (0, 0)
    world.advance(0.6)
    assert (len(world.phone.acks), len(world.agent.acks)) == (1, 0)
    world.advance(1.0)
    assert (len(world.phone.acks), len(world.agent.acks)) == (1, 1)
    world.advance(5.0)
    assert (len(world.phone.acks), len(world.agent.acks)) == (1, 1)


@pytest.mark.parametrize(
    ("first", "then", "via", "contact"),
    [
        (TcpAddress(("192.0.2.1", 5060)), ("192.0.2.2", 5060), "UDP", "<sip:127.0.0.1:5060>"),
        (("192.0.2.1", 5060), TcpAddress(("192.0.2.2", 5060)), "TCP", "<sip:127.0.0.1:5062;transport=tcp>"),
    ],
)
def test_the_next_place_hears_of_its_own_transport(first: Address, then: Address, via: str, contact: str) -> None:
    """Via and Contact are of the transport that the request goes by in the end."""
    core = SipCore(
        local=SWITCH, timers=Timers(), random_token=World().token, user_agent="t", streams={"tcp": ("127.0.0.1", 5062)}
    )
    core.locate = lambda uri, now: (first, then)
    out = OutgoingRequest(
        "UPDATE", "sip:pbx.example.com", first, from_="<sip:a@b>;tag=1", to="<sip:c@d>;tag=2", call_id="x", cseq=1
    )
    out.named = "sip:pbx.example.com"
    tx = core.request(out, 0.0)
    core.request(tx.request.elsewhere((then,)), 0.0)
    wire, destination = core.take_datagrams()[-1]
    assert destination == then
    assert f"Via: SIP/2.0/{via} 127.0.0.1".encode() in wire
    assert f"Contact: {contact}\r\n".encode() in wire
    assert wire.count(b"Contact:") == 1


def test_an_open_connection_to_a_place_is_used() -> None:
    """RFC 5923: whatever its far port is."""
    spoken, place = TcpAddress(("192.0.2.1", 40001)), TcpAddress(("192.0.2.1", 5060))
    for places, expected in (((place,), spoken), ((place[:2],), place[:2]), ((), spoken)):
        _, _, call = answered()
        assert call.agent is not None
        assert call.agent.dialog is not None
        out = call.agent.dialog.next_request("OPTIONS")
        out.destination = spoken
        aim(out, places)
        assert out.destination == expected


def test_garbage_for_a_name_leads_nowhere() -> None:
    """And breaks nothing."""
    exchange = World().exchange
    exchange.locator = without_dns()
    assert exchange.where("sip:a@pbx.example.com;=", 0.0) == exchange.where("sip:%%%@a.b", 0.0) == ()


def test_a_carrier_whose_connection_is_gone_hears_that_the_call_is_over() -> None:
    """It has closed the one it called by: the BYE goes to the port that its Contact names, by another."""
    world, _, call = answered(contact=f"Contact: <sip:agent@{AGENT[0]}:{AGENT[1]}>")
    assert call.caller.dialog is not None
    gone, listens = TcpAddress((CARRIER[0], 40000)), TcpAddress(CARRIER)
    call.caller.dialog.destination = gone
    hang_up(world)
    world.exchange.core.flow_lost(gone, world.now)
    world.run()
    sent = [(where, data) for _, where, data in world.sent if data.startswith(b"BYE") and where[0] == CARRIER[0]]
    assert [where for where, _ in sent] == [gone, listens]
    assert len({data.partition(b"From:")[2].partition(b"User-Agent")[0] for _, data in sent}) == 1
    world.exchange.core.flow_lost(listens, world.now)
    world.run()
    assert len([1 for _, where, _ in world.sent if where == listens]) == 1
