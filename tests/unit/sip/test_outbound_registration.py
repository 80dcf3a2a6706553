"""Our registration at a carrier: a registrar played by hand, time moved by hand."""

from __future__ import annotations

from typing import Final

import pytest

from switchboard.sip.digest import Challenger, Verdict, ha1
from switchboard.sip.digest_client import DigestClient
from switchboard.sip.message import Response, parse_datagram
from switchboard.sip.outbound_registration import (
    LONGEST,
    MAX_PAUSE,
    TRANSITIONS,
    Account,
    Input,
    OutboundRegistration,
    State,
    Target,
)
from switchboard.sip.outgoing import Address, OutgoingRequest

AOR = "sip:we@carrier.example"
A, B = (Target(name, (f"192.0.2.{last}", 5060), "sip:carrier.example") for name, last in (("a", 1), ("b", 2)))
CONTACT = "sip:we@198.51.100.1:5060"


def response(sent: OutgoingRequest, status: int, *lines: str) -> Response:
    """An answer as it comes over the wire."""
    text = [
        f"SIP/2.0 {status} So",
        "Via: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK1",
        f"From: {sent.from_}",
        f"To: {sent.to};tag=x",
        f"Call-ID: {sent.call_id}",
        f"CSeq: {sent.cseq} REGISTER",
        *lines,
        "Content-Length: 0",
    ]
    message = parse_datagram("\r\n".join([*text, "", ""]).encode())
    assert isinstance(message, Response)
    return message


class World:
    """A registration, the places it has, and the request that is under way."""

    def __init__(self, *targets: Target, expires: int = 3600, password: str = "secret", random: float = 1.0) -> None:
        self.targets = list(targets)
        self.now = 1000.0
        self.tokens = 0
        self.registration = OutboundRegistration(
            Account(AOR, expires),
            lambda now: list(self.targets),
            self.contact,
            DigestClient("we", password),
            self.token,
            lambda: random,
        )

    def token(self) -> str:
        """Another one each time."""
        self.tokens += 1
        return f"t{self.tokens}"

    def contact(self, address: Address) -> str:
        """The same everywhere."""
        return CONTACT

    def sent(self) -> OutgoingRequest:
        """The one request that is to be sent."""
        (request,) = self.registration.take()
        return request

    def start(self) -> OutgoingRequest:
        """Begin."""
        self.registration.start(self.now)
        return self.sent()

    def answer(self, sent: OutgoingRequest, status: int, *lines: str) -> None:
        """What the registrar says."""
        self.registration.answered(sent, response(sent, status, *lines), self.now)

    def hold(self, expires: int = 3600) -> OutgoingRequest:
        """Be registered."""
        sent = self.start()
        self.answer(sent, 200, f"Contact: <{CONTACT}>;expires={expires}")
        assert self.registration.state is State.HELD
        return sent

    def wait(self) -> float:
        """Let time pass until something is due; how long that was."""
        assert self.registration.due is not None
        passed = self.registration.due - self.now
        self.now = self.registration.due
        self.registration.handle_timer(self.now)
        return passed

    @property
    def state(self) -> State:
        """Where it stands."""
        return self.registration.state


