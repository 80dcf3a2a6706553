"""A called party that answers 3xx (RFC 3261 §8.1.3.4): whom we follow where, and what the caller hears of it."""

from __future__ import annotations

import pytest

from tests.support.exchange import NUMBER, Team, World
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
