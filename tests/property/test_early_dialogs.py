"""Whoever rings for a call, reliably or not, and whatever both sides say before and after the answer: it ends once."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from switchboard.sip.outgoing import OutgoingRequest
from switchboard.sip.transaction.table import State
from tests.support.exchange import AGENT, SWITCH, World

Step = tuple[Any, ...]

_OPEN = (State.TRYING, State.PROCEEDING)
tags = st.sampled_from(["one", "one", "two", "three"])
rings = st.tuples(st.just("rings"), tags, st.sampled_from([180, 183, 183, 199]), st.integers(0, 3), st.booleans())
answers = st.tuples(st.just("answers"), tags, st.booleans())
refuses = st.tuples(st.just("refuses"), st.sampled_from([302, 486, 503]))
asks = st.tuples(
    st.just("asks"), tags, st.sampled_from(["UPDATE", "UPDATE", "INVITE", "BYE", "OPTIONS", "PRACK"]), st.booleans()
)
says = st.tuples(st.just("says"), st.sampled_from(["PRACK", "UPDATE", "INVITE", "ACK", "BYE"]), st.booleans())
waits = st.tuples(st.just("waits"), st.sampled_from([0.0, 0.4, 2.0, 8.0, 31.0]))
loses = st.tuples(st.just("loses"), st.integers(1, 3))
steps = st.lists(
    st.one_of(rings, rings, answers, refuses, asks, says, says, waits, loses, st.tuples(st.just("cancels"))),
    min_size=3,
    max_size=25,
)


class Scene:
    """A call of the carrier to 4001, which forks on its way; the parties that it reaches are told apart by tag."""

    def __init__(self, mode: str, headers: tuple[str, ...], copies: int) -> None:
        self.world = world = World(reliable=mode, copies=copies)  # type: ignore[arg-type]
        self.drops = 0
        world.lost = self._lost
        self.out, self.tx = world.dial("4001", headers=headers)
        self.cseqs: dict[str, int] = {}
        self.final = False

    def _lost(self, destination: object, data: bytes) -> bool:
        self.drops -= self.drops > 0
        return self.drops > 0

    def responds(self, status: int, tag: str, *lines: str, body: bytes = b"") -> None:
        """A response to the first INVITE of the called side."""
        invites = self.world.agent.received("INVITE")
        if not invites:
            return
        first = invites[0]
        head = [f"SIP/2.0 {status} Said", *(f"Via: {via}" for via in first.headers.getall("via"))]
        head += [f"{name}: {first.headers.get(name.lower())}" for name in ("From", "Call-ID", "CSeq")]
        head += [f"To: {first.headers.get('to')};tag={tag}", f"Contact: <sip:{tag}@{AGENT[0]}:{AGENT[1]}>", *lines]
        head += ["Content-Type: application/sdp"] * bool(body)
        text = "\r\n".join((*head, f"Content-Length: {len(body)}", "", ""))
        self.world.core.receive(text.encode() + body, AGENT, self.world.now)
        self.world.run()

    def rings(self, tag: str, status: int, rseq: int, described: bool) -> None:
        """Reliably where `rseq` is not 0."""
        lines = ("Require: 100rel", f"RSeq: {rseq}") if rseq else ()
        self.responds(status, tag, *lines, body=self._sdp(tag) if described else b"")

    def answers(self, tag: str, described: bool) -> None:
        """2xx."""
        self.final = True
        self.responds(200, tag, body=self._sdp(tag) if described else b"")

    def refuses(self, status: int) -> None:
        """A final failure."""
        self.final = True
        self.responds(status, "proxy")

    def _sdp(self, tag: str) -> bytes:
        invites = self.world.agent.received("INVITE")
        return self.world.agent.answer(invites[0].body, 41000 + 2 * len(tag)) if invites else b""

    def asks(self, tag: str, method: str, described: bool) -> None:
        """A request of one of the called parties."""
        invites, agent = self.world.agent.received("INVITE"), self.world.agent
        if invites:
            self.cseqs[tag] = cseq = self.cseqs.get(tag, 0) + 1
            first = invites[0]
            body = agent.sdp(48000) if described and method in ("UPDATE", "INVITE") else b""
            to = first.headers.get("from") or ""
            contact = (f"Contact: <sip:{tag}@{AGENT[0]}:{AGENT[1]}>",)
            from_ = f"{first.headers.get('to')};tag={tag}"
            uri = f"sip:{SWITCH[0]}:{SWITCH[1]}"
            out = OutgoingRequest(
                method, uri, SWITCH, from_=from_, to=to, call_id=first.call_id, cseq=cseq, headers=contact, body=body
            )
            agent.core.request(out, self.world.now)
            self.world.run()

    def says(self, method: str, described: bool) -> None:
        """A request of the caller, where it knows a dialog."""
        carrier = self.world.carrier
        known = [one for one in carrier.responses if one.cseq_method == "INVITE" and one.to_tag and one.status < 300]
        if not known:
            return
        lines: tuple[str, ...] = ()
        rseqs = [one.headers.first["rseq"] for one in known if "rseq" in one.headers.first]
        if method == "PRACK":
            lines = (f"RAck: {rseqs[-1] if rseqs else 1} 1 INVITE",)
        body = carrier.sdp(47000) if described and method not in ("ACK", "BYE") else b""
        cseq = 1
        if method != "ACK":
            self.cseqs[""] = cseq = self.cseqs.get("", 1) + 1
        self.world.within(carrier, self.out, method, cseq, headers=lines, body=body)

    def waits(self, seconds: float) -> None:
        """Time passes."""
        self.world.advance(seconds)

    def loses(self, count: int) -> None:
        """So many datagrams are lost from now on."""
        self.drops = count + 1

    def cancels(self) -> None:
        """The caller gives up."""
        self.world.carrier.core.cancel(self.tx, self.world.now)
        self.world.run()

    def ends(self) -> None:
        """Nothing is lost any more, and all that is still owed is said."""
        self.drops, self.world.copies = 0, 1
        self.world.engine.end_all(self.world.now)
        self.world.run()
        for _ in range(4):
            if not self.final:
                self.responds(487, "proxy")
            for peer in self.world.peers.values():
                for tx, request in peer.requests:
                    if tx.state in _OPEN:
                        peer.core.respond(tx, 487 if request.method == "INVITE" else 200, now=self.world.now)
            self.world.advance(70)


@settings(max_examples=60)
@given(
    steps,
    st.sampled_from(["off", "supported"]),
    st.sampled_from([(), ("Supported: 100rel",), ("Require: 100rel",)]),
    st.sampled_from([1, 1, 2]),
)
def test_whatever_is_said_in_early_dialogs_the_call_ends_once(
    history: list[Step], mode: str, headers: tuple[str, ...], copies: int
) -> None:
    """One record, and neither dialog nor transaction, timer or port is left."""
    scene = Scene(mode, headers, copies)
    for name, *values in history:
        getattr(scene, name)(*values)
    scene.ends()
    assert scene.world.leftovers() == {}
    assert scene.world.exchange.heap.next_deadline() is None
    assert len(scene.world.journal.records) == scene.world.exchange.started <= 1
