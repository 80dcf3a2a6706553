"""REFER with Replaces: two calls of one phone become one, whichever way each was made, on one media worker or two."""

from __future__ import annotations

import msgspec
import pytest

from routing.dialplan import DialPlan, Entry
from routing.trunks import Trunks
from switchboard.calls.reinvite import MAX_GLARES
from switchboard.directory import Directory
from switchboard.sip.outgoing import OutgoingRequest
from tests.support.exchange import Peer, Team, World
from tests.unit.calls.phone_lines import BOB, DESK, Line, Office, Phone, escape

MUSIC = ("music/hold",)


def joined(world: Office) -> None:
    """The customer and the agent hear each other, and alice is out of it."""
    assert world.hears(world.carrier) == world.agent.address[0]
    assert world.hears(world.agent) == world.carrier.address[0]
    assert len(world.exchange.calls) == 1
    assert len(world.phone.received("BYE")) == 2


def let_go(world: Office) -> None:
    """Every BYE is answered, and time passes until nothing can be left."""
    for peer in world.peers.values():
        for index, (tx, request) in enumerate(peer.requests):
            if request.method in ("BYE", "NOTIFY") and not tx.wire:
                world.reply(peer, 200, index=index)
    world.advance(70)
    assert world.leftovers() == {}


def move(world: Office, status: int = 200) -> None:
    """The agent's phone answers the re-INVITE by which it is asked to send elsewhere."""
    index = max(i for i, (_, request) in enumerate(world.agent.requests) if request.method == "INVITE")
    request = world.agent.requests[index][1]
    assert request.to_tag is not None
    world.reply(world.agent, status, body=world.agent.answer(request.body) if status == 200 else b"", index=index)


@pytest.mark.parametrize("on_first", [True, False])
def test_the_customer_is_handed_to_whom_the_phone_has_asked(on_first: bool) -> None:
    """On whichever of its dialogs the REFER comes: NOTIFY 200, both lines hung up, each record tells its part."""
    world = Office()
    out, first = world.talk()
    first.hold()
    second, theirs = world.consult()
    one, other = (first, second) if on_first else (second, first)
    assert one.attend(other) == 202
    assert world.alice.told()[:2] == [100, 200]
    joined(world)
    assert world.alice.states()[-1] == "terminated;reason=noresource"
    assert [m for m in world.alice.methods if m in ("NOTIFY", "BYE")] == ["NOTIFY", "NOTIFY", "BYE", "BYE"]
    world.advance(5)
    world.within(world.carrier, out, "BYE", 2)
    world.reply(world.agent, 200)
    let_go(world)
    consultation, call = world.journal.records
    assert (consultation.cause, consultation.ended_by, consultation.trunk) == ("normal", "caller", "phones")
    assert [leg.role for leg in consultation.legs] == ["caller", "agent"]
    assert consultation.legs[1].cause == "normal"
    assert (call.cause, call.ended_by, call.transfers, call.trunk) == ("normal", "caller", 1, "bench")
    assert [leg.role for leg in call.legs] == ["caller", "agent", "agent"]
    assert [segment.kind for segment in call.segments] == ["ring", "talk", "hold", "talk"]
    assert call.segments[-1].ended_us is not None
    assert call.segments[-1].ended_us - call.segments[-1].started_us == 5_000_000
    assert theirs.call_id in {request.call_id for request in world.agent.received("BYE")}


def test_the_other_party_hangs_up_what_has_become_one_call() -> None:
    """Its BYE, in the dialog it always had, ends the customer's call."""
    world = Office()
    out, first = world.talk()
    second, theirs = world.consult()
    first.attend(second)
    world.alice.told()
    assert theirs.send("BYE") == 200
    assert [request.call_id for request in world.carrier.received("BYE")] == [out.call_id]
    world.reply(world.carrier, 200)
    let_go(world)
    assert world.journal.records[-1].ended_by == "agent"


