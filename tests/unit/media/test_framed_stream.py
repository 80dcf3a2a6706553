"""A stream of frames by epoll: whole frames however they arrive, and one end, whoever brings it about."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import pytest

from media.control import ControlError
from media.worker.framed_stream import END_OF_FILE, FramedStream
from media.worker.line import Reader


class Bench:
    """A stream, and the other process's end of it."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.readers: dict[int, Reader] = {}
        ours, self.theirs = socket.socketpair()
        self.theirs.setblocking(False)
        self.taken: list[tuple[bytes, float]] = []
        self.lost: list[str] = []
        self.stream = FramedStream(ours, self.epoll, self.readers, self._take, self.lost.append)

    def _take(self, body: bytes, now: float) -> None:
        if body == b"mad":
            raise ControlError("no message")
        self.taken.append((bytes(body), now))

    def turn(self, now: float = 5.0) -> None:
        """What the loop does."""
        for fd, _ in self.epoll.poll(0):
            self.readers[fd](now)


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A stream that is connected."""
    made = Bench()
    yield made
    made.stream.drop("the test is over")
    made.theirs.close()
    made.epoll.close()


def frame(body: bytes) -> bytes:
    """A length of four octets, and the body."""
    return len(body).to_bytes(4, "big") + body


def test_frames_are_taken_whole(bench: Bench) -> None:
    """At whatever places they are cut on their way."""
    data = frame(b"one") + frame(b"two")
    for at in range(0, len(data), 5):
        bench.theirs.send(data[at : at + 5])
        bench.turn(at)
    assert bench.taken == [(b"one", 5.0), (b"two", 10.0)]


def test_what_the_socket_does_not_take_follows_in_order(bench: Bench) -> None:
    """As soon as it has room; nobody waits for it."""
    sent = bytes(range(256)) * 20_000
    bench.stream.unsent += sent
    bench.stream.flush()
    assert bench.stream.full
    got = bytearray()
    while len(got) < len(sent):
        try:
            got += bench.theirs.recv(1 << 20)
        except BlockingIOError:
            pytest.fail("the rest does not follow")
        bench.turn()
    assert got == sent
    assert not bench.stream.full


@pytest.mark.parametrize("last", ["mad", "closed"])
def test_it_ends_once(bench: Bench, last: str) -> None:
    """By what is no message, or when the other process closes it; a later `drop` is not told of."""
    if last == "mad":
        bench.theirs.send(frame(b"one") + frame(b"mad") + frame(b"two"))
    else:
        bench.theirs.send(frame(b"one"))
        bench.theirs.close()
        bench.turn()
    bench.turn()
    bench.stream.drop("again")
    assert bench.taken == [(b"one", 5.0)]
    assert bench.lost == ["no message" if last == "mad" else END_OF_FILE]


def test_an_event_that_was_already_reported_reads_nothing(bench: Bench) -> None:
    """The loop may have it in its batch when the stream ends."""
    bench.theirs.send(frame(b"one"))
    ((fd, _),) = bench.epoll.poll(0)
    bench.stream.drop("over")
    bench.readers[fd](5.0)
    assert bench.taken == []
