"""INVITE with Replaces for what rings: another phone of the account answers in place of the one that is called."""

from __future__ import annotations

import msgspec
import pytest

from routing.dialplan import DialPlan, Entry
from routing.trunks import Trunks
from switchboard.accounts import Accounts
from switchboard.calls.commands import Actor, Dial
from switchboard.calls.control import command
from switchboard.directory import Directory
from switchboard.sip.outgoing import OutgoingRequest
from tests.support.exchange import REAL, Peer, Team
from tests.unit.calls.phone_lines import DOMAIN, Line, Office
from tests.unit.calls.test_attended import let_go, registered_desk, ringing, take

ALICE = "alice@switchboard.local"


def rings_at(peer: Peer, status: int = 180) -> str:
    """A phone says that it rings; the early dialog that begins with it, as the phone names it (RFC 3891 §3)."""
    index = max(i for i, (_, request) in enumerate(peer.requests) if request.method == "INVITE")
    tx, invite = peer.requests[index]
    peer.core.respond(tx, status, to_tag=peer.name + "rings", now=0.0)
    return f"{invite.call_id};to-tag={invite.from_tag};from-tag={peer.name}rings"


@pytest.mark.parametrize("only", ["", ";early-only"])
def test_a_phone_picks_up_what_rings_at_another_of_its_account(only: str) -> None:
    """RFC 3891 §3: we have begun that dialog. The caller is answered; the phone that rang is told where it went."""
    world = Office()
    world.dial("4007")
    value = rings_at(world.phone)
    world.run()
    desk = registered_desk(world)
    taken = desk.confirmed(take(world, desk, value + only))
    assert world.carrier.statuses[-1] == 200
    (cancelled,) = world.phone.cancelled
    assert b'Reason: SIP;cause=200;text="Call completed elsewhere"' in next(
        data for data in world.phone.wire if data.startswith(b"CANCEL")
    )
    assert world.hears(world.carrier) == desk.peer.address[0]
    assert world.hears(desk.peer) == world.carrier.address[0]
    world.phone.core.respond(cancelled, 487, now=world.now)
    world.run()
    assert taken.send("BYE") == 200
    world.reply(world.carrier, 200)
    let_go(world)
    (record,) = world.journal.records
    assert [(leg.role, leg.cause, leg.answered_us is None) for leg in record.legs[1:]] == [
        ("agent", "cancelled", True),
        ("agent", "normal", False),
    ]
    assert [segment.kind for segment in record.segments] == ["ring", "talk"]


def test_an_answer_that_crosses_the_picking_up_is_hung_up() -> None:
    """ACK and BYE; the phone that was faster keeps the caller."""
    world = Office()
    world.dial("4007")
    value = rings_at(world.phone)
    world.run()
    desk = registered_desk(world)
    desk.confirmed(take(world, desk, value))
    world.agent_answers(world.phone)
    assert (len(world.phone.acks), len(world.phone.received("BYE"))) == (1, 1)
    assert world.hears(world.carrier) == desk.peer.address[0]


@pytest.mark.parametrize(("kind", "status"), [("another's", 403), ("nobody's", 481), ("own", 481), ("silent", 488)])
def test_what_rings_and_may_not_be_picked_up(kind: str, status: int) -> None:
    """By another account, by a wrong tag, as a dialog that a phone has begun, without an offer; it rings on."""
    world = Office()
    desk = registered_desk(world)
    world.dial("4007")
    value = rings_at(world.phone)
    world.run()
    if kind == "nobody's":
        value += "s"
    if kind == "own":
        value = ringing(world).replaces()
    if kind == "silent":
        desk.peer.sdp = lambda *args, **kwargs: b""  # type: ignore[method-assign]
    if kind == "another's":
        (call,) = world.exchange.calls.values()
        assert call.agent is not None
        call.agent.record.peer = "bob@switchboard.local"
    take(world, desk, value)
    assert desk.peer.statuses[-1] == status
    assert not world.phone.cancelled
    world.agent_answers(world.phone)
    assert world.hears(world.carrier) == world.phone.address[0]


def test_who_offers_only_what_passes_through_is_not_picked_up() -> None:
    """Nobody knows whether the other phone has it: 488, and the first one rings on."""
    world = Office()
    world.exchange.settings = msgspec.structs.replace(world.exchange.settings, codecs=("any", "PCMA"))
    offer = world.carrier.sdp().replace(b" 8 0 101", b" 18 101")
    world.dial("4007", body=offer)
    value = rings_at(world.phone)
    world.run()
    desk = registered_desk(world)
    take(world, desk, value)
    assert desk.peer.statuses[-1] == 488
    assert not world.phone.cancelled
    assert not [event for event, _ in world.logged if event == "call.ended"]


# --- agents of a queue ---


def waiting(*members: str) -> tuple[Office, str, OutgoingRequest]:
    """A customer waits in the queue, and the phone of alice, who is its first agent, rings: the dialog, the INVITE."""
    world = Office(teams=[Team("shop", ("aor:alice", *members))])
    world.desk.phones_changed(world.now)
    plan = DialPlan([Entry(number="4003", group="shop"), Entry(number="4007", target="aor:alice")])
    world.exchange.routing = Directory(plan, Trunks({"bench": ["127.0.0.2"]}), world.masks)
    out, _ = world.dial("4003")
    world.within(world.carrier, out, "ACK", 1)
    value = rings_at(world.phone)
    world.run()
    return world, value, out


