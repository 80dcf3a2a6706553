"""A called party that answers 3xx (RFC 3261 §8.1.3.4): whom we follow where, and what the caller hears of it."""

from __future__ import annotations

import msgspec
import pytest

from routing.acd.model import Agent
from switchboard.calls.commands import Actor, Complete, Consult, Park, Unpark
from switchboard.calls.control import command
from tests.support.exchange import NUMBER, Peer, Team, World
from tests.unit.calls.phone_lines import Office
from tests.unit.calls.queue_stage import QueueStage, rules
from tests.unit.calls.test_two_phones import register

AT_ITS_HOST = "<sip:other@127.0.0.3:5190>"
OF_OURS = "<sip:alice@switchboard.local>"


def moved(*contacts: str, status: int = 302, number: str = "4001") -> World:
    """Alice has a phone; who is called says that it is elsewhere."""
    world = World()
    register(world, world.phone)
    world.carrier.responses.clear()
    world.dial(number)
    world.reply(world.agent, status, headers=tuple(f"Contact: {contact}" for contact in contacts))
    return world


def over(world: World, cause: str) -> None:
    """One record, and nothing left."""
    world.advance(40)
    assert world.leftovers() == {}
    assert [record.cause for record in world.journal.records] == [cause]


@pytest.mark.parametrize("status", [300, 301, 302])
def test_to_another_place_at_the_host_that_was_called(status: int) -> None:
    """It gets the same offer in a call of its own; the caller hears only of the one who answers."""
    world = moved(AT_ITS_HOST, status=status)
    first, second = world.agent.received("INVITE")
    assert second.uri == "sip:other@127.0.0.3:5190"
    assert (second.body, second.headers.get("from")) == (first.body, first.headers.get("from"))
    assert second.call_id != first.call_id
    world.reply(world.agent, 180)
    world.agent_answers()
    assert world.carrier.statuses == [180, 200]
    assert len(world.plane.bridges) == 2
    world.hang_up(world.agent)
    assert len(world.carrier.received("BYE")) == 1
    over(world, "normal")
    assert world.journal.records[0].legs[1].peer == "sip:other@127.0.0.3:5190"


def test_to_an_account_of_ours() -> None:
    """Its phone rings."""
    world = moved(OF_OURS)
    assert len(world.phone.received("INVITE")) == 1
    world.agent_answers(world.phone)
    assert world.carrier.statuses == [200]
    world.hang_up(world.phone)
    over(world, "normal")
    assert world.journal.records[0].legs[1].peer == "alice@switchboard.local"


@pytest.mark.parametrize(
    "contact",
    [
        "<sip:4004@switchboard.local>",
        "<sip:nobody@switchboard.local>",
        "<sip:switchboard.local>",
        f"<sip:{NUMBER}@127.0.0.1>",
        "<sip:alice@127.0.0.4:5080>",
        "<sip:13800138000@127.0.0.2:5070>",
        "<sip:13800138000@127.0.0.3:5190>",
        "<sip:other@127.0.0.3:5190?Priority=urgent>",
        "<sip:other@127.0.0.3:5190;method=BYE>",
        "<sip:other@127.0.0.3:5190;maddr=127.0.0.4>",
        "<sip:agent@127.0.0.3:5190>",
        "<tel:+8613800138000>",
        "*",
    ],
)
def test_where_nobody_is_followed(contact: str) -> None:
    """Numbers, trunks, strangers, and where it was already: 480, and nothing of the Contact for the caller."""
    world = moved(contact)
    assert (len(world.agent.received("INVITE")), world.phone.received("INVITE")) == (1, [])
    assert world.carrier.statuses == [480]
    assert world.carrier.responses[-1].headers.get("contact") is None
    assert world.carrier.received("INVITE") == []
    over(world, "unreachable")
    assert world.journal.records[0].legs[1].sip_status == 302


def test_a_trunk_is_followed_nowhere() -> None:
    """Where the host that was called is that of a carrier too, any user there may be a number that costs."""
    world = World()
    world.exchange.routing.learn({("127.0.0.3", 0): "bench"})  # type: ignore[attr-defined]
    world.dial("4001")
    world.reply(world.agent, 302, headers=(f"Contact: {AT_ITS_HOST}",))
    assert world.carrier.statuses == [480]
    over(world, "unreachable")


def test_a_phone_of_ours_leads_to_accounts_alone() -> None:
    """What a phone has registered is its own word: its host is in no dial plan."""
    world = World()
    register(world, world.phone)
    world.carrier.responses.clear()
    world.dial("4007")
    world.reply(world.phone, 302, headers=("Contact: <sip:other@127.0.0.4:5080>",))
    assert world.carrier.statuses == [480]
    over(world, "unreachable")


def test_an_agent_is_not_handed_on() -> None:
    """The desk has counted the agent as the one who is called."""
    world = World(teams=(Team("sales", ("aor:alice",)),))
    register(world, world.phone)
    world.carrier.responses.clear()
    world.dial("4001")
    world.reply(world.agent, 302, headers=(f"Contact: {OF_OURS}",))
    assert world.phone.received("INVITE") == []
    assert world.carrier.statuses == [480]
    over(world, "unreachable")


