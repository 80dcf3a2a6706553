"""Sessions of the edge: what becomes of them when a peer vanishes, restarts early, or is never there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from unittest import mock

import aioice.ice
import aioice.stun
import pytest

from media.edge.endpoints import READY, Endpoints, Place
from media.edge_control import (
    Aim,
    Connect,
    Connected,
    Drop,
    Dropped,
    EdgeEvent,
    Failed,
    Ready,
    Restart,
    Take,
)
from media.formats import PCMU
from media.ice_dtls import PeerTransport
from media.remote import read_remote
from media.web_offer_answer import build_web_answer
from tests.support.packet_peer import PacketPeer
from tests.support.ports import WEB_FIRST, WEB_LAST
from tests.support.web_peer import on_loopback

HERE = "127.0.0.1"
WORKER = (HERE, 9)


@pytest.fixture
async def edge() -> AsyncIterator[Endpoints]:
    """Endpoints for forty sessions; a peer's consent is asked for all the time."""
    place = Place((HERE,), "", WEB_FIRST, WEB_LAST, HERE, 40, 2.0)
    with (
        on_loopback(),
        mock.patch.object(aioice.ice, "CONSENT_INTERVAL", 0.02),
        mock.patch.object(aioice.stun, "RETRY_RTO", 0.05),
    ):
        made = Endpoints(place)
        yield made
        await made.close()


async def until(check: Callable[[], bool], within: float = 10.0) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(within):
        while not check():
            await asyncio.sleep(0.005)


def told(edge: Endpoints) -> list[EdgeEvent]:
    """What signalling would be told, but for what is ready."""
    return [event for event in edge.events if not isinstance(event, Ready)]


def take(edge: Endpoints) -> int:
    """The number of an endpoint that is in use now."""
    number = next(iter(edge.ready))
    edge.carry_out(Take(number, controlling=False))
    return number


def of(body: bytes) -> PeerTransport:
    """The transport of a description."""
    web = read_remote(body).web
    assert web is not None
    return web


def ours(edge: Endpoints, number: int, offer: bytes) -> PeerTransport:
    """What the peer is answered."""
    own = edge.taken[number].endpoint.own
    return of(
        build_web_answer(
            offer, own, session_id=1, version=1, codec=PCMU, event_pt=None, direction="sendrecv", setup="active"
        )
    )


async def test_a_peer_that_vanishes_is_missed(edge: Endpoints) -> None:
    """Consent to send ends when nobody answers (RFC 7675), though nothing was said."""
    peer, number = PacketPeer(), take(edge)
    offer = await peer.offer()
    edge.carry_out(Connect(number, of(offer), "client", *WORKER))
    answer = ours(edge, number, offer)
    await peer.find(answer)
    await peer.shake_hands(answer, "server")
    await until(lambda: len(told(edge)) == 1)
    assert isinstance(told(edge)[0], Connected)
    await peer.vanish()
    await until(lambda: told(edge)[1:] == [Failed(number, "consent")])
    edge.carry_out(Drop(number))
    assert isinstance(told(edge)[-1], Dropped)


async def test_a_restart_before_there_is_a_path_begins_again(edge: Endpoints) -> None:
    """The first description was of no use; with the second it is connected, under the number it has."""
    peer, number, spare = PacketPeer(), take(edge), take(edge)
    offer = await peer.offer()
    nobody = PeerTransport("gone", "x" * 22, of(offer).fingerprints, "actpass", ())
    edge.carry_out(Connect(number, nobody, "client", *WORKER))
    await asyncio.sleep(0.05)
    answer = ours(edge, spare, offer)
    edge.carry_out(Restart(number, spare, of(offer)))
    assert told(edge) == [Dropped(spare)]
    assert spare not in edge.taken
    await peer.find(answer)
    await peer.shake_hands(answer, "server")
    await until(lambda: len(told(edge)) == 2)
    found = told(edge)[1]
    assert isinstance(found, Connected)
    assert found.endpoint == number
    await peer.close()


