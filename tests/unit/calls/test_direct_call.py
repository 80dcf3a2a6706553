"""A number that leads straight to a target: what each side hears, whoever ends it and whenever."""

from __future__ import annotations

import msgspec
import pytest

from media.events import StreamStats
from switchboard.calls.call import Call
from switchboard.sip.message import Response
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.store.records import decode_snapshot
from switchboard.store.segments import Kind
from tests.support.exchange import AGENT, CARRIER, NUMBER, SWITCH, World


def connected(number: str = "4001") -> tuple[World, object]:
    """A world in which the carrier and the agent talk."""
    world = World()
    out, _ = world.dial(number)
    world.reply(world.agent, 180)
    world.agent_answers()
    world.within(world.carrier, out, "ACK", 1)
    return world, out


def test_a_call_is_set_up_and_its_audio_joined() -> None:
    """The agent's 180 and 200 reach the caller, both streams are opened and bridged."""
    world, _ = connected()
    assert world.carrier.statuses == [180, 200]
    assert len(world.agent.acks) == 1
    ports = [command[1] for command in world.plane.named("open")]
    assert len(ports) == 2
    assert set(world.plane.bridges) == set(ports)


def test_nothing_of_the_caller_reaches_the_agent() -> None:
    """Call-ID, tags, Via, Contact, From and the SDP origin of one side are unknown to the other."""
    world = World()
    out, _ = world.dial(
        "4001", caller="13911112222", headers=("Subject: 13911112222", "P-Asserted-Identity: <sip:13911112222@x>")
    )
    world.reply(world.agent, 183, body=world.agent.answer(world.agent.requests[-1][1].body))
    world.agent_answers()
    to_agent = b"".join(data for source, destination, data in world.sent if destination == AGENT)
    to_carrier = b"".join(data for source, destination, data in world.sent if destination == CARRIER)
    for secret in (b"13911112222", CARRIER[0].encode(), out.call_id.encode(), b"User-Agent: carrier"):
        assert secret not in to_agent
    assert AGENT[0].encode() not in to_carrier
    assert world.agent.requests[0][1].call_id.encode() not in to_carrier
    assert b"Server: agent" not in to_carrier


@pytest.mark.parametrize(
    ("status", "expected", "cause"),
    [
        (486, 486, "busy"),
        (480, 480, "no_answer"),
        (404, 404, "unknown"),
        (603, 603, "declined"),
        (600, 486, "busy"),
        (488, 488, "not_acceptable"),
        (503, 503, "congestion"),
        (302, 480, "unreachable"),
        (399, 500, "failed"),
        (401, 500, "failed"),
        (500, 500, "failed"),
    ],
)
def test_a_refusal_reaches_the_caller_as_a_cause(status: int, expected: int, cause: str) -> None:
    """The agent's final response is mapped, with the Q.850 cause in Reason."""
    world = World()
    world.dial("4001")
    world.reply(world.agent, status)
    assert world.carrier.statuses == [expected]
    assert "Q.850;cause=" in (world.carrier.responses[-1].headers.get("reason") or "")
    world.advance(40)
    assert world.leftovers() == {}
    (record,) = world.journal.records
    assert record.cause == cause
    assert record.ended_by == "agent"
    assert (record.sip_status, record.legs[0].sip_status, record.legs[1].sip_status) == (expected, expected, status)


def test_the_caller_hangs_up_while_talking() -> None:
    """Its BYE is answered, the agent gets one, the record says who ended it and what the media counted."""
    world, out = connected()
    world.plane.stats = StreamStats(received=50, sent=49, lost=1, jitter_ms=0.25)
    world.within(world.carrier, out, "BYE", 2, headers=("Reason: Q.850;cause=31",))
    assert world.carrier.statuses[-1] == 200
    (bye,) = world.agent.received("BYE")
    assert "cause=31" in (bye.headers.get("reason") or "")
    world.reply(world.agent, 200)
    world.advance(40)
    assert world.leftovers() == {}
    (record,) = world.journal.records
    assert (record.ended_by, record.cause, record.q850) == ("caller", "normal", 31)
    assert [leg.media.received for leg in record.legs if leg.media] == [50, 50]
    assert [segment.kind for segment in record.segments] == ["ring", "talk"]
    assert all(segment.ended_us is not None for segment in record.segments)


