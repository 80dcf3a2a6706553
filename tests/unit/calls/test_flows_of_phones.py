"""Phones that registered over a connection: called over it, forgotten with it."""

from __future__ import annotations

import pytest

from switchboard.calls.carriers.description import Trunk
from switchboard.calls.phones import PhoneSources
from switchboard.sip.flow import TcpAddress, TlsAddress, on_transport
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.sip.registrar import Registrar
from tests.support.exchange import NUMBER, PHONE, World
from tests.unit.calls.test_registration import credentials, register, request

FLOW = TcpAddress(PHONE)


def connected() -> World:
    """A world whose phone comes over a connection."""
    world = World()
    del world.peers[PHONE]
    world.phone.address = FLOW
    world.peers[FLOW] = world.phone
    return world


def dial(world: World) -> OutgoingRequest:
    """A caller keys the phone's extension."""
    out, _ = world.dial(NUMBER)
    world.within(world.carrier, out, "ACK", 1)
    world.keys("800001")
    return out


def test_a_phone_is_called_over_its_connection() -> None:
    """RFC 5626 §5.3: not at the address of its contact, which lies behind its router."""
    world = connected()
    register(world, world.phone, contact="<sip:alice@192.168.1.2:5062;transport=tcp>")
    out = dial(world)
    (invite,) = world.phone.received("INVITE")
    assert invite.uri == "sip:alice@192.168.1.2:5062;transport=tcp"
    world.agent_answers(world.phone)
    world.within(world.carrier, out, "BYE", 2)
    assert len(world.phone.received("BYE")) == 1, "also within the dialog"


def test_a_lost_connection_takes_the_registration_with_it() -> None:
    """Nobody is rung where nobody is, until the phone registers again."""
    world = connected()
    register(world, world.phone, contact="<sip:alice@192.168.1.2:5062;transport=tcp>")
    assert len(world.exchange.registrar) == 1
    world.core.flow_lost(TcpAddress((PHONE[0], PHONE[1] + 1)), world.now)
    world.run()
    assert len(world.exchange.registrar) == 1, "another's connection"
    world.core.flow_lost(FLOW, world.now)
    world.run()
    assert len(world.exchange.registrar) == 0
    assert len(world.exchange.phones) == 0
    dial(world)
    assert not world.phone.received("INVITE")


@pytest.mark.parametrize("contact", ["<sip:alice@192.168.1.2:5062;transport=tcp>", "<sip:alice@192.168.1.2:6001>"])
def test_a_phone_that_is_back_by_another_connection_hears_that_its_call_is_over(contact: str) -> None:
    """Under its contact of before, or a new one; once that connection is gone as well there is no other way."""
    world = connected()
    register(world, world.phone, contact="<sip:alice@192.168.1.2:5062;transport=tcp>")
    out = dial(world)
    world.agent_answers(world.phone)
    world.core.flow_lost(FLOW, world.now)
    world.run()
    new = TcpAddress((PHONE[0], PHONE[1] + 1))
    del world.peers[FLOW]
    world.phone.address = new
    world.peers[new] = world.phone
    line = f"Contact: {contact}"
    request(world, world.phone, headers=(line,), cseq=3)
    request(world, world.phone, headers=(line, credentials(world.phone)), cseq=4)
    world.within(world.carrier, out, "BYE", 2)
    assert not world.phone.received("BYE")
    world.core.flow_lost(FLOW, world.now)
    world.run()
    assert len(world.phone.received("BYE")) == 1
    before = len(world.sent)
    world.core.flow_lost(new, world.now)
    world.run()
    assert not [data for _, _, data in world.sent[before:] if data.startswith(b"BYE")]


def test_an_invite_fails_with_its_connection() -> None:
    """RFC 3261 §8.1.3.1: as if 503 had come; the caller is not kept waiting for the ring to end."""
    world = connected()
    register(world, world.phone, contact="<sip:alice@192.168.1.2:5062;transport=tcp>")
    world.lost = lambda destination, data: destination == FLOW
    dial(world)
    (call,) = world.exchange.calls.values()
    assert call.agent is not None
    world.core.flow_lost(FLOW, world.now)
    world.run()
    assert call.record.legs[1].sip_status == 503


def test_all_lines_of_one_connection() -> None:
    """A phone has several lines, a proxy many phones: each loses what came over it, and nothing else."""
    world = connected()
    register(world, world.phone, contact="<sip:alice@192.168.1.2:5062;transport=tcp>")
    phones = PhoneSources(registrar := world.exchange.registrar)
    assert isinstance(registrar, Registrar)
    (aor,) = ("alice@switchboard.local",)
    phones.registered(aor, FLOW, world.now)
    phones.registered("nobody@switchboard.local", FLOW, world.now)
    assert not phones.cut_off(TlsAddress(PHONE))
    assert phones.cut_off(FLOW)
    assert registrar.lookup(aor, world.now) == []
    assert not phones.cut_off(FLOW)


def test_sources_of_phones_that_move_are_forgotten_a_few_at_a_time() -> None:
    """However often a phone comes from elsewhere, little is kept, and the source that holds is known."""
    world = connected()
    phones = PhoneSources(world.exchange.registrar)
    register(world, world.phone)
    aor = "alice@switchboard.local"
    (binding,) = world.exchange.registrar.lookup(aor, world.now)
    phones.registered(aor, binding.source, world.now)
    for port in range(1024, 6024):
        phones.registered(aor, ("192.0.2.1", port), world.now)
    assert len(phones) < 100
    assert phones.owner(binding.source, world.now) == aor


def test_a_carrier_is_called_by_its_transport() -> None:
    """The Request-URI says it, and an IPv6 address stands in brackets."""
    world = World()
    there = on_transport(("2001:db8::1", 5061), "tls")
    world.exchange.carriers.change({"bench": Trunk("bench", there, False)}, 0.0)
    out, _ = world.dial(NUMBER)
    world.within(world.carrier, out, "ACK", 1)
    world.keys("345678")
    ((_, data),) = [(where, data) for _, where, data in world.sent if where == there]
    line = data.decode().splitlines()[0]
    assert line.endswith("@[2001:db8::1]:5061;transport=tls SIP/2.0")
    world.core.flow_lost(there, world.now)
    world.run()
    assert [leg.sip_status for call in world.exchange.calls.values() for leg in call.record.legs][1:] == [503]
