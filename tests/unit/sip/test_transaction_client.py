"""Client transactions against a scripted peer: schedules of RFC 3261 Table 4, CANCEL, forks, re-ACK."""

from __future__ import annotations

import pytest

from switchboard.sip.errors import LocalError
from switchboard.sip.events import ResponseReceived, TransactionFailed, TransactionTimeout
from switchboard.sip.message import Request, parse_datagram
from switchboard.sip.timers import Timers
from switchboard.sip.transaction.client import MAX_FORKS
from switchboard.sip.transaction.table import State
from tests.unit.sip.peer import PEER, Rig, answer, first_line, outgoing

EMPTY = {
    "client_transactions": 0,
    "server_transactions": 0,
    "timers": 0,
    "pending_2xx": 0,
    "accepted_invites": 0,
    "merge_keys": 0,
    "waiting_destinations": 0,
}
A_SENDS = [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
E_SENDS = [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


def test_invite_is_sent_seven_times_and_times_out_after_32_s() -> None:
    """Timer A doubles without a bound: 0, .5, 1.5 ... 31.5 s; timer B ends it at 32 s."""
    rig = Rig()
    tx = rig.core.request(outgoing(), 0.0, context="leg")
    rig.run(31.999)
    assert rig.times("INVITE") == A_SENDS
    assert rig.heard() == []
    rig.run(32.0)
    (event,) = rig.heard()
    assert isinstance(event, TransactionTimeout)
    assert event.tx is tx
    assert tx.context == "leg"
    assert rig.core.counts() == EMPTY


def test_retransmissions_are_identical() -> None:
    """RFC 3261 §17.1.1.2: what is sent again is what was sent."""
    rig = Rig()
    rig.core.request(outgoing(), 0.0)
    rig.run(32.0)
    assert len(set(rig.sent())) == 1


def test_non_invite_is_sent_eleven_times_and_times_out_after_32_s() -> None:
    """Timer E doubles up to T2: 0, .5, 1.5, 3.5, 7.5, 11.5 ... 31.5 s; timer F ends it at 32 s."""
    rig = Rig()
    rig.core.request(outgoing("OPTIONS"), 0.0)
    rig.run(31.999)
    assert rig.times("OPTIONS") == E_SENDS
    rig.run(32.0)
    assert rig.names() == ["TransactionTimeout"]
    assert rig.core.counts() == EMPTY


def test_a_retransmission_due_with_the_time_out_is_not_sent() -> None:
    """Where timers E and F fall due together, the time-out wins; T1 and T2 are the core's parameters."""
    rig = Rig(timers=Timers(t1=1.0, t2=1.0))
    rig.core.request(outgoing("OPTIONS"), 0.0)
    rig.run(200.0)
    assert rig.times("OPTIONS") == list(range(64))
    assert rig.names() == ["TransactionTimeout"]


def test_non_invite_retransmits_every_t2_once_a_provisional_came() -> None:
    """RFC 3261 §17.1.2.2: in Proceeding timer E is set to T2 whenever it fires; timer F runs on."""
    rig = Rig()
    rig.core.request(outgoing("OPTIONS"), 0.0)
    (sent,) = rig.sent()
    rig.now = 0.1
    rig.receive(answer(sent, 100))
    rig.run(40.0)
    assert rig.times("OPTIONS") == [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]
    assert rig.names() == ["TransactionTimeout"]
    assert rig.core.counts() == EMPTY


def test_a_late_timer_does_not_burst() -> None:
    """A driver that was late sends once, and goes on from there."""
    rig = Rig()
    rig.core.request(outgoing("OPTIONS"), 0.0)
    rig.drain()
    rig.now = 10.0
    rig.core.handle_timer(10.0)
    rig.drain()
    assert rig.times("OPTIONS") == [0, 10]
    assert rig.core.next_deadline() == 11.0


def test_provisional_stops_the_retransmission_of_invite() -> None:
    """RFC 3261 Figure 5: in Proceeding there is no timer; how long it may ring is the TU's business."""
    rig = Rig()
    rig.core.request(outgoing(), 0.0)
    (sent,) = rig.sent()
    rig.receive(answer(sent, 100))
    rig.run(1000.0)
    assert rig.sent() == []
    assert rig.heard() == []
    rig.receive(answer(sent, 180))
    rig.receive(answer(sent, 180))
    assert rig.names() == ["ResponseReceived", "ResponseReceived"]


@pytest.mark.parametrize(("status", "state"), [(299, State.ACCEPTED), (300, State.COMPLETED)])
def test_redirection_is_no_acceptance(status: int, state: State) -> None:
    """A 300 is a failure like any other above 299: it is acknowledged here."""
    rig = Rig()
    tx = rig.core.request(outgoing(), 0.0)
    rig.receive(answer(rig.sent()[0], status))
    assert tx.state is state


def test_non_2xx_is_acknowledged_by_the_transaction() -> None:
    """RFC 3261 §17.1.1.3: same Request-URI, Via, From, Call-ID, CSeq number and Route; To of the response."""
    rig = Rig()
    out = outgoing(routes=("<sip:192.0.2.9;lr>",))
    rig.core.request(out, 0.0)
    (sent,) = rig.sent()
    rig.receive(answer(sent, 486, to_tag="busy"))
    assert rig.names() == ["ResponseReceived"]
    ((_, ack, where),) = rig.log
    assert where == PEER
    invite, got = parse_datagram(sent), parse_datagram(ack)
    assert isinstance(got, Request)
    assert got.method == "ACK"
    assert got.uri == out.uri
    assert got.cseq == 1
    assert got.to_tag == "busy"
    for name in ("via", "from", "call-id", "route"):
        assert got.headers.getall(name) == invite.headers.getall(name)


def test_repeated_non_2xx_is_acknowledged_for_32_s_and_heard_once() -> None:
    """Timer D: a final response that comes again gets the ACK again, nothing else."""
    rig = Rig()
    rig.core.request(outgoing(), 0.0)
    (sent,) = rig.sent()
    busy = answer(sent, 486)
    rig.receive(busy)
    (first,) = rig.sent()
    rig.now = 31.9
    rig.receive(busy)
    assert rig.sent() == [first]
    assert rig.names() == ["ResponseReceived"]
    rig.run(32.0)
    assert rig.core.counts() == EMPTY
    rig.receive(busy)
    assert rig.sent() == []


def test_final_response_of_a_non_invite_is_heard_once() -> None:
    """Timer K: repetitions are absorbed for T4, stray ones dropped after it."""
    rig = Rig()
    rig.core.request(outgoing("BYE"), 0.0)
    (sent,) = rig.sent()
    rig.receive(answer(sent, 200))
    rig.receive(answer(sent, 200))
    rig.run(5.0)
    assert rig.core.counts() == EMPTY
    rig.receive(answer(sent, 200))
    assert rig.names() == ["ResponseReceived"]
    assert rig.sent() == []


def test_repeated_2xx_is_acknowledged_from_memory() -> None:
    """RFC 3261 §13.2.2.4: each 2xx retransmission gets the TU's ACK again, until timer M ends it."""
    rig = Rig()
    rig.core.request(outgoing(), 0.0)
    (sent,) = rig.sent()
    ok = answer(sent, 200)
    rig.receive(ok)
    rig.receive(ok)
    assert rig.sent() == []
    assert rig.names() == ["ResponseReceived"]
    rig.core.send_ack(outgoing("ACK", to_tag="far"), 0.0)
    (ack,) = rig.sent()
    assert first_line(ack) == "ACK"
    rig.now = 31.9
    rig.receive(ok)
    assert rig.sent() == [ack]
    rig.run(32.0)
    assert rig.core.counts() == EMPTY
    rig.receive(ok)
    assert rig.sent() == []
    assert rig.heard() == []


def test_ack_has_a_branch_of_its_own() -> None:
    """RFC 3261 §17.1.1.3: the ACK of a 2xx is no part of the INVITE transaction."""
    rig = Rig()
    rig.core.request(outgoing(), 0.0)
    (invite,) = rig.sent()
    rig.receive(answer(invite, 200))
    rig.core.send_ack(outgoing("ACK", to_tag="far"), 0.0)
    (ack,) = rig.sent()
    assert parse_datagram(ack).branch != parse_datagram(invite).branch


def test_each_fork_is_heard_once_and_acknowledged_by_its_own_ack() -> None:
    """2xx responses with different To tags are different dialogs (RFC 3261 §13.2.2.4)."""
    rig = Rig()
    tx = rig.core.request(outgoing(), 0.0)
    (sent,) = rig.sent()
    for tag in ("one", "two", "one", "two"):
        rig.receive(answer(sent, 200, to_tag=tag))
    events = rig.heard()
    assert [e.response.to_tag for e in events if isinstance(e, ResponseReceived)] == ["one", "two"]
    assert all(isinstance(e, ResponseReceived) and e.tx is tx for e in events)
    for tag in ("one", "two"):
        rig.core.send_ack(outgoing("ACK", to_tag=tag), 0.0)
    acks = rig.sent()
    rig.receive(answer(sent, 200, to_tag="two"))
    assert rig.sent() == [acks[1]]


def test_forks_are_bounded() -> None:
    """A peer cannot fill memory with 2xx responses of ever new tags."""
    rig = Rig()
    rig.core.request(outgoing(), 0.0)
    (sent,) = rig.sent()
    for number in range(3 * MAX_FORKS):
        rig.receive(answer(sent, 200, to_tag=f"fork{number}"))
    assert len(rig.heard()) == MAX_FORKS


def test_ack_of_an_unknown_fork_or_call_is_just_sent() -> None:
    """An ACK that belongs to no 2xx seen is transmitted and not remembered."""
    rig = Rig()
    rig.core.send_ack(outgoing("ACK", to_tag="far"), 0.0)
    assert rig.lines() == ["ACK"]
    rig.core.request(outgoing(), 0.0)
    (sent,) = rig.sent()
    rig.receive(answer(sent, 200, to_tag="one"))
    rig.core.send_ack(outgoing("ACK", to_tag="two"), 0.0)
    assert rig.lines() == ["ACK"]
    rig.receive(answer(sent, 200, to_tag="one"))
    assert rig.sent() == []


def test_a_second_invite_of_the_same_name_keeps_its_own_ack() -> None:
    """Two INVITEs with equal Call-ID, CSeq and tag do not take each other's place when the first one ends."""
    rig = Rig()
    rig.core.request(outgoing(), 0.0)
    (first,) = rig.sent()
    rig.receive(answer(first, 200))
    rig.now = 10.0
    rig.core.request(outgoing(), 10.0)
    (second,) = rig.sent()
    rig.receive(answer(second, 200))
    rig.core.send_ack(outgoing("ACK", to_tag="far"), 10.0)
    (ack,) = rig.sent()
    rig.run(35.0)
    rig.receive(answer(second, 200))
    assert rig.sent() == [ack]
    rig.run(50.0)
    assert rig.core.counts() == EMPTY


def test_cancel_waits_for_the_first_provisional() -> None:
    """RFC 3261 §9.1: no CANCEL before a provisional response; the 100 is enough."""
    rig = Rig()
    tx = rig.core.request(outgoing(), 0.0)
    (invite,) = rig.sent()
    rig.core.cancel(tx, 0.0, headers=('Reason: SIP;cause=200;text="Call completed elsewhere"',))
    assert rig.sent() == []
    rig.receive(answer(invite, 100))
    (cancel,) = rig.sent()
    sent, got = parse_datagram(invite), parse_datagram(cancel)
    assert isinstance(got, Request)
    assert got.method == "CANCEL"
    assert got.cseq == 1
    assert got.headers.get("reason") == 'SIP;cause=200;text="Call completed elsewhere"'
    for name in ("via", "from", "to", "call-id"):
        assert got.headers.getall(name) == sent.headers.getall(name)


def test_cancelled_invite_ends_with_its_487() -> None:
    """The responses to the CANCEL are not for the TU, the 487 of the INVITE is."""
    rig = Rig()
    tx = rig.core.request(outgoing(), 0.0)
    (invite,) = rig.sent()
    rig.receive(answer(invite, 180))
    rig.core.cancel(tx, 0.0)
    rig.core.cancel(tx, 0.0)
    (cancel,) = rig.sent()
    rig.receive(answer(cancel, 200))
    rig.receive(answer(invite, 487))
    assert rig.lines() == ["ACK"]
    events = rig.heard()
    assert [e.response.status for e in events if isinstance(e, ResponseReceived)] == [180, 487]
    assert len(events) == 2
    rig.run(100.0)
    assert rig.core.counts() == EMPTY


def test_cancel_and_2xx_cross() -> None:
    """RFC 3261 §9.1: a 2xx may win against the CANCEL; the TU hears it and has to hang up."""
    rig = Rig()
    tx = rig.core.request(outgoing(), 0.0)
    (invite,) = rig.sent()
    rig.receive(answer(invite, 180))
    rig.core.cancel(tx, 0.0)
    (cancel,) = rig.sent()
    rig.receive(answer(invite, 200))
    rig.receive(answer(cancel, 481))
    assert rig.names() == ["ResponseReceived", "ResponseReceived"]
    rig.run(100.0)
    assert rig.heard() == []
    assert rig.core.counts() == EMPTY


@pytest.mark.parametrize("status", [200, 486])
def test_cancel_after_the_final_response_does_nothing(status: int) -> None:
    """RFC 3261 §9.1: a CANCEL has no effect on a request that has its final response."""
    rig = Rig()
    tx = rig.core.request(outgoing(), 0.0)
    (invite,) = rig.sent()
    rig.receive(answer(invite, status))
    rig.sent()
    rig.core.cancel(tx, 0.0)
    rig.run(100.0)
    assert "CANCEL" not in rig.lines()
    assert rig.core.counts() == EMPTY


def test_held_cancel_is_dropped_when_the_2xx_comes_first() -> None:
    """Without any provisional response the CANCEL is never sent."""
    rig = Rig()
    tx = rig.core.request(outgoing(), 0.0)
    (invite,) = rig.sent()
    rig.core.cancel(tx, 0.0)
    rig.receive(answer(invite, 200))
    rig.run(100.0)
    assert rig.sent() == []
    assert rig.names() == ["ResponseReceived"]
    assert rig.core.counts() == EMPTY


def test_cancelled_invite_without_a_final_response_times_out() -> None:
    """RFC 3261 §9.1: 64*T1 after the CANCEL the INVITE is considered cancelled; the CANCEL has its own E and F."""
    rig = Rig()
    tx = rig.core.request(outgoing(), 0.0)
    (invite,) = rig.sent()
    rig.receive(answer(invite, 180))
    rig.heard()
    rig.now = 10.0
    rig.core.cancel(tx, 10.0)
    rig.run(41.999)
    assert rig.times("CANCEL") == [10 + when for when in E_SENDS]
    assert rig.heard() == []
    rig.run(42.0)
    (event,) = rig.heard()
    assert isinstance(event, TransactionTimeout)
    assert event.tx is tx
    assert rig.core.counts() == EMPTY


def test_only_an_invite_can_be_cancelled() -> None:
    """RFC 3261 §9.1: cancelling anything else is our own mistake."""
    rig = Rig()
    tx = rig.core.request(outgoing("OPTIONS"), 0.0)
    with pytest.raises(LocalError):
        rig.core.cancel(tx, 0.0)


@pytest.mark.parametrize("text", ["\r\nEvil: y", "\r", "\n"])
def test_cancel_with_a_line_break_is_refused_at_once(text: str) -> None:
    """The mistake shows where it is made, not when a provisional response arrives."""
    rig = Rig()
    tx = rig.core.request(outgoing(), 0.0)
    with pytest.raises(LocalError):
        rig.core.cancel(tx, 0.0, headers=(f"Reason: x{text}",))


def test_transport_error_fails_what_waits_for_that_destination() -> None:
    """RFC 3261 §8.1.3.1: an ICMP error ends INVITE and others there, and nothing elsewhere."""
    rig = Rig()
    invite = rig.core.request(outgoing(), 0.0)
    options = rig.core.request(outgoing("OPTIONS"), 0.0)
    other = rig.core.request(outgoing("OPTIONS", destination=("192.0.2.77", 5060)), 0.0)
    rig.core.transport_error(PEER, 0.0)
    rig.core.transport_error(PEER, 0.0)
    events = rig.heard()
    assert {e.tx for e in events if isinstance(e, TransactionFailed)} == {invite, options}
    assert len(events) == 2
    assert other.state is State.TRYING
    rig.run(32.0)
    assert rig.core.counts() == EMPTY


def test_transport_error_does_not_touch_what_is_answered() -> None:
    """An INVITE that rings, or has its final response, does not fail; its CANCEL ends silently."""
    rig = Rig()
    ringing = rig.core.request(outgoing(), 0.0)
    (invite,) = rig.sent()
    rig.receive(answer(invite, 180))
    rig.core.request(outgoing(call_id="out-2"), 0.0)
    rig.receive(answer(rig.sent()[0], 486))
    rig.core.cancel(ringing, 0.0)
    rig.heard()
    rig.core.transport_error(PEER, 0.0)
    assert rig.heard() == []
    assert ringing.state is State.PROCEEDING


def test_context_is_let_go_once_the_tu_has_heard_the_last() -> None:
    """A transaction that lingers does not keep the TU's objects, but not before its last event is dealt with."""
    rig = Rig()
    tx = rig.core.request(outgoing(), 0.0, context="leg")
    sent = rig.core.take_datagrams()[0][0]
    rig.core.receive(answer(sent, 486), PEER, 0.0)
    rig.core.receive(answer(sent, 486), PEER, 0.0)
    (event,) = rig.core.take_events()
    assert isinstance(event, ResponseReceived)
    assert event.tx.context == "leg"
    assert rig.core.take_events() == []
    assert tx.context is None


def test_representation_names_method_and_state() -> None:
    """A transaction in a log tells what it is, and no number of anybody."""
    tx = Rig().core.request(outgoing(), 0.0)
    assert repr(tx) == "<ClientTransaction INVITE CALLING>"
    assert "bob" not in repr(tx.request)
