"""Reliable provisional responses (RFC 3262) both ways, and UPDATE in early dialogs (RFC 3311)."""

from __future__ import annotations

import msgspec
import pytest

from switchboard.calls.call import Call, Phase
from switchboard.calls.reliable import MAX_EARLY, Mode
from switchboard.sip.message import Response
from switchboard.sip.outgoing import OutgoingRequest
from tests.support.exchange import AGENT, CARRIER, SWITCH, Peer, World
from tests.unit.calls.phone_lines import Office

KNOWS = ("Supported: 100rel",)
WANTS = ("Require: 100rel", "Supported: 100rel")
CONTACT = (f"Contact: <sip:c@{CARRIER[0]}:{CARRIER[1]}>",)


def early(world: World, *headers: str) -> tuple[OutgoingRequest, Call]:
    """A call whose agent sends audio before it answers."""
    out, _ = world.dial("4001", headers=headers)
    describe(world, 183)
    (call,) = world.exchange.calls.values()
    return out, call


def describe(world: World, status: int, *headers: str, peer: Peer | None = None) -> None:
    """A response to the agent's INVITE with an answer in it."""
    peer = peer or world.agent
    index = max(i for i, (_, request) in enumerate(peer.requests) if request.method == "INVITE")
    world.reply(peer, status, body=peer.answer(peer.requests[index][1].body), index=index, headers=headers)


def latest(world: World) -> Response:
    """What the carrier has got last."""
    return world.carrier.responses[-1]


def prack(world: World, out: OutgoingRequest, response: Response, cseq: int = 2, body: bytes = b"") -> int:
    """Acknowledge a reliable response; the status of the PRACK."""
    rack = f"RAck: {response.headers.first['rseq']} {out.cseq} INVITE"
    world.within(world.carrier, out, "PRACK", cseq, headers=(rack,), body=body)
    return next(one.status for one in reversed(world.carrier.responses) if one.cseq_method == "PRACK")


# --- to callers ---


@pytest.mark.parametrize(
    ("headers", "mode", "reliable"),
    [
        ((), "supported", False),
        (KNOWS, "off", False),
        (KNOWS, "supported", True),
        (WANTS, "supported", True),
        (KNOWS, "required", True),
    ],
)
def test_early_media_is_told_reliably(headers: tuple[str, ...], mode: str, reliable: bool) -> None:
    """To callers who know the extension, where it is configured."""
    world = World(reliable=mode)  # type: ignore[arg-type]
    early(world, *headers)
    response = latest(world)
    assert response.status == 183
    assert response.body
    assert ("rseq" in response.headers, response.headers.first.get("require")) == (
        reliable,
        "100rel" if reliable else None,
    )


@pytest.mark.parametrize(("headers", "reliable"), [(KNOWS, False), (WANTS, True)])
def test_ringing_is_told_reliably_to_those_who_require_it(headers: tuple[str, ...], reliable: bool) -> None:
    """Who only knows the extension gets a 180 as ever."""
    world = World(reliable="supported")
    world.dial("4001", headers=headers)
    world.reply(world.agent, 180)
    assert latest(world).status == 180
    assert ("rseq" in latest(world).headers) is reliable


def test_it_is_sent_until_it_is_acknowledged() -> None:
    """After 0.5, 1, 2, … s; the PRACK is answered, and ends that (RFC 3262 §3)."""
    world = World(reliable="supported")
    out, _ = early(world, *KNOWS)
    world.advance(3.6)
    assert world.carrier.statuses.count(183) == 4
    assert len({one.headers.first["rseq"] for one in world.carrier.responses if one.status == 183}) == 1
    assert prack(world, out, latest(world)) == 200
    world.advance(20)
    assert world.carrier.statuses.count(183) == 4


def test_one_that_is_never_acknowledged_ends_the_call() -> None:
    """With a 5xx after 64·T1, and a cause of its own."""
    world = World(reliable="supported")
    early(world, *KNOWS)
    world.exchange.calls[next(iter(world.exchange.calls))].ring_due = None
    world.advance(31.9)
    assert world.exchange.calls
    world.advance(0.2)
    assert latest(world).status == 504
    world.reply(world.agent, 487)
    world.advance(60)
    assert world.journal.records[0].cause == "no_prack"
    assert world.leftovers() == {}


