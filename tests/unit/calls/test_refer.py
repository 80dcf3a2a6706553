"""REFER: a phone hands its call on; what each side hears, is told, and what the record says."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from routing.dialplan import DialPlan, Entry
from routing.masks.target import SipTarget
from routing.trunks import Trunks
from switchboard.calls.neighbours import NoDesk
from switchboard.directory import Directory
from switchboard.sip.outgoing import OutgoingRequest
from tests.support.exchange import AGENT, SWITCH
from tests.unit.calls.phone_lines import Office, Phone

MUSIC = ("music/hold",)
RINGBACK = ("tone:ringback",)
TO_BOB = "sip:bob@switchboard.local"


def test_the_caller_goes_to_whom_the_phone_names() -> None:
    """202, then 100, 180 and 200 by NOTIFY before its BYE; music, then the other phone; one record of all."""
    world = Office()
    out, line = world.talk()
    assert line.refer(TO_BOB, "Referred-By: <sip:alice@switchboard.local>") == 202
    assert world.alice.told() == [100]
    assert (world.hears(world.carrier), world.hears(world.phone)) == (MUSIC, RINGBACK)
    world.reply(world.bob.peer, 180)
    assert world.alice.told() == [100, 180]
    assert not line.over
    world.bob.answered()
    assert world.alice.told() == [100, 180, 200]
    assert line.over
    assert world.alice.methods[-2:] == ["NOTIFY", "BYE"]
    assert world.alice.states() == ["active", "active", "terminated;reason=noresource"]
    assert {request.headers.get("event") for request in world.phone.received("NOTIFY")} == {f"refer;id={line.cseq}"}
    assert {request.content_type for request in world.phone.received("NOTIFY")} == {"message/sipfrag"}
    world.reply(world.phone, 200)
    assert world.hears(world.carrier) == world.bob.peer.address[0]
    world.within(world.carrier, out, "BYE", 2)
    world.reply(world.bob.peer, 200)
    world.advance(40)
    (record,) = world.journal.records
    assert (record.cause, record.ended_by, record.transfers) == ("normal", "caller", 1)
    assert [segment.kind for segment in record.segments] == ["ring", "talk", "ring", "talk"]
    assert [leg.peer for leg in record.legs[1:]] == ["alice@switchboard.local", "bob@switchboard.local"]
    assert world.leftovers() == {}


def test_nothing_of_the_caller_reaches_whom_it_is_handed_to() -> None:
    """The mask holds: the target sees the number that was dialled."""
    world = Office()
    _, line = world.talk()
    line.refer(TO_BOB)
    invite = world.bob.peer.received("INVITE")[-1]
    assert b"13900009999" not in invite.raw
    assert invite.from_.uri == f"sip:4007@{SWITCH[0]}"


@pytest.mark.parametrize(("status", "told"), [(486, 486), (603, 603), (404, 404), (480, 480), (500, 500)])
def test_a_target_that_refuses_leaves_the_call_with_the_phone(status: int, told: int) -> None:
    """The final NOTIFY says why, both talk again, and the phone may try once more."""
    world = Office()
    _, line = world.talk()
    line.refer(TO_BOB)
    world.alice.told()
    world.reply(world.bob.peer, status)
    assert world.alice.told() == [100, told]
    assert world.alice.states()[-1].startswith("terminated")
    assert not line.over
    assert (world.hears(world.carrier), world.hears(world.phone)) == (world.phone.address[0], world.carrier.address[0])
    assert line.refer(TO_BOB) == 202
    assert world.alice.told() == [100, told, 100]


def test_a_target_that_does_not_answer() -> None:
    """Its phone is cancelled in time, and the call goes on."""
    world = Office()
    _, line = world.talk()
    line.refer(TO_BOB)
    world.reply(world.bob.peer, 180)
    world.alice.told()
    world.advance(21)
    assert world.alice.told() == [100, 180, 480]
    assert len(world.bob.peer.cancelled) == 1
    assert world.hears(world.carrier) == world.phone.address[0]


def test_a_phone_that_hangs_up_at_once_still_hands_the_caller_on() -> None:
    """BYE right after the 202: the caller waits, the target answers, and the phone is told so."""
    world = Office()
    _, line = world.talk()
    line.refer(TO_BOB)
    assert line.send("BYE") == 200
    assert world.hears(world.carrier) == RINGBACK
    world.bob.answered()
    assert world.alice.told() == [100, 200]
    assert world.hears(world.carrier) == world.bob.peer.address[0]
    assert not line.over


def test_when_it_has_hung_up_and_the_target_refuses_the_call_is_over() -> None:
    """Nobody is left for the caller."""
    world = Office()
    out, line = world.talk()
    line.refer(TO_BOB)
    line.send("BYE")
    world.reply(world.bob.peer, 486)
    assert world.alice.told() == [100, 486]
    (bye,) = world.carrier.received("BYE")
    assert bye.call_id == out.call_id
    world.reply(world.carrier, 200)
    world.advance(40)
    assert world.journal.records[0].cause == "busy"
    assert world.leftovers() == {}


def test_a_caller_who_hangs_up_meanwhile_ends_it_all() -> None:
    """The target is cancelled, the phone hung up and told 487."""
    world = Office()
    out, line = world.talk()
    line.refer(TO_BOB)
    world.reply(world.bob.peer, 180)
    world.alice.told()
    world.within(world.carrier, out, "BYE", 2)
    assert world.alice.told()[-1] == 487
    assert line.over
    assert len(world.bob.peer.cancelled) == 1
    world.reply(world.phone, 200)
    world.reply(world.bob.peer, 487, index=0)
    world.advance(40)
    assert world.leftovers() == {}


def test_without_a_subscription_nothing_is_told() -> None:
    """Refer-Sub: false is confirmed, and the transfer goes its way (RFC 4488)."""
    world = Office()
    _, line = world.talk()
    assert line.refer(TO_BOB, "Refer-Sub: false") == 202
    assert world.phone.responses[-1].headers.get("refer-sub") == "false"
    world.bob.answered()
    assert world.alice.told() == []
    assert line.over
    assert world.hears(world.carrier) == world.bob.peer.address[0]


@pytest.mark.parametrize(
    ("status", "asked"), [(404, True), (502, True), (604, True), (481, False), (489, False), (405, False), (500, False)]
)
def test_a_notify_that_is_refused_ends_the_subscription(status: int, asked: bool) -> None:
    """And no call; where it says that the whole dialog is gone the phone is asked about the session (RFC 5057 §5.1)."""
    world = Office()
    _, line = world.talk()
    line.refer(TO_BOB)
    (index,) = [n for n, (_, request) in enumerate(world.phone.requests) if request.method == "NOTIFY"]
    world.reply(world.phone, status, index=index)
    assert bool([one for one in world.phone.received("INVITE") if one.to_tag]) is asked
    assert (len(world.exchange.subscriptions), line.over) == (0, False)
    if asked:
        world.reply(world.phone, 481)
        assert line.over


def test_one_transfer_at_a_time() -> None:
    """A second REFER is told to wait; the first goes on."""
    world = Office()
    _, line = world.talk()
    line.refer(TO_BOB)
    assert line.refer(TO_BOB) == 491
    assert len(world.bob.peer.received("INVITE")) == 1


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((), 400),
        (("Refer-To: <sip:bob@switchboard.local>", "Refer-To: <sip:bob@switchboard.local>"), 400),
        (("Refer-To: <sip:bob@switchboard.local?Replaces=x>",), 400),
        (("Refer-To: <sip:bob@switchboard.local>", "Referred-By: <sip:@>"), 400),
        (("Refer-To: <mailto:bob@switchboard.local>",), 416),
        (("Refer-To: <sip:bob@switchboard.local;method=BYE>",), 403),
        (("Refer-To: <sip:bob@switchboard.local>", "Require: multiple-refer"), 420),
    ],
)
def test_a_refer_that_points_nowhere_is_refused(lines: tuple[str, ...], status: int) -> None:
    """At once, without a subscription; the call goes on."""
    world = Office()
    _, line = world.talk()
    assert line.send("REFER", *lines) == status
    assert world.alice.told() == []
    assert world.hears(world.carrier) == world.phone.address[0]


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("sip:nobody@switchboard.local", 404),
        ("sip:bob@elsewhere.example", 403),
        ("sip:bob@10.0.0.1", 403),
        ("sip:bob@127.0.0.1:5555", 403),
        ("sip:switchboard.local", 404),
        ("tel:123456789", 404),
    ],
)
def test_what_leads_nowhere_is_told_by_notify(target: str, told: int) -> None:
    """A host that is not ours is nobody's to call through us; the call goes on."""
    world = Office()
    _, line = world.talk()
    assert line.refer(target) == 202
    assert world.alice.told() == [100, told]
    assert not line.over
    assert world.hears(world.carrier) == world.phone.address[0]