@pytest.mark.parametrize("comes", [True, False])
async def test_a_path_that_ends_while_another_is_looked_for_ends_nothing(edge: Endpoints, comes: bool) -> None:
    """A peer whose network has changed restarts ICE: consent for the old way may end before the new one is found."""
    peer, number, spare = PacketPeer(), take(edge), take(edge)
    offer = await peer.offer()
    edge.carry_out(Connect(number, of(offer), "client", *WORKER))
    answer = ours(edge, number, offer)
    await peer.find(answer)
    await peer.shake_hands(answer, "server")
    await until(lambda: len(told(edge)) == 1)
    session = edge.taken[number]
    old, before = session.path, peer.ice
    offer = await peer.offer()
    answer = ours(edge, spare, offer)
    edge.carry_out(Restart(number, spare, of(offer)))
    assert before is not None
    await before.close()
    await until(lambda: not old.found)
    assert told(edge)[1:] == [Dropped(spare)]
    if comes:
        await peer.find(answer)
        await until(lambda: session.path is not old)
        await peer.send(bytes((0x80, 0)) + bytes(10) + b"audio")
        await until(lambda: session.received == 1)
        assert told(edge)[1:] == [Dropped(spare)]
    else:
        await until(lambda: told(edge)[2:] == [Failed(number, "consent")])
    await peer.close()


async def test_who_is_never_there_fails_in_time(edge: Endpoints) -> None:
    """No path, or a path and no handshake."""
    peer, number, other = PacketPeer(), take(edge), take(edge)
    offer = await peer.offer()
    nobody = PeerTransport("gone", "x" * 22, of(offer).fingerprints, "actpass", ())
    edge.carry_out(Connect(number, nobody, "client", *WORKER))
    edge.carry_out(Connect(other, of(offer), "server", *WORKER))
    await peer.find(ours(edge, other, offer))
    await until(lambda: len(told(edge)) == 2)
    assert sorted((event.endpoint, event.fault) for event in told(edge) if isinstance(event, Failed)) == [
        (number, "ice"),
        (other, "timeout"),
    ]
    assert not edge.busy()
    await peer.close()


async def test_commands_out_of_place_do_nothing(edge: Endpoints) -> None:
    """What names an endpoint that is no more, or none, or comes twice."""
    peer, number = PacketPeer(), take(edge)
    offer = await peer.offer()
    connect = Connect(number, of(offer), "client", *WORKER)
    for command in (Take(number, controlling=True), Aim(99_999, *WORKER), Restart(number, 99_999, of(offer))):
        edge.carry_out(command)
    assert list(edge.taken) == [number]
    edge.carry_out(connect)
    edge.carry_out(connect)
    edge.carry_out(Aim(number, "192.0.2.1", 0))
    edge.carry_out(Drop(number))
    edge.carry_out(Drop(number))
    edge.carry_out(connect)
    assert [event.endpoint for event in told(edge) if isinstance(event, Dropped)] == [number, number]
    assert told(edge)[-1] == Failed(number, "closed"), "a connection that cannot be made is told as failed"
    assert not edge.taken
    await peer.close()


async def test_there_are_always_some_ready_up_to_the_limit(edge: Endpoints) -> None:
    """So many are made as may still be taken; those that end make room."""
    assert len(edge.ready) == READY
    numbers = [take(edge) for _ in range(30)]
    await until(lambda: len(edge.ready) == 10)
    await asyncio.sleep(0.05)
    assert len(edge.ready) == 10
    for number in numbers:
        edge.carry_out(Drop(number))
    await until(lambda: len(edge.ready) == READY)
    stats = edge.stats()
    assert (stats.ready, stats.taken, stats.connected) == (READY, 0, 0)


async def test_when_all_have_ended_at_once_there_are_some_again() -> None:
    """As many as there are ports, which are free only a moment after their sessions were dropped."""
    edge = Endpoints(Place((HERE,), "", WEB_FIRST, WEB_FIRST + 3, HERE, 40, 2.0))
    made = len(edge.ready)
    assert 0 < made <= 4
    for number in [take(edge) for _ in range(made)]:
        edge.carry_out(Drop(number))
    await until(lambda: len(edge.ready) == made)
    await edge.close()
    assert not edge.ready
