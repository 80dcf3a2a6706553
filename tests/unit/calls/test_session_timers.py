"""Session timers (RFC 4028) on every leg: both roles, either refresher, 422 both ways, and peers that vanish."""

from __future__ import annotations

import pytest

from ivr_flows.loader import parse_flow
from switchboard.calls.call import Call
from switchboard.sip.flow import TcpAddress
from switchboard.sip.message import Request
from switchboard.sip.outgoing import OutgoingRequest
from tests.support.exchange import AGENT, CARRIER, NUMBER, Peer, Team, World

TIMED = ("Supported: timer", "Allow: INVITE, ACK, BYE, CANCEL, UPDATE")
PLAIN = ("Supported: timer", "Allow: INVITE, ACK, BYE, CANCEL")
WAITING = """
flow: extension
start: wait
nodes:
  wait: {type: queue, group: shop, prompts: [music/hold], max_wait: 7200s, next: bye, on: {other: bye}}
  bye: {type: hangup}
"""


def talk(
    world: World, *headers: str, agent: tuple[str, ...] = (), body: bytes | None = None
) -> tuple[OutgoingRequest, Call]:
    """A call straight to the agent, up."""
    out, _ = world.dial("4001", headers=headers, body=body)
    (call,) = world.exchange.calls.values()
    index = max(i for i, (_, request) in enumerate(world.agent.requests) if request.method == "INVITE")
    offer = world.agent.requests[index][1].body
    world.reply(world.agent, 200, body=world.agent.answer(offer), index=index, headers=agent)
    world.within(world.carrier, out, "ACK", 1)
    return out, call


def answer(world: World, peer: Peer, status: int, *headers: str) -> None:
    """Answer the latest request; a re-INVITE with what was said before."""
    request = peer.requests[-1][1]
    body = peer.answer(request.body) if status == 200 and request.body else b""
    world.reply(peer, status, body=body, headers=headers)


def refreshes(peer: Peer) -> list[Request]:
    """The re-INVITEs and UPDATEs that a peer was sent."""
    return [request for _, request in peer.requests if request.to_tag and request.method in ("INVITE", "UPDATE")]


def header(message: Request, name: str) -> str:
    """The first value of a header."""
    return message.headers.first.get(name, "")


def final(world: World) -> dict[str, str]:
    """Session headers of the 200 that the carrier got."""
    response = next(one for one in reversed(world.carrier.responses) if one.status == 200)
    return {name: response.headers.first.get(name, "") for name in ("session-expires", "require", "supported")}


# --- what is agreed with a caller (RFC 4028 §9, Table 2) ---


@pytest.mark.parametrize(
    ("headers", "ours", "expires", "require"),
    [
        ((), 1800, "", ""),
        (("Supported: timer",), 1800, "1800;refresher=uac", "timer"),
        (("Supported: timer",), 0, "", ""),
        (("Supported: timer", "Session-Expires: 600"), 1800, "600;refresher=uac", "timer"),
        (("Supported: timer", "Session-Expires: 600;refresher=uas"), 0, "600;refresher=uas", "timer"),
        (("Supported: timer", "x: 600;refresher=uac"), 1800, "600;refresher=uac", "timer"),
        (("Supported: timer", "Session-Expires: 7200"), 1800, "1800;refresher=uac", "timer"),
        (("Supported: timer", "Session-Expires: 7200", "Min-SE: 3600"), 1800, "3600;refresher=uac", "timer"),
        (("Supported: timer", "Min-SE: 3600"), 1800, "3600;refresher=uac", "timer"),
        (("Session-Expires: 600",), 1800, "600;refresher=uas", ""),
        (("Session-Expires: 600;refresher=uac",), 1800, "600;refresher=uas", ""),
        (("Session-Expires: 20",), 1800, "", ""),
    ],
)
def test_what_the_200_says(headers: tuple[str, ...], ours: int, expires: str, require: str) -> None:
    """Interval and refresher; `timer` is required of those alone who know it."""
    world = World(session_expires=ours)
    talk(world, *headers)
    assert final(world) == {"session-expires": expires, "require": require, "supported": "replaces, norefersub, timer"}