def test_the_channel_of_who_comes_over_is_given_back_once() -> None:
    """It comes with the party, and is free again when that hangs up, not when the consultation ends."""
    world = Office()
    out, first = world.talk()
    second, _ = world.consult()
    carriers, consultation = world.exchange.carriers, list(world.exchange.calls.values())[-1]
    assert consultation.agent is not None
    consultation.agent.gateway = "bench"
    carriers.began("bench", world.now)
    load = carriers.table.trunks["bench"].load
    assert load.calls == 2
    first.attend(second)
    world.alice.told()
    assert load.calls == 2
    world.within(world.carrier, out, "BYE", 2)
    let_go(world)
    assert load.calls == 0


def test_when_the_phone_was_called_by_both() -> None:
    """The party of the second call comes over to the first."""
    world = Office()
    _, first = world.talk()
    out, second = world.talk()
    assert first.attend(second) == 202
    assert world.alice.told() == [100, 200]
    assert (first.over, second.over) == (True, True)
    (call,) = world.exchange.calls.values()
    assert call.agent is not None
    assert call.caller.lease is not None
    assert call.agent.lease is not None
    assert world.plane.bridges[call.caller.lease.port] == call.agent.lease.port
    world.within(world.carrier, out, "BYE", 2)
    assert world.carrier.statuses[-1] == 200
    assert [request.call_id != out.call_id for request in world.carrier.received("BYE")] == [True]
    let_go(world)
    assert [record.ended_by for record in world.journal.records] == ["agent", "agent"]


def test_when_the_phone_has_called_both() -> None:
    """The one it called first is the caller of what is left."""
    world = Office()
    second, theirs = world.consult()
    world.agent.requests.clear()
    first = world.alice.dialled("4001")
    others = Phone(world, world.agent, "agent").answered()
    world.alice.confirmed(first)
    assert second.attend(first) == 202
    assert world.alice.told() == [100, 200]
    assert (second.over, first.over) == (True, True)
    (call,) = world.exchange.calls.values()
    assert call.agent is not None
    assert {call.caller.dialog.call_id, call.agent.dialog.call_id} == {theirs.call_id, others.call_id}  # type: ignore[union-attr]
    lease, other = call.caller.lease, call.agent.lease
    assert lease is not None
    assert other is not None
    assert world.plane.bridges[lease.port] == other.port


# --- on two workers ---


def apart() -> tuple[Office, OutgoingRequest, Line, Line, Line]:
    """Both calls are up, their media on different workers."""
    world = Office(workers=2)
    out, first = world.talk()
    second, theirs = world.consult()
    workers = {call.caller.lease.worker for call in world.exchange.calls.values() if call.caller.lease is not None}
    assert len(workers) == 2
    return world, out, first, second, theirs


def test_media_of_another_worker_is_moved_first() -> None:
    """By re-INVITE; until the party has agreed nothing changes, and then no port of the old worker is held."""
    world, out, first, second, theirs = apart()
    assert first.attend(second) == 202
    assert world.alice.told() == [100]
    assert world.hears(world.carrier) == world.phone.address[0]
    before = world.lease_of(world.agent)
    move(world)
    assert world.alice.told() == [100, 200]
    joined(world)
    assert world.lease_of(world.agent) != before
    assert [request.cseq for request in world.agent.acks][-1] == world.agent.received("INVITE")[-1].cseq
    assert theirs.send("INVITE", body=world.agent.sdp(41000)) == 200
    theirs.ack()
    world.within(world.carrier, out, "BYE", 2)
    world.reply(world.agent, 200)
    let_go(world)


@pytest.mark.parametrize("status", [488, 491, 500, None])
def test_a_party_that_will_not_move_changes_nothing(status: int | None) -> None:
    """The phone is told why, and both its calls go on."""
    world, _, first, second, theirs = apart()
    first.attend(second)
    for _ in range(1 + MAX_GLARES if status == 491 else status is not None):
        move(world, status or 0)
        world.alice.told()
        world.advance(4.1)
    if status is None:
        for _ in range(33):
            world.alice.told()
            world.advance(1)
    assert world.alice.told() == [100, status or 408]
    assert not first.over
    assert not second.over
    assert len(world.exchange.calls) == 2
    assert theirs.send("INVITE", body=world.agent.sdp(41000)) == 200
    assert len(world.plane.leased) == 4


