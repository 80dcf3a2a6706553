"""Server transactions against a scripted peer: 100 Trying, repetitions, timers G-L, ACK, CANCEL."""

from __future__ import annotations

import pytest

from switchboard.sip.errors import LocalError
from switchboard.sip.events import AckMissing, AckReceived, CancelReceived, RequestReceived
from switchboard.sip.timers import Timers
from switchboard.sip.transaction.server import ServerTransaction
from switchboard.sip.transaction.table import State
from tests.unit.sip.peer import PEER, Rig, ack_for, first_line, request, response
from tests.unit.sip.test_transaction_client import E_SENDS, EMPTY


def take(rig: Rig) -> ServerTransaction:
    """Take the one request the TU has heard of."""
    (event,) = rig.heard()
    assert isinstance(event, RequestReceived)
    assert event.tx.request is event.request
    return event.tx


def test_trying_is_sent_after_200_ms_of_silence() -> None:
    """RFC 3261 §17.2.1: 100 Trying after 200 ms, once, without a To tag."""
    rig = Rig()
    rig.receive(request())
    rig.run(0.199)
    assert rig.log == []
    rig.run(60.0)
    assert rig.times("100") == [0.2]
    assert response(rig.sent()[0]).to_tag is None


@pytest.mark.parametrize("status", [100, 180, 200, 404])
def test_trying_is_not_sent_once_the_tu_has_answered(status: int) -> None:
    """Whatever the TU says within 200 ms takes the place of the 100."""
    rig = Rig()
    rig.receive(request())
    rig.now = 0.1
    rig.core.respond(take(rig), status, now=0.1)
    rig.sent()
    rig.run(0.4)
    assert rig.sent() == []


def test_repeated_invite_gets_the_last_response() -> None:
    """RFC 3261 §17.2.1: nothing before a response is there, then the latest; the TU hears of it once."""
    rig = Rig()
    rig.receive(request())
    rig.receive(request())
    assert rig.sent() == []
    tx = take(rig)
    for status in (180, 183, 486):
        rig.core.respond(tx, status, now=0.0)
        (sent,) = rig.sent()
        rig.receive(request())
        assert rig.sent() == [sent]
    assert rig.heard() == []


def test_2xx_is_repeated_from_t1_up_to_t2_and_missed_after_32_s() -> None:
    """RFC 3261 §13.3.1.4: the 2xx goes out at the pace of timer G; after 64*T1 the TU is to hang up."""
    rig = Rig()
    rig.receive(request())
    tx = take(rig)
    rig.core.respond(tx, 200, now=0.0)
    rig.run(31.999)
    assert rig.times("200") == E_SENDS
    assert rig.core.counts()["pending_2xx"] == 1
    assert rig.heard() == []
    rig.run(32.0)
    (event,) = rig.heard()
    assert isinstance(event, AckMissing)
    assert event.tx is tx
    assert rig.core.counts() == EMPTY


def test_ack_ends_the_repetition_of_the_2xx() -> None:
    """The ACK comes on a branch of its own; it is heard once, and timer L absorbs what follows."""
    rig = Rig()
    rig.receive(request())
    tx = take(rig)
    rig.core.respond(tx, 200, now=0.0)
    (ok,) = rig.sent()
    rig.now = 0.3
    ack = ack_for(ok)
    rig.receive(ack)
    (event,) = rig.heard()
    assert isinstance(event, AckReceived)
    assert event.tx is tx
    rig.receive(ack)
    rig.receive(request())
    rig.run(31.999)
    assert rig.sent() == []
    assert rig.heard() == []
    assert rig.core.counts()["server_transactions"] == 1
    rig.run(32.0)
    assert rig.core.counts() == EMPTY


def test_late_ack_belongs_to_nothing() -> None:
    """After timer L the ACK is passed on without a transaction."""
    rig = Rig()
    rig.receive(request())
    rig.core.respond(take(rig), 200, now=0.0)
    (ok,) = rig.sent()
    rig.run(32.0)
    rig.heard()
    rig.receive(ack_for(ok))
    (event,) = rig.heard()
    assert isinstance(event, AckReceived)
    assert event.tx is None


