"""SRTP by SDES on the legs of calls: what each policy offers and takes, which keys stay, and where none may show."""

from __future__ import annotations

import base64

import msgspec
import pytest

from media.events import Unauthentic
from media.remote import Remote, read_remote
from media.sdes import OFFERED, SUITES, Crypto, Keys, Policy, Profile
from switchboard.calls.call import Call
from switchboard.calls.negotiation import lease_media, make_offer
from switchboard.sip.outgoing import OutgoingRequest
from tests.support.exchange import Peer, World
from tests.unit.calls.phone_lines import Phone

FIRST = OFFERED[0]


def line(fill: int, suite: str = FIRST, tag: int = 1) -> Crypto:
    """A crypto line of a peer, with a key that is easily found."""
    return Crypto(tag, suite, bytes([fill]) * SUITES[suite])


SECURED = Profile("required", "RTP/SAVP", (line(0xA1),))
EITHER = Profile("optional", "RTP/AVP", (line(0xA1),))


def offer_to(peer: Peer) -> Remote:
    """What the latest INVITE to a peer offers."""
    invite = peer.received("INVITE")[-1]
    return read_remote(invite.body, "optional")


def call_through(world: World, caller: Profile, agent: Profile | None = None) -> tuple[OutgoingRequest, Call]:
    """A call from the carrier straight to the agent, up; the agent answers in clear, or takes our first line."""
    out, _ = world.dial("4001", body=world.carrier.sdp(profile=caller))
    (call,) = world.exchange.calls.values()
    invite = world.agent.received("INVITE")[-1].body
    world.reply(world.agent, 200, body=world.agent.answer(invite, profile=agent or Profile()))
    world.within(world.carrier, out, "ACK", 1)
    return out, call


def agreed_with(world: World, peer: Peer) -> Remote:
    """Our latest description to the caller."""
    return read_remote(peer.responses[-1].body, "optional")


def opened(world: World, call: Call) -> Keys | None:
    """The keys with which the caller's session was opened last."""
    assert call.caller.lease is not None
    keys = world.plane.opened[call.caller.lease.port].secured
    assert keys is None or isinstance(keys, Keys)
    return keys


@pytest.mark.parametrize(
    ("policy", "offer", "status", "secured"),
    [
        ("off", Profile(), 200, False),
        ("off", EITHER, 200, False),
        ("off", SECURED, 488, False),
        ("optional", Profile(), 200, False),
        ("optional", EITHER, 200, True),
        ("optional", SECURED, 200, True),
        ("required", Profile(), 488, False),
        ("required", EITHER, 200, True),
        ("required", SECURED, 200, True),
        ("required", Profile("required", "RTP/SAVP"), 488, False),
    ],
)
def test_what_is_taken_from_a_caller(policy: Policy, offer: Profile, status: int, secured: bool) -> None:
    """The answer has the profile of the offer and one line with its tag; the session gets both keys."""
    world = World(trunk_srtp=policy)
    if status == 488:
        world.dial("4001", body=world.carrier.sdp(profile=offer))
        assert world.carrier.statuses[-1] == 488
        assert not world.exchange.calls
        return
    _, call = call_through(world, offer)
    answer = agreed_with(world, world.carrier)
    assert answer.protocol == offer.protocol
    assert [one.tag for one in answer.crypto] == [1] * secured
    keys = opened(world, call)
    assert (keys is not None) is secured
    if keys is not None:
        assert keys == Keys(FIRST, answer.crypto[0].key, offer.crypto[0].key)
    assert call.caller.record.secured == (FIRST if secured else "")
    assert call.agent is not None
    assert call.agent.record.secured == ""


