"""Browsers in calls whose WebSocket ends: they come back, or are given up."""

from __future__ import annotations

import pytest

from switchboard.calls.leg import Leg
from switchboard.calls.reinvite import restore_media
from switchboard.calls.returning import RETURN
from switchboard.calls.session_timers import Session
from switchboard.sip.flow import StreamAddress, TcpAddress, WssAddress
from tests.support.exchange import PHONE, World
from tests.unit.calls.test_flows_of_phones import dial
from tests.unit.calls.test_registration import credentials, register, request

FLOW, OTHER = WssAddress(PHONE), WssAddress((PHONE[0], PHONE[1] + 1))
CONTACT = "<sip:alice@df7jal23ls0d.invalid;transport=ws>"
AWAY = 15.0


def talking() -> tuple[World, Leg]:
    """A world in which a browser has answered, and its leg."""
    world = World()
    del world.peers[PHONE]
    move(world, FLOW)
    register(world, world.phone, contact=CONTACT)
    dial(world)
    world.agent_answers(world.phone)
    (call,) = world.exchange.calls.values()
    assert call.agent is not None
    assert call.agent.dialog is not None
    call.agent.dialog.remote_target = CONTACT.strip("<>") + ";ob"
    world.exchange.web_legs[1] = call.agent
    return world, call.agent


def move(world: World, flow: StreamAddress) -> None:
    """The browser has another WebSocket."""
    world.peers.pop(world.phone.address, None)
    world.phone.address = flow
    world.peers[flow] = world.phone


def cut(world: World, flow: StreamAddress) -> None:
    """A WebSocket ends."""
    world.core.flow_lost(flow, world.now)
    world.run()


def test_who_comes_back_is_reached_there() -> None:
    """By the contact it registers again; nothing is left of the absence."""
    world, leg = talking()
    cut(world, FLOW)
    assert world.exchange.counts()["absences"] == 1
    world.advance(AWAY / 2)
    move(world, OTHER)
    line = f"Contact: {CONTACT}"
    request(world, world.phone, headers=(line,), cseq=3)
    request(world, world.phone, headers=(line, credentials(world.phone)), cseq=4)
    assert world.exchange.counts()["absences"] == 0
    assert leg.dialog is not None
    assert (leg.dialog.destination, leg.source) == (OTHER, OTHER)
    world.advance(2 * AWAY)
    assert len(world.exchange.calls) == 1
    world.engine.end_all(world.now)
    world.run()
    assert len(world.phone.received("BYE")) == 1


def test_who_does_not_is_given_up() -> None:
    """The call ends with its cause, after a while and not before."""
    world, leg = talking()
    cut(world, FLOW)
    world.advance(AWAY - 0.1)
    assert len(world.exchange.calls) == 1
    world.advance(0.2)
    assert world.exchange.calls == {}
    assert leg.record.cause == "webrtc_lost"
    assert world.exchange.counts()["absences"] == 0


def test_nobody_who_is_away_is_asked_to_refresh_the_session() -> None:
    """It could not be sent, and who does not answer is given up at once; it goes where the browser is then."""
    world, leg = talking()
    (call,) = world.exchange.calls.values()
    leg.session, leg.session_due = Session(90, True, world.now + 80), world.now + 5
    world.exchange.arm(call)
    cut(world, FLOW)
    world.advance(7)
    assert len(world.phone.received("INVITE")) == 1
    move(world, OTHER)
    line = f"Contact: {CONTACT}"
    request(world, world.phone, headers=(line,), cseq=3)
    request(world, world.phone, headers=(line, credentials(world.phone)), cseq=4)
    world.advance(5)
    assert [one.to_tag is not None for one in world.phone.received("INVITE")] == [False, True]
    assert len(world.exchange.calls) == 1


@pytest.mark.parametrize("before", [True, False])
def test_a_reinvite_that_cannot_reach_who_is_away_ends_nothing(*, before: bool) -> None:
    """Whether it was on its way when the WebSocket ended, or comes after: the browser has its time to come back."""
    world, leg = talking()
    assert leg.session is None
    if not before:
        cut(world, FLOW)
    restore_media(world.exchange, leg, world.now)
    world.run()
    cut(world, FLOW)
    assert not leg.asked
    assert (len(world.exchange.calls), world.exchange.counts()["absences"]) == (1, 1)
    world.advance(AWAY + 0.1)
    assert leg.record.cause == "webrtc_lost"


@pytest.mark.parametrize(
    ("contact", "user"), [("<sip:alice@other.invalid;transport=ws>", "alice"), (CONTACT, "somebody")]
)
def test_another_browser_is_not_the_one(contact: str, user: str) -> None:
    """A second tab of the account has a contact of its own; another account may claim any."""
    world, leg = talking()
    cut(world, FLOW)
    assert [leg] == world.exchange.absences.take("alice@switchboard.local", CONTACT.strip("<>"))
    world.exchange.absences = type(world.exchange.absences)()
    cut(world, FLOW)
    assert world.exchange.counts()["absences"] == 1
    assert world.exchange.absences.take(f"{user}@switchboard.local", contact.strip("<>")) == []