def test_a_session_that_would_be_too_short() -> None:
    """422 with what we take; the caller's second attempt is a call."""
    world = World(session_expires=1800)
    world.dial("4001", headers=("Supported: timer", "Session-Expires: 60"))
    assert world.carrier.statuses[-1] == 422
    assert world.carrier.responses[-1].headers.first["min-se"] == "90"
    assert not world.exchange.calls
    talk(world, "Supported: timer", "Session-Expires: 90", "Min-SE: 90")
    assert final(world)["session-expires"] == "90;refresher=uac"


@pytest.mark.parametrize("line", ["Session-Expires: soon", "Min-SE: -1"])
def test_what_cannot_be_read_is_refused(line: str) -> None:
    """With 400."""
    world = World(session_expires=1800)
    world.dial("4001", headers=("Supported: timer", line))
    assert world.carrier.statuses[-1] == 400


def test_timer_may_be_required() -> None:
    """It is an extension that we know (RFC 3261 §8.2.2.3)."""
    world = World()
    talk(world, "Require: timer", "Supported: timer", "Session-Expires: 300;refresher=uac")
    assert final(world)["session-expires"] == "300;refresher=uac"


# --- the caller refreshes ---


def test_a_caller_that_refreshes_stays() -> None:
    """Each refresh, by UPDATE or re-INVITE, begins the interval anew."""
    world = World()
    out, call = talk(world, "Supported: timer", "Session-Expires: 300;refresher=uac")
    lines = ("Supported: timer", "Session-Expires: 300;refresher=uac", f"Contact: <sip:c@{CARRIER[0]}:{CARRIER[1]}>")
    for cseq in range(2, 8, 2):
        world.advance(200)
        world.within(world.carrier, out, "UPDATE", cseq, headers=lines)
        assert final(world)["session-expires"] == "300;refresher=uac"
        world.advance(200)
        world.within(world.carrier, out, "INVITE", cseq + 1, headers=lines, body=world.carrier.sdp())
        assert final(world)["session-expires"] == "300;refresher=uac"
        world.within(world.carrier, out, "ACK", cseq + 1)
    assert call.id in world.exchange.calls
    assert not refreshes(world.carrier)


def test_a_caller_that_does_not_refresh_is_hung_up_in_time() -> None:
    """A margin before the session is over, BYE to both sides and a cause of its own (RFC 4028 §10)."""
    world = World(session_expires=1800)
    talk(world, "Supported: timer", "Session-Expires: 300;refresher=uac")
    world.advance(267)
    assert not world.carrier.received("BYE")
    world.advance(2)
    assert header(world.carrier.received("BYE")[0], "reason").endswith('text="session_expired"')
    assert world.agent.received("BYE")
    world.advance(5)
    (record,) = world.journal.records
    assert (record.cause, record.ended_by, record.q850) == ("session_expired", "switch", 102)


def test_a_refresh_that_would_be_too_short() -> None:
    """422, and the session is what it was."""
    world = World(session_expires=1800)
    out, _ = talk(world, "Supported: timer", "Session-Expires: 300;refresher=uac")
    world.within(world.carrier, out, "UPDATE", 2, headers=("Supported: timer", "Session-Expires: 30"))
    assert world.carrier.statuses[-1] == 422
    world.advance(269)
    assert world.carrier.received("BYE")


# --- we refresh ---


@pytest.mark.parametrize(("known", "method"), [(TIMED, "UPDATE"), (PLAIN, "INVITE")])
def test_we_refresh_at_half_the_interval(known: tuple[str, ...], method: str) -> None:
    """By UPDATE where the peer takes it, else by re-INVITE of what was said before, word for word."""
    world = World(session_expires=1800)
    out, call = talk(world, *known, "Session-Expires: 300;refresher=uas")
    said = call.caller.local_sdp
    for turn in range(1, 6):
        world.advance(150)
        assert len(refreshes(world.carrier)) == turn
        request = refreshes(world.carrier)[-1]
        assert request.method == method
        assert header(request, "session-expires") == "300;refresher=uac"
        assert request.body == (said if method == "INVITE" else b"")
        answer(world, world.carrier, 200, "Require: timer", "Session-Expires: 300;refresher=uac")
    assert len(world.carrier.acks) == (5 if method == "INVITE" else 0)
    assert call.id in world.exchange.calls
    world.within(world.carrier, out, "BYE", 2)
    assert world.carrier.statuses[-1] == 200