def test_an_answer_that_comes_too_late_is_taken_back() -> None:
    """It crosses our CANCEL: acknowledged, and the party is asked to send where it did before."""
    world, _, first, second, _ = apart()
    first.attend(second)
    for _ in range(32):
        world.alice.told()
        world.advance(1)
    assert world.alice.told() == [100, 408]
    assert len(world.agent.cancelled) == 1
    move(world)
    move(world)
    assert len(world.agent.acks) == 3
    assert world.hears(world.agent) == world.phone.address[0]
    assert len(world.plane.leased) == 4
    world.engine.end_all(world.now)
    world.run()
    let_go(world)


def test_an_offer_of_the_party_that_crosses_the_move_waits() -> None:
    """491, as two offers may not cross (RFC 3261 §14.2)."""
    world, _, first, second, theirs = apart()
    first.attend(second)
    assert theirs.send("INVITE", body=world.agent.sdp(41000)) == 491
    move(world)
    assert world.alice.told() == [100, 200]


def test_the_customer_hangs_up_while_the_party_moves() -> None:
    """It is asked to send where it did before, and goes on talking to the phone."""
    world, out, first, second, _ = apart()
    first.attend(second)
    world.within(world.carrier, out, "BYE", 2)
    assert world.alice.told() == [100, 487]
    move(world)
    assert len(world.agent.received("INVITE")) == 3
    move(world)
    assert not second.over
    assert len(world.plane.leased) == 2
    assert world.hears(world.agent) == world.phone.address[0]
    assert second.send("BYE") == 200
    let_go(world)


def test_the_party_hangs_up_while_it_moves() -> None:
    """Its answer that crosses the BYE is acknowledged; the phone is told, and keeps the customer."""
    world, _, first, second, theirs = apart()
    first.attend(second)
    assert theirs.send("BYE") == 200
    assert second.over
    move(world)
    assert world.alice.told() == [100, 481]
    assert not first.over
    assert world.hears(world.carrier) == world.phone.address[0]
    world.engine.end_all(world.now)
    world.run()
    let_go(world)


def test_the_phone_hangs_up_while_the_party_moves() -> None:
    """Without the phone neither call is left to be joined."""
    world, _, first, second, _ = apart()
    first.attend(second)
    first.send("BYE")
    second.send("BYE")
    move(world)
    assert world.exchange.calls == {}
    let_go(world)


def test_no_port_is_left_on_the_other_worker() -> None:
    """503 by NOTIFY; both calls go on."""
    world = Office(workers=2)
    _, first = world.talk()
    second, _ = world.consult()
    while world.plane.lease(next(call.caller.lease for call in world.exchange.calls.values())) is not None:
        pass
    first.attend(second)
    assert world.alice.told() == [100, 503]
    assert not first.over


# --- what is declined ---


def replaces_of(world: Office, kind: str, first: Line, second: Line) -> str:
    """A Replaces that cannot be followed."""
    if kind == "unknown":
        return "nobody@nowhere;to-tag=1;from-tag=2"
    if kind == "ended":
        second.send("BYE")
    if kind == "swapped":
        call_id, to_tag, from_tag = second.replaces().split(";")
        return f"{call_id};to-tag={from_tag[9:]};from-tag={to_tag[7:]}"
    if kind == "own":
        return first.replaces()
    if kind == "foreign":
        out, _ = world.dial("4001")
        line = Phone(world, world.agent, "agent").answered()
        world.within(world.carrier, out, "ACK", 1)
        return line.replaces()
    return second.replaces(early=kind == "early")


@pytest.mark.parametrize(
    ("kind", "told"),
    [("unknown", 481), ("swapped", 481), ("ended", 603), ("early", 486), ("own", 403), ("foreign", 403)],
)
def test_a_dialog_that_is_not_to_be_replaced(kind: str, told: int) -> None:
    """RFC 3891 §3, told by NOTIFY; the call goes on."""
    world = Office()
    _, first = world.talk()
    second, _ = world.consult()
    value = replaces_of(world, kind, first, second)
    escaped = value.replace(";", "%3B").replace("=", "%3D").replace("@", "%40")
    assert first.refer(f"sip:127.0.0.1:5060?Replaces={escaped}") == 202
    assert world.alice.told() == [100, told]
    assert not first.over
    assert kind == "foreign" or world.hears(world.carrier) == world.phone.address[0]