@pytest.mark.parametrize(
    "target", ["tel:+86-139-5678-1234", "sip:13956781234@switchboard.local", "sip:13956781234@127.0.0.1;user=phone"]
)
def test_a_public_number_goes_by_the_outbound_trunk(target: str) -> None:
    """With the number configured to be shown, or that of the mask; in records it is masked."""
    world = Office()
    _, line = world.talk()
    assert line.refer(target) == 202
    invite = world.agent.received("INVITE")[-1]
    assert invite.uri == f"sip:13956781234@{AGENT[0]}:{AGENT[1]}"
    assert b"13900009999" not in invite.raw
    world.agent_answers()
    assert world.alice.told() == [100, 200]
    world.engine.end_all(world.now)
    world.run()
    assert "13956781234" not in repr(world.journal.records)


def test_numbers_of_the_dial_plan_are_reached_as_a_phone_dials_them() -> None:
    """A target, and an extension behind a mask."""
    world = Office()
    world.masks.bind("4006", "100001", SipTarget(f"sip:100001@{AGENT[0]}:{AGENT[1]}"))
    for target, uri in (
        ("sip:4001@127.0.0.1:5060", "sip:agent@"),
        ("sip:4006,100001@switchboard.local", "sip:100001@"),
    ):
        _, line = world.talk()
        assert line.refer(target) == 202
        assert world.agent.received("INVITE")[-1].uri.startswith(uri)
        world.agent_answers()
        assert world.alice.told()[-1] == 200


