"""One worker's connection at the recorder: what becomes of the others when one recording cannot be served."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest

from media.control import FrameReader
from media.recorder.finishing import Finisher, collect
from media.recorder.protocol import Audio, Begin, Done, End, decode_for_worker, encode
from media.recorder.recording import Recording
from media.recorder.server import Connection


def _answers(sock: socket.socket) -> list[Done]:
    return [message for body in FrameReader().feed(sock.recv(1 << 16)) for message in decode_for_worker(body)]


def test_a_fault_in_one_recording_leaves_the_others_what_came_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is in one read: the other's beginning and end are not lost, and the one goes on to its own end."""

    def audio(recording: Recording, message: Audio) -> None:
        raise IndexError("nothing there")

    monkeypatch.setattr(Recording, "audio", audio)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = Connection(ours, lambda connection: None)
        one = Begin(1, "r1", str(tmp_path / "one.wav"), 1, 500.0, 1_700_000_000_000_000)
        two = Begin(2, "r2", str(tmp_path / "two.wav"), 1, 500.0, 1_700_000_000_000_000)
        theirs.send(encode([one, Audio(1, 0, "PCMA", 8, b"x"), two, End(2, 501.0), End(1, 502.0)]))
        connection.read()
        assert [(done.key, done.seconds, done.reason) for done in _answers(theirs)] == [(2, 1.0, ""), (1, 2.0, "")]
        assert not connection.recordings


def test_an_end_that_fails_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker does not wait for it."""

    def end(recording: Recording, message: End) -> Done:
        raise IndexError("nothing there")

    monkeypatch.setattr(Recording, "end", end)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        connection = Connection(ours, lambda connection: None)
        begin = Begin(1, "r1", str(tmp_path / "one.wav"), 1, 500.0, 1_700_000_000_000_000)
        theirs.send(encode([begin, End(1, 501.0)]))
        connection.read()
        assert [(done.key, done.reason) for done in _answers(theirs)] == [(1, "IndexError")]
        assert not connection.recordings


def test_a_worker_that_reads_no_answers_loses_no_recording(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its connection ends; what was complete stays as it is, and gets its checksum."""
    finisher = Finisher(tmp_path / "spool", threaded=False)
    dropped: list[Connection] = []
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                ours.send(bytes(1 << 16))
        connection = Connection(ours, dropped.append, finisher)
        begin = Begin(1, "r1", str(tmp_path / "one.wav"), 1, 500.0, 1_700_000_000_000_000)
        theirs.send(encode([begin, End(1, 501.0)]))
        connection.read()
    assert dropped == [connection]
    assert (tmp_path / "one.wav").stat().st_size == 44 + 16_000
    finisher.work(float("inf"))
    assert [(one.recording, one.seconds) for one in collect(tmp_path / "spool", 10)] == [("r1", 1.0)]
    assert "Traceback" not in capfd.readouterr().err