class TestRegistering:
    """From the first REGISTER on."""

    def test_the_request(self) -> None:
        """Who registers what, where and for how long."""
        sent = World(A, expires=600).start()
        assert (sent.method, sent.uri, sent.destination, sent.cseq) == ("REGISTER", A.uri, A.address, 1)
        assert sent.to == f"<{AOR}>"
        assert sent.from_.startswith(f"<{AOR}>;tag=")
        assert sent.headers == (f"Contact: <{CONTACT}>", "Expires: 600", "Supported: path")

    def test_the_password_is_asked_for(self) -> None:
        """The same again with credentials and the next CSeq; later requests bring them along."""
        world, challenger = World(A), Challenger("carrier.example", bytes(16))
        first = world.start()
        world.answer(first, 401, *(f"WWW-Authenticate: {one}" for one in challenger.challenge(0.0, "s")))
        second = world.sent()
        assert (second.call_id, second.cseq, second.from_) == (first.call_id, 2, first.from_)
        line = second.headers[-1]
        verdict = challenger.check(
            line.partition(": ")[2], "REGISTER", A.uri, lambda u, a: ha1(u, "carrier.example", "secret", a), 0.0
        )
        assert verdict is Verdict.OK
        world.answer(second, 200, f"Contact: <{CONTACT}>;expires=600")
        world.wait()
        assert "nc=00000002" in world.sent().headers[-1]

    def test_a_wrong_password_waits(self) -> None:
        """It is tried once, then after the pause of a failure."""
        world, challenger = World(A), Challenger("carrier.example", bytes(16))
        for _ in range(2):
            sent = world.start() if world.state is State.OFF else world.sent()
            world.answer(sent, 401, *(f"WWW-Authenticate: {one}" for one in challenger.challenge(0.0, "s")))
        assert world.state is State.WAITING
        assert world.registration.reason == "401 password refused"
        assert world.wait() == 30.0

    @pytest.mark.parametrize(
        ("lines", "seconds"),
        [
            ((f"Contact: <{CONTACT}>;expires=600",), 600),
            ((f"Contact: <sip:else@192.0.2.9>;expires=60, <{CONTACT}>;expires=600",), 600),
            ((f"Contact: <{CONTACT}>", "Expires: 500"), 500),
            (("Expires: 500",), 500),
            ((), 3600),
            (("Expires: x",), 3600),
            (("Contact: <", "Expires: 500"), 500),
            (("Expires: 99999999",), LONGEST),
            ((f"Contact: <{CONTACT.upper().replace('SIP', 'sip').replace('WE', 'we')}>;expires=700",), 700),
        ],
    )
    def test_what_is_granted(self, lines: tuple[str, ...], seconds: int) -> None:
        """That of our own contact, else of the answer, else what was asked for."""
        world = World(A)
        world.answer(world.start(), 200, *lines)
        assert world.registration.bound_until == world.now + seconds

    def test_it_is_refreshed_before_it_ends(self) -> None:
        """With the same Call-ID and the next CSeq, and so on."""
        world = World(A)
        first = world.hold(600)
        for cseq in (2, 3):
            passed = world.wait()
            assert 0.7 * 600 <= passed <= 0.8 * 600
            sent = world.sent()
            assert (sent.call_id, sent.cseq) == (first.call_id, cseq)
            assert world.registration.holds(world.now)
            world.answer(sent, 200, f"Contact: <{CONTACT}>;expires=600")

    @pytest.mark.parametrize(("granted", "least", "most"), [(1, 2.0, 2.0), (60, 27.0, 30.0), (600, 420.0, 480.0)])
    def test_refreshes_are_spread(self, granted: int, least: float, most: float) -> None:
        """Chance keeps many from coming at once; nothing is refreshed sooner than after two seconds."""
        for random, expected in ((1.0, least), (0.0, most)):
            world = World(A, random=random)
            world.hold(granted)
            assert world.wait() == pytest.approx(expected, abs=12.5 if granted == 600 else 0.01)

    def test_too_brief(self) -> None:
        """423 names the least, which is asked for at once and from then on; less than was asked for is nonsense."""
        world = World(A, expires=60)
        world.answer(world.start(), 423, "Min-Expires: 1800")
        sent = world.sent()
        assert "Expires: 1800" in sent.headers
        world.answer(sent, 423, "Min-Expires: 1800")
        assert (world.state, world.registration.reason) == (State.WAITING, "423")

    def test_ever_more(self) -> None:
        """A registrar that always wants a little more is left for a while, and asked anew then."""
        world = World(A, expires=60)
        world.answer(world.start(), 423, "Min-Expires: 61")
        world.answer(world.sent(), 423, "Min-Expires: 62")
        world.answer(world.sent(), 423, "Min-Expires: 63")
        assert (world.state, world.registration.reason) == (State.WAITING, "423")
        world.wait()
        world.answer(world.sent(), 423, "Min-Expires: 63")
        assert "Expires: 63" in world.sent().headers

    def test_not_granted(self) -> None:
        """A 200 that grants nothing is none."""
        world = World(A)
        world.answer(world.start(), 200, f"Contact: <{CONTACT}>;expires=0")
        assert (world.state, world.registration.reason) == (State.WAITING, "not granted")

    def test_service_route(self) -> None:
        """What the registrar wants requests to be routed by (RFC 3608)."""
        world = World(A)
        world.answer(world.start(), 200, "Service-Route: <sip:p1;lr>, <sip:p2;lr>", "Service-Route: <sip:p3;lr>")
        assert world.registration.routes == ("<sip:p1;lr>", "<sip:p2;lr>", "<sip:p3;lr>")


