"""Carriers of a switch in memory: registered at, asked, chosen, limited, changed, and what calls take of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr_flows.clock import LocalTime
from media.sdes import render_crypto
from routing.acd.hours import parse_hours
from routing.masks.secret import RealNumber
from routing.masks.target import NumberTarget
from routing.trunks.header_rules import read_header_rule
from routing.trunks.health import Probing
from routing.trunks.limits import Limits
from routing.trunks.model import Gateway
from routing.trunks.rewriting import read_rule
from switchboard.calls.carriers.description import Login, Registering, Rewriting, Site, Trunk
from switchboard.calls.carriers.report import report_all
from switchboard.calls.exchange import Exchange
from switchboard.net.locator import Locator
from switchboard.sip.digest import Challenger, ha1
from switchboard.sip.message import Request
from switchboard.sip.outgoing import OutgoingRequest
from tests.support.exchange import AGENT, CARRIER, PHONE, SWITCH, Peer, World

REAL, SHOWN = "13912345678", "01088880000"
LOGIN = Login("4001", "secret")
DIALLED = "4006*1"


def site(name: str, address: tuple[str, int], login: Login | None = None, **gateway: Any) -> Site:
    """A gateway at a peer."""
    return Site(Gateway(name=name, **gateway), f"{address[0]}:{address[1]}", login=login)


class Fixed(Locator):
    """Knows one place, whatever the name."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address

    def targets(self, name: str, transport: str, now: float) -> tuple[tuple[str, int], ...]:
        """There."""
        return (self.address,)


def north(**changes: Any) -> Trunk:
    """A carrier with gateways at two peers, a first."""
    values = {"sites": (site("a", AGENT, order=1), site("b", PHONE, order=2)), "sources": ("192.0.2.77",), **changes}
    return Trunk("north", None, False, **values)


def world_with(*trunks: Trunk, names: str = "north") -> World:
    """A switch with these trunks, the one that brings calls, and a person behind `names`."""
    world = World()
    world.exchange.carriers.table._random = random.Random(3).random
    # Refreshes come as late, pauses are as short as they may be.
    world.exchange.carriers._random = lambda: 0.0
    change(world, *trunks)
    secret = world.vault.seal(RealNumber(REAL))
    world.masks.bind("4006", "1", NumberTarget(secret, names, SHOWN))
    return world


def change(world: World, *trunks: Trunk) -> None:
    """Have these trunks beside the one that brings calls."""
    bench = Trunk("bench", None, False, sources=("127.0.0.2",))
    world.exchange.carriers.change({"bench": bench, **{trunk.name: trunk for trunk in trunks}}, world.now)


def status(world: World) -> int:
    """What the caller was told last."""
    return world.carrier.statuses[-1]


def invites(peer: Peer) -> list[Request]:
    """The INVITEs of a peer."""
    return peer.received("INVITE")


def end(world: World, out: OutgoingRequest) -> None:
    """The caller hangs up; nothing is left in the end."""
    world.within(world.carrier, out, "ACK", 1)
    world.within(world.carrier, out, "BYE", 2)
    over(world)


def over(world: World) -> None:
    """Nothing is left."""
    world.advance(80)
    assert world.leftovers() == {}


def in_call(method: str, contact: str = "") -> tuple[World, Callable[[], None]]:
    """A talk with somebody behind a gateway that knows our password, and what makes us send such a request there."""
    world = world_with(north(sites=(site("a", AGENT, LOGIN),)))
    world.exchange.settings = msgspec.structs.replace(world.exchange.settings, session_expires=1800)
    out, _ = world.dial(DIALLED)
    allow = "Allow: INVITE, ACK, BYE, UPDATE" if method == "UPDATE" else "Allow: INVITE, ACK, BYE"
    tx, invite = world.agent.requests[-1]
    headers = (allow, contact) if contact else (allow,)
    world.agent.core.respond(tx, 200, headers=headers, body=world.agent.answer(invite.body), now=world.now)
    world.run()
    world.within(world.carrier, out, "ACK", 1)
    (call,) = world.exchange.calls.values()
    leg = call.agent
    assert leg is not None
    leg.keys = "info"

    def asks() -> None:
        if method == "INFO":
            assert call.caller.lease is not None
            world.plane.key_for_other(call.caller.lease, "5")
            world.run()
        else:
            # The caller's own half is not due.
            call.caller.session_due = None
            assert leg.session_due is not None
            world.advance(leg.session_due - world.now + 0.01)

    return world, asks