@pytest.mark.parametrize(
    ("policy", "protocol", "lines"), [("off", "RTP/AVP", 0), ("optional", "RTP/AVP", 4), ("required", "RTP/SAVP", 4)]
)
def test_what_is_offered_to_who_is_called(policy: Policy, protocol: str, lines: int) -> None:
    """By the policy of the trunk, the account or, here, the configuration; each suite has a key of its own."""
    world = World(srtp=policy, trunk_srtp="off")
    world.dial("4001")
    offer = offer_to(world.agent)
    assert (offer.protocol, len(offer.crypto)) == (protocol, lines)
    assert len({one.key for one in offer.crypto}) == lines


@pytest.mark.parametrize("suite", OFFERED)
def test_any_of_our_lines_may_be_taken(suite: str) -> None:
    """The key of the line that was taken is the one we send with."""
    world = World(srtp="required", trunk_srtp="off")
    world.dial("4001")
    offered = next(one for one in offer_to(world.agent).crypto if one.suite == suite)
    answer = Profile("required", "RTP/SAVP", (line(0xB2, suite, offered.tag),))
    invite = world.agent.received("INVITE")[-1].body
    world.reply(world.agent, 200, body=world.agent.answer(invite, profile=answer))
    (call,) = world.exchange.calls.values()
    assert call.agent is not None
    assert call.agent.lease is not None
    assert world.plane.opened[call.agent.lease.port].secured == Keys(suite, offered.key, answer.crypto[0].key)
    assert opened(world, call) is None
    assert call.agent.record.secured == suite


@pytest.mark.parametrize("taken", ["nothing", "a tag of its own", "another suite", "our key"])
def test_an_answer_that_takes_no_line_of_ours_ends_the_attempt(taken: str) -> None:
    """RTP in clear, a line that we did not offer, and a key that is an echo of ours are refused."""
    world = World(srtp="required", trunk_srtp="off")
    world.dial("4001")
    ours = offer_to(world.agent).crypto[0]
    invite = world.agent.received("INVITE")[-1].body
    answer = {
        "nothing": Profile("optional", "RTP/AVP"),
        "a tag of its own": Profile("required", "RTP/SAVP", (line(0xB2, tag=77),)),
        "another suite": Profile("required", "RTP/SAVP", (line(0xB2, OFFERED[1], ours.tag),)),
        "our key": Profile("required", "RTP/SAVP", (ours,)),
    }[taken]
    world.reply(world.agent, 200, body=world.agent.answer(invite, profile=answer))
    assert world.carrier.statuses[-1] == 488
    assert len(world.agent.acks) == 1
    assert len(world.agent.received("BYE")) == 1


def test_who_passes_over_the_keys_of_an_optional_offer_is_heard_in_clear() -> None:
    """RFC 8643 §3.2; what is offered later is in clear too."""
    world = World(srtp="optional", trunk_srtp="off")
    _, call = call_through(world, Profile())
    assert call.agent is not None
    assert call.agent.agreement is not None
    assert call.agent.agreement.secured is None
    assert b"crypto" not in make_offer(world.exchange, call.agent, call.agent)


IDENTIFIED = Profile("required", "RTP/SAVP", (msgspec.structs.replace(line(0xA1), mki=b"\0\1"),))


def test_an_answer_has_the_identifier_of_the_offer() -> None:
    """What each sends carries it (RFC 4568 §6.1); what we offer later shows it again."""
    world = World(trunk_srtp="required")
    out, call = call_through(world, IDENTIFIED)
    keys = opened(world, call)
    assert keys is not None
    assert (keys.send_mki, keys.receive_mki) == (b"\0\1", b"\0\1")
    assert [(one.key, one.mki) for one in agreed_with(world, world.carrier).crypto] == [(keys.send, b"\0\1")]
    world.within(world.carrier, out, "INVITE", 2, headers=(CONTACT,))
    assert [(one.key, one.mki) for one in agreed_with(world, world.carrier).crypto] == [(keys.send, b"\0\1")]


