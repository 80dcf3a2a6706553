"""Random histories of phones that hand calls on, join them, hold and vanish: nothing is stuck, nothing is left."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from switchboard.calls.call import Phase
from switchboard.sip.message import Request
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.sip.transaction.server import ServerTransaction
from switchboard.sip.transaction.table import State
from tests.support.exchange import Peer
from tests.unit.calls.phone_lines import Line, Office, Phone

TARGETS = ("sip:bob@switchboard.local", "sip:4004@switchboard.local", "sip:4001@127.0.0.1:5060", "sip:nobody@127.0.0.1")


class Referring(RuleBasedStateMachine):
    """Alice has up to two lines, called or made; her far sides, and those she names, do as they like."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Office(workers=2)
        self.lines: list[Line] = []
        self.customers: list[OutgoingRequest] = []
        self.asking: list[Line] = []

    # --- what is open ---

    def pending(self, peer: Peer, method: str) -> list[tuple[int, ServerTransaction, Request]]:
        """Requests of a peer that have no final answer yet."""
        return [
            (index, tx, request)
            for index, (tx, request) in enumerate(peer.requests)
            if request.method == method and tx.state in (State.PROCEEDING, State.TRYING)
        ]

    def answer(self, peer: Peer, method: str, status: int) -> None:
        """Answer the oldest one."""
        for index, _, request in self.pending(peer, method)[:1]:
            body = peer.answer(request.body) if method == "INVITE" and status == 200 and request.body else b""
            self.world.reply(peer, status, body=body, index=index)

    # --- what happens ---

    @precondition(lambda self: len(self.lines) < 3)
    @rule()
    def a_customer_calls(self) -> None:
        """And alice answers."""
        if self.pending(self.world.phone, "INVITE"):
            return
        out, _ = self.world.dial("4007")
        if not self.pending(self.world.phone, "INVITE"):
            return
        self.lines.append(self.world.alice.answered())
        self.customers.append(out)
        self.world.within(self.world.carrier, out, "ACK", 1)

    @precondition(lambda self: len(self.lines) < 3)
    @rule()
    def alice_calls(self) -> None:
        """And the agent answers."""
        for index, _, _ in self.pending(self.world.agent, "INVITE"):
            self.world.reply(self.world.agent, 486, index=index)
        line = self.world.alice.dialled("4001")
        if self.pending(self.world.agent, "INVITE"):
            Phone(self.world, self.world.agent, "agent").answered()
            self.lines.append(self.world.alice.confirmed(line))

    @rule()
    def alice_asks(self) -> None:
        """Somebody whose phone rings, and who may answer by and by."""
        for index, _, _ in self.pending(self.world.agent, "INVITE"):
            self.world.reply(self.world.agent, 486, index=index)
        line = self.world.alice.dialled("4001")
        if self.pending(self.world.agent, "INVITE"):
            self.answer(self.world.agent, "INVITE", 180)
            told = [one for one in self.world.phone.responses if one.call_id == line.call_id and one.to_tag]
            line.remote = told[-1].headers.get("to") or ""
            self.asking = [line]

    @precondition(lambda self: bool(self.asking))
    @rule(at=st.integers(0, 2))
    def alice_joins_whom_she_asks(self, at: int) -> None:
        """Who rings, has answered or is gone by now."""
        if at < len(self.lines):
            self.lines[at].attend(self.asking[0])

    @precondition(lambda self: bool(self.asking))
    @rule()
    def alice_takes_the_answer(self) -> None:
        """If there is one: it is a line like the others now."""
        (line,) = self.asking
        if any(one.call_id == line.call_id and one.status == 200 for one in self.world.phone.responses):
            self.lines.append(self.world.alice.confirmed(line))
            self.asking = []

    @rule(at=st.integers(0, 2), place=st.sampled_from(TARGETS))
    def alice_refers(self, at: int, place: str) -> None:
        """To somebody."""
        if at < len(self.lines):
            self.lines[at].refer(place)

    @rule(at=st.integers(0, 2), other=st.integers(0, 2))
    def alice_joins(self, at: int, other: int) -> None:
        """Two of her lines, or one with itself, or one that is over."""
        if max(at, other) < len(self.lines):
            self.lines[at].attend(self.lines[other])

    @rule(at=st.integers(0, 2), direction=st.sampled_from(["sendonly", "sendrecv"]))
    def alice_holds(self, at: int, direction: str) -> None:
        """Or takes it back."""
        if at < len(self.lines):
            line = self.lines[at]
            body = self.world.phone.sdp(41000).replace(b"a=sendrecv", b"a=" + direction.encode())
            if line.send("INVITE", body=body) == 200:
                line.ack()

    @rule(at=st.integers(0, 2))
    def alice_hangs_up(self, at: int) -> None:
        """One line."""
        if at < len(self.lines):
            self.lines.pop(at).send("BYE")

    @rule(at=st.integers(0, 5))
    def a_customer_hangs_up(self, at: int) -> None:
        """One of them."""
        if at < len(self.customers):
            self.world.within(self.world.carrier, self.customers.pop(at), "BYE", 99)

    @rule(status=st.sampled_from([180, 200, 486, 500]), bob=st.booleans())
    def somebody_answers(self, status: int, bob: bool) -> None:
        """An INVITE, or the re-INVITE by which a dialog is moved."""
        self.answer(self.world.bob.peer if bob else self.world.agent, "INVITE", status)

    @rule(status=st.sampled_from([200, 200, 200, 481]))
    def alice_answers_notifies(self, status: int) -> None:
        """Those that wait."""
        self.answer(self.world.phone, "NOTIFY", status)

    @rule(seconds=st.sampled_from([0.1, 3.0, 25.0]))
    def time_passes(self, seconds: float) -> None:
        """Whoever has not answered has not."""
        self.world.advance(seconds)

    # --- what holds ---

    @invariant()
    def every_call_has_a_way_out(self) -> None:
        """A deadline, and legs that are alive; no leg is in two calls, no port of two legs."""
        seen: set[int] = set()
        for call in self.world.exchange.calls.values():
            assert call.deadline is not None
            for leg in call.legs:
                assert leg.call_id == call.id
                assert id(leg) not in seen
                seen.add(id(leg))
                if call.phase not in (Phase.ENDING, Phase.ENDED) and leg.dialog is not None and leg.talking:
                    assert self.world.exchange.dialogs[leg.dialog.call_id, leg.local_tag] is leg
        for (port, gen), leg in self.world.exchange.media_legs.items():
            assert leg.lease is not None
            assert (leg.lease.port, leg.lease.gen) == (port, gen)

    def teardown(self) -> None:
        """In the end every phone answers and nothing is left."""
        world = self.world
        world.engine.end_all(world.now)
        for _ in range(6):
            world.run()
            for peer in world.peers.values():
                for method in ("BYE", "NOTIFY", "INVITE"):
                    while self.pending(peer, method):
                        self.answer(peer, method, 481 if method == "INVITE" else 200)
            world.advance(40)
        world.advance(200)
        assert world.leftovers() == {}


Referring.TestCase.settings = settings(max_examples=40, stateful_step_count=25, suppress_health_check=list(HealthCheck))
TestReferring = Referring.TestCase
