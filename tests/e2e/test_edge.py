"""The WebRTC edge as a process of its own: a foreign browser outside, a worker's port inside."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bench.rtp import RtpPort
from media.edge_control import Endpoint, Failed
from media.formats import PCMU
from media.ice_dtls import SETUP_OF, PeerTransport, role_of
from media.remote import read_remote
from media.web_offer_answer import build_web_answer, build_web_offer
from tests.support.edge import EdgeProcess, Signalling, edge_signalling, worker_port
from tests.support.packet_peer import PacketPeer
from tests.support.patience import PATIENCE
from tests.support.stage import together
from tests.support.web_peer import WebPeer, on_loopback, web_peer


@pytest.fixture(scope="module", autouse=True)
def _here() -> Iterator[None]:
    with on_loopback():
        yield


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeProcess]:
    """One edge for all."""
    process = EdgeProcess(tmp_path_factory.mktemp("edge"), 50, "--patience", "4")
    yield process
    assert process.stop() == 0


def transport(body: bytes) -> PeerTransport:
    """The transport of a description."""
    web = read_remote(body).web
    assert web is not None
    return web


def answer_to(offer: bytes, endpoint: Endpoint, version: int = 1) -> bytes:
    """Our answer."""
    role = role_of(transport(offer).setup, offered=True)
    return build_web_answer(
        offer, endpoint.own, session_id=1, version=version, codec=PCMU, event_pt=None, direction="sendrecv",
        setup=SETUP_OF[role],
    )  # fmt: skip


@contextlib.asynccontextmanager
async def talking(signalling: Signalling, peer: WebPeer) -> AsyncIterator[tuple[Endpoint, RtpPort]]:
    """A browser that offered, its endpoint and its worker's port, with tones both ways."""
    endpoint = signalling.lease()
    async with worker_port(endpoint) as port:
        offer = await peer.offer()
        signalling.plane.connect(endpoint, transport(offer), "client", port.address)
        await peer.take_answer(answer_to(offer, endpoint))
        await signalling.connected(endpoint)
        port.play(440)
        await peer.hears(440)
        await signalling.until(lambda: port.hears(880, 0.3))
        yield endpoint, port
        signalling.plane.release(endpoint)


async def test_browsers_are_connected(edge: EdgeProcess) -> None:
    """Both roles, refusals and changes of the path, side by side."""
    async with edge_signalling(edge.path) as signalling:

        async def offers() -> None:
            async with web_peer(880) as peer, talking(signalling, peer) as (_, port):
                # What passes is what was sent: plain RTP of the codec agreed on.
                assert {packet.payload_type for packet in port.received} == {0}

        async def answers() -> None:
            async with web_peer(660) as peer:
                endpoint = signalling.lease(controlling=True)
                offer = build_web_offer(endpoint.own, session_id=1, version=1, codecs=(PCMU,), event_pt=101)
                answer = await peer.answer(offer)
                said = transport(answer)
                async with worker_port(endpoint) as port:
                    signalling.plane.connect(endpoint, said, role_of(said.setup, offered=False), port.address)
                    await signalling.connected(endpoint)
                    port.play(550)
                    await peer.hears(550)
                    await signalling.until(lambda: port.hears(660, 0.3))
                    signalling.plane.release(endpoint)

        async def unknown_address() -> None:
            # As browsers that hide their addresses: all of them names of mDNS.
            async with web_peer(770) as peer:
                endpoint = signalling.lease()
                offer = await peer.offer()
                hidden = re.sub(rb"(a=candidate:\S+ 1 udp \d+) \S+", rb"\1 6d2c.local", offer)
                assert transport(hidden).candidates == ()
                async with worker_port(endpoint) as port:
                    signalling.plane.connect(endpoint, transport(hidden), "client", port.address)
                    await peer.take_answer(answer_to(hidden, endpoint))
                    await signalling.connected(endpoint)
                    await signalling.until(lambda: port.hears(770, 0.3))
                    signalling.plane.release(endpoint)

        async def impostor() -> None:
            async with web_peer(880) as peer:
                endpoint = signalling.lease()
                offer = await peer.offer()
                other = re.sub(rb"(sha-\d+) ..", rb"\1 00", offer)
                async with worker_port(endpoint) as port:
                    signalling.plane.connect(endpoint, transport(other), "client", port.address)
                    await peer.take_answer(answer_to(offer, endpoint))
                    await signalling.until(lambda: Failed(endpoint.number, "fingerprint") in signalling.events)
                    assert not port.received
                    signalling.plane.release(endpoint)

        async def hangs_up() -> None:
            async with web_peer(880) as peer, talking(signalling, peer) as (endpoint, _):
                await peer.pc.close()
                await signalling.until(lambda: Failed(endpoint.number, "closed") in signalling.events)

        await together(offers(), answers(), unknown_address(), impostor(), hangs_up())
        await signalling.until(lambda: signalling.plane.counts()["taken"] == 0)
        await signalling.until(lambda: signalling.plane.counts()["ready"] > 30)


async def test_sessions_change_and_survive(edge: EdgeProcess) -> None:
    """Another worker's port is aimed at, and signalling may be gone for a while."""
    async with (
        edge_signalling(edge.path) as signalling,
        web_peer(880) as peer,
        talking(signalling, peer) as (one, port),
        worker_port(one) as other,
    ):
        signalling.plane.aim(one, other.address)
        other.play(330)
        await peer.hears(330)
        await signalling.until(lambda: other.hears(880, 0.3))
        count = len(other.received)
        # Its connection is cut, and comes again: the session has not noticed.
        assert signalling.plane._link._transport is not None
        signalling.plane._link._transport.abort()
        await signalling.until(lambda: signalling.plane.counts()["up"] == 1 and len(other.received) > count + 20)
        assert not signalling.lost
        signalling.plane.aim(one, port.address)


