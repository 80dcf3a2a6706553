"""What a real recorder does with a file after its end: the checksum is told, whoever is killed in between."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from media.control import Ping, Pong, Record, Recorded, Release
from media.recorder.finishing import Finished, collect
from tests.e2e.test_recorder import ALICE, joined, talk, until
from tests.support.media_worker import Phone, worker
from tests.support.recorder import recorder


@pytest.fixture
def phones() -> Iterator[tuple[Phone, Phone]]:
    """Two phones."""
    pair = Phone(), Phone()
    yield pair
    for phone in pair:
        phone.close()


def told(spool: Path, within: float = 20.0) -> Finished:
    """The one recording that is told of."""
    deadline = time.monotonic() + within
    found: list[Finished] = []
    while not found:
        assert time.monotonic() < deadline, "nothing is told"
        time.sleep(0.02)
        found = collect(spool, 10)
    assert len(found) == 1
    return found[0]


def test_a_recording_is_told_of(tmp_path: Path, phones: tuple[Phone, Phone]) -> None:
    """With the checksum of the file as it lies there, also in its sidecar."""
    spool = tmp_path / "finished"
    with recorder(tmp_path, "--spool", str(spool)) as running, worker(tmp_path, recorder=running.path) as carrier:
        control = carrier.connect()
        a, b = joined(control, carrier, phones)
        path = tmp_path / "day" / "call-1.wav"
        control.send(Record(a, 1, "r1", str(path)), Ping())
        control.expect(Pong)
        talk(a, b, phones, 30)
        control.send(Release(a, 1))
        recorded = control.expect(Recorded)
        ready = told(spool)
        assert (ready.recording, ready.path, ready.gaps) == ("r1", str(path), recorded.gaps)
        assert ready.seconds == pytest.approx(recorded.seconds)
        assert ready.octets == path.stat().st_size == 44 + recorded.octets
        assert ready.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert json.loads(path.with_suffix(".json").read_text())["sha256"] == ready.sha256
        assert not list(spool.iterdir())


def test_a_killed_recorder_and_worker_are_told_of(tmp_path: Path, phones: tuple[Phone, Phone]) -> None:
    """By the next recorder, once, when it is clear that nobody goes on."""
    spool = tmp_path / "finished"
    path = tmp_path / "day" / "call-1.wav"
    part = path.with_name("call-1.part.wav")
    with recorder(tmp_path, "--spool", str(spool)) as running, worker(tmp_path, recorder=running.path) as carrier:
        control = carrier.connect()
        a, _ = joined(control, carrier, phones)
        control.send(Record(a, 1, "r1", str(path)), Ping())
        control.expect(Pong)
        until(grown(phones[0], a, part), "the recorder writes nothing")
        running.kill()
        carrier.kill()
        running.start()
        assert path.exists()
        assert collect(spool, 10) == []
        ready = told(spool)
        assert ready.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert ready.seconds == pytest.approx((path.stat().st_size - 44) / 32000)
        assert not list(spool.iterdir())


def grown(phone: Phone, port: int, part: Path) -> Callable[[], bool]:
    """Whether there is more than a second in a file, for which a phone says something each time."""

    def said() -> bool:
        phone.say(port, ALICE)
        return part.exists() and part.stat().st_size > 44 + 32000

    return said