def test_the_agent_hangs_up_while_talking() -> None:
    """The caller gets a BYE and everything is given back."""
    world, _ = connected()
    world.hang_up(world.agent)
    assert [request.method for _, request in world.carrier.requests] == ["BYE"]
    world.reply(world.carrier, 200)
    world.advance(40)
    assert world.leftovers() == {}
    assert world.journal.records[0].ended_by == "agent"


def test_the_caller_cancels_while_it_rings() -> None:
    """CANCEL gets 200, the INVITE 487, the agent a CANCEL of its own."""
    world = World()
    _, tx = world.dial("4001")
    world.reply(world.agent, 180)
    world.carrier.core.cancel(tx, world.now)
    world.run()
    assert world.carrier.statuses[-1] == 487
    assert len(world.agent.cancelled) == 1
    world.agent.core.respond(world.agent.cancelled[0], 487, now=world.now)
    world.advance(40)
    assert world.leftovers() == {}
    assert (world.journal.records[0].cause, world.journal.records[0].sip_status) == ("cancelled", 487)


@pytest.mark.parametrize(
    ("given", "told", "q850"),
    [
        ('SIP;cause=200;text="elsewhere <sip:13956781234@h>"', 'SIP;cause=200;text="Call completed elsewhere"', 26),
        ("Q.850;cause=16, SIP ; cause=200", 'SIP;cause=200;text="Call completed elsewhere"', 26),
        ('Q.850;cause=31;text="13956781234"', 'Q.850;cause=31;text="cancelled"', 31),
        ("SIP;cause=2000", 'Q.850;cause=16;text="cancelled"', 16),
        ("nonsense", 'Q.850;cause=16;text="cancelled"', 16),
    ],
)
def test_why_a_caller_cancels_is_told_to_whom_it_rings(given: str, told: str, q850: int) -> None:
    """A phone does not show as missed what was taken elsewhere (RFC 3326 §1); the text is ours."""
    world = World()
    _, tx = world.dial("4001")
    world.reply(world.agent, 180)
    world.carrier.core.cancel(tx, world.now, (f"Reason: {given}",))
    world.run()
    assert world.agent.cancels[-1].headers.getall("reason") == [told]
    world.agent.core.respond(world.agent.cancelled[0], 487, now=world.now)
    world.advance(40)
    record = world.journal.records[0]
    assert (record.cause, record.q850, record.sip_status) == ("cancelled", q850, 487)


def test_an_invite_that_expires_while_it_rings() -> None:
    """487 when the seconds of its Expires are over (RFC 3261 §13.3.1), CANCEL for the agent."""
    world = World(ring_timeout=60)
    world.dial("4001", headers=("Expires: 12",))
    world.reply(world.agent, 180)
    world.advance(11.9)
    assert world.carrier.statuses == [180]
    world.advance(0.2)
    assert world.carrier.statuses == [180, 487]
    assert len(world.agent.cancelled) == 1
    world.agent.core.respond(world.agent.cancelled[0], 487, now=world.now)
    world.advance(40)
    assert world.leftovers() == {}
    record = world.journal.records[0]
    assert (record.cause, record.sip_status, record.ended_by) == ("expired", 487, "switch")


def test_an_invite_that_is_worth_nothing_when_it_comes() -> None:
    """Expires of 0 is over at once."""
    world = World()
    world.dial("4001", headers=("Expires: 0",))
    world.advance(0)
    assert world.carrier.statuses == [487]


@pytest.mark.parametrize("expires", ["12", "99999999999999999999", "soon", "-1", ""])
def test_a_call_that_is_answered_in_time_lasts_as_long_as_any(expires: str) -> None:
    """Expires is about the invitation, not the session; one that is malformed says nothing."""
    world = World()
    out, _ = world.dial("4001", headers=(f"Expires: {expires}",))
    world.reply(world.agent, 180)
    world.advance(5)
    world.agent_answers()
    world.within(world.carrier, out, "ACK", 1)
    longest = world.exchange.settings.call_duration
    world.advance(longest - 5.1)
    assert world.carrier.statuses == [180, 200]
    assert world.carrier.received("BYE") == []
    world.advance(0.2)
    assert len(world.carrier.received("BYE")) == 1


def test_an_early_dialog_that_ends_is_no_ringing() -> None:
    """199 (RFC 6228) tells the caller nothing, and is no sign that a phone rings; another one may still ring."""
    world = World()
    world.dial("4001")
    world.reply(world.agent, 199)
    assert world.carrier.statuses == []
    world.reply(world.agent, 180)
    assert world.carrier.statuses == [180]
    world.reply(world.agent, 199)
    assert world.carrier.statuses == [180]
    world.agent_answers()
    assert world.carrier.statuses == [180, 200]