def test_a_group_that_takes_nobody_is_told_and_the_phone_keeps_the_caller() -> None:
    """Here it is one that was removed; its number still leads there."""
    world = Office()
    _, line = world.talk()
    plan = DialPlan([Entry(number="4003", group="gone")])
    world.exchange.routing = Directory(plan, Trunks({"bench": ["127.0.0.2"]}), world.masks)
    assert line.refer("sip:4003@switchboard.local") == 202
    assert world.alice.told() == [100, 480]
    assert not line.over


class Occupied(NoDesk):
    """Bob is an agent, who talks."""

    def agent_at(self, phone: str) -> str:
        """Bob's phone."""
        return "bob" if phone == "aor:bob" else ""

    def in_call(self, agent: str, besides: Collection[str]) -> bool:
        """He is."""
        return agent == "bob"


def test_an_agent_who_is_in_another_call_is_not_rung() -> None:
    """The phone is told so, as by a phone that is busy, and keeps the caller."""
    world = Office()
    world.exchange.desk = Occupied()
    _, line = world.talk()
    assert line.refer(TO_BOB) == 202
    assert world.alice.told() == [100, 486]
    assert not world.bob.peer.received("INVITE")
    assert not line.over


def test_a_flow_takes_the_caller_at_once() -> None:
    """The phone is told 200, and hung up."""
    world = Office()
    _, line = world.talk()
    assert line.refer("sip:4004@switchboard.local") == 202
    assert world.alice.told() == [100, 200]
    assert line.over
    assert world.hears(world.carrier) == MUSIC