RTP = bytes([0x80, 0, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4]) + bytes(160)
REPORT = bytes([0x80, 201, 0, 1, 1, 2, 3, 4])


async def test_a_restart_of_ice_keeps_the_keys(edge: EdgeProcess) -> None:
    """Packets pass untouched, reports on the same port, and go on over the new path when the old one is closed."""
    peer = PacketPeer()
    async with edge_signalling(edge.path) as signalling:
        one = signalling.lease()
        offer = await peer.offer()
        assert await finds_and_fails(signalling, transport(offer)) == "ice"
        async with worker_port(one) as port:
            signalling.plane.connect(one, transport(offer), "client", port.address)
            ours = transport(answer_to(offer, one))
            await peer.find(ours)
            await peer.shake_hands(ours, "server")
            await signalling.connected(one)

            async def pass_both_ways(count: int) -> None:
                # A path that has just been found by one side may lose a few.
                packet = RTP[:3] + bytes([count]) + RTP[4:]
                assert port._transport is not None
                async with asyncio.timeout(10 * PATIENCE):
                    while not port.received or port.received[-1].sequence != count:
                        await peer.send(RTP[:2] + bytes([0, count]) + RTP[4:])
                        await asyncio.sleep(0.02)
                    while not peer.packets or peer.packets[-1] != packet:
                        port._transport.sendto(packet, (one.address, one.port))
                        await asyncio.sleep(0.02)
                port._transport.sendto(REPORT, (one.address, one.port))
                await signalling.until(lambda: len(peer.reports) == count)
                assert peer.reports[-1] == REPORT

            await pass_both_ways(1)
            first = peer.ice
            for count in (2, 3):
                spare = signalling.lease()
                again = await peer.offer()
                signalling.plane.restart(one, spare, transport(again))
                await peer.find(transport(answer_to(again, spare, count)))
                await pass_both_ways(count)
            assert peer.ice is not first
            # Nobody else's packets are taken: they are not encrypted with its keys.
            assert port._transport is not None
            port._transport.sendto(RTP[:3] + bytes([99]) + RTP[4:], (one.address, spare.own.default.port))
            await pass_both_ways(4)
            assert {packet.sequence for packet in port.received} == {1, 2, 3, 4}
            await peer.close()
            await signalling.until(lambda: Failed(one.number, "closed") in signalling.events)


async def finds_and_fails(signalling: Signalling, peer: PeerTransport) -> str:
    """Why there is no path to somebody who does not answer; it is told once."""
    endpoint = signalling.lease()
    gone = PeerTransport("gone", "x" * 22, peer.fingerprints, "actpass", ())
    signalling.plane.connect(endpoint, gone, "client", ("127.0.0.1", 9))
    await signalling.until(lambda: any(isinstance(event, Failed) for event in signalling.events))
    (event,) = signalling.events
    signalling.events.clear()
    assert isinstance(event, Failed)
    signalling.plane.release(endpoint)
    return event.fault


async def test_another_signalling_ends_what_is_not_its_own(edge: EdgeProcess) -> None:
    """As after a crash of signalling: its sessions went on until then."""
    async with web_peer(880) as peer:
        async with edge_signalling(edge.path) as signalling, contextlib.AsyncExitStack() as stack:
            _, port = await stack.enter_async_context(talking(signalling, peer))
            stack.pop_all()
        count = len(port.received)
        async with edge_signalling(edge.path) as next_one:
            await next_one.until(lambda: next_one.plane.stats is not None and next_one.plane.stats.taken == 0)
            assert next_one.plane.counts()["taken"] == 0
        assert len(port.received) >= count
        port.close()


async def test_a_dead_edge_is_noticed_and_replaced(tmp_path: Path) -> None:
    """Its sessions are lost, with their numbers; the next one has endpoints again."""
    process = EdgeProcess(tmp_path, 3)
    try:
        async with edge_signalling(process.path) as signalling:
            await signalling.until(lambda: signalling.plane.counts()["ready"] == 3)
            numbers = [signalling.lease().number for _ in range(3)]
            # No more than it was told to have at once.
            assert signalling.plane.lease(False) is None
            await signalling.until(lambda: signalling.plane.stats is not None and signalling.plane.stats.taken == 3)
            assert signalling.plane.lease(False) is None
            process.kill()
            await signalling.until(lambda: bool(signalling.lost))
            assert signalling.lost[0].endpoints == tuple(numbers)
            process.start()
            await signalling.until(lambda: signalling.plane.counts()["ready"] == 3)
    finally:
        process.stop()


async def test_without_its_supervisor_it_serves_who_is_there(tmp_path: Path) -> None:
    """A session goes on, and signalling with it; when nobody is left the process ends."""
    process = EdgeProcess(tmp_path, 5)
    try:
        async with (
            web_peer(880) as peer,
            edge_signalling(process.path) as signalling,
            talking(signalling, peer) as (_, port),
        ):
            process.supervisor.close()
            count = len(port.received)
            await signalling.until(lambda: len(port.received) > count + 30)
            assert process.process.poll() is None
        assert await asyncio.to_thread(process.process.wait, 10) == 0
    finally:
        process.kill()
