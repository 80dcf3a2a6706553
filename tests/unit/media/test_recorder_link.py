"""The worker's connection to the recorder: a recorder that is slow, gone or mad is never waited for."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from media.control import FrameReader
from media.recorder.protocol import Audio, Done, Mark, ToRecorder, decode_for_recorder, encode
from media.worker.line import Reader
from media.worker.recorder_link import MAX_UNSENT, RETRY, RecorderLink

BULK = Audio(1, 0, "PCMA", 8, bytes(range(256)) * 256)


class Bench:
    """A link and the recorder's end of its socket."""

    def __init__(self, directory: Path) -> None:
        self.path = str(directory / "recorder")
        self.epoll = select.epoll()
        self.readers: dict[int, Reader] = {}
        self.link = RecorderLink(self.path, self.epoll, self.readers)
        self.ups = 0
        self.answers: list[Done] = []
        self.link.on_up = self._up
        self.link.on_done = lambda done, now: self.answers.append(done)
        self.listener: socket.socket | None = None
        self.theirs: socket.socket | None = None
        self._frames = FrameReader()

    def _up(self) -> None:
        self.ups += 1

    def listen(self) -> None:
        """The recorder is there."""
        Path(self.path).unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()

    def accept(self) -> socket.socket:
        """It takes the connection."""
        assert self.listener is not None
        if self.theirs is not None:
            self.theirs.close()
        self.theirs, _ = self.listener.accept()
        self.theirs.setblocking(False)
        self._frames = FrameReader()
        return self.theirs

    def turn(self) -> None:
        """What the loop does."""
        for fd, _ in self.epoll.poll(0):
            self.readers[fd](5.0)

    def heard(self) -> list[ToRecorder]:
        """What the recorder reads now."""
        assert self.theirs is not None
        messages: list[ToRecorder] = []
        while True:
            try:
                data = self.theirs.recv(1 << 20)
            except BlockingIOError:
                return messages
            for body in self._frames.feed(data):
                messages += decode_for_recorder(body)

    def close(self) -> None:
        """Gives the sockets up."""
        if self.link._stream is not None:
            self.link._stream.drop("the test is over")
        for sock in (self.theirs, self.listener):
            if sock is not None:
                sock.close()
        self.epoll.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A link that has not connected yet."""
    made = Bench(tmp_path)
    yield made
    made.close()


def test_it_is_tried_now_and_then_and_told_of_once(bench: Bench) -> None:
    """An absent recorder costs one attempt in RETRY seconds."""
    bench.link.connect(1.0)
    assert not bench.link.connected
    bench.listen()
    bench.link.connect(1.0 + RETRY / 2)
    assert not bench.link.connected
    bench.link.connect(1.0 + RETRY)
    bench.link.connect(9.0)
    assert (bench.link.connected, bench.ups) == (True, 1)


def test_without_a_connection_nothing_is_taken(bench: Bench) -> None:
    """Who sends knows, and keeps it."""
    assert bench.link.send([Mark(1, 2.0, "")]) is False
    bench.link.flush()


def test_a_slow_recorder_gets_everything_in_the_end(bench: Bench) -> None:
    """What the socket does not take waits, in order, to a bound; what must not be lost is taken beyond it."""
    bench.listen()
    bench.link.connect(1.0)
    bench.accept()
    taken = 0
    while bench.link.send([BULK], force=False):
        bench.link.flush()
        taken += 1
        assert taken < 2000
    assert MAX_UNSENT < taken * len(BULK.packets) < MAX_UNSENT + (16 << 20)
    assert bench.link.send([Mark(1, 2.0, "paused")])
    found: list[ToRecorder] = []
    while len(found) <= taken:
        bench.turn()
        found += bench.heard()
    assert found == [BULK] * taken + [Mark(1, 2.0, "paused")]
    assert bench.link.send([BULK], force=False)


def test_answers_are_passed_on(bench: Bench) -> None:
    """Whole, however they arrive."""
    bench.listen()
    bench.link.connect(1.0)
    theirs = bench.accept()
    data = encode([Done(1, 2.5, 80000, 0), Done(2, 0.0, 0, 0, "full")])
    for at in range(0, len(data), 7):
        theirs.send(data[at : at + 7])
        bench.turn()
    assert bench.answers == [Done(1, 2.5, 80000, 0), Done(2, 0.0, 0, 0, "full")]


@pytest.mark.parametrize("garbage", [b"", b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1"])
def test_a_connection_that_breaks_is_made_anew(
    bench: Bench, garbage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its end or by what is no answer; what waited for the old one is not sent to the new one."""
    bench.listen()
    bench.link.connect(1.0)
    theirs = bench.accept()
    bench.link.send([BULK])
    if garbage:
        theirs.send(garbage)
    else:
        theirs.close()
    bench.turn()
    assert not bench.link.connected
    assert "recorder disconnected" in capsys.readouterr().err
    bench.link.connect(9.0)
    bench.accept()
    bench.link.send([Mark(1, 2.0, "")])
    bench.link.flush()
    assert bench.heard() == [Mark(1, 2.0, "")]
    assert bench.ups == 2