def test_a_cancel_before_the_agent_said_anything_waits_for_it() -> None:
    """No CANCEL goes out before a provisional response (RFC 3261 §9.1); it follows the first one."""
    world = World()
    _, tx = world.dial("4001")
    world.lost = lambda destination, data: destination == SWITCH and data.startswith(b"SIP/2.0 100")
    world.advance(0.3)
    world.carrier.core.cancel(tx, world.now)
    world.run()
    assert world.carrier.statuses[-1] == 487
    assert world.agent.cancelled == []
    world.reply(world.agent, 180)
    assert len(world.agent.cancelled) == 1
    world.agent.core.respond(world.agent.cancelled[0], 487, now=world.now)
    world.advance(40)
    assert world.leftovers() == {}


def test_an_answer_that_crosses_the_cancel_is_acknowledged_and_ended() -> None:
    """The agent's 200 after the caller gave up gets an ACK and a BYE (RFC 3261 §13.2.2.4)."""
    world = World()
    _, tx = world.dial("4001")
    world.reply(world.agent, 180)
    world.lost = lambda destination, data: destination == AGENT and data.startswith(b"CANCEL")
    world.carrier.core.cancel(tx, world.now)
    world.run()
    world.lost = lambda destination, data: False
    world.agent_answers()
    assert len(world.agent.acks) == 1
    assert len(world.agent.received("BYE")) == 1
    world.reply(world.agent, 200)
    world.advance(40)
    assert world.leftovers() == {}


def test_nobody_answers_within_the_ring_timeout() -> None:
    """The agent gets a CANCEL, the caller 480 with cause 19."""
    world = World(ring_timeout=20.0)
    world.dial("4001")
    world.reply(world.agent, 180)
    world.advance(21)
    assert world.carrier.statuses[-1] == 480
    assert "cause=19" in (world.carrier.responses[-1].headers.get("reason") or "")
    world.agent.core.respond(world.agent.cancelled[0], 487, now=world.now)
    world.advance(40)
    assert world.leftovers() == {}
    (record,) = world.journal.records
    assert (record.cause, record.ended_by, record.sip_status) == ("no_answer", "switch", 480)


def test_an_agent_that_is_not_there_ends_the_attempt() -> None:
    """With every INVITE lost, Timer B or the ring timeout ends the call and nothing stays."""
    world = World(ring_timeout=60.0)
    world.lost = lambda destination, data: destination == AGENT
    world.dial("4001")
    world.advance(33)
    assert world.carrier.statuses[-1] == 480
    world.advance(40)
    assert world.leftovers() == {}
    assert (world.journal.records[0].cause, world.journal.records[0].ended_by) == ("timeout", "switch")


def test_a_carrier_that_repeats_everything_makes_one_call() -> None:
    """Every datagram arrives twice: one call, one record, nothing left."""
    world = World(copies=2)
    out, _ = world.dial("4001")
    world.reply(world.agent, 180)
    world.agent_answers()
    world.within(world.carrier, out, "ACK", 1)
    world.within(world.carrier, out, "BYE", 2)
    world.reply(world.agent, 200)
    world.advance(40)
    assert world.leftovers() == {}
    assert len(world.journal.records) == 1
    assert len(world.agent.received("INVITE")) == 1


def test_a_caller_that_never_acknowledges_is_hung_up() -> None:
    """After 64*T1 without an ACK both sides get a BYE."""
    world = World()
    world.dial("4001")
    world.agent_answers()
    world.lost = lambda destination, data: destination == SWITCH and data.startswith(b"ACK")
    world.advance(33)
    assert world.carrier.received("BYE")
    assert world.agent.received("BYE")
    world.advance(40)
    assert world.leftovers() == {}
    assert world.journal.records[0].cause == "no_ack"


def test_a_second_answer_of_a_fork_is_refused() -> None:
    """A 2xx with another tag is acknowledged and ended, the call goes on."""
    world, _ = connected()
    first = next(data for source, _, data in world.sent if source == AGENT and b"200 OK" in data)
    to = next(line for line in first.decode().split("\r\n") if line.startswith("To:"))
    tag = to.partition(";tag=")[2]
    world.core.receive(first.replace(tag.encode(), b"another"), AGENT, world.now)
    world.run()
    ends = [data for _, destination, data in world.sent if destination == AGENT and b";tag=another" in data]
    assert [data.partition(b" ")[0] for data in ends] == [b"ACK", b"BYE"]
    assert len(world.exchange.calls) == 1


