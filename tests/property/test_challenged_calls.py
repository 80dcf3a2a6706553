"""Carriers that challenge, fail and move within calls, in whatever order: calls end, and no stranger learns a hash."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.masks.secret import RealNumber
from routing.masks.target import NumberTarget
from routing.trunks.model import Gateway
from switchboard.calls.carriers.description import Login, Site, Trunk
from switchboard.net.locator import Locator
from switchboard.sip.outgoing import Address, OutgoingRequest
from switchboard.sip.transaction.table import Input
from switchboard.sip.uri import Uri
from tests.support.exchange import AGENT, PHONE, SWITCH, Peer, World

NOWHERE = ("127.0.0.77", 5060)
CONTACTS = (
    "",
    f"Contact: <sip:x@{PHONE[0]}:{PHONE[1]}>",
    "Contact: <sip:x@pbx.example.com>",
    "Contact: <sip:x@pbx.example.com;transport=tcp>",
)
ALLOWS = ("Allow: INVITE, ACK, BYE", "Allow: INVITE, ACK, BYE, UPDATE")
PLACES = ((), (AGENT,), (PHONE,), (NOWHERE, PHONE), (PHONE, NOWHERE, AGENT))
CHALLENGES = (
    'Digest realm="north", nonce="{n}", qop="auth"',
    'Digest realm="north", nonce="{n}", qop="auth", stale=true',
    'Digest realm="north", nonce="always", algorithm=SHA-256, qop="auth,auth-int"',
    'Digest realm="north", nonce="old"',
    'Digest realm="r{n}", nonce="{n}", qop="auth"',
    'Digest realm="north", nonce=',
    "Digest",
    "",
)
MOST = 12
"""Requests of one method in one dialog and half a minute, whatever their answers are."""

which = st.integers(0, 3)
codes = st.sampled_from([200, 200, 401, 401, 407, 407, 422, 481, 491, 500, 503, 503])
steps = st.lists(
    st.one_of(
        st.just(("dial",)),
        st.tuples(st.just("rings"), st.booleans(), st.sampled_from(CONTACTS)),
        st.tuples(st.just("answers"), st.sampled_from(CONTACTS), st.sampled_from(ALLOWS)),
        st.tuples(st.just("replies"), st.booleans(), which, codes, st.sampled_from(CHALLENGES)),
        st.tuples(st.just("replies"), st.booleans(), which, codes, st.sampled_from(CHALLENGES)),
        st.just(("key",)),
        st.tuples(st.just("wait"), st.sampled_from([0.1, 2.0, 33.0, 46.0])),
        st.tuples(st.just("leads"), st.sampled_from(PLACES)),
        st.tuples(st.just("breaks"), st.sampled_from([NOWHERE, PHONE, AGENT])),
        st.just(("hangs up",)),
    ),
    max_size=30,
)


class Leads(Locator):
    """Where every name leads just now."""

    def __init__(self) -> None:
        self.places: tuple[Address, ...] = ()

    def targets(self, name: str, transport: str, now: float) -> tuple[Address, ...]:
        """Of a gateway, which is where it is."""
        return (AGENT,)

    def targets_of(self, uri: Uri, now: float) -> tuple[Address, ...]:
        """Of a Contact."""
        return self.places

    def failed(self, address: Address, now: float) -> None:
        """Nothing."""


class Play:
    """One history: a switch, a carrier with one gateway, and a stranger."""

    def __init__(self) -> None:
        self.world = world = World(reliable="supported", session_expires=90)
        self.leads = world.exchange.locator = Leads()
        login = Login("4001", "secret")
        north = Trunk("north", None, False, sites=(Site(Gateway(name="a"), "gateway", login=login),))
        bench = Trunk("bench", None, False, sources=("127.0.0.2",))
        carriers = world.exchange.carriers
        carriers._random = random.Random(3).random
        carriers._locator = self.leads
        carriers.change({"bench": bench, "north": msgspec.structs.replace(north, sources=("192.0.2.77",))}, world.now)
        world.masks.bind("4006", "1", NumberTarget(world.vault.seal(RealNumber("13912345678")), "north", "01088880000"))
        self.calls: list[OutgoingRequest] = []
        self.serial = 0

    def open_requests(self, peer: Peer) -> list[int]:
        """Which of its requests have no final answer."""
        row = [(place, tx) for place, (tx, _) in enumerate(peer.requests)]
        return [place for place, tx in row if tx._request is not None and (tx.state, Input.SEND_FINAL) in tx.table]

    def rings(self, reliably: bool, contact: str) -> None:
        """The called one rings."""
        world = self.world
        for place in self.open_requests(world.agent)[:1]:
            tx, request = world.agent.requests[place]
            if request.method == "INVITE" and request.to_tag is None:
                lines = ("Require: 100rel", "RSeq: 1") if reliably else ()
                world.agent.core.respond(tx, 180, headers=(*lines, contact) if contact else lines, now=world.now)
                world.run()

    def answers(self, contact: str, allow: str) -> None:
        """The called one answers."""
        world = self.world
        for place in self.open_requests(world.agent):
            tx, request = world.agent.requests[place]
            if request.method == "INVITE" and request.to_tag is None:
                headers = (allow, contact) if contact else (allow,)
                body = world.agent.answer(request.body)
                world.agent.core.respond(tx, 200, headers=headers, body=body, now=world.now)
                world.run()
                return

    def replies(self, gateway: bool, which: int, code: int, challenge: str) -> None:
        """Some request gets some final answer."""
        world = self.world
        peer = world.agent if gateway else world.phone
        places = self.open_requests(peer)
        if not places:
            return
        tx, request = peer.requests[places[which % len(places)]]
        self.serial += 1
        field = "WWW-Authenticate" if code == 401 else "Proxy-Authenticate"
        headers = (f"{field}: {challenge.format(n=self.serial)}",) if challenge and code in (401, 407) else ()
        body = peer.answer(request.body) if code == 200 and request.body and request.method == "INVITE" else b""
        peer.core.respond(tx, code, headers=headers, body=body, now=world.now)
        world.run()

    def key(self) -> None:
        """The caller of each call keys."""
        for call in self.world.exchange.calls.values():
            if call.agent is not None and call.caller.lease is not None:
                call.agent.keys = "info"
                self.world.plane.key_for_other(call.caller.lease, "5")
        self.world.run()

    def hangs_up(self) -> None:
        """The latest caller."""
        world = self.world
        if self.calls and any(one.cseq_method == "INVITE" and one.to_tag for one in world.carrier.responses):
            world.within(world.carrier, self.calls.pop(), "BYE", 2)

    def step(self, step: tuple[Any, ...]) -> None:
        """Do one step."""
        match step:
            case ("dial",):
                self.calls.append(self.world.dial("4006*1")[0])
            case ("wait", seconds):
                self.world.advance(seconds)
            case ("leads", places):
                self.leads.places = places
            case ("breaks", address):
                self.world.core.transport_error(address, self.world.now)
                self.world.run()
            case (name, *values):
                getattr(self, name.replace(" ", "_"))(*values)

    def judge(self, since: int) -> None:
        """No stranger has seen a hash, no dialog is flooded, and CSeq only rises."""
        sent = [(to, data) for source, to, data in self.world.sent if source == SWITCH]
        assert not [to for to, data in sent if to != AGENT and b"Digest" in data]
        fresh = [
            data for source, _, data in self.world.sent[since:] if source == SWITCH and not data.startswith(b"SIP/2.0")
        ]
        branches = {line for data in fresh for line in data.split(b"\r\n") if line.startswith(b"Via:")}
        assert len(branches) <= MOST * max(1, len(self.world.exchange.calls) + len(self.calls) + 1), len(branches)


begins = st.tuples(
    st.sampled_from(CONTACTS),
    st.sampled_from(ALLOWS),
    st.sampled_from(PLACES),
    st.sampled_from([0.0, 46.0]),
    st.booleans(),
    codes,
    st.sampled_from(CHALLENGES),
)
"""How the first call begins: it is answered, a key or a refresh of the session is under way, and is answered so."""


@settings(max_examples=60)
@given(begins, steps)
def test_no_stranger_learns_a_hash_and_everything_ends(
    begin: tuple[str, str, tuple[Address, ...], float, bool, int, str], history: list[tuple[Any, ...]]
) -> None:
    """401 and 407 with any challenge, 503, silence, broken transports, Contacts that are names or others' places."""
    play = Play()
    contact, allow, places, seconds, gateway, code, challenge = begin
    first: list[tuple[Any, ...]] = [
        ("dial",),
        ("leads", places),
        ("answers", contact, allow),
        ("key",) if not seconds else ("wait", seconds),
        ("replies", gateway, 0, code, challenge),
    ]
    for step in [*first, *history]:
        since = len(play.world.sent)
        play.step(step)
        play.judge(since)
    play.world.engine.end_all(play.world.now)
    play.world.advance(300)
    play.judge(len(play.world.sent))
    assert play.world.exchange.carriers.table.calls == 0
    assert play.world.leftovers() == {}
    ours: Counter[tuple[bytes, bytes]] = Counter()
    for source, _, data in play.world.sent:
        if source == SWITCH and not data.startswith(b"SIP/2.0"):
            lines = data.split(b"\r\n")
            ours[lines[0].split()[0], next(line for line in lines if line.startswith(b"Call-ID:"))] += 1
    assert all(count < 400 for count in ours.values())
