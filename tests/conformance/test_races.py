"""The race conditions of RFC 5407, section by section: messages that cross on the way, and what both sides owe then.

The switch is the callee of the carrier and the caller of the agent; the carrier's and the agent's datagrams are written
by the test where their own core would not send them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from switchboard.calls.call import Call
from switchboard.sip.message import Request
from switchboard.sip.outgoing import OutgoingRequest
from tests.support.exchange import AGENT, CARRIER, SWITCH, World

CONTACT: Final = (f"Contact: <sip:c@{CARRIER[0]}:{CARRIER[1]}>",)


class Race:
    """A call from the carrier to the agent; `acked` says whether its 200 is acknowledged at once."""

    def __init__(
        self, *, acked: bool = True, offered: bool = True, session_expires: int = 0, early: bool = False
    ) -> None:
        """Bring the call up."""
        self.world = world = World(session_expires=session_expires, reliable="supported" if early else "off")
        headers = ("Supported: 100rel",) if early else ()
        self.out, self.tx = world.dial("4001", body=None if offered else b"", headers=headers)
        self.call: Call = next(iter(world.exchange.calls.values()))
        self.cseq = 1
        if early:
            index = self.invite_of_agent()
            world.reply(world.agent, 183, body=world.agent.answer(world.agent.requests[index][1].body), index=index)
            rseq = world.carrier.responses[-1].headers.first["rseq"]
            self.send("PRACK", f"RAck: {rseq} 1 INVITE")
        world.agent_answers()
        if acked:
            self.ack(1)

    def invite_of_agent(self) -> int:
        """Where the agent's INVITE stands among its requests."""
        return next(i for i, (_, request) in enumerate(self.world.agent.requests) if request.method == "INVITE")

    def ack(self, cseq: int, body: bytes = b"") -> None:
        """The carrier's ACK."""
        self.world.within(self.world.carrier, self.out, "ACK", cseq, body=body)

    def send(self, method: str, *headers: str, body: bytes = b"") -> list[int]:
        """A request of the carrier in the dialog; the statuses it gets."""
        self.cseq += 1
        before = len(self.world.carrier.responses)
        self.world.within(self.world.carrier, self.out, method, self.cseq, headers=(*CONTACT, *headers), body=body)
        news = self.world.carrier.responses[before:]
        return [one.status for one in news if one.cseq_method == method]

    def refreshed(self) -> Request:
        """Our re-INVITE to the carrier, which it has not answered."""
        self.world.advance(900)
        return next(request for request in self.world.carrier.received("INVITE") if request.to_tag)

    def answer_refresh(self, status: int) -> None:
        """What the carrier says to it."""
        peer = self.world.carrier
        index = max(i for i, (_, request) in enumerate(peer.requests) if request.method == "INVITE")
        body = peer.answer(peer.requests[index][1].body) if status == 200 else b""
        self.world.reply(peer, status, body=body, index=index)

    def hang_up(self) -> None:
        """The agent hangs up: the switch has sent its BYE to the carrier, which has not answered."""
        self.world.hang_up(self.world.agent)
        assert len(self.world.carrier.received("BYE")) == 1

    @property
    def up(self) -> bool:
        """Whether the call goes on."""
        return self.call.id in self.world.exchange.calls


def invite_again(race: Race) -> None:
    """The 200 is lost: the INVITE that comes again gets it again."""
    before = race.world.carrier.statuses.count(200)
    data = next(data for source, to, data in race.world.sent if (source, to) == (CARRIER, SWITCH))
    race.world.lost = lambda destination, data: False
    race.world.core.receive(data, CARRIER, race.world.now)
    wire = race.world.core.take_datagrams()
    assert [b" 200 " in datagram for datagram, _ in wire] == [True]
    assert before == 1