# --- while the party still rings, or waits ---


def ringing(world: Office, number: str = "4001", whose: Peer | None = None) -> Line:
    """Alice calls somebody whose phone rings, and has been told so."""
    line = world.alice.dialled(number)
    world.reply(whose or world.agent, 180)
    response = next(r for r in reversed(world.phone.responses) if r.call_id == line.call_id and r.status == 180)
    line.remote = response.headers.get("to") or ""
    return line


@pytest.mark.parametrize("early", [False, True])
def test_who_still_rings_is_called_for_the_customer(early: bool) -> None:
    """RFC 5589 §7.6: 487 and CANCEL end the phone's own call, and the transfer goes on as one without Replaces."""
    world = Office()
    out, first = world.talk()
    first.hold()
    second = ringing(world)
    value = escape(second.replaces(early=early))
    first.refer(f"sip:4001@127.0.0.1:5060?Replaces={value}")
    assert world.phone.statuses[-2:] == [202, 487]
    assert len(world.agent.received("INVITE")) == 2
    world.reply(world.agent, 180)
    assert world.alice.told() == [100, 180]
    assert not first.over
    Phone(world, world.agent, "agent").answered()
    assert world.alice.told() == [100, 180, 200]
    assert first.over
    assert world.hears(world.carrier) == world.agent.address[0]
    world.within(world.carrier, out, "BYE", 2)
    let_go(world)
    consultation, call = world.journal.records
    assert (consultation.cause, consultation.ended_by, consultation.sip_status) == ("cancelled", "caller", 487)
    assert (call.cause, call.ended_by, call.transfers) == ("normal", "caller", 1)
    assert [segment.kind for segment in call.segments] == ["ring", "talk", "hold", "ring", "talk"]


def test_who_still_rings_and_refuses_leaves_the_customer_with_the_phone() -> None:
    """The final NOTIFY says why, and the phone's own call to them is over."""
    world = Office()
    _, first = world.talk()
    second = ringing(world)
    first.attend(second)
    world.reply(world.agent, 486)
    assert world.alice.told() == [100, 486]
    assert not first.over
    assert len(world.exchange.calls) == 1
    assert world.hears(world.carrier) == world.phone.address[0]


def test_a_phone_that_hangs_up_at_once_has_handed_the_customer_on() -> None:
    """BYE right behind the 202: the customer waits for whom was called."""
    world = Office()
    _, first = world.talk()
    second = ringing(world)
    first.attend(second)
    assert first.send("BYE") == 200
    Phone(world, world.agent, "agent").answered()
    assert world.alice.told()[-1] == 200
    assert world.hears(world.carrier) == world.agent.address[0]


@pytest.mark.parametrize("on_first", [True, False])
def test_who_waits_in_a_flow_is_replaced_there(on_first: bool) -> None:
    """Answered, but by nobody: the customer hears what the phone heard; the other way round there is nobody to move."""
    world = Office()
    _, first = world.talk()
    second = world.alice.confirmed(world.alice.dialled("4004"))
    one, other = (first, second) if on_first else (second, first)
    assert one.attend(other) == 202
    assert world.alice.told() == ([100, 200] if on_first else [100, 491])
    assert (first.over, second.over) == (on_first, on_first)
    assert world.hears(world.carrier) == (MUSIC if on_first else world.phone.address[0])


def staffed() -> tuple[Office, Line]:
    """Bob is an agent, and alice talks to a customer."""
    world = Office(teams=[Team("shop", ("aor:bob",))])
    world.desk.phones_changed(world.now)
    plan = DialPlan(
        [
            Entry(number="4003", group="shop"),
            Entry(number="4007", target="aor:alice"),
            Entry(number="4008", target="aor:bob"),
        ]
    )
    world.exchange.routing = Directory(plan, Trunks({"bench": ["127.0.0.2"]}), world.masks)
    return world, world.talk()[1]


def agent_state(world: Office) -> tuple[str, list[str]]:
    """Bob's state, and the calls he is in."""
    bob = world.queues.agents["bob"]
    return bob.state, sorted(bob.calls)