def test_the_preferred_contact_is_called_first() -> None:
    """The next one when that comes to nothing; the last failure is the caller's."""
    world = moved(f"{AT_ITS_HOST};q=0.3, {OF_OURS};q=0.7")
    assert len(world.agent.received("INVITE")) == 1
    world.reply(world.phone, 486)
    assert len(world.agent.received("INVITE")) == 2
    world.reply(world.agent, 404)
    assert world.carrier.statuses == [486]
    over(world, "busy")


def test_a_circle_ends() -> None:
    """Nobody is called twice, and not for ever someone new."""
    world = moved(AT_ITS_HOST)
    world.reply(world.agent, 302)
    assert world.carrier.statuses == [480]
    over(world, "unreachable")
    world = World()
    world.dial("4001")
    for serial in range(20):
        if world.carrier.statuses:
            break
        world.reply(world.agent, 302, headers=(f"Contact: <sip:next{serial}@127.0.0.3:5190>",))
    assert len(world.agent.received("INVITE")) == 8
    assert world.carrier.statuses == [480]
    over(world, "unreachable")


def test_the_caller_gives_up_on_the_way() -> None:
    """CANCEL reaches who rings now."""
    world = World()
    _, tx = world.dial("4001")
    world.reply(world.agent, 302, headers=(f"Contact: {AT_ITS_HOST}",))
    world.reply(world.agent, 180)
    world.carrier.core.cancel(tx, world.now)
    world.run()
    assert world.carrier.statuses == [180, 487]
    (cancelled,) = world.agent.cancelled
    world.agent.core.respond(cancelled, 487, now=world.now)
    over(world, "cancelled")


def test_nobody_answers_there_either() -> None:
    """The time to ring counts from the first INVITE on."""
    world = World(ring_timeout=20)
    world.dial("4001")
    world.advance(15)
    world.reply(world.agent, 302, headers=(f"Contact: {AT_ITS_HOST}",))
    world.reply(world.agent, 180)
    world.advance(5.1)
    assert world.carrier.statuses == [180, 480]
    world.agent.core.respond(world.agent.cancelled[0], 487, now=world.now)
    over(world, "no_answer")


def test_who_led_elsewhere_is_heard_no_more() -> None:
    """Its early media ends; the answer of the next one is taken."""
    world = World()
    world.dial("4001")
    index = len(world.agent.requests) - 1
    world.reply(world.agent, 183, body=world.agent.answer(world.agent.requests[index][1].body))
    assert len(world.plane.bridges) == 2
    world.reply(world.agent, 302, headers=(f"Contact: {AT_ITS_HOST}",))
    assert len(world.plane.bridges) == 0
    world.agent_answers()
    assert len(world.plane.bridges) == 2
    world.hang_up(world.agent)
    over(world, "normal")


# --- where it was not the caller who called ---


def leads(world: World, peer: Peer, contact: str) -> None:
    """302 to the latest INVITE of a peer."""
    tx = next(tx for tx, request in reversed(peer.requests) if request.method == "INVITE")
    peer.core.respond(tx, 302, headers=(f"Contact: {contact}",), now=world.now)
    world.run()


def referred() -> Office:
    """Alice has handed the carrier's caller on to 4001, whose phone is at a fixed address."""
    office = Office()
    _, line = office.talk()
    assert line.refer("sip:4001@switchboard.local") == 202
    return office


def ended(office: Office) -> None:
    """All is hung up, and nothing is left."""
    office.engine.end_all(office.now)
    office.run()
    for peer in (office.carrier, office.agent, office.phone):
        for index, (tx, request) in enumerate(peer.requests):
            if request.method in ("BYE", "NOTIFY") and tx.state.name == "TRYING":
                office.reply(peer, 200, index=index)
    office.advance(70)
    assert office.leftovers() == {}
    assert len(office.journal.records) == 1


def test_the_target_of_a_referral_leads_on() -> None:
    """The referrer hears of who answers there, and is hung up only then."""
    office = referred()
    leads(office, office.agent, AT_ITS_HOST)
    first, second = office.agent.received("INVITE")
    assert (second.uri, second.body) == ("sip:other@127.0.0.3:5190", first.body)
    assert office.phone.received("BYE") == []
    assert office.alice.told()[-1] == 100
    office.agent_answers()
    assert office.alice.told()[-1] == 200
    assert len(office.phone.received("BYE")) == 1
    assert office.hears(office.agent) == office.carrier.address[0]
    ended(office)


def test_the_target_of_a_referral_leads_nowhere() -> None:
    """The referrer has the caller back."""
    office = referred()
    leads(office, office.agent, "<sip:13800138000@127.0.0.3:5190>")
    assert office.alice.told()[-1] == 480
    assert office.hears(office.phone) == office.carrier.address[0]
    ended(office)