class TestCalls:
    """Calls to a number."""

    @pytest.mark.parametrize("code", [408, 500, 503])
    def test_a_failure_of_the_gateway_leads_on(self, code: int) -> None:
        """The next one has the call; both attempts are counted, one of them answered."""
        world = world_with(north())
        out, _ = world.dial(DIALLED)
        world.reply(world.agent, code)
        world.agent_answers(world.phone)
        assert status(world) == 200
        (report,) = [one for one in report_all(world.exchange.carriers, world.now) if one.name == "north"]
        assert (report.counted.calls, report.counted.attempts, report.counted.asr) == (1, 2, 0.5)
        assert [one.counted.failed_status for one in report.gateways] == [code, None]
        end(world, out)

    @pytest.mark.parametrize("code", [486, 404, 603, 600])
    def test_the_answer_of_who_is_called_does_not(self, code: int) -> None:
        """Nobody else is troubled, and it is no failure of the gateway."""
        world = world_with(north(failover=frozenset({503})))
        world.dial(DIALLED)
        world.reply(world.agent, code)
        assert invites(world.phone) == []
        assert status(world) >= 400
        assert world.exchange.carriers.table.trunks["north"].load.failure is None
        over(world)

    def test_several_trunks_in_their_order(self) -> None:
        """The second trunk is tried when the first is closed, full, off or fails."""
        south = Trunk("south", PHONE, False)
        world = world_with(north(sites=(site("a", AGENT),)), south, names="north,south")
        out, _ = world.dial(DIALLED)
        world.reply(world.agent, 503)
        world.agent_answers(world.phone)
        end(world, out)
        for closed in (north(disabled=True), north(hours=parse_hours("sun 01:00-02:00"))):
            change(world, closed, south)
            before = len(invites(world.agent))
            out, _ = world.dial(DIALLED)
            world.agent_answers(world.phone)
            assert len(invites(world.agent)) == before
            end(world, out)

    def test_hours(self) -> None:
        """Outside its hours a trunk is not there."""
        world = world_with(north(hours=parse_hours("mon-fri 09:00-11:00")))
        world.dial(DIALLED)
        assert len(invites(world.agent)) == 1
        world.clock.time = LocalTime("2026-11-23", "11:00", 1, True, "")
        world.dial(DIALLED)
        assert (len(invites(world.agent)), status(world)) == (1, 480)
        (report,) = [one for one in report_all(world.exchange.carriers, world.now) if one.name == "north"]
        assert report.state == "closed"

    def test_a_rate_that_is_used_up(self) -> None:
        """More calls in a second than the carrier takes are congestion, unless another gateway has room."""
        world = world_with(north(limits=Limits(cps=2)))
        for _ in range(2):
            world.dial(DIALLED)
        assert len(invites(world.agent)) == 2
        world.dial(DIALLED)
        assert status(world) == 503
        world.advance(1.0)
        world.dial(DIALLED)
        assert len(invites(world.agent)) == 3
        for index in (0, 1, 2):
            world.reply(world.agent, 486, index=index)
        over(world)

    def test_no_way_on_to_a_full_gateway(self) -> None:
        """What was free when the call began is passed over when it is full by then."""
        limited = site("b", PHONE, order=2, limits=Limits(channels=1))
        world = world_with(north(sites=(site("a", AGENT, order=1), limited)))
        first, _ = world.dial(DIALLED)
        world.dial(DIALLED)
        world.reply(world.agent, 503, index=0)
        world.agent_answers(world.phone)
        world.reply(world.agent, 503, index=1)
        assert (len(invites(world.phone)), status(world)) == (1, 503)
        world.hang_up(world.phone)
        over(world)
        assert first.method == "INVITE"

    def test_a_password_is_answered_and_brought_along(self) -> None:
        """407 is answered; the next call has the answer with it."""
        world = world_with(north(sites=(site("a", AGENT, LOGIN),)))
        challenger = Challenger("north", bytes(16))
        world.dial(DIALLED)
        world.reply(
            world.agent, 407, headers=tuple(f"Proxy-Authenticate: {one}" for one in challenger.challenge(0.0, "s"))
        )
        for count in (1, 2):
            line = invites(world.agent)[-1].headers.get("proxy-authorization") or ""
            uri = invites(world.agent)[-1].uri
            verdict = challenger.check(line, "INVITE", uri, lambda u, a: ha1(u, "north", "secret", a), 1.0)
            assert (verdict.name, f"nc=0000000{count}" in line) == ("OK", True)
            world.reply(world.agent, 486)
            world.dial(DIALLED)
        world.agent_answers()
        assert "nc=00000003" in (world.agent.acks[-1].headers.get("proxy-authorization") or "")
        world.hang_up(world.agent)
        over(world)

    def test_a_bye_that_is_challenged(self) -> None:
        """It is sent again with the password, once."""
        world = world_with(north(sites=(site("a", AGENT, LOGIN),)))
        out, _ = world.dial(DIALLED)
        world.agent_answers()
        world.within(world.carrier, out, "ACK", 1)
        world.within(world.carrier, out, "BYE", 2)
        challenger = Challenger("north", bytes(16))
        for _ in range(2):
            lines = (f"Proxy-Authenticate: {one}" for one in challenger.challenge(0.0, "s"))
            world.reply(world.agent, 407, headers=tuple(lines))
        first, second = world.agent.received("BYE")
        assert second.cseq == first.cseq + 1
        line = second.headers.get("proxy-authorization") or ""
        verdict = challenger.check(line, "BYE", second.uri, lambda u, a: ha1(u, "north", "secret", a), 1.0)
        assert verdict.name == "OK"
        over(world)

    def test_a_bye_that_is_challenged_elsewhere(self) -> None:
        """Where the called one's Contact leads, and no gateway is, nobody gets a hash of the password."""
        world = world_with(north(sites=(site("a", AGENT, LOGIN),)))
        out, _ = world.dial(DIALLED)
        offer = world.agent.requests[-1][1].body
        contact = (f"Contact: <sip:x@{PHONE[0]}:{PHONE[1]}>",)
        world.agent.core.respond(
            world.agent.requests[-1][0], 200, headers=contact, body=world.agent.answer(offer), now=world.now
        )
        world.run()
        world.within(world.carrier, out, "ACK", 1)
        world.within(world.carrier, out, "BYE", 2)
        lines = (f"Proxy-Authenticate: {one}" for one in Challenger("north", bytes(16)).challenge(0.0, "s"))
        world.reply(world.phone, 407, headers=tuple(lines))
        assert len(world.phone.received("BYE")) == 1
        assert b"Digest" not in b"".join(data for source, to, data in world.sent if source == SWITCH and to == PHONE)
        over(world)

    @pytest.mark.parametrize("method", ["INVITE", "UPDATE", "INFO"])
    def test_requests_in_a_call_that_are_challenged(self, method: str) -> None:
        """Each goes out again with the password; a nonce that is said to be stale is replaced, three times at most."""
        world, asks = in_call(method)
        challenger = Challenger("north", bytes(16))
        asks()
        lines = tuple(f"WWW-Authenticate: {one}" for one in challenger.challenge(0.0, "s"))
        world.reply(world.agent, 401, headers=lines)
        request = [one for one in world.agent.received(method) if one.to_tag][-1]
        line = request.headers.get("authorization") or ""
        verdict = challenger.check(line, method, request.uri, lambda u, a: ha1(u, "north", "secret", a), 1.0)
        assert (verdict.name, "nc=00000001" in line) == ("OK", True)
        answer = world.agent.answer(request.body) if method == "INVITE" else b""
        world.reply(world.agent, 200, body=answer)
        if method == "INVITE":
            assert "nc=00000001" in (world.agent.acks[-1].headers.get("authorization") or "")
        asks()
        for serial in range(4):
            stale = f'WWW-Authenticate: Digest realm="north", nonce="{serial}", qop="auth", stale=true'
            world.reply(world.agent, 401, headers=(stale,))
        requests = [one for one in world.agent.received(method) if one.to_tag]
        assert len(requests) == 2 + 4
        assert [one.cseq for one in requests] == sorted({one.cseq for one in requests})
        assert len(world.exchange.calls) == 1
        world.hang_up(world.agent)
        over(world)

    @pytest.mark.parametrize("contact", ["Contact: <sip:x@127.0.0.4:5080>", "Contact: <sip:x@pbx.example.com>"])
    @pytest.mark.parametrize("late", [False, True])
    def test_an_answer_that_leads_elsewhere(self, contact: str, late: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        """The ACK of an INVITE that brought the password goes there without it; so where the answer came too late."""
        monkeypatch.setattr(Exchange, "where", lambda self, uri, now: (PHONE,))
        world = world_with(north(sites=(site("a", AGENT, LOGIN),)))
        _, caller = world.dial(DIALLED)
        lines = (f"Proxy-Authenticate: {one}" for one in Challenger("north", bytes(16)).challenge(0.0, "s"))
        world.reply(world.agent, 407, headers=tuple(lines))
        tx, invite = world.agent.requests[-1]
        assert "Digest" in (invite.headers.get("proxy-authorization") or "")
        if late:
            world.reply(world.agent, 180)
            world.lost = lambda destination, data: data.startswith(b"CANCEL") and destination == AGENT
            world.carrier.core.cancel(caller, world.now)
            world.run()
        world.agent.core.respond(tx, 200, headers=(contact,), body=world.agent.answer(invite.body), now=world.now)
        world.run()
        assert len(world.phone.acks) == 1
        assert b"Digest" not in b"".join(data for source, to, data in world.sent if source == SWITCH and to == PHONE)

    @pytest.mark.parametrize("method", ["INVITE", "UPDATE", "INFO"])
    def test_requests_in_a_call_that_are_challenged_elsewhere(self, method: str) -> None:
        """Where the called one's Contact leads, and no gateway is, nobody gets a hash of the password."""
        world, asks = in_call(method, f"Contact: <sip:x@{PHONE[0]}:{PHONE[1]}>")
        asks()
        assert [one.method for one in world.phone.received(method)] == [method]
        lines = (f"WWW-Authenticate: {one}" for one in Challenger("north", bytes(16)).challenge(0.0, "s"))
        world.reply(world.phone, 401, headers=tuple(lines))
        assert len(world.phone.received(method)) == 1
        assert b"Digest" not in b"".join(data for source, to, data in world.sent if source == SWITCH and to == PHONE)
        assert len(world.exchange.calls) == 1

    def test_a_challenge_in_a_call_that_has_ended(self) -> None:
        """What it would have asked for is of no use any more."""
        world, asks = in_call("INFO")
        asks()
        lines = (f"WWW-Authenticate: {one}" for one in Challenger("north", bytes(16)).challenge(0.0, "s"))
        informed = world.agent.requests[-1][0]
        world.hang_up(world.agent)
        world.agent.core.respond(informed, 401, headers=tuple(lines), now=world.now)
        world.run()
        assert len(world.agent.received("INFO")) == 1
        over(world)

    def test_a_challenge_of_what_was_given_up(self) -> None:
        """A re-INVITE that was taken back is not sent again, however late it is challenged."""
        world, asks = in_call("INVITE")
        asks()
        tx, _ = world.agent.requests[-1]
        world.agent.core.respond(tx, 100, now=world.now)
        world.run()
        world.advance(33)
        assert world.agent.cancelled
        lines = (f"WWW-Authenticate: {one}" for one in Challenger("north", bytes(16)).challenge(0.0, "s"))
        world.agent.core.respond(tx, 401, headers=tuple(lines), now=world.now)
        world.run()
        assert len([one for one in world.agent.received("INVITE") if one.to_tag]) == 1

    def test_a_prack_that_is_challenged(self) -> None:
        """The called one's provisional response would be repeated for ever without it."""
        world = world_with(north(sites=(site("a", AGENT, LOGIN),)))
        world.exchange.settings = msgspec.structs.replace(world.exchange.settings, reliable="supported")
        world.dial(DIALLED)
        world.reply(world.agent, 180, headers=("Require: 100rel", "RSeq: 1"))
        lines = tuple(f"WWW-Authenticate: {one}" for one in Challenger("north", bytes(16)).challenge(0.0, "s"))
        world.reply(world.agent, 401, headers=lines)
        first, second = world.agent.received("PRACK")
        assert second.headers.get("rack") == first.headers.get("rack")
        assert (second.cseq, "Digest" in (second.headers.get("authorization") or "")) == (first.cseq + 1, True)

    def test_an_answer_that_crosses_the_cancel_is_ended_with_the_password(self) -> None:
        """Else the carrier would go on with a call, and charge for it, that is over here."""
        world = world_with(north(sites=(site("a", AGENT, LOGIN),)))
        challenger = Challenger("north", bytes(16))
        _, tx = world.dial(DIALLED)
        lines = tuple(f"Proxy-Authenticate: {one}" for one in challenger.challenge(0.0, "s"))
        world.reply(world.agent, 407, headers=lines)
        world.reply(world.agent, 180)
        world.lost = lambda destination, data: data.startswith(b"CANCEL") and destination == AGENT
        world.carrier.core.cancel(tx, world.now)
        world.run()
        world.agent_answers()
        assert "Digest" in (world.agent.acks[-1].headers.get("proxy-authorization") or "")
        world.reply(world.agent, 407, headers=lines)
        assert "Digest" in (world.agent.received("BYE")[-1].headers.get("proxy-authorization") or "")
        assert len(world.agent.received("BYE")) == 2
        world.reply(world.agent, 200)
        over(world)

    def test_no_way_on_to_a_full_gateway_from_a_silent_one(self) -> None:
        """Who is slow is still waited for, as nobody else can be called."""
        limited = site("b", PHONE, order=2, limits=Limits(channels=1))
        world = world_with(north(sites=(site("a", AGENT, order=1), limited), silence=3.0))
        for _ in range(2):
            world.dial(DIALLED)
        world.reply(world.agent, 503, index=0)
        world.agent_answers(world.phone)
        world.lost = lambda destination, data: destination == AGENT
        world.advance(3.5)
        assert len(invites(world.phone)) == 1
        world.lost = lambda destination, data: False
        world.advance(1.0)
        world.agent_answers(world.agent)
        assert status(world) == 200
        world.hang_up(world.agent)
        world.hang_up(world.phone)
        over(world)

    def test_each_gateway_has_keys_of_its_own(self) -> None:
        """Who was offered a call and has not taken it cannot decrypt what the next one hears; the answer's keys fit."""
        world = world_with(north(srtp="required"))
        world.dial(DIALLED)
        world.reply(world.agent, 503)
        first, second = (
            [line for line in invites(peer)[-1].body.split(b"\r\n") if line.startswith(b"a=crypto:")]
            for peer in (world.agent, world.phone)
        )
        assert len(first) == len(second) > 0
        assert not set(first) & set(second)
        assert [line.split()[:2] for line in first] == [line.split()[:2] for line in second]
        (call,) = world.exchange.calls.values()
        assert call.agent is not None
        assert call.agent.local_sdp == invites(world.phone)[-1].body
        assert [f"a=crypto:{render_crypto(one)}".encode() for one in call.agent.crypto] == second
        world.reply(world.phone, 486)
        over(world)

    def test_no_call_in_clear_by_a_carrier_that_is_to_be_secured(self) -> None:
        """What the first carrier was offered in clear does not go on to one whose calls are secured."""
        south = Trunk("south", PHONE, False, srtp="required")
        world = world_with(north(sites=(site("a", AGENT),)), south, names="north,south")
        world.dial(DIALLED)
        world.reply(world.agent, 503)
        assert (len(invites(world.phone)), status(world)) == (0, 503)
        over(world)

    def test_a_name_leads_where_dns_says(self) -> None:
        """The name stands in the URI; nothing is known of it yet, so that nobody is called."""
        named = Site(Gateway(name="a"), "3com.example:5070")
        assert (named.named, site("b", AGENT).named, Site(Gateway(name="c"), "[2001:db8::1]:5060").named) == (
            True, False, False,
        )  # fmt: skip
        world = world_with(north(sites=(named,)))
        world.dial(DIALLED)
        assert status(world) == 480
        world.exchange.carriers._locator = Fixed(AGENT)
        world.dial(DIALLED)
        assert invites(world.agent)[-1].uri == f"sip:{REAL}@3com.example:5070"

    def test_rules(self) -> None:
        """Numbers and headers go out by the rules of the gateway's trunk; no rule shows a service number."""
        rules = north(
            numbers=Rewriting(
                shown=(read_rule(prefix="0", strip=1, add="+86"),),
                called=(read_rule(match=r"1(\d+)", replace=r"9\1#"),),
            ),
            outgoing=(
                read_header_rule("set", "P-Asserted-Identity", "<sip:{shown}@{domain}>"),
                read_header_rule("set", "X-Account", "{account}"),
            ),
            domain="north.example",
        )
        world = world_with(rules)
        world.dial(DIALLED)
        invite = invites(world.agent)[-1]
        assert invite.uri == "sip:93912345678%23@north.example"
        assert (invite.headers.get("from") or "").startswith("<sip:+861088880000@north.example>;tag=")
        assert invite.headers.getall("p-asserted-identity") == ["<sip:+861088880000@north.example>"]
        assert invite.headers.get("x-account") is None
        assert b"13900009999" not in b"".join(world.agent.wire)
        world.reply(world.agent, 486)
        change(world, north(numbers=Rewriting(shown=(read_rule(match="0.*", replace="4008001234"),))))
        world.dial(DIALLED)
        assert f"<sip:{SHOWN}@" in (invites(world.agent)[-1].headers.get("from") or "")

    def test_an_account_in_from(self) -> None:
        """Some carriers want it there."""
        world = world_with(north(from_user="4001", domain="north.example"))
        world.dial(DIALLED)
        assert (invites(world.agent)[-1].headers.get("from") or "").startswith("<sip:4001@north.example>;tag=")


class TestArriving:
    """Calls from a carrier."""

    def test_channels_count_both_ways(self) -> None:
        """What is full takes no more, and the caller is told to come again."""
        world = World()
        world.exchange.carriers.change(
            {"bench": Trunk("bench", None, False, sources=("127.0.0.2",), limits=Limits(channels=1))}, 0.0
        )
        out, _ = world.dial("4001")
        world.dial("4001")
        assert status(world) == 503
        assert world.carrier.responses[-1].headers.get("retry-after") is not None
        world.agent_answers()
        end(world, out)
        world.dial("4001")
        assert len(invites(world.agent)) == 2

    def test_rules(self) -> None:
        """Numbers are read by the rules of the trunk, and headers only as far as these leave them."""
        world = world_with(north())
        trunk = Trunk(
            "bench", None, False, sources=("127.0.0.2",),
            numbers=Rewriting(caller=(read_rule(prefix="9", strip=1),), dialled=(read_rule(prefix="77", strip=2),)),
            incoming=(read_header_rule("remove", "P-Asserted-Identity"),),
        )  # fmt: skip
        world.exchange.carriers.change({"bench": trunk}, 0.0)
        headers = ("P-Asserted-Identity: <sip:13811112222@x>",)
        world.dial("774001", caller="913900001111", headers=headers)
        (call,) = world.exchange.calls.values()
        assert (call.record.caller_masked, call.record.called) == ("139****1111", "4001")

    def test_two_accounts_at_one_address(self) -> None:
        """The contact that is called tells whose call it is, and To what was dialled."""
        world = World()
        place = (site("1", CARRIER),)
        accounts = [
            Trunk(name, None, False, sites=place, registering=Registering(name, name)) for name in ("one", "two")
        ]
        world.exchange.carriers.change({trunk.name: trunk for trunk in accounts}, 0.0)
        heard: dict[Any, str] = {}
        world.exchange.carriers.learn = heard.update
        world.exchange.carriers.start(world.now)
        assert heard == {CARRIER: "one", (CARRIER[0], 0): "one"}
        carriers = world.exchange.carriers
        assert [carriers.owner("one", CARRIER, user) for user in ("one", "two", "three")] == ["one", "two", "one"]
        assert [carriers.owner("one", (CARRIER[0], 9), user) for user in ("two", "three")] == ["two", "one"]


class TestRegistering:
    """We register."""

    def world(self, **registering: Any) -> World:
        """Registering at both gateways, one after the other."""
        world = world_with(
            north(registering=Registering("4001", "line", **registering), domain="north.example", sites=(
                site("a", AGENT, LOGIN, order=1), site("b", PHONE, LOGIN, order=2)
            ))
        )  # fmt: skip
        world.exchange.carriers.start(world.now)
        world.run()
        return world

    def registered(self, world: World) -> list[bool | None]:
        """At which gateways."""
        return [one.registered for one in world.exchange.carriers.table.trunks["north"].gateways.values()]

    def test_at_the_first_that_takes_it(self) -> None:
        """Calls go where we are registered; when that fails the other is asked, and then calls go there."""
        world = self.world()
        (register,) = world.agent.received("REGISTER")
        assert register.uri == "sip:north.example"
        assert register.contact_uri == f"sip:line@{SWITCH[0]}:{SWITCH[1]}"
        world.reply(world.agent, 200, headers=("Expires: 600",))
        assert self.registered(world) == [True, False]
        world.advance(481)
        world.reply(world.agent, 503)
        assert len(world.phone.received("REGISTER")) == 1
        world.reply(world.phone, 200, headers=("Expires: 600", "Service-Route: <sip:edge.example;lr>"))
        assert self.registered(world) == [False, True]
        world.dial(DIALLED)
        assert invites(world.phone)[-1].headers.getall("route") == ["<sip:edge.example;lr>"]

    def test_it_lapses(self) -> None:
        """Nobody answers its refresh: in the end we are registered nowhere, and calls are tried all the same."""
        world = self.world()
        world.reply(world.agent, 200, headers=("Expires: 100",))
        world.lost = lambda destination, data: destination != SWITCH and data.startswith(b"REGISTER")
        world.advance(99)
        assert self.registered(world) == [True, False]
        world.advance(2)
        assert self.registered(world) == [False, False]
        world.dial(DIALLED)
        assert len(invites(world.agent)) == 1

    def test_at_each(self) -> None:
        """One registration a gateway, each for itself."""
        world = self.world(each=True)
        world.reply(world.agent, 200)
        world.reply(world.phone, 403)
        assert self.registered(world) == [True, False]
        assert len(report_all(world.exchange.carriers, world.now)[1].registrations) == 2

    def test_off_is_not_registered(self) -> None:
        """Switched off, what is bound is taken back; switched on it is sought again; stopped it is taken back."""
        world = self.world()
        world.reply(world.agent, 200)
        carriers = world.exchange.carriers
        assert carriers.switch("north", world.now, on=False)
        world.run()
        assert world.agent.received("REGISTER")[-1].headers.get("expires") == "0"
        world.reply(world.agent, 200)
        assert self.registered(world) == [False, False]
        assert carriers.counts()["trunk_registrations"] == 0
        carriers.switch("north", world.now, on=True)
        world.run()
        world.reply(world.agent, 200)
        assert self.registered(world) == [True, False]
        carriers.stop(world.now)
        world.run()
        assert world.agent.received("REGISTER")[-1].headers.get("expires") == "0"
        world.reply(world.agent, 200)
        assert carriers.due is None

    def test_another_account_is_registered_anew(self) -> None:
        """What has changed is taken back and made anew; what has not is left alone."""
        world = self.world()
        world.reply(world.agent, 200)
        change(world, *[one for one in world.exchange.trunks.values() if one.name != "bench"])
        world.run()
        assert len(world.agent.received("REGISTER")) == 1
        change(world, north(registering=Registering("4002", "line"), sites=(site("a", AGENT, LOGIN),)))
        world.run()
        assert [one.headers.get("expires") for one in world.agent.received("REGISTER")] == ["3600", "0", "3600"]
        assert "4002@" in (world.agent.received("REGISTER")[-1].headers.get("to") or "")

    def test_the_same_account_is_made_anew_when_its_end_has_arrived(self) -> None:
        """The end of the old one is lost and sent again: were the new one there before, it would be taken back."""
        world = self.world()
        world.reply(world.agent, 200)
        world.lost = lambda destination, data: destination == AGENT
        change(world, north(registering=Registering("4001", "line", expires=600), domain="north.example", sites=(
            site("a", AGENT, LOGIN, order=1), site("b", PHONE, LOGIN, order=2)
        )))  # fmt: skip
        world.run()
        world.lost = lambda destination, data: False
        world.advance(1)
        assert [one.headers.get("expires") for one in world.agent.received("REGISTER")] == ["3600", "0"]
        world.reply(world.agent, 200)
        assert [one.headers.get("expires") for one in world.agent.received("REGISTER")] == ["3600", "0", "600"]
        world.reply(world.agent, 200)
        assert self.registered(world) == [True, False]
        assert world.exchange.carriers.counts()["trunk_registrations"] == 1

    def test_an_end_that_nobody_answers_does_not_keep_the_next_one(self) -> None:
        """Where the old registrar is gone the new one is asked half a minute later."""
        world = self.world()
        world.reply(world.agent, 200)
        change(world, north(registering=Registering("4001", "line"), domain="north.example", sites=(
            site("b", PHONE, LOGIN),
        )))  # fmt: skip
        world.lost = lambda destination, data: destination == AGENT
        world.advance(40)
        assert [one.headers.get("expires") for one in world.phone.received("REGISTER")] == ["3600"]
        assert world.exchange.carriers.counts()["trunk_registrations"] == 1


class TestAsking:
    """OPTIONS."""

    def test_who_is_down_is_tried_last(self) -> None:
        """No answer, or 503; any other answer and it is first again."""
        probing = Probing(30.0, rise=1, fall=1)
        world = world_with(north(sites=(site("a", AGENT, order=1, probing=probing), site("b", PHONE, order=2))))
        world.exchange.carriers.start(world.now)
        world.advance(6)
        assert len(world.agent.received("OPTIONS")) == 1
        world.reply(world.agent, 503)
        out, _ = world.dial(DIALLED)
        world.agent_answers(world.phone)
        end(world, out)
        world.advance(20)
        index = next(i for i, (_, one) in reversed(list(enumerate(world.agent.requests))) if one.method == "OPTIONS")
        world.reply(world.agent, 404, index=index)
        world.dial(DIALLED)
        assert len(invites(world.agent)) == 1

    def test_never_many_at_once(self) -> None:
        """Fifty gateways that do not answer: one OPTIONS each is under way, and they are spread."""
        sites = tuple(site(str(n), (f"127.0.9.{n}", 5060), probing=Probing(5.0)) for n in range(1, 51))
        world = world_with(north(sites=sites))
        world.exchange.carriers.start(world.now)
        began = world.now
        first: dict[str, float] = {}
        while world.now < began + 30.0:
            due = world.exchange.carriers.due
            assert due is not None
            world.now = max(world.now, due)
            world.exchange.carriers.handle_timer(world.now)
            sent = [data.decode() for data, _ in world.core.take_datagrams() if data.startswith(b"OPTIONS")]
            assert len(sent) <= 1
            for data in sent:
                uri = data.split()[1]
                assert uri not in first, "one is under way"
                first[uri] = world.now
            if len(first) == 50:
                break
        assert len(first) == 50
        assert len(set(first.values())) == 50


STATUSES = st.sampled_from([100, 180, 200, 200, 486, 500, 503, 603])
STEPS = st.lists(
    st.one_of(
        st.just(("dial",)),
        st.tuples(st.just("reply"), st.booleans(), STATUSES, st.integers(0, 3)),
        st.tuples(st.just("wait"), st.sampled_from([0.1, 1.0, 5.0, 40.0])),
        st.tuples(st.just("change"), st.integers(0, 4)),
        st.tuples(st.just("switch"), st.sampled_from(["north", "north/a", "north/b"]), st.booleans()),
        st.just(("hang up",)),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(STEPS)
def test_whatever_happens_every_channel_is_given_back(steps: list[tuple[Any, ...]]) -> None:
    """Calls that ring, fail over, are answered, cancelled or forgotten while trunks change: in the end none is up."""
    world = world_with(north(limits=Limits(channels=3)))
    shapes = [
        north(limits=Limits(channels=3)),
        north(sites=(site("b", PHONE),)),
        north(limits=Limits(channels=1), sites=(site("a", AGENT, limits=Limits(channels=1)),)),
        north(silence=0.5),
    ]
    calls: list[tuple[OutgoingRequest, Any]] = []
    for step in steps:
        match step:
            case ("dial",):
                calls.append(world.dial(DIALLED))
            case ("reply", first, code, index):
                _reply(world, world.agent if first else world.phone, code, index)
            case ("wait", seconds):
                world.advance(seconds)
            case ("change", shape):
                change(world, *([shapes[shape]] if shape < len(shapes) else []))
            case ("switch", name, on):
                world.exchange.carriers.switch(name, world.now, on=on)
            case ("hang up",) if calls:
                out, tx = calls.pop()
                if any(one.cseq_method == "INVITE" and one.call_id == out.call_id and one.status == 200
                       for one in world.carrier.responses):  # fmt: skip
                    world.within(world.carrier, out, "BYE", 2)
                else:
                    world.carrier.core.cancel(tx, world.now)
                    world.run()
        table = world.exchange.carriers.table
        assert 0 <= table.calls <= 2 * len(world.exchange.calls) + 10
        assert all(gateway.load.calls >= 0 for gateway in table)
    world.exchange.carriers.change({}, world.now)
    world.engine.end_all(world.now)
    world.advance(120)
    assert world.exchange.carriers.table.calls == 0
    assert world.exchange.carriers.table.leaving == 0
    assert world.leftovers() == {}


def _reply(world: World, peer: Peer, code: int, index: int) -> None:
    """Answer one of the INVITEs that have no final answer yet."""
    open_ = [
        place for place, (tx, request) in enumerate(peer.requests)
        if request.method == "INVITE" and tx.state.name == "PROCEEDING"
    ]  # fmt: skip
    if not open_:
        return
    place = open_[index % len(open_)]
    body = peer.answer(peer.requests[place][1].body) if code == 200 else b""
    world.reply(peer, code, body=body, index=place)


@pytest.mark.parametrize(
    ("said", "comes_from", "follows"),
    [("", AGENT[0], True), ("sdp", AGENT[0], False), ("127.9.9.9", "127.9.9.9", False)],
)
def test_where_a_carriers_audio_comes_from(said: str, comes_from: str, follows: bool) -> None:
    """It is sent to where its SDP says and taken from where the trunk says; without that it is followed."""
    world = world_with(north(audio_from=said))
    world.dial(DIALLED)
    world.agent_answers(world.agent)
    streams = {stream.remote_ip: stream for stream in world.plane.opened.values()}
    stream, caller = streams[AGENT[0]], streams[CARRIER[0]]
    assert (stream.remote_ip, stream.latch_ip, stream.follows) == (AGENT[0], comes_from, follows)
    assert (caller.latch_ip, caller.follows) == (CARRIER[0], True)
