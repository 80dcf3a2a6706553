"""Evenly spaced packets: sent by one system call, heard by another, judged."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import numpy as np
import pytest

from bench.even_packets import MAGIC, PACKET, Ear, Heard, Slot, judge


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two sockets on loopback."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for sock in sockets:
        sock.bind(("127.0.0.1", 0))
    yield sockets[0], sockets[1]
    for sock in sockets:
        sock.close()


def heard(*packets: tuple[int, int, int, int]) -> Heard:
    """Stream, number, sent, arrived."""
    return Heard(*(np.array(column, np.int64) for column in zip(*packets, strict=True)))


def test_a_packet_is_twenty_milliseconds_of_pcma() -> None:
    """12 octets of header and 160 of speech."""
    assert PACKET.itemsize == 172


def test_what_is_sent_is_heard(pair: tuple[socket.socket, socket.socket]) -> None:
    """Three streams, five packets each, with their numbers and both times."""
    slot, ear = Slot(pair[0], [7, 8, 9], [pair[1].getsockname()] * 3), Ear(pair[1])
    before = time.time_ns()
    for _ in range(5):
        slot.send()
    ear.listen()
    found = ear.heard()
    assert sorted(zip(found.stream.tolist(), found.number.tolist(), strict=True)) == [
        (stream, number) for stream in (7, 8, 9) for number in range(5)
    ]
    assert (found.sent >= before).all()
    assert (found.at >= found.sent).all()
    assert (found.at <= time.time_ns()).all()
    assert (slot.sent, slot.streams) == (5, 3)


def test_the_packets_are_rtp(pair: tuple[socket.socket, socket.socket]) -> None:
    """Version 2, PCMA, the marker on the first, sequence numbers and timestamps that go on."""
    slot = Slot(pair[0], [3], [pair[1].getsockname()])
    for _ in range(3):
        slot.send()
    packets = np.frombuffer(b"".join(pair[1].recv(2048) for _ in range(3)), PACKET)
    assert packets["first"].tolist() == [0x80] * 3
    assert packets["second"].tolist() == [0x88, 8, 8]
    assert packets["seq"].tolist() == [0, 1, 2]
    assert packets["ts"].tolist() == [0, 160, 320]
    assert set(packets["magic"].tolist()) == {MAGIC}
    assert len(set(packets["ssrc"].tolist())) == 1


def test_what_is_not_ours_is_not_heard(pair: tuple[socket.socket, socket.socket]) -> None:
    """Nor is an ear that heard nothing an error."""
    ear = Ear(pair[1])
    assert len(ear.heard().at) == 0
    pair[0].sendto(bytes(172), pair[1].getsockname())
    pair[0].sendto(b"short", pair[1].getsockname())
    ear.listen()
    assert len(ear.heard().at) == 0


def test_losses_and_doubles_are_counted() -> None:
    """Of six packets of two streams one is lost and one came twice; jitter is above each stream's least delay."""
    ms = 1_000_000
    ears = [
        heard((0, 0, 0, 1 * ms), (0, 1, 0, 3 * ms), (0, 1, 0, 4 * ms), (0, 2, 0, 1 * ms)),
        heard((1, 0, 0, 5 * ms), (1, 2, 0, 6 * ms)),
    ]
    found = judge(ears, 3, 6)
    assert (found.sent, found.lost, found.doubled, found.silent) == (6, 1, 1, 1)
    assert sorted(found.jitter.tolist()) == [0, 0, 0, 1, 2, 3]
    assert max(found.delays) == 6.0