def test_an_agent_who_is_called_anew_is_not_rung_for_another_in_between() -> None:
    """A customer waits in the queue: bob's phone rings for the one handed on, and after the refusal for this one."""
    world, first = staffed()
    second = ringing(world, "4008", world.bob.peer)
    world.dial("4003")
    first.attend(second)
    (call,) = (one for one in world.exchange.calls.values() if one.control is not None)
    assert agent_state(world) == ("talking", [call.id])
    assert len(world.bob.peer.received("INVITE")) == 2
    world.reply(world.bob.peer, 486)
    assert world.alice.told() == [100, 486]
    assert agent_state(world) == ("ringing", [])
    assert len(world.bob.peer.received("INVITE")) == 3
    assert world.queues.violations == 0


def test_an_agent_who_cannot_be_called_anew_is_free() -> None:
    """No port is left: the phone is told, and keeps the customer."""
    world, first = staffed()
    second = ringing(world, "4008", world.bob.peer)
    while world.plane.lease() is not None:
        pass
    first.attend(second)
    assert world.alice.told() == [100, 503]
    assert agent_state(world) == ("idle", [])
    assert not first.over


def test_who_waits_in_a_queue_is_replaced_there() -> None:
    """The member who rings already is rung for the customer."""
    world = Office(teams=[Team("shop", (f"sip:bob@{BOB[0]}:{BOB[1]}",))])
    plan = DialPlan([Entry(number="4003", group="shop"), Entry(number="4007", target="aor:alice")])
    world.exchange.routing = Directory(plan, Trunks({"bench": ["127.0.0.2"]}), world.masks)
    out, first = world.talk()
    second = world.alice.confirmed(world.alice.dialled("4003"))
    assert first.attend(second) == 202
    assert world.alice.told() == [100, 200]
    assert (first.over, second.over) == (True, True)
    assert len(world.bob.peer.received("INVITE")) == 2
    world.bob.answered()
    assert world.hears(world.carrier) == world.bob.peer.address[0]
    world.within(world.carrier, out, "BYE", 2)
    let_go(world)
    waited, call = world.journal.records
    assert (waited.cause, waited.ended_by, waited.group) == ("cancelled", "caller", "shop")
    assert [segment.kind for segment in call.segments] == ["ring", "talk", "queue", "ring", "talk"]


@pytest.mark.parametrize(("kind", "told"), [("tag", 481), ("foreign", 403), ("inwards", 481), ("answered", 486)])
def test_who_still_rings_and_is_not_the_phones_to_hand_on(kind: str, told: int) -> None:
    """The wrong dialog, another's, one that rings at the phone itself, early-only where it is answered."""
    world = Office()
    _, first = world.talk()
    if kind == "inwards":
        world.dial("4007")
        world.reply(world.phone, 180)
        invite = world.alice.peer.received("INVITE")[-1]
        value = f"{invite.call_id};to-tag={invite.from_tag};from-tag=anything"
    elif kind == "answered":
        value = world.alice.confirmed(world.alice.dialled("4004")).replaces(early=True)
    elif kind == "foreign":
        world.dial("4001")
        world.reply(world.agent, 180)
        rings = world.carrier.responses[-1]
        tags = (
            (rings.headers.get("to") or "").partition("tag=")[2],
            (rings.headers.get("from") or "").partition("tag=")[2],
        )
        value = f"{rings.call_id};to-tag={tags[0]};from-tag={tags[1]}"
    else:
        value = ringing(world).replaces() + "0"
    assert first.refer(f"sip:4001@127.0.0.1:5060?Replaces={escape(value)}") == 202
    assert world.alice.told() == [100, told]
    assert len(world.exchange.calls) == 2
    assert not first.over


# --- INVITE with Replaces ---


def take(world: World, phone: Phone, value: str, *lines: str, body: bytes | None = None) -> Line:
    """A phone sends INVITE with Replaces, and proves itself."""
    return phone.dialled("4007", f"Replaces: {value}", "Require: replaces", *lines)


def registered_desk(world: Office) -> Phone:
    """Alice's other phone, known beside the first."""
    other = world.exchange.registrar.lookup("alice@switchboard.local", world.now)
    world.second.register()
    assert len(world.exchange.registrar.lookup("alice@switchboard.local", world.now)) == len(other) + 1
    return world.second