@pytest.mark.parametrize("rack", ["RAck: 1 1 INVITE", "RAck: {} 2 INVITE", "RAck: {} 1 UPDATE"])
def test_a_prack_of_something_else(rack: str) -> None:
    """481, and the response is sent on."""
    world = World(reliable="supported")
    out, _ = early(world, *KNOWS)
    line = rack.format(latest(world).headers.first["rseq"])
    world.within(world.carrier, out, "PRACK", 2, headers=(line,))
    assert world.carrier.statuses[-1] == 481
    world.advance(0.5)
    assert world.carrier.statuses[-1] == 183


@pytest.mark.parametrize("headers", [(), ("RAck: 1 INVITE",), ("RAck: one 1 INVITE",)])
def test_a_prack_that_cannot_be_read(headers: tuple[str, ...]) -> None:
    """400."""
    world = World(reliable="supported")
    out, _ = early(world, *KNOWS)
    world.within(world.carrier, out, "PRACK", 2, headers=headers)
    assert world.carrier.statuses[-1] == 400


def test_the_answer_waits_for_the_prack_of_our_description() -> None:
    """The agent has answered already; the 200 follows the PRACK (RFC 3262 §3), and the dialog goes on counting."""
    world = World(reliable="supported")
    out, call = early(world, *KNOWS)
    response = latest(world)
    describe(world, 200)
    assert call.phase is Phase.TALKING
    assert 200 not in world.carrier.statuses
    assert len(world.plane.bridges) == 2
    prack(world, out, response)
    assert world.carrier.statuses[-2:] == [200, 200]
    assert latest(world).cseq_method == "INVITE"
    assert latest(world).to_tag == response.to_tag
    world.within(world.carrier, out, "ACK", 1)
    assert call.caller.talking
    world.within(world.carrier, out, "BYE", 1)
    assert world.carrier.statuses[-1] == 500
    world.within(world.carrier, out, "BYE", 3)
    assert world.carrier.statuses[-1] == 200
    world.reply(world.agent, 200)
    world.advance(70)
    assert world.leftovers() == {}


def test_a_prack_that_comes_after_the_ack_is_answered() -> None:
    """The 200 did not wait for it, since the ringing described nothing; a repeated one acknowledges nothing."""
    world = World(reliable="supported")
    out, _ = world.dial("4001", headers=WANTS)
    world.reply(world.agent, 180)
    ringing = latest(world)
    world.agent_answers()
    assert latest(world).status == 200
    world.within(world.carrier, out, "ACK", 1)
    assert prack(world, out, ringing, 2) == 200
    assert prack(world, out, ringing, 3) == 481
    (call,) = world.exchange.calls.values()
    assert call.phase is Phase.TALKING


def test_the_next_provisional_response_waits_too() -> None:
    """One at a time, each with the next RSeq (RFC 3262 §3)."""
    world = World(reliable="supported")
    out, _ = world.dial("4001", headers=WANTS)
    world.reply(world.agent, 180)
    first = latest(world)
    describe(world, 183)
    assert 183 not in world.carrier.statuses
    prack(world, out, first)
    second = latest(world)
    assert (second.status, bool(second.body)) == (183, True)
    assert int(second.headers.first["rseq"]) == int(first.headers.first["rseq"]) + 1
    assert prack(world, out, second, 3) == 200


def test_a_200_without_need_of_the_prack_does_not_wait() -> None:
    """A 180 describes nothing."""
    world = World(reliable="supported")
    out, _ = world.dial("4001", headers=WANTS)
    world.reply(world.agent, 180)
    describe(world, 200)
    assert world.carrier.statuses[-1] == 200
    world.within(world.carrier, out, "ACK", 1)
    world.advance(5)
    assert world.carrier.statuses.count(180) == 1


def test_a_prack_with_an_offer() -> None:
    """It is answered in the 200 of the PRACK (RFC 3262 §5)."""
    world = World(reliable="supported")
    out, call = early(world, *KNOWS)
    assert prack(world, out, latest(world), body=world.carrier.sdp(47000)) == 200
    assert b"m=audio" in latest(world).body
    assert call.caller.lease is not None
    assert world.plane.opened[call.caller.lease.port].remote_port == 47000