def test_repeated_invite_gets_the_2xx_until_it_is_acknowledged() -> None:
    """A repeated INVITE in Accepted shows that the 2xx was lost."""
    rig = Rig()
    rig.receive(request())
    rig.core.respond(take(rig), 200, now=0.0)
    (ok,) = rig.sent()
    rig.receive(request())
    assert rig.sent() == [ok]
    rig.receive(ack_for(ok))
    rig.receive(request())
    assert rig.sent() == []


def test_final_response_is_repeated_for_32_s() -> None:
    """Timers G and H: T1 doubling up to T2, silence after 64*T1."""
    rig = Rig()
    rig.receive(request())
    rig.core.respond(take(rig), 486, now=0.0)
    rig.run(100.0)
    assert rig.times("486") == E_SENDS
    assert rig.heard() == []
    assert rig.core.counts() == EMPTY


@pytest.mark.parametrize("status", [200, 486])
def test_a_repetition_due_with_the_time_out_is_not_sent(status: int) -> None:
    """Where timer G and H, or the 2xx and L, fall due together, the time-out wins."""
    rig = Rig(timers=Timers(t1=1.0, t2=1.0))
    rig.receive(request())
    rig.core.respond(take(rig), status, now=0.0)
    rig.run(200.0)
    assert rig.times(str(status)) == list(range(64))


@pytest.mark.parametrize(("status", "state"), [(299, State.ACCEPTED), (300, State.COMPLETED)])
def test_redirection_is_no_acceptance(status: int, state: State) -> None:
    """A 300 ends the INVITE like any other failure."""
    rig = Rig()
    rig.receive(request())
    tx = take(rig)
    rig.core.respond(tx, status, now=0.0)
    assert tx.state is state


def test_ack_of_a_non_2xx_is_absorbed() -> None:
    """RFC 3261 §17.2.1: it ends the repetition and is not for the TU; timer I absorbs repetitions for T4."""
    rig = Rig()
    rig.receive(request())
    rig.core.respond(take(rig), 486, now=0.0)
    (busy,) = rig.sent()
    ack = ack_for(busy, branch="z9hG4bKpeer1")
    rig.receive(ack)
    rig.receive(ack)
    rig.receive(request())
    rig.run(4.999)
    assert rig.core.counts()["server_transactions"] == 1
    rig.run(5.0)
    assert rig.core.counts() == EMPTY
    assert rig.sent() == []
    assert rig.heard() == []


def test_ack_of_a_non_2xx_is_found_by_its_branch_alone() -> None:
    """RFC 3261 §17.2.3: the branch decides, whatever To tag the ACK has."""
    rig = Rig()
    rig.receive(request())
    tx = take(rig)
    rig.core.respond(tx, 486, now=0.0)
    rig.receive(request("ACK", to_tag="wrong"))
    assert tx.state is State.CONFIRMED


def test_ack_of_a_non_2xx_may_have_a_branch_of_its_own() -> None:
    """Peers that give every ACK a new branch are understood, or they would hear the 486 for 32 s."""
    rig = Rig()
    rig.receive(request())
    tx = take(rig)
    rig.core.respond(tx, 486, now=0.0)
    rig.receive(ack_for(rig.sent()[0], branch="z9hG4bKother"))
    assert tx.state is State.CONFIRMED
    assert rig.heard() == []


def test_ack_before_any_final_response_does_nothing() -> None:
    """An ACK to an INVITE that is not answered is absorbed."""
    rig = Rig()
    rig.receive(request())
    tx = take(rig)
    rig.receive(request("ACK", to_tag="x"))
    assert tx.state is State.PROCEEDING
    assert rig.heard() == []