def picked_up(world: Office, value: str) -> Line:
    """The agent's other phone has answered."""
    desk = registered_desk(world)
    return desk.confirmed(take(world, desk, value))


def state_of(world: Office, agent: str) -> tuple[str, int]:
    """An agent's state, and in how many calls the agent is."""
    one = world.queues.agents[agent]
    return one.state, len(one.calls)


def test_an_agent_takes_what_a_queue_offers_at_the_other_phone() -> None:
    """The offer is accepted, the agent talks, and is free again after the talk; one record with one agent."""
    world, value, _ = waiting()
    assert state_of(world, "alice") == ("ringing", 0)
    taken = picked_up(world, value)
    assert state_of(world, "alice") == ("talking", 1)
    assert world.hears(world.carrier) == world.second.peer.address[0]
    (cancelled,) = world.phone.cancelled
    world.phone.core.respond(cancelled, 487, now=world.now)
    world.advance(30)
    assert state_of(world, "alice") == ("talking", 1)
    assert taken.send("BYE") == 200
    assert state_of(world, "alice")[1] == 0
    let_go(world)
    (record,) = world.journal.records
    assert (record.agent, record.group, record.cause, record.ended_by) == ("alice", "shop", "normal", "agent")
    assert [segment.kind for segment in record.segments] == ["queue", "ring", "talk"]
    assert [(leg.agent, leg.answered_us is not None) for leg in record.legs[1:]] == [("alice", False), ("alice", True)]
    assert world.queues.violations == 0


def test_a_caller_who_gives_up_while_it_is_picked_up_leaves_nobody_behind() -> None:
    """The BYE comes between the 200 and its ACK: the phone is hung up, the agent free, and nothing left."""
    world, value, out = waiting()
    desk = registered_desk(world)
    taken = take(world, desk, value)
    world.within(world.carrier, out, "BYE", 2)
    desk.confirmed(taken)
    assert taken.over
    (cancelled,) = world.phone.cancelled
    world.phone.core.respond(cancelled, 487, now=world.now)
    let_go(world)
    assert state_of(world, "alice")[1] == 0
    assert world.queues.violations == 0


def test_what_is_offered_no_more_is_not_picked_up() -> None:
    """It rang out, and the next agent is rung: 481 to who comes too late, and that agent gets the caller."""
    world, value, _ = waiting("aor:bob")
    world.advance(21)
    assert len(world.bob.peer.received("INVITE")) == 1
    desk = registered_desk(world)
    take(world, desk, value)
    assert desk.peer.statuses[-1] == 481
    world.bob.answered()
    assert world.hears(world.carrier) == world.bob.peer.address[0]
    assert world.queues.violations == 0


def test_nobody_picks_up_what_is_offered_to_another_agent() -> None:
    """403, though the dialog is named rightly: alice's phone rings on, and she is offered the caller still."""
    world, value, _ = waiting()
    world.exchange.authenticator = Accounts(DOMAIN, [("bob", "secret")], bytes(32), world.token)
    take(world, world.bob, value)
    assert world.bob.peer.statuses[-1] == 403
    assert state_of(world, "alice") == ("ringing", 0)
    assert not world.phone.cancelled


def test_an_agent_who_has_clicked_to_call_answers_at_the_other_phone() -> None:
    """Then the other party is called, and both talk."""
    world = Office(teams=[Team("shop", ("aor:alice",))])
    world.desk.phones_changed(world.now)
    command(world.exchange, Dial(to=f"number:{REAL}", agent="alice"), Actor("alice", "alice"), world.now)
    world.run()
    value = rings_at(world.phone)
    world.run()
    taken = picked_up(world, value)
    world.agent_answers(world.agent)
    assert world.hears(world.second.peer) == world.agent.address[0]
    assert world.hears(world.agent) == world.second.peer.address[0]
    (cancelled,) = world.phone.cancelled
    world.phone.core.respond(cancelled, 487, now=world.now)
    assert taken.send("BYE") == 200
    let_go(world)
    assert state_of(world, "alice")[1] == 0


def test_the_target_of_a_transfer_answers_at_the_other_phone() -> None:
    """Who hands the caller on is told 200 and leaves; the caller hears the phone that answered."""
    world = Office()
    plan = DialPlan([Entry(number="4008", target="aor:bob")])
    world.exchange.routing = Directory(plan, Trunks({"bench": ["127.0.0.2"]}), world.masks)
    world.dial("4008")
    line = world.bob.answered()
    assert line.refer(f"sip:{ALICE}") == 202
    value = rings_at(world.phone)
    world.run()
    assert world.bob.told() == [100, 180]
    picked_up(world, value)
    assert world.bob.told() == [100, 180, 200]
    assert line.over
    assert world.hears(world.carrier) == world.second.peer.address[0]