def cancel_too_late(race: Race) -> None:
    """It is answered 200 and changes nothing."""
    data = next(data for source, to, data in race.world.sent if (source, to) == (CARRIER, SWITCH))
    head = data.partition(b"\r\n\r\n")[0].replace(b"INVITE sip", b"CANCEL sip", 1).replace(b"1 INVITE", b"1 CANCEL")
    lines = [line for line in head.split(b"\r\n") if not line.startswith((b"Content-", b"Contact"))]
    race.world.core.receive(b"\r\n".join([*lines, b"Content-Length: 0", b"", b""]), CARRIER, race.world.now)
    wire = race.world.core.take_datagrams()
    assert [b" 200 " in datagram for datagram, _ in wire] == [True]
    race.world.run()
    assert race.call.caller.talking
    race.ack(1)
    race.world.advance(40)
    assert race.up


def bye_before_ack(race: Race) -> None:
    """The call is over; the ACK that follows is of no meaning, and the 200 is sent no more."""
    assert race.send("BYE") == [200]
    before = race.world.carrier.statuses.count(200)
    race.ack(1)
    race.world.advance(40)
    assert not race.up
    assert race.world.carrier.statuses.count(200) == before
    assert race.world.journal.records[0].cause == "normal"


def reinvite_before_ack(race: Race) -> None:
    """What was offered first is answered: it is taken, and the ACK of the first 200 may come any time."""
    assert race.send("INVITE", body=race.world.carrier.sdp(47000)) == [200]
    race.ack(2)
    race.ack(1)
    race.world.advance(40)
    assert race.up
    assert race.call.caller.lease is not None
    assert race.world.plane.opened[race.call.caller.lease.port].remote_port == 47000


def reinvite_before_our_answer(race: Race) -> None:
    """Our offer is not answered before the ACK: 491."""
    assert race.send("INVITE", body=race.world.carrier.sdp(47000)) == [491]
    offer = next(one for one in race.world.carrier.responses if one.status == 200)
    race.ack(1, race.world.carrier.answer(offer.body))
    assert race.send("INVITE", body=race.world.carrier.sdp(47000)) == [200]


def byes_cross(race: Race) -> None:
    """Each is answered 200."""
    race.hang_up()
    assert race.send("BYE") == [200]
    race.world.reply(race.world.carrier, 200)
    assert race.world.journal.records[0].ended_by == "agent"


def reinvite_after_bye(race: Race) -> None:
    """481: the session is over."""
    race.hang_up()
    assert race.send("INVITE", body=race.world.carrier.sdp(47000)) == [481]


def refer_after_bye(race: Race) -> None:
    """481, too."""
    race.hang_up()
    assert race.send("REFER", "Refer-To: <sip:4004@127.0.0.1>") == [481]


def answer_after_bye(race: Race) -> None:
    """The 200 to a re-INVITE of ours is acknowledged, though our BYE is on its way."""
    request = race.refreshed()
    race.hang_up()
    race.answer_refresh(200)
    assert [ack.cseq for ack in race.world.carrier.acks] == [request.cseq]
    assert race.call.caller.state.name == "ENDED"


def ack_after_bye(race: Race) -> None:
    """The agent has hung up before the carrier's ACK: the ACK is taken, the BYE stands."""
    race.hang_up()
    before = len(race.world.sent)
    race.ack(1)
    assert all(source == CARRIER for source, _, _ in race.world.sent[before:])
    race.world.reply(race.world.carrier, 200)
    race.world.advance(40)
    assert race.world.journal.records[0].cause == "normal"


def reinvites_cross(race: Race) -> None:
    """Both are told 491; ours comes again after a while that is short, as the Call-ID is the carrier's."""
    race.refreshed()
    assert race.send("INVITE", body=race.world.carrier.sdp(47000)) == [491]
    race.answer_refresh(491)
    assert race.send("INVITE", body=race.world.carrier.sdp(47000)) == [200]
    race.ack(race.cseq)
    race.world.advance(2.01)
    first, second = (request for request in race.world.carrier.received("INVITE") if request.to_tag)
    assert second.cseq == first.cseq + 1
    race.answer_refresh(200)
    assert race.up
    assert race.call.caller.lease is not None
    assert race.world.plane.opened[race.call.caller.lease.port].remote_port == 41000