def test_a_peer_may_turn_the_timer_off() -> None:
    """By a 200 without Session-Expires (RFC 4028 §7.2); it is asked no more where nothing is configured."""
    world = World()
    _, call = talk(world, *TIMED, "Session-Expires: 300;refresher=uas")
    world.advance(150)
    answer(world, world.carrier, 200)
    assert call.caller.session is None
    world.advance(3000)
    assert len(refreshes(world.carrier)) == 1


def test_a_peer_may_take_the_refreshing_over() -> None:
    """The 200 says who refreshes from now on."""
    world = World()
    _, call = talk(world, *TIMED, "Session-Expires: 300;refresher=uas")
    world.advance(150)
    answer(world, world.carrier, 200, "Require: timer", "Session-Expires: 300;refresher=uas")
    assert call.caller.session is not None
    assert not call.caller.session.ours
    world.advance(269)
    assert header(world.carrier.received("BYE")[0], "reason").endswith('text="session_expired"')


@pytest.mark.parametrize("status", [405, 501])
def test_a_peer_that_takes_no_update_after_all(status: int) -> None:
    """It is asked by re-INVITE at once."""
    world = World()
    talk(world, *TIMED, "Session-Expires: 300;refresher=uas")
    world.advance(150)
    answer(world, world.carrier, status)
    world.advance(0.1)
    assert [request.method for request in refreshes(world.carrier)] == ["UPDATE", "INVITE"]


@pytest.mark.parametrize("known", [TIMED, PLAIN])
def test_a_refresh_whose_interval_is_refused(known: tuple[str, ...]) -> None:
    """A proxy wants more: it is asked again with that (RFC 4028 §7.3)."""
    world = World()
    talk(world, *known, "Session-Expires: 300;refresher=uas")
    world.advance(150)
    answer(world, world.carrier, 422, "Min-SE: 900")
    assert [header(request, "session-expires") for request in refreshes(world.carrier)] == [
        "300;refresher=uac",
        "900;refresher=uac",
    ]


def test_a_refresh_that_meets_another() -> None:
    """491: it is sent again a little later, and the session goes on (RFC 3261 §14.1)."""
    world = World()
    talk(world, *PLAIN, "Session-Expires: 300;refresher=uas")
    world.advance(150)
    answer(world, world.carrier, 491)
    world.advance(4)
    assert len(refreshes(world.carrier)) == 2
    answer(world, world.carrier, 200, "Session-Expires: 300;refresher=uac")
    world.advance(149)
    assert len(refreshes(world.carrier)) == 2


def test_a_refresh_that_fails_is_tried_until_the_session_ends() -> None:
    """A peer in trouble answers 500 each time; the session is over when its interval is."""
    world = World()
    talk(world, *TIMED, "Session-Expires: 300;refresher=uas")
    for _ in range(400):
        if world.carrier.requests and not world.carrier.requests[-1][0].wire:
            method = world.carrier.requests[-1][1].method
            world.reply(world.carrier, 500 if method == "UPDATE" else 200)
        if not world.exchange.calls:
            break
        world.advance(1)
    assert len(refreshes(world.carrier)) == 4
    assert world.journal.records[0].cause == "session_expired"
    assert world.now - 1000 == pytest.approx(270, abs=5)


@pytest.mark.parametrize("known", [TIMED, PLAIN])
@pytest.mark.parametrize("back", [True, False])
def test_a_transport_that_fails_for_a_moment_ends_no_session(known: tuple[str, ...], *, back: bool) -> None:
    """As 503 (RFC 3261 §8.1.3.1): it is tried again until the session is over."""
    world = World()
    _, call = talk(world, *known, "Session-Expires: 300;refresher=uas")
    world.lost = lambda destination, data: destination == CARRIER
    for _ in range(300):
        world.advance(1)
        if world.exchange.core.counts()["waiting_destinations"]:
            world.exchange.core.transport_error(CARRIER, world.now)
            world.run()
            if back:
                break
    world.lost = lambda destination, data: False
    if back:
        world.advance(38)
        assert len(refreshes(world.carrier)) == 1
        answer(world, world.carrier, 200, "Session-Expires: 300;refresher=uac")
        world.advance(140)
        assert call.id in world.exchange.calls
    else:
        assert world.exchange.calls == {}