def test_who_cancels_while_the_answer_waits() -> None:
    """487, and both sides are told."""
    world = World(reliable="supported")
    _, tx = world.dial("4001", headers=KNOWS)
    describe(world, 183)
    describe(world, 200)
    world.carrier.core.cancel(tx, world.now)
    world.run()
    assert 487 in world.carrier.statuses
    assert world.agent.received("BYE")
    world.reply(world.agent, 200)
    world.advance(70)
    assert world.journal.records[0].cause == "cancelled"
    assert world.leftovers() == {}


@pytest.mark.parametrize(("mode", "status"), [("supported", 183), ("off", 183), ("off", 180)])
def test_bye_in_an_early_dialog_is_as_good_as_cancel(mode: Mode, status: int) -> None:
    """The INVITE gets its 487 (RFC 3261 §15), whether or not what has begun the dialog was sent reliably."""
    world = World(reliable=mode)
    out, _ = world.dial("4001", headers=KNOWS)
    if status == 183:
        describe(world, 183)
    else:
        world.reply(world.agent, 180)
    world.within(world.carrier, out, "BYE", 2)
    assert {487, 200} <= set(world.carrier.statuses)
    world.reply(world.agent, 487, index=0)
    world.advance(70)
    assert world.journal.records[0].cause == "cancelled"
    assert world.leftovers() == {}


@pytest.mark.parametrize("method", ["REFER", "NOTIFY"])
def test_what_an_early_dialog_does_not_take(method: str) -> None:
    """403."""
    world = World(reliable="supported")
    out, _ = early(world, *KNOWS)
    world.within(world.carrier, out, method, 2, headers=("Refer-To: <sip:4004@127.0.0.1>", "Event: refer"))
    assert world.carrier.statuses[-1] == 403


def test_an_early_dialog_that_nothing_reliable_has_begun() -> None:
    """Our answer to its offer is still to come, so another must wait (RFC 3311 §5.2); a Contact and keys need not."""
    world = World()
    out, call = early(world)
    world.within(world.carrier, out, "UPDATE", 2, body=world.carrier.sdp(47000), headers=CONTACT)
    assert (latest(world).status, latest(world).headers.first["retry-after"]) == (500, "1")
    world.within(world.carrier, out, "UPDATE", 3, headers=(f"Contact: <sip:new@{CARRIER[0]}:{CARRIER[1]}>",))
    assert latest(world).status == 200
    world.within(world.carrier, out, "INFO", 4, body=b"Signal=1\r\n", content_type="application/dtmf-relay")
    assert latest(world).status == 200
    describe(world, 200)
    assert (latest(world).status, latest(world).cseq_method) == (200, "INVITE")
    world.within(world.carrier, out, "ACK", 1)
    assert call.caller.dialog is not None
    assert call.caller.dialog.remote_target == f"sip:new@{CARRIER[0]}:{CARRIER[1]}"
    world.hang_up(world.agent)
    assert [bye.uri for bye in world.carrier.received("BYE")] == [f"sip:new@{CARRIER[0]}:{CARRIER[1]}"]


def test_update_in_an_early_dialog() -> None:
    """500 while our answer waits for its PRACK, an answer afterwards (RFC 3311 §5.2)."""
    world = World(reliable="supported")
    out, call = early(world, *KNOWS)
    response = latest(world)
    world.within(world.carrier, out, "UPDATE", 2, body=world.carrier.sdp(47000), headers=CONTACT)
    assert (latest(world).status, latest(world).headers.first["retry-after"]) == (500, "1")
    prack(world, out, response, 3)
    world.within(world.carrier, out, "UPDATE", 4, body=world.carrier.sdp(47000), headers=CONTACT)
    assert latest(world).status == 200
    assert b"m=audio" in latest(world).body
    assert call.caller.lease is not None
    assert world.plane.opened[call.caller.lease.port].remote_port == 47000
    describe(world, 200)
    assert world.carrier.statuses[-1] == 200