def test_a_target_that_was_refreshed_is_no_absence() -> None:
    """A re-INVITE over another WebSocket brings the call there by itself."""
    world, leg = talking()
    cut(world, FLOW)
    assert leg.dialog is not None
    leg.dialog.destination = OTHER
    world.advance(2 * AWAY)
    assert len(world.exchange.calls) == 1
    assert world.exchange.counts()["absences"] == 0


def test_a_call_that_ends_meanwhile() -> None:
    """The caller hangs up on somebody who is away: nothing is waited for any more, and nothing breaks."""
    world, leg = talking()
    cut(world, FLOW)
    del world.exchange.calls[leg.call_id]
    world.advance(2 * AWAY)
    assert world.exchange.counts()["absences"] == 0


TCP, TCP_AGAIN = TcpAddress(PHONE), TcpAddress((PHONE[0], PHONE[1] + 1))
PORT = "<sip:alice@10.0.0.7:5060;transport=tcp>"


def talking_by_tcp() -> tuple[World, Leg]:
    """A world in which a phone that is no browser has answered over its connection, and its leg."""
    world = World(session_expires=1800)
    del world.peers[PHONE]
    move(world, TCP)
    register(world, world.phone, contact=PORT)
    dial(world)
    world.agent_answers(world.phone)
    (call,) = world.exchange.calls.values()
    assert call.agent is not None
    assert call.agent.dialog is not None
    call.agent.dialog.remote_target = PORT.strip("<>")
    return world, call.agent


def back(world: World, contact: str) -> None:
    """The phone registers over another connection."""
    move(world, TCP_AGAIN)
    line = f"Contact: {contact}"
    request(world, world.phone, headers=(line,), cseq=3)
    request(world, world.phone, headers=(line, credentials(world.phone)), cseq=4)


def test_a_phone_with_another_connection_is_hung_up_there() -> None:
    """The one that the call began over is gone: its BYE would reach nobody."""
    world, leg = talking_by_tcp()
    cut(world, TCP)
    world.advance(40)
    assert world.exchange.counts()["absences"] == 1
    back(world, PORT)
    assert world.exchange.counts()["absences"] == 0
    assert leg.dialog is not None
    assert (leg.dialog.destination, leg.source) == (TCP_AGAIN, TCP_AGAIN)
    world.engine.end_all(world.now)
    world.run()
    assert len(world.phone.received("BYE")) == 1


def test_a_phone_that_does_not_come_back_is_asked_as_ever() -> None:
    """Nothing ends for its connection alone; what cannot reach it while it may still come ends nothing either."""
    world, leg = talking_by_tcp()
    cut(world, TCP)
    world.advance(1)
    world.peers.pop(TCP)
    restore_media(world.exchange, leg, world.now)
    world.run()
    cut(world, TCP)
    assert not leg.asked
    back(world, "<sip:alice@127.0.0.4:9;transport=tcp>")
    world.advance(RETURN)
    assert (len(world.exchange.calls), world.exchange.counts()["absences"]) == (1, 0)
    assert leg.dialog is not None
    assert leg.dialog.destination == TCP
    world.advance(900)
    assert world.exchange.calls == {}
    assert leg.record.cause == "session_expired"


def test_connections_that_end_together_are_looked_for_once() -> None:
    """Those over which nobody has registered not at all; a phone that is back by then is not waited for."""
    for returned in (False, True):
        world, leg = talking_by_tcp()
        cut(world, TCP)
        assert world.exchange.absences.cut.keys() == {TCP}
        cut(world, TcpAddress((PHONE[0], 3)))
        assert world.exchange.absences.cut.keys() == {TCP}
        if returned:
            back(world, PORT)
        world.advance(1)
        assert world.exchange.absences.cut == {}
        assert world.exchange.counts()["absences"] == (not returned)
        assert leg.source == (TCP_AGAIN if returned else TCP)
        world.engine.end_all(world.now)
        world.advance(RETURN + 40)
        assert world.exchange.absences.due is None
        assert world.exchange.counts()["absences"] == 0


def test_a_websocket_at_the_host_of_a_carrier_is_no_carrier() -> None:
    """A proxy on that machine may stand before it, and then everybody comes from there: a password is asked for."""
    world = World()
    world.dial("4001")
    assert world.agent.received("INVITE")
    world.peers.pop(world.carrier.address)
    world.carrier.address = WssAddress(world.carrier.address)
    world.peers[world.carrier.address] = world.carrier
    world.dial("4001")
    assert world.carrier.statuses[-1:] == [407]
    assert len(world.agent.received("INVITE")) == 1