def test_non_invite_is_answered_again_for_32_s() -> None:
    """Timer J: a repeated request gets the response it has, and the TU hears of it once."""
    rig = Rig()
    rig.receive(request("OPTIONS"))
    rig.receive(request("OPTIONS"))
    assert rig.sent() == []
    rig.core.respond(take(rig), 200, now=0.0)
    (ok,) = rig.sent()
    rig.now = 31.9
    rig.receive(request("OPTIONS"))
    assert rig.sent() == [ok]
    assert rig.heard() == []
    rig.run(32.0)
    assert rig.core.counts() == EMPTY


def test_non_invite_is_never_answered_100() -> None:
    """RFC 4320 §4.1: the core sends none, and the TU may not send any provisional."""
    rig = Rig()
    rig.receive(request("OPTIONS"))
    tx = take(rig)
    for status in (100, 180):
        with pytest.raises(LocalError):
            rig.core.respond(tx, status, now=0.0)
    rig.run(31.0)
    assert rig.sent() == []


def test_non_invite_that_the_tu_never_answers_is_forgotten() -> None:
    """RFC 4320 §4.2: after 64*T1 the client has given up; an answer that comes later is dropped silently."""
    rig = Rig()
    rig.receive(request("OPTIONS"))
    tx = take(rig)
    rig.run(32.0)
    assert rig.core.counts() == EMPTY
    rig.core.respond(tx, 200, now=33.0)
    rig.run(100.0)
    assert rig.sent() == []


def test_cancel_is_answered_and_reported() -> None:
    """RFC 3261 §9.2: 200 to the CANCEL by the core, 487 to the INVITE by the TU, with the same To tag."""
    rig = Rig()
    rig.receive(request())
    tx = take(rig)
    rig.core.respond(tx, 180, now=0.0)
    rig.sent()
    rig.receive(request("CANCEL"))
    rig.receive(request("CANCEL"))
    (event,) = rig.heard()
    assert isinstance(event, CancelReceived)
    assert event.tx is tx
    first, again = rig.sent()
    assert first == again
    rig.core.respond(tx, 487, now=0.0)
    (ended,) = rig.sent()
    assert (response(first).status, response(first).headers.get("cseq")) == (200, "1 CANCEL")
    assert response(ended).headers.get("cseq") == "1 INVITE"
    assert response(first).to_tag == response(ended).to_tag
    rig.receive(ack_for(ended, branch="z9hG4bKpeer1"))
    rig.run(100.0)
    assert rig.core.counts() == EMPTY


def test_cancel_before_any_response_leaves_the_tag_to_the_tu() -> None:
    """The TU may answer with the tag it has chosen, though the core had to tag the 200 of the CANCEL."""
    rig = Rig()
    rig.receive(request())
    rig.receive(request("CANCEL"))
    rig.sent()
    event, _ = rig.heard()
    assert isinstance(event, RequestReceived)
    rig.core.respond(event.tx, 200, to_tag="mine", now=0.0)
    (ok,) = rig.sent()
    assert response(ok).to_tag == "mine"
    rig.receive(ack_for(ok))
    assert rig.names() == ["AckReceived"]


@pytest.mark.parametrize("status", [200, 486])
def test_cancel_after_the_final_response_is_only_answered(status: int) -> None:
    """RFC 3261 §9.2: a CANCEL that comes too late has no effect on the INVITE."""
    rig = Rig()
    rig.receive(request())
    tx = take(rig)
    rig.core.respond(tx, status, now=0.0)
    state = tx.state
    rig.sent()
    rig.receive(request("CANCEL"))
    assert rig.lines() == ["200"]
    assert rig.heard() == []
    assert tx.state is state


def test_cancel_of_nothing_is_answered_481() -> None:
    """RFC 3261 §9.2: no matching transaction, no memory of it either."""
    rig = Rig()
    rig.receive(request("CANCEL"))
    assert rig.lines() == ["481"]
    assert rig.heard() == []
    assert rig.core.counts() == EMPTY


def test_second_final_response_is_our_own_mistake() -> None:
    """A transaction has one final response."""
    rig = Rig()
    rig.receive(request())
    tx = take(rig)
    rig.core.respond(tx, 200, now=0.0)
    (ok,) = rig.sent()
    for status in (180, 200, 486):
        with pytest.raises(LocalError, match="ACCEPTED"):
            rig.core.respond(tx, status, now=0.0)
    rig.receive(request())
    assert rig.sent() == [ok]


