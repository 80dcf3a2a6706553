"""A leg with several INVITEs: who is called when, what the caller learns, and that nothing is left behind."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.remote import read_remote
from media.sdes import Crypto, Keys, Profile
from switchboard.calls import connecting
from switchboard.calls.carriers.live import Carriers
from switchboard.calls.plan import UNAVAILABLE, Destination, Group, Plan
from switchboard.calls.reliable import Mode
from switchboard.sip.message import Response
from switchboard.sip.outgoing import OutgoingRequest
from tests.support.exchange import AGENT, PHONE, Address, Peer, World

NAMES = {AGENT: "agent", PHONE: "phone"}


class CountedGateways:
    """Counts channels, keeps outcomes, and knows one password."""

    def __init__(self, trunks: Carriers) -> None:
        self.trunks = trunks
        self.taken = 0
        self.most = 0
        self.outcomes: list[tuple[str, int]] = []

    def began(self, gateway: str, now: float) -> None:
        """One more channel."""
        self.taken += 1
        self.most = max(self.most, self.taken)

    def over(self, gateway: str) -> None:
        """One less; the caller's own channel is the trunk's."""
        if gateway in NAMES.values():
            self.taken -= 1
        else:
            self.trunks.over(gateway)

    def has_room(self, gateway: str, now: float) -> bool:
        """Always."""
        return True

    def is_at(self, gateway: str, address: Address) -> bool:
        """Wherever it is."""
        return True

    def outcome(self, gateway: str, status: int, now: float, response: Response | None = None) -> None:
        """Keep it."""
        self.outcomes.append((gateway, status))

    def retry(self, gateway: str, response: Response, sent: OutgoingRequest) -> tuple[str, ...] | None:
        """The password is right unless it was tried."""
        if any(line.startswith("Proxy-Authorization") for line in sent.headers):
            return None
        return (*sent.headers, "Proxy-Authorization: Digest right")


def to(address: Address, gateway: bool = True) -> Destination:
    """A destination at a peer."""
    name = NAMES[address]
    uri = f"sip:{name}@{address[0]}:{address[1]}"
    return Destination(uri, f"<{uri}>", "", address, name, gateway=name if gateway else "")


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[World, CountedGateways]]:
    """A world in which a call to 4001 goes by a plan of these groups."""

    def make(*groups: Group) -> tuple[World, CountedGateways]:
        return world_of(monkeypatch, groups)

    return make


def world_of(monkeypatch: pytest.MonkeyPatch, plan: Plan, reliable: Mode = "off") -> tuple[World, CountedGateways]:
    """As the fixture."""
    monkeypatch.setattr(connecting, "plan_of", lambda x, call, target, now, mask="": plan)
    world = World({}, reliable=reliable)
    gateways = CountedGateways(world.exchange.carriers)
    world.exchange.gateways = gateways
    world.dial("4001")
    return world, gateways


Planned = Callable[..., tuple[World, CountedGateways]]


def over(world: World, gateways: CountedGateways) -> None:
    """Nothing is left, whatever came late."""
    world.advance(80)
    assert world.leftovers() == {}
    assert gateways.taken == 0


def test_two_phones_ring_and_the_first_to_answer_has_the_call(planned: Planned) -> None:
    """The other learns that it was answered elsewhere, and its 487 changes nothing."""
    world, gateways = planned(Group((to(AGENT), to(PHONE))))
    world.reply(world.agent, 180)
    world.reply(world.phone, 180)
    world.agent_answers(world.phone)
    (cancelled,) = world.agent.cancelled
    cancel = next(data for data in reversed(world.agent.wire) if data.startswith(b"CANCEL"))
    assert b"Call completed elsewhere" in cancel
    world.agent.core.respond(cancelled, 487, now=world.now)
    world.run()
    assert world.carrier.statuses[-1] == 200
    assert len(world.phone.acks) == 1
    assert gateways.taken == 1
    world.hang_up(world.phone)
    over(world, gateways)
    (record,) = world.journal.records
    assert record.cause == "normal"


@pytest.mark.parametrize("first", [True, False])
def test_each_phone_that_rings_is_offered_keys_of_its_own(planned: Planned, first: bool) -> None:
    """What the one who answers is sent cannot be read by the other (RFC 4568 §7.1.4)."""
    both = [msgspec.structs.replace(to(address), srtp="required") for address in (AGENT, PHONE)]
    world, gateways = planned(Group(tuple(both)))
    offers = [read_remote(peer.received("INVITE")[-1].body, "required") for peer in (world.agent, world.phone)]
    assert not {one.key for one in offers[0].crypto} & {one.key for one in offers[1].crypto}
    world.reply(world.agent, 180)
    world.reply(world.phone, 180)
    peer, offer = (world.agent, offers[0]) if first else (world.phone, offers[1])
    theirs = Crypto(offer.crypto[0].tag, offer.crypto[0].suite, bytes([7]) * len(offer.crypto[0].key))
    body = peer.answer(peer.received("INVITE")[-1].body, profile=Profile("required", "RTP/SAVP", (theirs,)))
    world.reply(peer, 200, body=body)
    (call,) = world.exchange.calls.values()
    assert call.agent is not None
    assert call.agent.lease is not None
    keys = world.plane.opened[call.agent.lease.port].secured
    assert isinstance(keys, Keys)
    assert (keys.send, keys.receive) == (offer.crypto[0].key, theirs.key)
    assert call.agent.local_sdp == peer.received("INVITE")[-1].body
    world.hang_up(peer)
    over(world, gateways)


def test_an_answer_that_crosses_the_cancel_is_acknowledged_and_hung_up(planned: Planned) -> None:
    """RFC 3261 §13.2.2.4."""
    world, gateways = planned(Group((to(AGENT), to(PHONE))))
    world.reply(world.agent, 180)
    world.lost = lambda destination, data: data.startswith(b"CANCEL")
    world.agent_answers(world.phone)
    world.agent_answers(world.agent)
    assert len(world.agent.acks) == 1
    assert len(world.agent.received("BYE")) == 1
    assert len(world.phone.received("BYE")) == 0
    world.lost = lambda destination, data: False
    world.hang_up(world.phone)
    over(world, gateways)


@pytest.mark.parametrize(
    ("first", "second", "told"), [(486, 404, 486), (404, 486, 486), (480, 503, 480), (503, 404, 404)]
)
def test_the_best_of_several_failures_is_told(planned: Planned, first: int, second: int, told: int) -> None:
    """When nobody is left to answer."""
    world, gateways = planned(Group((to(AGENT), to(PHONE))))
    world.reply(world.agent, first)
    assert world.carrier.statuses == []
    world.reply(world.phone, second)
    assert world.carrier.statuses == [told]
    over(world, gateways)


def test_a_6xx_is_the_last_word(planned: Planned) -> None:
    """Whoever else rings is cancelled, and nobody is called after them (RFC 3261 §16.7 step 5)."""
    world, gateways = planned(Group((to(AGENT), to(PHONE)), failover=None), Group((to(AGENT),)))
    world.reply(world.phone, 180)
    world.reply(world.agent, 603)
    assert world.carrier.statuses[-1] == 603
    assert len(world.phone.cancelled) == 1
    assert len(world.agent.received("INVITE")) == 1
    over(world, gateways)


@pytest.mark.parametrize("status", sorted(UNAVAILABLE))
def test_the_next_group_is_called_after_some_failures(planned: Planned, status: int) -> None:
    """With a new Call-ID, since it is a new call to whoever has seen the first one."""
    world, gateways = planned(Group((to(AGENT),)), Group((to(PHONE),)))
    world.reply(world.agent, status)
    world.agent_answers(world.phone)
    assert world.carrier.statuses[-1] == 200
    assert gateways.outcomes == [("agent", status), ("phone", 200)]
    calls = {peer.received("INVITE")[0].call_id for peer in (world.agent, world.phone)}
    assert len(calls) == 2
    world.hang_up(world.phone)
    over(world, gateways)


@pytest.mark.parametrize("status", [404, 486, 488, 603])
def test_the_next_group_is_not_called_after_others(planned: Planned, status: int) -> None:
    """Who is busy at one gateway is busy at the next."""
    world, gateways = planned(Group((to(AGENT),)), Group((to(PHONE),)))
    world.reply(world.agent, status)
    assert world.phone.received("INVITE") == []
    assert world.carrier.statuses[-1] == status
    over(world, gateways)


def test_a_silent_group_gives_way(planned: Planned) -> None:
    """Long before Timer B; whatever it says later is refused."""
    world, gateways = planned(Group((to(AGENT),), silence=3.0), Group((to(PHONE),), silence=3.0))
    world.lost = lambda destination, data: destination == AGENT
    world.advance(3.5)
    assert gateways.outcomes == [("agent", 408)]
    assert len(world.phone.received("INVITE")) == 1
    world.lost = lambda destination, data: False
    world.advance(5.0)
    assert world.carrier.statuses == []
    world.agent_answers(world.agent)
    assert len(world.agent.received("BYE")) == 1
    world.agent_answers(world.phone)
    assert world.carrier.statuses[-1] == 200
    world.hang_up(world.phone)
    over(world, gateways)


def test_a_group_that_rings_gives_way_when_its_time_is_over(planned: Planned) -> None:
    """As phones of a lower q do."""
    world, gateways = planned(Group((to(AGENT),), failover=None, patience=8.0), Group((to(PHONE),)))
    world.reply(world.agent, 180)
    world.advance(7.0)
    assert world.phone.received("INVITE") == []
    world.advance(1.5)
    assert len(world.agent.cancelled) == 1
    world.agent_answers(world.phone)
    assert world.carrier.statuses[-1] == 200
    world.hang_up(world.phone)
    over(world, gateways)


def test_who_was_given_up_hears_the_caller_no_more(planned: Planned) -> None:
    """Early media ends with the group that it came from."""
    world, gateways = planned(Group((to(AGENT),)), Group((to(PHONE),)))
    offer = world.agent.received("INVITE")[0].body
    world.reply(world.agent, 183, body=world.agent.answer(offer))
    (call,) = world.exchange.calls.values()
    assert call.agent is not None
    assert call.agent.lease is not None
    assert len(world.plane.named("bridge")) == 1
    world.reply(world.agent, 503)
    assert world.plane.named("unbridge") == [("unbridge", call.agent.lease.port)]
    world.agent_answers(world.phone)
    assert len(world.plane.named("bridge")) == 2
    world.hang_up(world.phone)
    over(world, gateways)


def test_the_second_phone_gets_the_prack_of_its_own_response(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its Contact leads nowhere, as that of a browser does (RFC 7118 §5.2)."""
    world, gateways = world_of(monkeypatch, (Group((to(AGENT), to(PHONE))),), "supported")
    tx, _ = world.phone.requests[0]
    lines = ("Contact: <sip:phone@df7jal23ls0d.invalid>", "Require: 100rel", "RSeq: 7")
    world.phone.core.respond(tx, 180, to_tag="phone", headers=lines, now=world.now)
    world.run()
    assert world.agent.received("PRACK") == []
    (prack,) = world.phone.received("PRACK")
    assert prack.headers.get("rack") == "7 1 INVITE"
    world.engine.end_all(world.now)
    over(world, gateways)