def test_a_session_timer_runs_from_the_answer_on() -> None:
    """An UPDATE while it rings agrees on none (RFC 4028 §7.2): who waits longer than that is not given up."""
    world = World(reliable="supported", ring_timeout=600)
    out, _ = early(world, "Supported: 100rel, timer", "Session-Expires: 300;refresher=uac")
    prack(world, out, latest(world))
    world.within(world.carrier, out, "UPDATE", 3, headers=("Supported: timer", "Session-Expires: 90;refresher=uac"))
    assert (latest(world).status, "session-expires" in latest(world).headers.first) == (200, False)
    world.advance(200)
    assert not world.agent.received("CANCEL")
    describe(world, 200)
    answered = world.carrier.responses[-1]
    assert (answered.status, answered.headers.first["session-expires"]) == (200, "300;refresher=uac")


def test_an_offerless_caller_who_requires_it_hears_nothing_before_the_200() -> None:
    """A reliable response would have to bring our offer, which is for the 200."""
    world = World(reliable="supported")
    world.dial("4001", headers=WANTS, body=b"")
    world.reply(world.agent, 180)
    assert 180 not in world.carrier.statuses
    describe(world, 200)
    assert world.carrier.statuses[-1] == 200


@pytest.mark.parametrize(
    ("mode", "headers", "status", "line"),
    [
        ("off", WANTS, 420, ("unsupported", "100rel")),
        ("required", (), 421, ("require", "100rel")),
    ],
)
def test_who_does_not_fit(mode: str, headers: tuple[str, ...], status: int, line: tuple[str, str]) -> None:
    """It is told what is missing, or what is not known here."""
    world = World(reliable=mode)  # type: ignore[arg-type]
    world.dial("4001", headers=headers)
    assert latest(world).status == status
    assert latest(world).headers.first[line[0]] == line[1]
    assert not world.exchange.calls


# --- from called parties ---


@pytest.mark.parametrize(
    ("mode", "lines"), [("off", []), ("supported", ["Supported: 100rel"]), ("required", ["Require: 100rel"])]
)
def test_what_our_invite_says(mode: str, lines: list[str]) -> None:
    """As configured."""
    world = World(reliable=mode)  # type: ignore[arg-type]
    world.dial("4001", headers=KNOWS)
    invite = next(wire for wire in world.agent.wire if wire.startswith(b"INVITE"))
    assert [line for line in invite.decode().splitlines() if "100rel" in line] == lines


def test_a_reliable_response_is_acknowledged_once() -> None:
    """Repeated or out of order it is nothing; the next in order is (RFC 3262 §4)."""
    world = World(reliable="supported")
    world.dial("4001")
    for rseq in (7, 7, 9, 8, 7, 9):
        world.reply(world.agent, 180, headers=("Require: 100rel", f"RSeq: {rseq}"), index=0)
    pracks = world.agent.received("PRACK")
    assert [(one.headers.first["rack"], one.cseq) for one in pracks] == [
        ("7 1 INVITE", 2),
        ("8 1 INVITE", 3),
        ("9 1 INVITE", 4),
    ]


def test_an_early_dialog_that_is_over_is_heard_no_more() -> None:
    """199 (RFC 6228 §4) is acknowledged where it is reliable, and ends the early media of its dialog."""
    world = World(reliable="supported")
    world.dial("4001")
    describe(world, 183, "Require: 100rel", "RSeq: 1")
    assert len(world.plane.bridges) == 2
    world.reply(world.agent, 199, index=0, headers=("Require: 100rel", "RSeq: 2"))
    assert len(world.agent.received("PRACK")) == 2
    assert len(world.plane.bridges) == 0
    assert world.carrier.statuses == [183]
    describe(world, 200)
    assert len(world.plane.bridges) == 2
    assert world.carrier.statuses == [183, 200]
    world.hang_up(world.agent)
    world.advance(80)
    assert world.leftovers() == {}


def test_early_media_that_needed_no_prack_ends_with_its_dialog() -> None:
    """So too where neither the description nor the 199 is reliable."""
    world = World()
    world.dial("4001")
    describe(world, 183)
    assert len(world.plane.bridges) == 2
    world.reply(world.agent, 199, index=0)
    assert len(world.plane.bridges) == 0
    describe(world, 200)
    assert len(world.plane.bridges) == 2
    world.hang_up(world.agent)
    world.advance(80)
    assert world.leftovers() == {}