@pytest.mark.parametrize("status", [99, 700])
def test_status_out_of_range_is_our_own_mistake(status: int) -> None:
    """RFC 3261 §7.2: 100 to 699."""
    rig = Rig()
    rig.receive(request())
    with pytest.raises(LocalError):
        rig.core.respond(take(rig), status, now=0.0)


def test_retransmissions_with_an_old_style_branch_are_matched() -> None:
    """RFC 3261 §17.2.3: without the magic cookie, by Request-URI, From tag, Call-ID, CSeq and Via."""
    rig = Rig()
    via = "SIP/2.0/UDP 192.0.2.2:5070"
    rig.receive(request(via=via))
    rig.receive(request(via=via))
    tx = take(rig)
    rig.core.respond(tx, 486, now=0.0)
    rig.receive(request("CANCEL", via=via))
    assert rig.lines() == ["486", "200"]
    rig.receive(request("ACK", via=via, to_tag=tx.to_tag))
    assert tx.state is State.CONFIRMED
    rig.receive(request(via=via, call_id="call-2"))
    take(rig)


def test_equal_branches_of_different_senders_are_different() -> None:
    """RFC 3261 §17.2.3: sent-by belongs to the key, as a branch is unique only at its sender."""
    rig = Rig()
    rig.receive(request("OPTIONS", branch="z9hG4bKsame"))
    rig.receive(
        request("OPTIONS", via="SIP/2.0/UDP 192.0.2.3:5070;branch=z9hG4bKsame", call_id="call-2"),
        ("192.0.2.3", 5070),
    )
    assert rig.names() == ["RequestReceived", "RequestReceived"]


def test_two_acceptances_of_one_name_do_not_disturb_each_other() -> None:
    """Two re-INVITEs with one CSeq number: the end of the first leaves the ACK of the second its place."""
    rig = Rig()
    rig.receive(request(to_tag="near", branch="z9hG4bKone"))
    first = take(rig)
    rig.core.respond(first, 200, now=0.0)
    rig.run(10.0)
    rig.receive(request(to_tag="near", branch="z9hG4bKtwo"))
    second = take(rig)
    rig.core.respond(second, 200, now=10.0)
    rig.run(32.0)
    assert [type(event) for event in rig.heard()] == [AckMissing]
    rig.receive(ack_for(rig.sent()[-1]))
    (event,) = rig.heard()
    assert isinstance(event, AckReceived)
    assert event.tx is second
    rig.run(100.0)
    assert rig.core.counts() == EMPTY


def test_an_acknowledged_invite_lets_its_request_go() -> None:
    """After the ACK nothing of a call is kept but what absorbs repetitions."""
    rig = Rig()
    rig.receive(request())
    tx = take(rig)
    rig.core.respond(tx, 200, now=0.0)
    (ok,) = rig.sent()
    rig.drain()
    rig.drain()
    assert tx.request.method == "INVITE"
    rig.receive(ack_for(ok))
    rig.drain()
    with pytest.raises(LocalError, match="let its request go"):
        _ = tx.request
    assert tx.wire == b""


def test_lingering_transactions_are_small() -> None:
    """What only answers repetitions keeps the last response and no request, but not before the TU is through."""
    rig = Rig()
    core = rig.core
    core.receive(request("OPTIONS"), PEER, 0.0)
    (event,) = core.take_events()
    assert isinstance(event, RequestReceived)
    tx = event.tx
    tx.context = "call"
    core.respond(tx, 200, now=0.0)
    core.receive(request("OPTIONS"), PEER, 0.0)
    assert tx.request.method == "OPTIONS"
    core.take_events()
    assert tx.context == "call"
    core.take_events()
    assert tx.context is None
    assert first_line(tx.wire) == "200"
    with pytest.raises(LocalError, match="let its request go"):
        _ = tx.request
    assert repr(tx) == "<ServerTransaction OPTIONS COMPLETED>"
