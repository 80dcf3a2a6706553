"""Requests from sources that are neither trunk nor phone: counted when they fail, silent when they scan."""

from __future__ import annotations

import pytest

from switchboard.net.sources import Limits, SourceGuard
from switchboard.sip.digest import answer
from switchboard.sip.outgoing import OutgoingRequest
from tests.support.exchange import CARRIER, SWITCH, Peer, World

STRANGER = ("203.0.113.9", 5060)
EVENT = "Event: message-summary"


@pytest.fixture
def world() -> World:
    """A switch with a guard whose trunk is the carrier's address, and a stranger beside."""
    made = World()
    guard = SourceGuard(Limits(failures=3.0, burst=50.0, rate=1.0), trunks=[CARRIER[0]])
    made.exchange.door = guard
    stranger = Peer(STRANGER, made.token, "stranger")
    made.peers[STRANGER] = stranger
    made.lost = lambda destination, data: (
        destination == SWITCH and STRANGER[0].encode() in data and guard.screen([(data, STRANGER)]) == []
    )
    return made


def ask(world: World, method: str, user: str = "alice", *headers: str) -> list[int]:
    """A request of the stranger; the statuses it got."""
    stranger = world.peers[STRANGER]
    del stranger.responses[:]
    stranger.core.request(
        OutgoingRequest(
            method, f"sip:{SWITCH[0]}" if method == "REGISTER" else f"sip:{user}@{SWITCH[0]}", SWITCH,
            from_=f"<sip:{user}@{SWITCH[0]}>;tag={world.token()}", to=f"<sip:{user}@{SWITCH[0]}>",
            call_id=world.token(), cseq=1, headers=("Contact: <sip:x@203.0.113.9>", *headers),
        ),
        world.now,
    )  # fmt: skip
    world.run()
    return stranger.statuses


def guard_of(world: World) -> SourceGuard:
    """The guard."""
    assert isinstance(world.exchange.door, SourceGuard)
    return world.exchange.door


@pytest.mark.parametrize(("method", "status"), [("REGISTER", 401), ("INVITE", 407), ("SUBSCRIBE", 401)])
def test_accounts_that_do_not_exist_are_failures(world: World, method: str, status: int) -> None:
    """The answer is the same as for those that do, and the third is the last."""
    assert [ask(world, method, "alice", EVENT) for _ in range(5)] == [[status]] * 5
    assert not guard_of(world).active
    assert [ask(world, method, f"10{n}", EVENT) for n in range(5)] == [[status]] * 3 + [[], []]
    assert [one.reason for one in guard_of(world).blocked(world.now)] == ["failures"]


ELSEWHERE = 'Digest username="alice", realm="edge.example", nonce="n", uri="sip:x", response="0123"'
CREDENTIALS = [("REGISTER", "Authorization"), ("INVITE", "Proxy-Authorization"), ("SUBSCRIBE", "Authorization")]


@pytest.mark.parametrize(("method", "header"), CREDENTIALS)
def test_wrong_passwords_are_failures(world: World, method: str, header: str) -> None:
    """With an account that exists; a nonce that is too old or unknown is none of ours either."""
    wrong = (
        f'{header}: Digest username="alice", realm="switchboard.local", nonce="n", uri="sip:x", response="{32 * "0"}"'
    )
    assert [len(ask(world, method, "alice", EVENT, wrong)) for _ in range(4)] == [1, 1, 1, 0]
    assert guard_of(world).active


@pytest.mark.parametrize(("method", "header"), CREDENTIALS)
def test_credentials_for_a_proxy_on_the_way_are_no_failure(world: World, method: str, header: str) -> None:
    """A phone behind one shows it what it asks for (RFC 3261 §22.3); that says nothing of our accounts."""
    status = 407 if method == "INVITE" else 401
    lines = (EVENT, f"{header}: {ELSEWHERE}")
    assert [ask(world, method, "alice", *lines) for _ in range(5)] == [[status]] * 5
    assert not guard_of(world).active


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(("method", "header"), CREDENTIALS)
def test_of_several_credentials_those_for_our_realm_count(
    world: World, method: str, header: str, *, before: bool
) -> None:
    """Wherever they stand among those for proxies on the way."""
    ask(world, method, "alice", EVENT)
    (challenge,) = world.peers[STRANGER].responses
    field = "proxy-authenticate" if method == "INVITE" else "www-authenticate"
    uri = f"sip:{SWITCH[0]}" if method == "REGISTER" else f"sip:alice@{SWITCH[0]}"
    ours = answer(challenge.headers.getall(field)[0], method, uri, "alice", cnonce="c", password="secret")
    values = (ELSEWHERE, ours) if before else (ours, ELSEWHERE)
    (status,) = ask(world, method, "alice", EVENT, *[f"{header}: {value}" for value in values])
    assert status == (404 if method == "INVITE" else 200)


@pytest.mark.parametrize("method", ["OPTIONS", "REGISTER", "INVITE", "SUBSCRIBE", "MESSAGE"])
def test_scanners_hear_nothing(world: World, method: str) -> None:
    """Not even once, and nothing stays behind of what they asked."""
    world.peers[STRANGER].core = world.peers[STRANGER].core
    assert ask(world, method, "100", "User-Agent: friendly-scanner") == []
    world.advance(1.0)
    assert ask(world, "OPTIONS") == []
    assert [one.reason for one in guard_of(world).blocked(world.now)] == ["scanner"]
    assert world.leftovers() == {}


def test_a_flood_of_questions_is_thinned(world: World) -> None:
    """Beyond the burst nobody answers; a second later one more."""
    assert sum(len(ask(world, "OPTIONS")) for _ in range(60)) == 50
    world.now += 1.0
    assert ask(world, "OPTIONS") == [200]
    assert not guard_of(world).active


def test_a_carrier_may_ask_anything(world: World) -> None:
    """Hundreds of calls to numbers that lead nowhere, whatever it calls itself."""
    for _ in range(60):
        world.dial("4999", headers=("User-Agent: friendly-scanner",))
    assert world.carrier.statuses.count(404) == 60
    assert not guard_of(world).active