# --- a peer that has vanished ---


@pytest.mark.parametrize("headers", [(), (*TIMED, "Session-Expires: 1800;refresher=uas"), ("Allow: UPDATE",)])
@pytest.mark.parametrize("status", [0, 481, 408, 404, 410, 483, 502, 604])
def test_a_caller_that_vanished_in_a_queue_is_found(headers: tuple[str, ...], status: int) -> None:
    """Also one that knows no session timers: it is asked all the same."""
    teams = (Team("shop", (f"sip:one@{AGENT[0]}:{AGENT[1]}",), 10_000.0),)
    world = World({"extension": parse_flow(WAITING, "extension.yaml")}, teams=teams, session_expires=1800)
    out, _ = world.dial(NUMBER, headers=headers)
    world.within(world.carrier, out, "ACK", 1)
    world.advance(899)
    assert not refreshes(world.carrier)
    world.advance(2)
    assert len(refreshes(world.carrier)) == 1
    if status:
        answer(world, world.carrier, status)
    else:
        world.advance(40)
    assert header(world.carrier.received("BYE")[-1], "reason").endswith('text="session_expired"')
    world.advance(60)
    assert world.journal.records[0].cause == "session_expired"
    assert world.leftovers() == {}


def test_a_caller_without_session_timers_who_is_there_stays() -> None:
    """Whatever it answers, it is there, and is asked again only half an interval later."""
    world = World(session_expires=1800)
    _, call = talk(world)
    for turn, status in enumerate((200, 488, 500, 200), 1):
        world.advance(900)
        for peer in (world.carrier, world.agent):
            assert len(refreshes(peer)) == turn
            assert header(refreshes(peer)[-1], "session-expires") == ""
            answer(world, peer, status)
    assert call.id in world.exchange.calls


def test_an_agent_that_vanished_ends_the_call() -> None:
    """Its refresh is not answered."""
    world = World(session_expires=1800)
    world.lost = lambda destination, data: destination == AGENT and world.now > 1100
    talk(world)
    world.advance(900)
    answer(world, world.carrier, 200)
    world.advance(40)
    assert world.carrier.received("BYE")
    world.advance(40)
    assert world.journal.records[0].cause == "session_expired"
    assert world.leftovers() == {}


@pytest.mark.parametrize("lines", [(), ("Require: timer", "Session-Expires: 1800;refresher=uas")])
@pytest.mark.parametrize("fails", [False, True])
def test_a_phone_that_holds_and_loses_its_connection_does_not_hold_for_ever(
    lines: tuple[str, ...], *, fails: bool
) -> None:
    """No audio is missed of it, and nobody can reach it: it is asked in time, or should have asked us."""
    world = World(session_expires=1800)
    flow = TcpAddress(AGENT)
    _, call = talk(world, agent=lines)
    leg = call.agent
    assert leg is not None
    assert leg.dialog is not None
    leg.dialog.nat, leg.dialog.destination, leg.source = True, flow, flow
    leg.holding = True
    world.core.flow_lost(flow, world.now)
    answered = 0
    for _ in range(1800):
        world.advance(1)
        if len(refreshes(world.carrier)) > answered:
            answered += 1
            answer(world, world.carrier, 200)
        if fails and world.core.counts()["waiting_destinations"]:
            world.core.flow_lost(flow, world.now)
    assert world.exchange.calls == {}
    assert len(world.carrier.received("BYE")) == 1


def test_a_hold_outlives_a_refresh() -> None:
    """What a phone has said of its audio is not taken back by our repeating what we said."""
    world = World(session_expires=1800)
    out, call = talk(world)
    lines = (f"Contact: <sip:c@{CARRIER[0]}:{CARRIER[1]}>",)
    held = world.carrier.sdp().replace(b"a=sendrecv", b"a=sendonly")
    world.within(world.carrier, out, "INVITE", 2, body=held, headers=lines)
    world.within(world.carrier, out, "ACK", 2)
    assert call.caller.holds
    world.advance(900)
    request = refreshes(world.carrier)[-1]
    assert b"a=recvonly" in request.body
    world.reply(world.carrier, 200, body=held)
    assert call.caller.holds