def test_a_challenge_is_answered_in_the_same_dialog_of_calls(planned: Planned) -> None:
    """The same Call-ID, the next CSeq; a wrong password is not tried twice."""
    world, gateways = planned(Group((to(AGENT),)))
    world.reply(world.agent, 407)
    first, second = world.agent.received("INVITE")
    assert (first.call_id, first.cseq + 1) == (second.call_id, second.cseq)
    assert second.headers.get("proxy-authorization") == "Digest right"
    world.reply(world.agent, 407)
    assert len(world.agent.received("INVITE")) == 2
    assert world.carrier.statuses == [500]
    over(world, gateways)


def test_the_caller_may_go_while_several_ring(planned: Planned) -> None:
    """All of them are cancelled, and nobody is called after that."""
    world, gateways = planned(Group((to(AGENT), to(PHONE)), failover=None), Group((to(AGENT),)))
    for peer in (world.agent, world.phone):
        world.reply(peer, 180)
    world.carrier.core.cancel(next(iter(world.carrier.core._clients.live.values())), world.now)
    world.run()
    for peer in (world.agent, world.phone):
        (tx,) = peer.cancelled
        peer.core.respond(tx, 487, now=world.now)
    world.run()
    assert world.carrier.statuses[-1] == 487
    assert [len(peer.received("INVITE")) for peer in (world.agent, world.phone)] == [1, 1]
    over(world, gateways)