def test_early_media_is_bridged_before_the_answer() -> None:
    """A 183 with a description opens both streams and reaches the caller with ours."""
    world = World()
    world.dial("4001")
    world.reply(world.agent, 183, body=world.agent.answer(world.agent.requests[-1][1].body))
    assert world.carrier.statuses == [183]
    assert b"m=audio" in world.carrier.responses[-1].body
    assert len(world.plane.bridges) == 2
    world.agent_answers()
    assert world.carrier.statuses == [183, 200]


@pytest.mark.parametrize(("status", "told"), [(180, 180), (181, 181), (182, 182), (183, 183), (170, 183)])
@pytest.mark.parametrize("before", [(), (180,)])
def test_progress_without_media_is_told_as_it_is(before: tuple[int, ...], status: int, told: int) -> None:
    """A 183 does not say that it rings, nor that the caller would hear anything (RFC 3960 §3.2)."""
    world = World()
    world.dial("4001")
    for one in (*before, status):
        world.reply(world.agent, one)
    assert world.carrier.statuses == [*before, told]
    assert [one.body for one in world.carrier.responses] == [b""] * len(world.carrier.statuses)
    assert world.plane.bridges == {}
    world.agent_answers()
    assert world.carrier.statuses[-1] == 200


@pytest.mark.parametrize("offered", [True, False])
def test_media_that_cannot_be_heard_is_told_as_ringing(*, offered: bool) -> None:
    """Nothing in common with the called party, or no offer yet: the caller's phone has to sound by itself."""
    world = World()
    world.dial("4001", body=None if offered else b"")
    sdp = world.agent.answer(world.agent.requests[-1][1].body)
    world.reply(world.agent, 183, body=sdp.replace(b"RTP/AVP 8", b"RTP/AVP 77") if offered else sdp)
    assert [(one.status, one.body) for one in world.carrier.responses] == [(180, b"")]


def test_a_caller_without_an_offer_answers_in_its_ack() -> None:
    """The 200 carries our offer, the ACK the answer; then the streams are joined."""
    world = World()
    out, _ = world.dial("4001", body=b"")
    world.agent_answers()
    offer = world.carrier.responses[-1].body
    assert b"m=audio" in offer
    world.within(world.carrier, out, "ACK", 1, body=world.carrier.answer(offer))
    assert len(world.plane.bridges) == 2


def test_different_codecs_on_both_sides_are_told_to_the_media_plane() -> None:
    """A caller with mu-law only and an agent with A-law only still talk."""
    world = World()
    world.dial("4001", body=world.carrier.sdp(codecs=("PCMU",)))
    offer = world.agent.requests[-1][1].body
    assert b"a=rtpmap:8 PCMA/8000" in offer
    only_alaw = world.agent.sdp(port=41000, codecs=("PCMA",))
    world.reply(world.agent, 200, body=only_alaw)
    assert world.carrier.statuses == [200]
    codecs = {command[2].remote_port: command[2].codec for command in world.plane.named("open")}
    assert codecs == {41000: "PCMA", 40000: "PCMU"}


def test_a_hold_by_reinvite_stays_on_its_leg() -> None:
    """sendonly is answered recvonly, the media session follows, the other side hears nothing of it."""
    world, out = connected()
    before = len([1 for _, destination, _ in world.sent if destination == AGENT])
    hold = world.carrier.sdp().replace(b"a=sendrecv", b"a=sendonly")
    world.within(world.carrier, out, "INVITE", 2, body=hold, headers=("Contact: <sip:c@127.0.0.2:5070>",))
    assert world.carrier.statuses[-1] == 200
    assert b"a=recvonly" in world.carrier.responses[-1].body
    assert world.plane.named("open")[-1][2].send is False
    assert len([1 for _, destination, _ in world.sent if destination == AGENT]) == before
    world.within(world.carrier, out, "ACK", 2)
    world.within(world.carrier, out, "BYE", 3)
    world.reply(world.agent, 200)
    world.advance(40)
    assert world.leftovers() == {}


