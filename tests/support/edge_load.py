"""How much CPU a browser's leg costs the WebRTC edge: python -m tests.support.edge_load [--peers 50] [--seconds 20].

Peers without codecs send a packet each 20 ms, evenly spaced over all of them, and so do stand-ins for workers' ports;
both throw away what they get. Printed is the CPU time of the edge for a second of one leg, both directions relayed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import tempfile
import time
from pathlib import Path

import psutil

from media.edge_control import Endpoint
from media.formats import PCMU
from media.remote import read_remote
from media.web_offer_answer import build_web_answer
from tests.support.edge import EdgeProcess, Signalling, edge_signalling
from tests.support.packet_peer import PacketPeer
from tests.support.web_peer import on_loopback

TICK = 0.02


class Leg:
    """A browser and its worker's port."""

    def __init__(self, peer: PacketPeer, endpoint: Endpoint, worker: socket.socket) -> None:
        self.peer, self.endpoint, self.worker = peer, endpoint, worker
        self.seq = 0
        self.came = [0, 0]
        ice = peer.ice
        assert ice is not None
        pair = ice._nominated[1]
        self.out, self.there = pair.protocol.transport.sendto, pair.remote_addr
        pair.protocol.datagram_received = self._drop

    def _drop(self, data: bytes, address: object) -> None:
        self.came[0] += 1

    def send(self) -> None:
        """A packet each way."""
        self.seq += 1
        head = bytes([0x80, 0]) + (self.seq & 0xFFFF).to_bytes(2, "big") + (self.seq * 160).to_bytes(4, "big")
        packet = head + self.endpoint.number.to_bytes(4, "big") + bytes(160)
        self.out(self.peer._tx_srtp.protect(packet), self.there)
        with contextlib.suppress(BlockingIOError):
            self.worker.sendto(packet, (self.endpoint.address, self.endpoint.port))
        with contextlib.suppress(BlockingIOError):
            while self.worker.recv(2048):
                self.came[1] += 1


async def connect(signalling: Signalling) -> Leg:
    """One more leg."""
    peer, endpoint = PacketPeer(), signalling.lease()
    worker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    worker.setblocking(False)
    worker.bind(("127.0.0.1", 0))
    offer = await peer.offer()
    theirs = read_remote(offer).web
    assert theirs is not None
    signalling.plane.connect(endpoint, theirs, "client", worker.getsockname())
    answer = build_web_answer(
        offer, endpoint.own, session_id=1, version=1, codec=PCMU, event_pt=None, direction="sendrecv", setup="active"
    )
    ours = read_remote(answer).web
    assert ours is not None
    await peer.find(ours)
    await peer.shake_hands(ours, "server")
    await signalling.connected(endpoint)
    return Leg(peer, endpoint, worker)


async def talk(legs: list[Leg], seconds: float) -> None:
    """Packets of all legs, evenly spaced within each 20 ms."""
    began, sent = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        due = int((time.perf_counter() - began) / TICK * len(legs))
        while sent < due:
            legs[sent % len(legs)].send()
            sent += 1
        await asyncio.sleep(TICK / len(legs))


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--wait", type=float, default=0.0, help="seconds before the audio, to attach a profiler")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, on_loopback():
        edge = EdgeProcess(Path(directory), arguments.peers + 10)
        process = psutil.Process(edge.process.pid)
        idle = process.memory_info().rss
        async with edge_signalling(edge.path) as signalling:
            before = sum(process.cpu_times()[:2])
            legs = [await connect(signalling) for _ in range(arguments.peers)]
            setup = sum(process.cpu_times()[:2]) - before
            if arguments.wait:
                print(f"edge is pid {edge.process.pid}")
                await asyncio.sleep(arguments.wait)
            await talk(legs, 1.0)
            before, counts = sum(process.cpu_times()[:2]), [sum(leg.came[way] for leg in legs) for way in (0, 1)]
            began = time.perf_counter()
            await talk(legs, arguments.seconds)
            took = time.perf_counter() - began
            used = sum(process.cpu_times()[:2]) - before
            came = [sum(leg.came[way] for leg in legs) - counts[way] for way in (0, 1)]
            grown = process.memory_info().rss - idle
            print(f"{used / took / len(legs) * 1000:.2f} ms CPU a second of leg, {arguments.peers} legs")
            print(f"passed of {50 * took * len(legs):.0f} each way: {came[1]} to workers, {came[0]} to browsers")
            print(f"{setup / len(legs) * 1000:.1f} ms CPU to connect one, {grown / len(legs) / 1024:.0f} KiB each")
            for leg in legs:
                await leg.peer.close()
                leg.worker.close()
        edge.stop()


if __name__ == "__main__":
    asyncio.run(main())