def test_a_phone_takes_the_call_of_another_of_its_account() -> None:
    """200 to the new one, BYE to the old one; the customer hears the new one, and one call is recorded."""
    world = Office()
    out, line = world.talk()
    desk = registered_desk(world)
    taken = take(world, desk, line.replaces())
    assert desk.peer.statuses[-1] == 200
    desk.confirmed(taken)
    assert line.over
    assert world.hears(world.carrier) == desk.peer.address[0]
    assert len(world.exchange.calls) == 1
    assert taken.send("BYE") == 200
    assert [request.call_id for request in world.carrier.received("BYE")] == [out.call_id]
    for peer in (world.phone, world.carrier):
        world.reply(peer, 200)
    let_go(world)
    (record,) = world.journal.records
    assert [leg.role for leg in record.legs] == ["caller", "agent", "agent"]
    assert record.ended_by == "agent"


def test_a_phone_takes_a_call_that_another_of_its_account_has_made() -> None:
    """The caller's leg is replaced as well as the called one's."""
    world = Office()
    line, theirs = world.consult()
    desk = registered_desk(world)
    taken = desk.confirmed(take(world, desk, line.replaces()))
    assert line.over
    assert world.hears(world.agent) == desk.peer.address[0]
    assert theirs.send("BYE") == 200
    assert taken.over


def test_a_phone_behind_a_proxy_that_takes_a_call_is_heard_from_where_it_says() -> None:
    """Audio does not come from the proxy; keys go as the account has them, and the account may still refer."""
    world = Office()
    world.exchange.settings = msgspec.structs.replace(world.exchange.settings, keys={"alice": "info"})
    line, _ = world.consult()
    desk = registered_desk(world)
    behind = Peer(("127.0.0.77", 5080), world.token, "behind")
    desk.peer.sdp = behind.sdp  # type: ignore[method-assign]
    taken = desk.confirmed(take(world, desk, line.replaces(), f"Record-Route: <sip:{DESK[0]}:{DESK[1]};lr>"))
    opened = world.plane.opened[world.lease_of(behind)]
    assert (opened.remote_ip, opened.latch_ip) == (behind.address[0], behind.address[0])
    (call,) = world.exchange.calls.values()
    assert (call.caller.account, call.caller.keys) == ("alice", "info")
    assert taken.refer("sip:bob@switchboard.local") == 202


@pytest.mark.parametrize(
    ("kind", "status"),
    [("unknown", 481), ("swapped", 481), ("ended", 603), ("early", 486), ("foreign", 403), ("bad", 400)],
)
def test_an_invite_that_may_not_replace(kind: str, status: int) -> None:
    """RFC 3891 §3; the calls that are up go on."""
    world = Office()
    _, first = world.talk()
    second, _ = world.consult()
    value = "x" if kind == "bad" else replaces_of(world, kind, first, second)
    desk = registered_desk(world)
    take(world, desk, value)
    assert desk.peer.statuses[-1] == status
    assert kind == "foreign" or world.hears(world.carrier) == world.phone.address[0]


def test_an_invite_with_replaces_must_offer_what_we_speak_and_may_not_join_as_well() -> None:
    """488 and 400."""
    world = Office()
    _, line = world.talk()
    desk = registered_desk(world)
    take(world, desk, line.replaces(), "Join: x;to-tag=1;from-tag=2")
    assert desk.peer.statuses[-1] == 400
    original, world.phone.sdp = world.phone.sdp, lambda *args, **kwargs: b""  # type: ignore[method-assign]
    desk.peer.sdp = world.phone.sdp  # type: ignore[method-assign]
    take(world, desk, line.replaces())
    assert desk.peer.statuses[-1] == 488
    world.phone.sdp = original  # type: ignore[method-assign]
    assert not line.over


def test_the_far_side_of_a_trunk_replaces_nobody() -> None:
    """403, even with all it takes to name the dialog."""
    world = Office()
    _, line = world.talk()
    world.dial("4007", headers=(f"Replaces: {line.replaces()}",))
    assert world.carrier.statuses[-1] == 403
    assert not line.over