def test_a_reinvite_without_an_offer_gets_ours() -> None:
    """The 200 offers what is agreed; the answer in the ACK moves the media."""
    world, out = connected()
    world.within(world.carrier, out, "INVITE", 2, headers=("Contact: <sip:c@127.0.0.2:5070>",))
    offer = world.carrier.responses[-1].body
    assert b"m=audio" in offer
    world.within(world.carrier, out, "ACK", 2, body=world.carrier.answer(offer, port=45000))
    assert world.plane.named("open")[-1][2].remote_port == 45000


def test_an_offer_that_the_ack_does_not_answer_changes_nothing() -> None:
    """A re-INVITE without an offer whose ACK brings no answer: the call goes on as it was, and may be asked again."""
    world, out = connected()
    opened = len(world.plane.named("open"))
    contact = ("Contact: <sip:c@127.0.0.2:5070>",)
    world.within(world.carrier, out, "INVITE", 2, headers=contact)
    world.within(world.carrier, out, "ACK", 2)
    assert world.carrier.received("BYE") == world.agent.received("BYE") == []
    assert len(world.plane.named("open")) == opened
    assert [event for event, _ in world.logged].count("call.offer_unanswered") == 1
    world.within(world.carrier, out, "INVITE", 3, headers=contact)
    offer = world.carrier.responses[-1].body
    world.within(world.carrier, out, "ACK", 3, body=world.carrier.answer(offer, port=45000))
    assert world.plane.named("open")[-1][2].remote_port == 45000
    world.within(world.carrier, out, "BYE", 4)
    world.advance(40)
    assert world.journal.records[0].cause == "normal"


def test_an_ack_of_another_invite_does_not_answer_our_offer() -> None:
    """Neither a copy of an earlier one nor one of no INVITE at all is its answer (RFC 3261 §13.2.2.4)."""
    world, out = connected()
    world.within(world.carrier, out, "INVITE", 2, headers=("Contact: <sip:c@127.0.0.2:5070>",))
    offer = world.carrier.responses[-1].body
    opened = len(world.plane.named("open"))
    for cseq in (1, 7):
        world.within(world.carrier, out, "ACK", cseq, body=world.carrier.answer(offer, port=46000))
    assert len(world.plane.named("open")) == opened
    world.within(world.carrier, out, "ACK", 2, body=world.carrier.answer(offer, port=45000))
    assert world.plane.named("open")[-1][2].remote_port == 45000


def test_a_caller_who_never_answers_our_first_offer_is_hung_up() -> None:
    """Without any description of its own there is no session (RFC 3261 §13.2.2.4)."""
    world = World()
    out, _ = world.dial("4001", body=b"")
    world.agent_answers()
    world.within(world.carrier, out, "ACK", 1)
    assert len(world.carrier.received("BYE")) == 1
    world.advance(40)
    assert world.journal.records[0].cause == "not_acceptable"


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (("Require: 100rel, foo",), None, 420),
        (("Content-Encoding: gzip",), None, 415),
        (
            (),
            b"v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n",
            488,
        ),
        (("Accept: text/plain",), b"", 406),
        (("Accept: text/plain",), None, 406),
    ],
)
def test_an_invite_that_nobody_could_take_is_refused(headers: tuple[str, ...], body: bytes | None, status: int) -> None:
    """Extensions, encodings and codecs that we do not know get the status that says so."""
    world = World()
    world.dial("4001", headers=headers, body=body)
    assert world.carrier.statuses == [status]
    world.advance(40)
    assert world.leftovers() == {}


def test_an_invite_that_may_go_no_further_gets_483() -> None:
    """Max-Forwards 0 ends here, and one less goes on."""
    world = World()
    world.dial("4001", max_forwards=0)
    assert world.carrier.statuses == [483]
    world.dial("4001", max_forwards=9)
    assert world.agent.requests[-1][1].max_forwards == 8


def test_a_number_that_leads_nowhere_gets_404_and_a_record() -> None:
    """The call is refused, recorded, and the dialled digits are not kept in clear."""
    world = World()
    world.dial("13700001111")
    assert world.carrier.statuses == [404]
    (record,) = world.journal.records
    assert record.cause == "unknown"
    assert record.called == ""


def test_no_free_port_refuses_the_call_and_leaves_nothing() -> None:
    """Ports for one leg only: 503 with Retry-After, and the one port is free again."""
    world = World(ports=1)
    world.dial("4001")
    world.agent_answers()
    assert world.carrier.statuses[-1] == 503
    assert world.carrier.responses[-1].headers.get("retry-after") == "5"
    world.advance(40)
    assert world.leftovers() == {}