def update_crosses_reinvite(race: Race) -> None:
    """An offer in an UPDATE while ours waits: 491; one without an offer is taken."""
    race.refreshed()
    assert race.send("UPDATE", body=race.world.carrier.sdp(47000)) == [491]
    assert race.send("UPDATE") == [200]
    race.answer_refresh(200)
    assert race.send("UPDATE", body=race.world.carrier.sdp(47000)) == [200]


RACES: Final[dict[str, tuple[Callable[[Race], None], dict[str, bool | int]]]] = {
    "3.1.1 INVITE again, in Moratorium": (invite_again, {"acked": False}),
    "3.1.2 CANCEL in Moratorium": (cancel_too_late, {"acked": False}),
    "3.1.3 BYE of the early dialog in Moratorium": (bye_before_ack, {"acked": False, "early": True}),
    "3.1.4 re-INVITE in Moratorium, case 1": (reinvite_before_ack, {"acked": False}),
    "3.1.5 re-INVITE in Moratorium, case 2": (reinvite_before_our_answer, {"acked": False, "offered": False}),
    "3.1.6 BYE in Moratorium": (bye_before_ack, {"acked": False}),
    "3.2.1 BYE in Mortal": (byes_cross, {}),
    "3.2.2 re-INVITE in Mortal": (reinvite_after_bye, {}),
    "3.2.3 200 to re-INVITE in Mortal": (answer_after_bye, {"session_expires": 1800}),
    "3.2.4 ACK in Mortal": (ack_after_bye, {"acked": False}),
    "3.3.1 re-INVITEs cross": (reinvites_cross, {"session_expires": 1800}),
    "3.3.2 UPDATE and re-INVITE cross": (update_crosses_reinvite, {"session_expires": 1800}),
    "3.3.3 REFER in Mortal": (refer_after_bye, {}),
}


@pytest.mark.parametrize("name", RACES)
def test_race(name: str) -> None:
    """The messages of the section cross; afterwards nothing is left over that a hang-up does not end."""
    play, how = RACES[name]
    race = Race(**how)  # type: ignore[arg-type]
    play(race)
    if race.up and race.call.caller.talking:
        race.hang_up()
    for peer in (race.world.carrier, race.world.agent):
        for index, (tx, request) in enumerate(peer.requests):
            if request.method in ("BYE", "INVITE") and tx.state.name in ("TRYING", "PROCEEDING"):
                race.world.reply(peer, 200 if request.method == "BYE" else 481, index=index)
    race.world.advance(120)
    assert race.world.leftovers() == {}
    assert len(race.world.journal.records) == 1


# --- forking (RFC 3261 §13.2.2.4, RFC 5407 Appendix E) ---


def fork(world: World, status: int, tag: str, port: int, *headers: str, described: bool = True) -> None:
    """A response of one of the phones that a proxy on the agent's side has forked our INVITE to."""
    _, request = next(pair for pair in world.agent.requests if pair[1].method == "INVITE")
    via, origin, call_id, cseq = (request.headers.first[name] for name in ("via", "from", "call-id", "cseq"))
    body = world.agent.answer(request.body, port) if described else b""
    lines = [
        f"SIP/2.0 {status} Whatever",
        f"Via: {via}",
        f"From: {origin}",
        f"To: {request.headers.first['to']};tag={tag}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq}",
        f"Contact: <sip:{tag}@{AGENT[0]}:{AGENT[1]}>",
        *headers,
        *(["Content-Type: application/sdp"] if body else []),
        f"Content-Length: {len(body)}",
    ]
    world.core.receive("\r\n".join([*lines, "", ""]).encode() + body, AGENT, world.now)
    world.run()


def of_tag(world: World, method: str) -> list[tuple[str, int]]:
    """The requests of one method that the agent's side got, by the tag they are for, with CSeq."""
    found = world.agent.acks if method == "ACK" else world.agent.received(method)
    return [(request.to_tag or "", request.cseq) for request in found]