class TestFailing:
    """What does not answer, or refuses."""

    def test_the_next_place_at_once(self) -> None:
        """Each with a Call-ID of its own; where it succeeds it stays, and the refresh goes there."""
        world = World(A, B)
        first = world.start()
        world.registration.unanswered(first, world.now, unreachable=False)
        second = world.sent()
        assert (second.destination, second.call_id != first.call_id) == (B.address, True)
        world.answer(second, 200, "Expires: 600")
        assert world.registration.bound_at == B
        world.wait()
        third = world.sent()
        assert (third.destination, third.call_id) == (B.address, second.call_id)
        world.answer(third, 503)
        assert (world.sent().destination, world.state) == (A.address, State.TRYING)
        assert world.registration.holds(world.now)

    def test_pauses_double_up_to_half_an_hour(self) -> None:
        """And begin anew after a success."""
        world = World(A)
        sent, pauses = world.start(), []
        for _ in range(9):
            world.answer(sent, 500)
            pauses.append(world.wait())
            sent = world.sent()
        assert pauses == [30.0, 60.0, 120.0, 240.0, 480.0, 960.0, MAX_PAUSE, MAX_PAUSE, MAX_PAUSE]
        world.answer(sent, 200, "Expires: 600")
        world.wait()
        world.answer(world.sent(), 500)
        assert world.wait() == 30.0

    def test_chance_has_half_of_the_pause(self) -> None:
        """Between a half and the whole (RFC 5626 §4.5)."""
        world = World(A, random=0.0)
        world.answer(world.start(), 500)
        assert world.wait() == 15.0

    @pytest.mark.parametrize(
        ("value", "pause"),
        [("120", 120.0), ("120;duration=9", 120.0), ("120 (soon)", 120.0), ("x", 30.0), ("99999", MAX_PAUSE)],
    )
    def test_retry_after(self, value: str, pause: float) -> None:
        """It is waited for, within bounds."""
        world = World(A)
        world.answer(world.start(), 503, f"Retry-After: {value}")
        assert world.wait() == pause

    def test_a_name_that_leads_nowhere(self) -> None:
        """It is looked for again after a pause."""
        world = World()
        world.registration.start(world.now)
        assert (world.state, world.registration.reason) == (State.WAITING, "no address")
        world.targets.append(A)
        world.wait()
        assert world.sent().destination == A.address

    def test_what_was_granted_holds_until_its_end(self) -> None:
        """Also when its refresh fails."""
        world = World(A)
        world.hold(600)
        world.wait()
        world.registration.unanswered(world.sent(), world.now, unreachable=True)
        assert (world.state, world.registration.reason) == (State.WAITING, "transport")
        assert world.registration.holds(world.now)
        assert not world.registration.holds(1600.0)

    def test_old_answers_change_nothing(self) -> None:
        """Nor do provisional ones."""
        world = World(A)
        old = world.hold(600)
        world.wait()
        new = world.sent()
        world.answer(old, 500)
        world.answer(new, 100)
        world.registration.unanswered(old, world.now, unreachable=True)
        assert world.state is State.REFRESHING


class TestStopping:
    """Registered no more."""

    def test_the_binding_is_taken_back(self) -> None:
        """Expires: 0 for our contact, with credentials where asked for; after that nothing is due."""
        world, challenger = World(A), Challenger("carrier.example", bytes(16))
        world.hold()
        world.registration.stop(world.now)
        sent = world.sent()
        assert f"Contact: <{CONTACT}>" in sent.headers
        assert "Expires: 0" in sent.headers
        world.answer(sent, 401, *(f"WWW-Authenticate: {one}" for one in challenger.challenge(0.0, "s")))
        world.answer(world.sent(), 200)
        assert (world.state, world.registration.due) == (State.OFF, None)
        assert not world.registration.holds(world.now)

    def test_while_it_is_refreshed(self) -> None:
        """The answer to the refresh is of no interest any more."""
        world = World(A)
        world.hold(600)
        world.wait()
        refresh = world.sent()
        world.registration.stop(world.now)
        end = world.sent()
        assert end.cseq == refresh.cseq + 1
        world.answer(refresh, 200, "Expires: 600")
        assert world.state is State.LEAVING
        world.answer(end, 481)
        assert world.state is State.OFF

    def test_while_it_is_tried(self) -> None:
        """What is granted after all is taken back at once; what is refused needs no more."""
        world = World(A)
        sent = world.start()
        world.registration.stop(world.now)
        assert world.registration.take() == []
        world.answer(sent, 200, "Expires: 600")
        world.answer(world.sent(), 200)
        assert world.state is State.OFF
        sent = world.start()
        world.registration.stop(world.now)
        world.answer(sent, 403)
        assert world.state is State.OFF

    def test_while_it_waits(self) -> None:
        """Nothing is sent."""
        world = World(A)
        world.answer(world.start(), 403)
        world.registration.stop(world.now)
        assert (world.state, world.registration.due, world.registration.take()) == (State.OFF, None, [])

    def test_begun_again_while_it_ends(self) -> None:
        """A new one follows, and the answer to the end changes nothing."""
        world = World(A)
        world.hold()
        world.registration.stop(world.now)
        end = world.sent()
        again = world.start()
        world.answer(end, 200)
        assert world.state is State.TRYING
        world.answer(again, 200, "Expires: 600")
        assert world.state is State.HELD


REACHED: Final = {State.OFF, State.TRYING, State.HELD, State.REFRESHING, State.WAITING, State.LEAVING}


def test_the_table() -> None:
    """Every state can be reached and left, and pairs that are not in the table change nothing."""
    assert {state for state, _ in TRANSITIONS} == REACHED == set(TRANSITIONS.values())
    world = World(A)
    for moved_by in (Input.STOP, Input.DUE):
        assert (State.OFF, moved_by) not in TRANSITIONS
    world.registration.stop(world.now)
    world.registration.handle_timer(world.now)
    assert (world.state, world.registration.take()) == (State.OFF, [])
    world.hold()
    world.registration.start(world.now)
    assert (world.state, world.registration.take()) == (State.HELD, [])