def test_a_new_address_in_the_answer_to_a_refresh_is_taken() -> None:
    """The media goes where the peer says."""
    world = World(session_expires=1800)
    _, call = talk(world)
    world.advance(900)
    offer = refreshes(world.carrier)[-1].body
    world.reply(world.carrier, 200, body=world.carrier.answer(offer, 47000))
    assert call.caller.lease is not None
    assert world.plane.opened[call.caller.lease.port].remote_port == 47000
    assert call.caller.lease.port in world.plane.bridges


# --- the called side ---


def test_what_we_offer() -> None:
    """Session-Expires without a refresher (RFC 4028 §7.1): the called side chooses."""
    world = World(session_expires=1800)
    world.dial("4001")
    invite = world.agent.received("INVITE")[0]
    assert header(invite, "session-expires") == "1800"
    assert "timer" in header(invite, "supported")


def test_nothing_is_offered_where_it_is_not_configured() -> None:
    """But a called side that wants session timers has them."""
    world = World()
    _, call = talk(world, agent=("Require: timer", "Session-Expires: 300;refresher=uac"))
    assert "session-expires" not in world.agent.received("INVITE")[0].headers
    assert call.agent is not None
    assert call.agent.session is not None
    world.advance(150)
    assert len(refreshes(world.agent)) == 1


def test_a_called_side_that_refreshes_must_do_so() -> None:
    """Else it is hung up in time."""
    world = World(session_expires=1800)
    talk(world, agent=("Require: timer", "Session-Expires: 300;refresher=uas"))
    world.advance(269)
    assert header(world.agent.received("BYE")[0], "reason").endswith('text="session_expired"')


def test_an_invite_that_is_answered_422() -> None:
    """It goes again with what is wanted: the same Call-ID and From, the next CSeq (RFC 4028 §7.3)."""
    world = World(session_expires=1800)
    world.dial("4001")
    world.reply(world.agent, 422, headers=("Min-SE: 3600",))
    first, second = world.agent.received("INVITE")
    assert (second.call_id, second.from_tag, second.cseq) == (first.call_id, first.from_tag, 2)
    assert header(second, "session-expires") == header(second, "min-se") == "3600"
    assert second.body == first.body
    world.agent_answers()
    assert world.carrier.statuses[-1] == 200
    assert world.agent.acks[-1].cseq == 2


@pytest.mark.parametrize("lines", [("Min-SE: 3600",), ("Min-SE: 999999",), ("Min-SE: soon",), ()])
def test_an_invite_that_is_always_answered_422(lines: tuple[str, ...]) -> None:
    """A second 422 that wants no more than it got, or one that makes no sense, is a failure like any other."""
    world = World(session_expires=1800)
    world.dial("4001")
    for _ in range(3):
        if world.exchange.calls and world.agent.requests[-1][1].method == "INVITE":
            world.reply(world.agent, 422, headers=lines)
    assert len(world.agent.received("INVITE")) <= 2
    assert world.carrier.statuses[-1] == 500


def test_a_422_after_the_caller_has_gone() -> None:
    """Nobody is called again."""
    world = World(session_expires=1800)
    _, tx = world.dial("4001")
    world.reply(world.agent, 180)
    world.carrier.core.cancel(tx, world.now)
    world.run()
    world.reply(world.agent, 422, headers=("Min-SE: 3600",), index=0)
    assert len(world.agent.received("INVITE")) == 1


def test_glare_on_both_sides() -> None:
    """Who meets our re-INVITE with its own is told 491 until ours is answered; a refresh without an offer is not."""
    world = World(session_expires=1800)
    out, _ = talk(world)
    world.advance(900)
    lines = (f"Contact: <sip:c@{CARRIER[0]}:{CARRIER[1]}>",)
    world.within(world.carrier, out, "INVITE", 2, body=world.carrier.sdp(), headers=lines)
    assert world.carrier.statuses[-1] == 491
    world.within(world.carrier, out, "UPDATE", 3, headers=lines)
    assert world.carrier.statuses[-1] == 200
    index = max(i for i, (_, request) in enumerate(world.carrier.requests) if request.method == "INVITE")
    world.reply(world.carrier, 200, body=world.carrier.answer(world.carrier.requests[index][1].body), index=index)
    world.within(world.carrier, out, "INVITE", 4, body=world.carrier.sdp(), headers=lines)
    assert world.carrier.statuses[-1] == 200
