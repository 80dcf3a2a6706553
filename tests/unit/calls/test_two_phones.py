"""An account with two phones: both ring, one answers, and all the time they are one agent."""

from __future__ import annotations

import pytest

from switchboard.calls.queueing import enqueue
from switchboard.sip.digest import answer
from switchboard.sip.flow import TcpAddress
from tests.support.exchange import NUMBER, Peer, Team, World
from tests.unit.calls.test_registration import credentials, request

TEAM = Team("sales", ("aor:alice",))


def register(world: World, peer: Peer, q: str = "", expires: int = 600) -> None:
    """A whole registration of one of alice's phones."""
    where = f"<sip:alice@{peer.address[0]}:{peer.address[1]}>"
    lines = (f"Contact: {where}{q};expires={expires}",)
    serial = len(peer.responses)
    request(world, peer, headers=lines, call_id=peer.name, cseq=serial + 1)
    request(world, peer, headers=(*lines, credentials(peer)), call_id=peer.name, cseq=serial + 2)
    assert peer.statuses[-1] == 200


def office(q: str = "", teams: tuple[Team, ...] = ()) -> World:
    """Alice has a phone on the desk and one in the hall, which may have a lower q."""
    world = World(teams=teams)
    register(world, world.agent, q)
    register(world, world.phone)
    return world


def state(world: World) -> str:
    """What alice is doing, as the queue engine has it."""
    return str(world.queues.agents["alice"].state)


def ringing(world: World) -> None:
    """The extension is keyed."""
    out, _ = world.dial(NUMBER)
    world.within(world.carrier, out, "ACK", 1)
    world.keys("800001")


def test_both_ring_and_one_answers() -> None:
    """The other one is told that the call was completed elsewhere (RFC 3326); there is one leg, of the account."""
    world = office()
    ringing(world)
    for peer in (world.phone, world.agent):
        assert len(peer.received("INVITE")) == 1
        world.reply(peer, 180)
    world.agent_answers(world.agent)
    (cancelled,) = world.phone.cancelled
    assert cancelled.request.method == "INVITE"
    assert b'text="Call completed elsewhere"' in next(data for data in world.phone.wire if data.startswith(b"CANCEL"))
    assert not world.agent.cancelled
    (call,) = world.exchange.calls.values()
    assert [leg.role for leg in call.record.legs] == ["caller", "agent"]
    assert call.record.legs[1].peer == "alice@switchboard.local"
    world.hang_up(world.agent)
    world.advance(40)
    assert world.leftovers() == {}


@pytest.mark.parametrize(("status", "goes_on"), [(486, True), (480, True), (603, False)])
def test_one_refuses(status: int, goes_on: bool) -> None:
    """Busy is the word of one phone; 6xx is that of the account (RFC 3261 §21.6)."""
    world = office()
    world.dial("4007")
    world.reply(world.phone, 180)
    world.reply(world.agent, status)
    assert bool(world.phone.cancelled) is not goes_on
    if goes_on:
        world.agent_answers(world.phone)
        assert world.carrier.statuses[-1] == 200
    else:
        assert world.carrier.statuses[-1] == 603


def test_both_refuse() -> None:
    """The caller hears the failure that says most."""
    world = office()
    world.dial("4007")
    world.reply(world.agent, 480)
    world.reply(world.phone, 486)
    assert world.carrier.statuses[-1] == 486


def test_a_lower_q_rings_later() -> None:
    """When the preferred phone has refused, or has rung for long enough; then the first one rings no more."""
    world = office(";q=0.5")
    world.dial("4007")
    assert (len(world.phone.received("INVITE")), len(world.agent.received("INVITE"))) == (1, 0)
    world.reply(world.phone, 180)
    world.advance(14)
    assert not world.agent.received("INVITE")
    world.advance(2)
    assert len(world.agent.received("INVITE")) == 1
    assert len(world.phone.cancelled) == 1
    world.agent_answers(world.agent)
    assert world.carrier.statuses[-1] == 200


def test_a_preferred_phone_that_is_dead() -> None:
    """It is not waited for: nobody hears nothing for longer than a few seconds."""
    world = office(";q=0.5")
    world.lost = lambda destination, data: destination == world.phone.address and data.startswith(b"INVITE")
    world.dial("4007")
    world.advance(5)
    assert len(world.agent.received("INVITE")) == 1


def test_the_caller_gives_up() -> None:
    """Both stop to ring."""
    world = office()
    _, tx = world.dial("4007")
    for peer in (world.phone, world.agent):
        world.reply(peer, 180)
    world.carrier.core.cancel(tx, world.now)
    world.run()
    assert (len(world.phone.cancelled), len(world.agent.cancelled)) == (1, 1)
    world.advance(40)
    assert world.leftovers() == {}


class TestAgent:
    """Two phones are one agent."""

    def test_offered_once(self) -> None:
        """A call from the queue rings both; refused by one it is still offered, answered by the other it is served."""
        world = office(teams=(TEAM,))
        assert state(world) == "idle"
        wait_in_line(world)
        assert state(world) == "ringing"
        assert (len(world.phone.received("INVITE")), len(world.agent.received("INVITE"))) == (1, 1)
        world.reply(world.agent, 486)
        assert state(world) == "ringing"
        world.agent_answers(world.phone)
        assert state(world) == "talking"
        world.hang_up(world.phone)
        world.run()
        assert state(world) in ("idle", "wrap_up")

    def test_one_goes(self) -> None:
        """The agent is there as long as one phone is: after the end of a registration, and of its time."""
        world = office(teams=(TEAM,))
        register(world, world.agent, expires=0)
        assert state(world) == "idle"
        world.advance(500)
        register(world, world.agent)
        world.advance(200)
        assert len(world.exchange.registrar.lookup("alice@switchboard.local", world.now)) == 1
        assert state(world) == "idle"
        world.advance(500)
        assert state(world) == "offline"
        register(world, world.agent)
        assert state(world) == "idle"

    def test_one_is_cut_off(self) -> None:
        """With its connection a phone is gone at once; the agent is there as long as the other one is."""
        world = World(teams=(TEAM,))
        flow = TcpAddress(world.phone.address)
        del world.peers[world.phone.address]
        world.phone.address = flow
        world.peers[flow] = world.phone
        for peer in (world.agent, world.phone):
            register(world, peer)
        world.core.flow_lost(flow, world.now)
        world.run()
        assert state(world) == "idle"
        assert len(world.exchange.registrar.lookup("alice@switchboard.local", world.now)) == 1
        register(world, world.agent, expires=0)
        assert state(world) == "offline"
        register(world, world.phone)
        assert state(world) == "idle"
        world.core.flow_lost(flow, world.now)
        world.run()
        assert state(world) == "offline"

    def test_calls_from_either(self) -> None:
        """A call that the agent makes from one phone keeps calls from the queue away from both."""
        world = office(teams=(TEAM,))
        world.dial("4001", peer=world.phone, caller="alice")
        challenge = world.phone.responses[-1].headers.getall("proxy-authenticate")[0]
        value = answer(challenge, "INVITE", "sip:4001@127.0.0.1", "alice", cnonce="c", password="secret")
        world.dial("4001", peer=world.phone, caller="alice", headers=(f"Proxy-Authorization: {value}",))
        assert state(world) == "talking"


def wait_in_line(world: World) -> None:
    """A caller whose flow is the queue."""
    out, _ = world.dial("4004")
    world.within(world.carrier, out, "ACK", 1)
    (call,) = world.exchange.calls.values()
    assert enqueue(world.exchange, call, "sales", world.now) is None
    world.run()