def forked() -> tuple[World, OutgoingRequest, Call]:
    """A call whose INVITE was forked downstream."""
    world = World(reliable="supported")
    out, _ = world.dial("4001")
    return world, out, next(iter(world.exchange.calls.values()))


def test_each_early_dialog_is_acknowledged_for_itself() -> None:
    """RSeq and CSeq count by To tag (RFC 3262 §4)."""
    world, _, _ = forked()
    for tag, rseq in (("one", 5), ("two", 9), ("one", 6), ("two", 9)):
        fork(world, 180, tag, 41000, "Require: 100rel", f"RSeq: {rseq}", described=False)
    assert of_tag(world, "PRACK") == [("one", 2), ("two", 2), ("one", 3)]


def test_the_phone_that_answers_is_heard() -> None:
    """Not the one that sent early media; its answer came before its 200."""
    world, out, call = forked()
    fork(world, 183, "one", 41000, "Require: 100rel", "RSeq: 1")
    fork(world, 183, "two", 42000, "Require: 100rel", "RSeq: 1")
    assert call.agent is not None
    assert call.agent.lease is not None
    assert world.plane.opened[call.agent.lease.port].remote_port == 41000
    fork(world, 200, "two", 42000, described=False)
    assert world.plane.opened[call.agent.lease.port].remote_port == 42000
    assert of_tag(world, "ACK") == [("two", 1)]
    world.within(world.carrier, out, "ACK", 1)
    world.within(world.carrier, out, "BYE", 2)
    assert of_tag(world, "BYE") == [("two", 3)]


def test_a_second_200_is_acknowledged_and_hung_up() -> None:
    """In its own dialog, with a CSeq above that of its PRACK; the first goes on (RFC 3261 §13.2.2.4)."""
    world, out, call = forked()
    fork(world, 183, "two", 42000, "Require: 100rel", "RSeq: 1")
    fork(world, 200, "one", 41000)
    fork(world, 200, "two", 42000)
    fork(world, 200, "three", 43000)
    assert of_tag(world, "ACK") == [("one", 1), ("two", 1), ("three", 1)]
    assert of_tag(world, "BYE") == [("two", 3), ("three", 2)]
    assert call.agent is not None
    assert call.agent.talking
    assert call.agent.lease is not None
    assert world.plane.opened[call.agent.lease.port].remote_port == 41000
    world.within(world.carrier, out, "ACK", 1)
    assert call.id in world.exchange.calls


def test_a_second_200_that_is_repeated_gets_its_own_ack_again() -> None:
    """And no second BYE."""
    world, _, _ = forked()
    for _ in range(3):
        fork(world, 200, "one", 41000)
        fork(world, 200, "two", 42000)
    assert of_tag(world, "ACK") == [("one", 1), ("two", 1)] * 3
    assert [tag for tag, _ in of_tag(world, "BYE")] == ["two"]


def test_more_early_dialogs_than_are_believed() -> None:
    """They are bounded; an answer of another is taken all the same."""
    world, _, call = forked()
    for number in range(40):
        fork(world, 180, f"f{number}", 41000, "Require: 100rel", "RSeq: 1", described=False)
    assert len(of_tag(world, "PRACK")) == 16
    fork(world, 200, "f39", 42000)
    assert call.agent is not None
    assert call.agent.talking


@pytest.mark.parametrize(
    ("status", "caller"), [(600, 486), (603, 603), (604, 404), (606, 488), (486, 486), (408, 480), (503, 503)]
)
def test_the_response_that_the_proxy_chose(status: int, caller: int) -> None:
    """After early dialogs of several phones the one final response ends the attempt (RFC 3261 §16.7)."""
    world, _, _ = forked()
    fork(world, 180, "one", 41000, "Require: 100rel", "RSeq: 1", described=False)
    fork(world, 183, "two", 42000, "Require: 100rel", "RSeq: 1")
    fork(world, status, "proxy", 41000, described=False)
    assert world.carrier.statuses[-1] == caller
    world.agent.requests.clear()
    world.advance(120)
    assert world.leftovers() == {}