def test_a_dialog_goes_on_counting_after_its_pracks() -> None:
    """BYE has a CSeq above theirs, ACK that of the INVITE."""
    world = World(reliable="supported")
    out, _ = world.dial("4001")
    describe(world, 183, "Require: 100rel", "RSeq: 1")
    assert world.carrier.statuses[-1] == 183
    index = next(i for i, (_, request) in enumerate(world.agent.requests) if request.method == "INVITE")
    world.reply(world.agent, 200, index=index)
    assert world.agent.acks[-1].cseq == 1
    assert world.carrier.statuses[-1] == 200
    world.within(world.carrier, out, "ACK", 1)
    world.within(world.carrier, out, "BYE", 2)
    assert [one.cseq for one in world.agent.received("BYE")] == [3]


def ask(world: World, method: str, cseq: int, body: bytes = b"", *, tag: str = "", at: str = "agent") -> int:
    """A request of the called side in an early dialog, its own or that of another `tag`; the status of the answer."""
    tx, invite = next((tx, request) for tx, request in world.agent.requests if request.method == "INVITE")
    out = OutgoingRequest(
        method,
        f"sip:{SWITCH[0]}:{SWITCH[1]}",
        SWITCH,
        from_=f"{invite.headers.get('to')};tag={tag or tx.to_tag}",
        to=invite.headers.first["from"],
        call_id=invite.call_id,
        cseq=cseq,
        headers=(f"Contact: <sip:{at}@{AGENT[0]}:{AGENT[1]}>",),
        body=body,
    )
    world.agent.core.request(out, world.now)
    world.run()
    return world.agent.statuses[-1]


def fork(world: World, status: int, tag: str, *headers: str, port: int = 0) -> None:
    """A response of one more who has got the agent's INVITE, with media at a port where that is not 0."""
    invite = world.agent.received("INVITE")[0]
    world.reply(world.agent, 180, index=0)
    said = next(data for source, _, data in reversed(world.sent) if source == AGENT and b" 180 " in data)
    lines = [one for one in said.decode().split("\r\n") if one and not one.startswith(("Content-", "To:", "SIP/2.0"))]
    body = world.agent.answer(invite.body, port) if port else b""
    described = ("Content-Type: application/sdp",) if port else ()
    head = (f"SIP/2.0 {status} Forked", f"To: {invite.headers.get('to')};tag={tag}", *lines, *headers, *described)
    text = "\r\n".join((*head, f"Content-Length: {len(body)}", "", ""))
    world.core.receive(text.encode() + body, AGENT, world.now)
    world.run()


def test_an_update_in_an_early_dialog_that_nothing_reliable_began() -> None:
    """It is answered, and moves the target: the ACK goes there until the 2xx says otherwise (RFC 3311 §5.2)."""
    world = World()
    world.dial("4001")
    world.reply(world.agent, 180)
    assert ask(world, "UPDATE", 1, at="elsewhere") == 200
    (call,) = world.exchange.calls.values()
    assert call.agent is not None
    assert call.agent.dialog is not None
    assert call.agent.dialog.remote_target == f"sip:elsewhere@{AGENT[0]}:{AGENT[1]}"
    assert ask(world, "UPDATE", 1, tag="unknown") == 481
    assert ask(world, "UPDATE", 0) == 500
    assert [ask(world, method, cseq) for cseq, method in enumerate(("OPTIONS", "BYE", "INVITE"), 2)] == [200, 403, 500]
    world.agent_answers()
    assert world.agent.acks[-1].cseq == 1
    world.hang_up(world.agent)
    world.advance(70)
    assert world.leftovers() == {}


def test_an_offer_of_the_called_side_must_wait_for_its_answer() -> None:
    """491: what is not reliable is no answer to ours (RFC 3262 §5); that of the 2xx is taken."""
    world = World()
    world.dial("4001")
    describe(world, 183)
    assert len(world.plane.bridges) == 2
    assert ask(world, "UPDATE", 1, world.agent.sdp(48000)) == 491
    (call,) = world.exchange.calls.values()
    assert call.agent is not None
    assert call.agent.lease is not None
    port = call.agent.lease.port
    assert world.plane.opened[port].remote_port == 41000
    body = world.agent.answer(world.agent.received("INVITE")[0].body, 49000)
    world.reply(world.agent, 200, body=body, index=0)
    assert world.plane.opened[port].remote_port == 49000