def test_an_answer_may_identify_its_key() -> None:
    """What we offer has no identifier, nor have our packets then."""
    world = World(srtp="required", trunk_srtp="off")
    _, call = call_through(world, Profile(), IDENTIFIED)
    assert not any(one.mki for one in offer_to(world.agent).crypto)
    assert call.agent is not None
    assert call.agent.agreement is not None
    keys = call.agent.agreement.secured
    assert keys is not None
    assert (keys.send_mki, keys.receive_mki) == (b"", b"\0\1")


def test_both_sides_secured_have_keys_of_their_own() -> None:
    """Nothing of one leg's keys is shown to the other."""
    world = World(srtp="required", trunk_srtp="required")
    _, call = call_through(world, SECURED, Profile("required", "RTP/SAVP", (line(0xB2),)))
    assert call.agent is not None
    assert call.agent.lease is not None
    near, far = opened(world, call), world.plane.opened[call.agent.lease.port].secured
    assert near is not None
    assert len({near.send, near.receive, far.send, far.receive}) == 4


class TestLater:
    """Re-INVITEs of a call that is up."""

    @pytest.mark.parametrize("direction", ["sendonly", "inactive", "sendrecv"])
    def test_the_same_key_keeps_ours(self, direction: str) -> None:
        """Hold, resume and refresh change no key, so that no context begins anew."""
        world = World(trunk_srtp="required")
        out, call = call_through(world, SECURED)
        before = opened(world, call)
        body = world.carrier.sdp(profile=SECURED).replace(b"a=sendrecv", f"a={direction}".encode())
        world.within(world.carrier, out, "INVITE", 2, headers=(CONTACT,), body=body)
        assert world.carrier.statuses[-1] == 200
        assert opened(world, call) == before
        assert agreed_with(world, world.carrier).protocol == "RTP/SAVP"

    def test_a_new_key_of_the_peer_is_taken(self) -> None:
        """Ours stays: it is for what we send."""
        world = World(trunk_srtp="required")
        out, call = call_through(world, SECURED)
        before = opened(world, call)
        body = world.carrier.sdp(profile=Profile("required", "RTP/SAVP", (line(0xC3, tag=5),)))
        world.within(world.carrier, out, "INVITE", 2, headers=(CONTACT,), body=body)
        assert before is not None
        assert opened(world, call) == Keys(FIRST, before.send, line(0xC3).key)
        assert [one.tag for one in agreed_with(world, world.carrier).crypto] == [5]

    def test_a_key_may_be_given_another_identifier(self) -> None:
        """Ours stays, and is given it too; without one both go without."""
        world = World(trunk_srtp="required")
        out, call = call_through(world, IDENTIFIED)
        before = opened(world, call)
        assert before is not None
        world.within(world.carrier, out, "INVITE", 2, headers=(CONTACT,), body=world.carrier.sdp(profile=SECURED))
        assert opened(world, call) == Keys(FIRST, before.send, before.receive)

    def test_another_suite_has_another_key_of_ours(self) -> None:
        """A key is of one suite (RFC 3711 §9.1)."""
        world = World(trunk_srtp="required")
        out, call = call_through(world, SECURED)
        before = opened(world, call)
        body = world.carrier.sdp(profile=Profile("required", "RTP/SAVP", (line(0xC3, "AES_CM_128_HMAC_SHA1_32"),)))
        world.within(world.carrier, out, "INVITE", 2, headers=(CONTACT,), body=body)
        after = opened(world, call)
        assert before is not None
        assert after is not None
        assert after.suite == "AES_CM_128_HMAC_SHA1_32"
        assert after.send != before.send
        assert call.caller.record.secured == "AES_CM_128_HMAC_SHA1_32"

    def test_a_description_in_clear_is_refused_and_changes_nothing(self) -> None:
        """What is required stays required."""
        world = World(trunk_srtp="required")
        out, call = call_through(world, SECURED)
        before = opened(world, call)
        world.within(world.carrier, out, "INVITE", 2, headers=(CONTACT,), body=world.carrier.sdp())
        assert world.carrier.statuses[-1] == 488
        assert opened(world, call) == before

    def test_what_we_offer_again_has_the_same_key_alone(self) -> None:
        """A re-INVITE without an offer gets what is agreed; its answer concludes it."""
        world = World(trunk_srtp="required")
        out, call = call_through(world, SECURED)
        before = opened(world, call)
        assert before is not None
        world.within(world.carrier, out, "INVITE", 2, headers=(CONTACT,))
        again = agreed_with(world, world.carrier)
        assert [(one.suite, one.key) for one in again.crypto] == [(FIRST, before.send)]
        answer = world.carrier.answer(
            world.carrier.responses[-1].body,
            profile=Profile("required", "RTP/SAVP", (line(0xA1, tag=again.crypto[0].tag),)),
        )
        world.within(world.carrier, out, "ACK", 2, body=answer)
        assert opened(world, call) == before

    def test_a_session_timer_asks_with_the_same_key(self) -> None:
        """The refresh is word for word what was said (RFC 4028 §7.4)."""
        world = World(trunk_srtp="required", session_expires=1800)
        _, call = call_through(world, SECURED)
        before = opened(world, call)
        assert before is not None
        world.advance(900.5)
        asked = world.carrier.received("INVITE")[-1]
        assert [one.key for one in read_remote(asked.body, "required").crypto] == [before.send]
        world.reply(world.carrier, 200, body=world.carrier.answer(asked.body, port=40000, profile=SECURED))
        assert opened(world, call) == before

    def test_another_port_has_another_key(self) -> None:
        """A leg whose media moves shows a new key there (RFC 4568 §7.1.4)."""
        world = World(trunk_srtp="required")
        _, call = call_through(world, SECURED)
        before = opened(world, call)
        assert before is not None
        moved = msgspec.structs.replace(call.caller, lease=None, media_open=False)
        assert lease_media(world.exchange, moved)
        offer = read_remote(make_offer(world.exchange, moved, call.agent), "required")
        assert [one.suite for one in offer.crypto] == [FIRST]
        assert offer.crypto[0].key != before.send