def test_too_many_calls_are_refused_and_running_ones_go_on() -> None:
    """Above the limit a call gets 503."""
    world = World(max_calls=1)
    world.dial("4001")
    world.dial("4001")
    assert world.carrier.statuses == [503]
    assert len(world.exchange.calls) == 1


def test_draining_takes_no_new_calls() -> None:
    """After drain() the next INVITE gets 503, end_all() hangs up what is up."""
    world, _ = connected()
    world.engine.drain()
    world.dial("4001")
    assert world.carrier.statuses[-1] == 503
    world.engine.end_all(world.now)
    world.run()
    assert world.carrier.received("BYE")
    assert world.agent.received("BYE")
    world.advance(40)
    assert world.leftovers() == {}


def test_a_lost_media_worker_ends_its_calls_with_a_cause() -> None:
    """Both sides get a BYE, the record says media_lost."""
    world, _ = connected()
    world.plane.lose_worker()
    world.run()
    assert world.carrier.received("BYE")
    world.advance(40)
    assert world.leftovers() == {}
    assert world.journal.records[0].cause == "media_lost"


def test_a_worker_that_never_says_released_delays_the_record_only() -> None:
    """The record is written without counters after the wait."""
    world, out = connected()
    world.plane.auto_release = False
    world.within(world.carrier, out, "BYE", 2)
    world.reply(world.agent, 200)
    assert world.journal.records == []
    world.advance(40)
    assert len(world.journal.records) == 1
    assert world.exchange.counts()["calls"] == 0


def test_a_silent_call_and_an_endless_one_are_ended() -> None:
    """No media from one side, or the longest duration: BYE to both with a cause of its own."""
    world, _ = connected()
    world.plane.silence(next(iter(world.plane.leased)))
    world.run()
    assert world.journal.records[0].cause == "media_silent"
    world, _ = connected()
    world.advance(4 * 3600 + 1)
    assert world.journal.records[0].cause == "too_long"
    world.advance(40)
    assert world.leftovers() == {}


def test_a_request_in_an_unknown_dialog_gets_481() -> None:
    """A BYE for a call that is over, or with somebody else's tag."""
    world, out = connected()
    world.within(world.carrier, out, "BYE", 2)
    world.within(world.carrier, out, "BYE", 3)
    assert world.carrier.statuses[-1] == 481


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "INFO", "OPTIONS"])
def test_a_request_in_a_dialog_that_requires_what_nobody_knows(method: str) -> None:
    """420 names it, and nothing is done (RFC 3261 §8.2.2.3); what is known is taken."""
    world, out = connected()
    world.within(world.carrier, out, method, 2, headers=("Require: timer, telepathy",))
    refusal = world.carrier.responses[-1]
    assert (refusal.status, refusal.headers.get("unsupported")) == (420, "telepathy")
    if method != "INVITE":
        world.within(world.carrier, out, method, 3, headers=("Require: timer",))
        assert world.carrier.statuses[-1] == 200


def test_who_hangs_up_may_require_anything() -> None:
    """Nobody is kept in a call for an extension."""
    world, out = connected()
    world.within(world.carrier, out, "BYE", 2, headers=("Require: telepathy",))
    assert world.carrier.statuses[-1] == 200
    assert len(world.agent.received("BYE")) == 1


def test_a_request_out_of_order_is_refused() -> None:
    """A CSeq below the last one gets 500 (RFC 3261 §12.2.2)."""
    world, out = connected()
    world.within(world.carrier, out, "INFO", 9, body=b"")
    world.within(world.carrier, out, "INFO", 5, body=b"")
    assert world.carrier.statuses[-1] == 500


def test_the_journal_knows_of_a_change_before_a_peer_does() -> None:
    """Opened before the agent's INVITE, answered before the caller's 200, ending before the BYE."""
    world = World()
    written: list[tuple[int, int]] = []
    append = world.journal.append
    world.journal.append = lambda kind, call_id, payload: (  # type: ignore[method-assign]
        written.append((kind, len(world.sent))),
        append(kind, call_id, payload),
    )[1]
    out, _ = world.dial("4001")
    invite = next(i for i, (_, destination, data) in enumerate(world.sent) if destination == AGENT)
    assert written[0][1] <= invite
    count = len(written)
    world.agent_answers()
    answer = next(i for i, (_, to, data) in enumerate(world.sent) if to == CARRIER and b" 200 " in data)
    assert written[count][1] <= answer
    count = len(written)
    world.within(world.carrier, out, "ACK", 1)
    world.within(world.carrier, out, "BYE", 2)
    bye = next(i for i, (_, to, data) in enumerate(world.sent) if to == AGENT and data.startswith(b"BYE"))
    assert written[count][1] <= bye