def test_a_phone_that_has_called_hands_on_whom_it_called() -> None:
    """The called party becomes the caller of the call that goes on."""
    world = Office()
    line, theirs = world.consult()
    assert line.refer(TO_BOB) == 202
    world.bob.answered()
    assert world.alice.told() == [100, 200]
    assert line.over
    assert world.hears(world.agent) == world.bob.peer.address[0]
    assert not theirs.over


def test_a_phone_that_holds_first_and_is_refused_still_holds() -> None:
    """The caller hears music throughout, until the phone takes the call back."""
    world = Office()
    _, line = world.talk()
    line.hold()
    assert world.hears(world.carrier) == MUSIC
    line.refer(TO_BOB)
    assert world.hears(world.carrier) == MUSIC
    world.reply(world.bob.peer, 486)
    assert world.hears(world.carrier) == MUSIC
    line.hold("sendrecv")
    assert world.hears(world.carrier) == world.phone.address[0]


def test_a_phone_may_give_up_being_told() -> None:
    """SUBSCRIBE with Expires 0 within the dialog; the transfer goes on."""
    world = Office()
    _, line = world.talk()
    line.refer(TO_BOB)
    assert line.send("SUBSCRIBE", f"Event: refer;id={line.cseq}", "Expires: 0") == 200
    assert world.alice.told() == [100, 100]
    assert world.alice.states()[-1] == "terminated;reason=timeout"
    world.bob.answered()
    assert len(world.alice.told()) == 2
    assert world.hears(world.carrier) == world.bob.peer.address[0]


def test_a_referrer_is_not_told_for_ever() -> None:
    """A subscription whose transfer was taken back by somebody else ends by itself."""
    world = Office(ring_timeout=1000.0)
    _, line = world.talk()
    line.refer(TO_BOB)
    world.reply(world.bob.peer, 180)
    world.alice.told()
    world.advance(181)
    assert world.alice.told() == [100, 180, 180]
    assert world.alice.states()[-1] == "terminated;reason=timeout"
    assert len(world.exchange.subscriptions) == 0


# --- who may not ---


def test_the_far_side_of_a_trunk_refers_nobody() -> None:
    """Neither a caller of the carrier nor one who was called by it: no toll is paid for strangers."""
    world = Office()
    out, _ = world.talk()
    assert world.within(world.carrier, out, "REFER", 2, headers=(f"Refer-To: <{TO_BOB}>",)) is not None
    assert world.carrier.statuses[-1] == 403
    world.engine.end_all(world.now)
    out, _ = world.dial("4008001234")
    world.within(world.carrier, out, "ACK", 1)
    world.keys("345678")
    line = Phone(world, world.agent, "agent").answered()
    assert line.refer(TO_BOB) == 403
    assert world.bob.peer.received("INVITE") == []


def test_a_phone_that_is_neither_registered_nor_an_agents_refers_nobody() -> None:
    """A target of the dial plan with a fixed address; and a phone whose registration has ended."""
    world = Office()
    out, _ = world.dial("4001")
    line = Phone(world, world.agent, "agent").answered()
    world.within(world.carrier, out, "ACK", 1)
    assert line.refer(TO_BOB) == 403
    _, hers = world.talk()
    world.exchange.registrar.forget("alice@switchboard.local")
    assert hers.refer(TO_BOB) == 403


def test_a_refer_outside_a_dialog_and_of_a_call_that_is_gone() -> None:
    """403: what is referred is a call; 481: that call is over."""
    world = Office()
    lines = (f"Refer-To: <{TO_BOB}>",)
    outside = OutgoingRequest(
        "REFER",
        f"sip:x@{SWITCH[0]}",
        SWITCH,
        from_="<sip:alice@h>;tag=1",
        to="<sip:x@h>",
        call_id="n",
        cseq=1,
        headers=lines,
    )
    world.phone.core.request(outside, world.now)
    world.run()
    assert world.phone.statuses[-1] == 403
    _, line = world.talk()
    world.engine.end_all(world.now)
    world.run()
    assert line.refer(TO_BOB) == 481