def test_what_was_heard_before_it_was_said_reliably_may_be_changed() -> None:
    """The reliable description is the answer to our offer: an UPDATE may follow, and is not undone by the 2xx."""
    world = World(reliable="supported")
    world.dial("4001")
    describe(world, 183)
    describe(world, 183, "Require: 100rel", "RSeq: 5")
    assert [one.headers.first["rack"] for one in world.agent.received("PRACK")] == ["5 1 INVITE"]
    assert ask(world, "UPDATE", 1, world.agent.sdp(48000)) == 200
    world.reply(world.agent, 200, index=0)
    (call,) = world.exchange.calls.values()
    assert call.agent is not None
    assert call.agent.lease is not None
    assert world.plane.opened[call.agent.lease.port].remote_port == 48000


def test_each_of_those_who_ring_has_its_early_dialog() -> None:
    """An UPDATE of any is answered; one with an offer only of the one whose media is gone by (RFC 3261 §12.1.2)."""
    world = World(reliable="supported")
    world.dial("4001")
    for tag in ("one", "two"):
        fork(world, 183, tag, "Require: 100rel", "RSeq: 1", port=48000)
    assert [ask(world, "UPDATE", 1, tag=tag) for tag in ("one", "two", "three")] == [200, 200, 481]
    offers = [ask(world, "UPDATE", 2, world.agent.sdp(48010), tag=tag) for tag in ("one", "two")]
    assert offers == [200, 491]
    fork(world, 200, "two")
    (call,) = world.exchange.calls.values()
    assert call.agent is not None
    assert call.agent.lease is not None
    assert world.plane.opened[call.agent.lease.port].remote_port == 48000
    fork(world, 200, "one")
    assert [one.to_tag for one in world.agent.received("BYE")] == ["one"]


def test_who_answers_a_transfer_is_talked_to_though_another_has_described_media_later() -> None:
    """Of two who ring with answers of their own, the one who takes the call keeps its own."""
    office = Office()
    office.exchange.settings = msgspec.structs.replace(office.exchange.settings, reliable="supported")
    _, line = office.talk()
    assert line.refer("sip:4001@switchboard.local") == 202
    fork(office, 183, "one", "Require: 100rel", "RSeq: 1", port=48000)
    fork(office, 183, "two", "Require: 100rel", "RSeq: 1", port=48002)
    fork(office, 200, "one")
    (call,) = office.exchange.calls.values()
    assert call.agent is not None
    assert call.agent.lease is not None
    assert office.plane.opened[call.agent.lease.port].remote_port == 48000


def test_there_are_only_so_many_early_dialogs() -> None:
    """Of those that nothing reliable began none is known beyond that, and reliable ones have room of their own."""
    world = World(reliable="supported")
    world.dial("4001")
    for n in range(MAX_EARLY + 2):
        fork(world, 180, f"unreliable{n}")
    (call,) = world.exchange.calls.values()
    assert call.agent is not None
    assert len(call.agent.early) == MAX_EARLY
    fork(world, 183, "reliable", "Require: 100rel", "RSeq: 1")
    assert [one.to_tag for one in world.agent.received("PRACK")] == ["reliable"]


def test_an_update_of_the_called_side_before_it_answers() -> None:
    """Its early dialog is known, and its media moves (RFC 3311)."""
    world = World(reliable="supported")
    world.dial("4001")
    describe(world, 183, "Require: 100rel", "RSeq: 1")
    (call,) = world.exchange.calls.values()
    assert ask(world, "UPDATE", 1, world.agent.sdp(48000)) == 200
    assert call.agent is not None
    assert call.agent.lease is not None
    port = call.agent.lease.port
    assert world.plane.opened[port].remote_port == 48000
    world.reply(world.agent, 200, index=0)
    assert world.carrier.statuses[-1] == 200
    assert world.plane.opened[port].remote_port == 48000


def test_nothing_is_acknowledged_where_it_was_not_offered() -> None:
    """A response that requires what we did not offer is a provisional response like others."""
    world = World()
    world.dial("4001")
    world.reply(world.agent, 180, headers=("Require: 100rel", "RSeq: 1"))
    assert not world.agent.received("PRACK")
    assert world.carrier.statuses[-1] == 180