def ask_options(world: World, uri: str = f"sip:{SWITCH[0]}", headers: tuple[str, ...] = (), hops: int = 70) -> Response:
    """The carrier's OPTIONS outside a dialog, answered."""
    parties = {"from_": "<sip:a@b>;tag=x", "to": "<sip:c@d>"}
    out = OutgoingRequest("OPTIONS", uri, SWITCH, **parties, call_id="o", cseq=1, headers=headers, max_forwards=hops)
    world.carrier.core.request(out, world.now)
    world.run()
    return world.carrier.responses[-1]


def test_an_options_is_answered_with_what_we_can() -> None:
    """OPTIONS outside a dialog gets 200 with Allow and Accept, however few hops are left (RFC 3261 §11.2)."""
    answer = ask_options(World(), hops=0)
    assert answer.status == 200
    assert "INVITE" in (answer.headers.get("allow") or "")
    assert answer.headers.get("accept") == "application/sdp"


def test_an_options_that_nobody_could_answer_is_refused() -> None:
    """A scheme and extensions that we do not know are named (RFC 4475 §3.3.2, §3.3.4)."""
    assert ask_options(World(), "soap.beep://192.0.2.103:3002").status == 416
    answer = ask_options(World(), headers=("Require: one, two", "Proxy-Require: three"))
    assert (answer.status, answer.headers.get("unsupported")) == (420, "one, two")


def test_a_masked_number_is_reached_by_the_extension_in_the_request_uri() -> None:
    """A number that is a mask takes the extension dialled with it; an unknown one gets 404."""
    world = World()
    world.masks.bind("4006", "123456", world.masks.resolve(NUMBER, "100001", 0.0).target)  # type: ignore[arg-type]
    world.dial("4006;ext=123456")
    assert world.agent.requests[-1][1].uri == f"sip:100001@{AGENT[0]}:{AGENT[1]}"
    world.dial("4006;ext=999999")
    assert world.carrier.statuses[-1] == 404


def test_octets_that_are_no_utf_8_do_not_disturb_a_call() -> None:
    """A display name in GBK and a Call-ID of any octets: answered, journalled, and sent back as they came."""
    world = World()
    name = "张三".encode("gbk")
    body = world.carrier.sdp()
    world.core.receive(
        b"INVITE sip:4001@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5070;branch=z9hG4bKgbk;rport\r\n"
        b'From: "' + name + b'" <sip:13911112222@127.0.0.2>;tag=\xfe\r\nTo: <sip:4001@127.0.0.1>\r\n'
        b"Call-ID: \xff\xfe\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:c@127.0.0.2:5070>\r\n"
        b"Content-Type: application/sdp\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body,
        CARRIER,
        world.now,
    )
    world.run()
    world.agent_answers()
    answer = next(data for _, to, data in world.sent if to == CARRIER and data.startswith(b"SIP/2.0 200"))
    assert b'"' + name + b'"' in answer
    assert b"Call-ID: \xff\xfe\r\n" in answer
    state = world.vault.open_state(decode_snapshot(world.journal.entries[-1][2]).state)
    kept = msgspec.msgpack.decode(state, type=Call).caller.dialog
    assert kept is not None
    assert kept.call_id == "\U0010dcff\U0010dcfe"
    assert world.journal.entries[-1][0] == Kind.CHANGED


@pytest.mark.parametrize(("method", "status"), [("MESSAGE", 405), ("PUBLISH", 405), ("REGISTER", 405), ("HELLO", 501)])
def test_a_method_that_has_no_place_in_a_call(method: str, status: int) -> None:
    """405 for one that is known, 501 for others, and what is taken instead (RFC 3261 §8.2.1, §21.5.2)."""
    world, out = connected()
    world.within(world.carrier, out, method, 2)
    assert world.carrier.statuses[-1] == status
    assert "INVITE" in (world.carrier.responses[-1].headers.get("allow") or "")
    assert len(world.exchange.calls) == 1