CONTACT = "Contact: <sip:carrier@127.0.0.2:5070>"


def test_an_account_has_a_policy_of_its_own() -> None:
    """Called, its phone is offered what the account requires; the carrier is not."""
    world = World(srtp="off", srtp_accounts={"alice": "required"})
    Phone(world, world.phone, "alice").register()
    world.dial("4007")
    assert offer_to(world.phone).protocol == "RTP/SAVP"
    assert len(offer_to(world.phone).crypto) == 4


def test_no_key_is_journalled_in_clear_or_logged() -> None:
    """The state of a call holds them, sealed; records tell the suite alone."""
    world = World(srtp="required", trunk_srtp="required")
    _, call = call_through(world, SECURED, Profile("required", "RTP/SAVP", (line(0xB2),)))
    assert call.agent is not None
    assert call.agent.lease is not None
    keys = [opened(world, call), world.plane.opened[call.agent.lease.port].secured]
    written = b"".join(payload for _, _, payload in world.journal.entries) + repr(world.logged).encode()
    assert written
    for one in keys:
        assert one is not None
        for key in (one.send, one.receive):
            assert key not in written
            assert base64.b64encode(key)[:12] not in written
            assert repr(key)[2:20].encode() not in written
    assert FIRST.encode() in written


def test_a_leg_that_does_not_authenticate_is_logged() -> None:
    """What the worker tells of a wrong key is put down with the call and the leg; the call goes on."""
    world = World(trunk_srtp="required")
    _, call = call_through(world, SECURED)
    lease = call.caller.lease
    assert lease is not None
    world.engine.on_media(Unauthentic(lease.port, lease.gen), world.now)
    told = {"call_id": call.id, "leg": call.caller.id, "role": "caller"}
    assert ("call.leg_unauthentic", told) in world.logged
    assert call.id in world.exchange.calls