def test_who_is_consulted_leads_to_an_account_of_ours() -> None:
    """Its phone rings, and the caller is handed over before it answers; it sees no more than the first one did."""
    stage = QueueStage("anna")
    world = stage.world
    register(world, world.phone)
    stage.caller()
    stage.answers("anna")
    (call,) = world.exchange.calls.values()
    anna = Actor("anna", "anna", "agent")
    command(world.exchange, Consult(call=call.id, to=f"extension:{NUMBER},100001"), anna, world.now)
    world.run()
    leads(world, world.agent, OF_OURS)
    (first,), (second,) = world.agent.received("INVITE"), world.phone.received("INVITE")
    assert second.headers.get("from") == first.headers.get("from")
    command(world.exchange, Complete(call=call.id), anna, world.now)
    world.run()
    world.agent_answers(world.phone)
    assert call.agent is not None
    assert (call.agent.record.peer, call.agent.talking) == ("alice@switchboard.local", True)
    world.hang_up(world.phone)
    stage.ends_clean()


# --- from the phones of agents ---


@pytest.mark.parametrize("contact", ["<sip:desk2@127.0.2.1:5190>", OF_OURS])
def test_the_fixed_phone_of_an_agent_leads_on(contact: str) -> None:
    """Whoever answers there, the caller from the queue is the agent's."""
    stage = QueueStage("anna", "ben")
    register(stage.world, stage.world.phone)
    stage.caller()
    leads(stage.world, stage.peers["anna"], contact)
    assert (stage.state("anna"), stage.rings("ben")) == ("ringing", [])
    answering = stage.world.phone if contact == OF_OURS else stage.peers["anna"]
    stage.world.agent_answers(answering)
    assert stage.state("anna") == "talking"
    stage.caller(caller="13900000001")
    assert (len(stage.rings("anna")), len(stage.rings("ben"))) == (0, 1)
    stage.world.hang_up(answering)
    assert stage.state("anna") == "idle"
    record = stage.world.journal.records[0]
    assert [leg.agent for leg in record.legs] == ["", "anna"]
    stage.ends_clean()


def test_nobody_answers_where_the_phone_of_an_agent_led() -> None:
    """The time of the offer counts from its beginning; the next agent is rung."""
    stage = QueueStage("anna", "ben", group=rules(ring_timeout=20.0))
    stage.caller()
    stage.world.advance(15)
    leads(stage.world, stage.peers["anna"], "<sip:desk2@127.0.2.1:5190>")
    stage.alerts("anna")
    stage.world.advance(5.1)
    assert len(stage.peers["anna"].cancelled) == 1
    assert len(stage.rings("ben")) == 1
    stage.ends_clean()


@pytest.mark.parametrize(
    "contact",
    ["<sip:carl@127.0.2.1:5190>", "<sip:carl@127.0.2.1:5190;ob>", "<sip:alice@switchboard.local>", AT_ITS_HOST],
)
def test_nobody_leads_to_the_phone_of_an_agent(contact: str) -> None:
    """It would ring without the desk: the offer has failed, as any that leads nowhere has."""
    stage = QueueStage("anna", "ben")
    world = stage.world
    register(world, world.phone)
    for name, phone in (("carl", "sip:carl@127.0.2.1:5190"), ("alice", "aor:alice")):
        world.desk.set_agent(Agent(id=name, phone=phone), world.now)
    stage.caller()
    leads(world, stage.peers["anna"], contact)
    assert len(stage.peers["anna"].received("INVITE")) == 1
    assert world.phone.received("INVITE") == []
    assert len(stage.rings("ben")) == 1
    stage.ends_clean()


def test_a_caller_is_not_led_to_the_phone_of_an_agent() -> None:
    """Nor is one who has called somebody else at its host."""
    world = World(teams=(Team("sales", ("sip:other@127.0.0.3:5190",)),))
    world.dial("4001")
    leads(world, world.agent, AT_ITS_HOST)
    assert world.carrier.statuses == [480]
    over(world, "unreachable")


def test_the_registered_phone_of_an_agent_leads_nowhere() -> None:
    """What it registered is its own word."""
    office = Office(teams=(Team("sales", ("aor:alice",)),))
    office.dial("4007")
    leads(office, office.phone, "<sip:bob@switchboard.local>")
    assert office.bob.methods == []
    assert office.carrier.statuses == [480]
    over(office, "unreachable")


def test_who_is_to_answer_by_itself_leads_nowhere() -> None:
    """Else the phone of somebody else would be listened to."""
    stage = QueueStage("anna")
    world = stage.world
    world.exchange.settings = msgspec.structs.replace(world.exchange.settings, auto_answer=("Alert-Info: now",))
    stage.caller()
    stage.answers("anna")
    (call,) = world.exchange.calls.values()
    anna = Actor("anna", "anna", "agent")
    slot = command(world.exchange, Park(call=call.id), anna, world.now).slot
    command(world.exchange, Unpark(slot=slot), anna, world.now)
    world.run()
    leads(world, stage.peers["anna"], "<sip:desk2@127.0.2.1:5190>")
    assert len(stage.peers["anna"].received("INVITE")) == 2
    stage.ends_clean()
