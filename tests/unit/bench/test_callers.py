"""What callers send, tick by tick, and what they remember of what they heard."""

from __future__ import annotations

import itertools
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from bench.callers import AUDIO, EVENT, Caller


class Side:
    """The other side of a caller: sends it packets, and reads what it says."""

    def __init__(self, to: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.to = ("127.0.0.1", to)

    def send(self, seq: int, *, second: int = AUDIO) -> None:
        """One packet of 20 ms."""
        self.socket.sendto(struct.pack("!BBHII", 0x80, second, seq, seq * 160, 7) + bytes(160), self.to)

    def heard(self) -> list[tuple[int, int, int, bytes]]:
        """Second octet, sequence number, timestamp and payload of what has come."""
        packets = []
        while True:
            try:
                data = self.socket.recv(2048)
            except BlockingIOError:
                return packets
            packets.append((*struct.unpack_from("!xBHI", data), data[12:]))


@pytest.fixture
def caller() -> Iterator[Caller]:
    """A caller who keys 3 and 3 half a second and one second after the first packet heard."""
    one = Caller("33", [0.5, 1.0])
    yield one
    one.close()


@pytest.fixture
def side(caller: Caller) -> Iterator[Side]:
    """Whoever talks to the caller."""
    other = Side(caller.port)
    yield other
    other.socket.close()


def test_nothing_is_said_before_anything_is_heard(caller: Caller, side: Side) -> None:
    """Who does not know where to send is silent; packets of events and strangers' shreds do not tell."""
    side.send(1, second=EVENT)
    side.socket.sendto(b"short", side.to)
    caller.read()
    for _ in range(100):
        caller.speak(True)
    assert side.heard() == []
    assert caller.keyed == 0


def test_speech_and_keys_are_one_stream(caller: Caller, side: Side) -> None:
    """Sequence numbers run through; an event keeps its timestamp, begins with the marker, ends three times."""
    side.send(1)
    caller.read()
    for _ in range(75):
        caller.speak(True)
    heard = side.heard()
    assert [(b[1] - a[1]) & 0xFFFF for a, b in itertools.pairwise(heard)] == [1] * (len(heard) - 1)
    events = [packet for packet in heard if packet[0] & 127 == EVENT]
    begun = [ts for second, _, ts, _ in events if second & 0x80]
    assert len(begun) == 2
    assert (begun[1] - begun[0]) & 0xFFFFFFFF == 8000 // 2
    for at in begun:
        bodies = [struct.unpack("!BBH", body) for _, _, ts, body in events if ts == at]
        assert bodies == [(3, 0x0A, n * 160) for n in range(1, 5)] + [(3, 0x8A, 800)] * 3
    speech = [packet for packet in heard if packet[0] == AUDIO]
    assert (begun[0] - speech[0][2]) & 0xFFFFFFFF == 24 * 160
    assert caller.keyed == 2


def test_a_silent_caller_still_keys(caller: Caller, side: Side) -> None:
    """At the same moments; after the last key nothing more is sent."""
    side.send(1)
    caller.read()
    for _ in range(75):
        caller.speak(False)
    assert {packet[0] & 127 for packet in side.heard()} == {EVENT}
    caller.speak(True)
    assert side.heard() == []


def test_what_was_heard_has_the_kernel_s_time_of_arrival(caller: Caller, side: Side) -> None:
    """Packets read late are stamped when they came; markers and sequence numbers are those sent."""
    until = time.monotonic() + 2.0
    while time.monotonic() < until:  # the first socket of all that wants stamps gets them only after a moment
        before = time.time_ns()
        side.send(65535, second=0x80 | AUDIO)
        between = time.time_ns()
        side.send(0)
        after = time.time_ns()
        caller.read()
        stream = caller.stream()
        if stream.at[-2] <= between:
            break
    assert before <= stream.at[-2] <= between <= stream.at[-1] <= after
    assert (stream.seq[-2:].tolist(), stream.marker[-2:].tolist()) == ([65535, 0], [True, False])