PLANS = st.lists(
    st.tuples(st.sampled_from([(AGENT,), (PHONE,), (AGENT, PHONE)]), st.sampled_from([None, UNAVAILABLE])),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60)
@given(PLANS, st.randoms(use_true_random=False))
def test_whatever_comes_back_one_answer_is_taken_and_nothing_is_left(
    plan: list[tuple[tuple[Address, ...], frozenset[int] | None]], dice: random.Random
) -> None:
    """Long random histories: at most one called party stays, all channels are given back."""
    groups = tuple(
        Group(tuple(to(address) for address in addresses), failover, silence=3.0, patience=dice.choice([0.0, 6.0]))
        for addresses, failover in plan
    )
    with pytest.MonkeyPatch.context() as patch:
        world, gateways = world_of(patch, groups)
        for _ in itertools.repeat(None, 25):
            act(world, dice)
            talking = [peer for peer in (world.agent, world.phone) if standing(peer)]
            assert len(talking) <= 1
        over_after(world, gateways)


def act(world: World, dice: random.Random) -> None:
    """Time passes, or a phone says something, or the network loses what it is told."""
    peer = dice.choice([world.agent, world.phone])
    waiting = [index for index, (tx, request) in enumerate(peer.requests) if request.method == "INVITE"]
    step = dice.choice(["wait", "wait", "ring", "refuse", "answer", "lose", "heal"])
    if step == "wait":
        world.advance(dice.choice([0.5, 2.0, 4.0]))
    elif step == "lose":
        world.lost = lambda destination, data: destination == peer.address
    elif step == "heal":
        world.lost = lambda destination, data: False
    elif waiting:
        index = dice.choice(waiting)
        if peer.requests[index][0].state.name not in ("PROCEEDING", "TRYING"):
            return
        if step == "ring":
            world.reply(peer, 180, index=index)
        elif step == "refuse":
            world.reply(peer, dice.choice([302, 404, 407, 486, 487, 500, 503, 603]), index=index)
        else:
            world.reply(peer, 200, body=peer.answer(peer.requests[index][1].body), index=index)


def standing(peer: Peer) -> bool:
    """Whether a peer has more calls acknowledged than hung up."""
    acknowledged = {request.call_id for request in peer.acks}
    return bool(acknowledged - {request.call_id for request in peer.received("BYE")})


def over_after(world: World, gateways: CountedGateways) -> None:
    """The switch hangs up what is left, the network is sound again."""
    world.lost = lambda destination, data: False
    world.advance(1.0)
    world.engine.end_all(world.now)
    world.run()
    world.advance(120)
    assert gateways.taken == 0
    left = {name: count for name, count in world.exchange.counts().items() if count}
    assert left == {}
