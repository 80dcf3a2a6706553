"""What a real recorder does with a file after its end: the checksum is told, whoever is killed in between."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from media.control import Ping, Record, Release
from media.events import Pong, Recorded
from media.recorder.finishing import Finished, collect
from media.recording_files import AudioReader
from media.recording_keys import KeyRing
from tests.e2e.test_recorder import ALICE, joined, talk, until, value
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
        found = list(collect(spool, 10))
    assert len(found) == 1
    return found[0]


def test_a_recording_is_told_of(tmp_path: Path, phones: tuple[Phone, Phone]) -> None:
    """With the checksum of the file as it lies there, also in its sidecar."""
    spool = tmp_path / "finished"
    with recorder(tmp_path, "--spool", str(spool)) as running, worker(tmp_path, recorder=running.path) as carrier:
        control = carrier.connect()
        a, b = joined(control, carrier, phones)
        path = tmp_path / "recordings" / "day" / "call-1.wav"
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
        until(lambda: not list(spool.iterdir()), "the spool is not emptied")
        # Nobody else may hear it, wherever it lies.
        assert [place.stat().st_mode & 0o777 for place in (path.parent.parent, path.parent, path)] == [
            0o700,
            0o700,
            0o600,
        ]


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
        assert list(collect(spool, 10)) == []
        ready = told(spool)
        assert ready.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert ready.seconds == pytest.approx((path.stat().st_size - 44) / 32000)
        until(lambda: not list(spool.iterdir()), "the spool is not emptied")


def grown(phone: Phone, port: int, part: Path, least: int = 44 + 32000) -> Callable[[], bool]:
    """Whether there is more than a second in a file, for which a phone says something each time."""

    def said() -> bool:
        phone.say(port, ALICE)
        return part.exists() and part.stat().st_size > least

    return said


def test_a_sealed_recording_outlives_a_crash(tmp_path: Path, phones: tuple[Phone, Phone]) -> None:
    """Nothing is on the disk in clear, the next recorder goes on, and all of it is read with the key."""
    spool, keys = tmp_path / "finished", tmp_path / "keys"
    options = ("--spool", str(spool), "--keys", str(keys), "--seal")
    path = tmp_path / "day" / "call-1.wav"
    part = path.with_name("call-1.part.wav.sealed")
    with recorder(tmp_path, *options) as running, worker(tmp_path, recorder=running.path) as carrier:
        control = carrier.connect()
        a, _ = joined(control, carrier, phones)
        control.send(Record(a, 1, "r1", str(path)), Ping())
        control.expect(Pong)
        until(grown(phones[0], a, part), "the recorder writes nothing")
        running.kill()
        size = part.stat().st_size
        running.start()
        until(grown(phones[0], a, part, size + 20_000), "the next recorder does not go on")
        control.send(Release(a, 1))
        recorded = control.expect(Recorded)
        assert (recorded.reason, recorded.gaps >= 1) == ("", True)
        ready = told(spool)
        file = path.with_name("call-1.wav.sealed")
        assert ready.path == str(path)
        assert ready.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
        assert sorted(entry.name for entry in path.parent.iterdir()) == ["call-1.json", "call-1.wav.sealed"]
        with AudioReader(path, KeyRing(keys)) as reader:
            assert reader.size == 44 + recorded.octets
            pcm = reader.read(44, reader.size)
    left = np.frombuffer(pcm, "<i2").reshape(-1, 2)[:, 0]
    assert set(left.tolist()) == {0, value(ALICE)}
    assert pcm[:64] not in file.read_bytes()
    assert value(ALICE).to_bytes(2, "little", signed=True) * 8 not in file.read_bytes()
    assert (left != 0).sum() > 1600, "ten packets at least"


def test_a_sealed_recording_without_a_key_place(tmp_path: Path, phones: tuple[Phone, Phone]) -> None:
    """Keys that others may read are not used: no recording, told with its reason, and the call goes on."""
    keys = tmp_path / "keys"
    KeyRing(keys).newest()
    (keys / "recording-1.key").chmod(0o644)
    options = ("--keys", str(keys), "--seal")
    with recorder(tmp_path, *options) as running, worker(tmp_path, recorder=running.path) as carrier:
        control = carrier.connect()
        a, b = joined(control, carrier, phones)
        control.send(Record(a, 1, "r1", str(tmp_path / "call-1.wav")))
        recorded = control.expect(Recorded)
        assert (recorded.octets, "others may read" in recorded.reason) == (0, True)
        talk(a, b, phones, 5)


def test_a_call_becomes_ogg(tmp_path: Path, phones: tuple[Phone, Phone]) -> None:
    """After its end, while the next one is being recorded; nothing in clear where it is sealed."""
    spool, keys = tmp_path / "finished", tmp_path / "keys"
    options = ("--spool", str(spool), "--keys", str(keys), "--seal", "--ogg")
    with recorder(tmp_path, *options) as running, worker(tmp_path, recorder=running.path) as carrier:
        control = carrier.connect()
        a, b = joined(control, carrier, phones)
        for number in (1, 2):
            path = tmp_path / "day" / f"call-{number}.wav"
            control.send(Record(a, 1, f"r{number}", str(path)), Ping())
            control.expect(Pong)
            talk(a, b, phones, 30)
        control.send(Release(a, 1))
        assert control.expect(Recorded).reason == ""
        assert control.expect(Recorded).reason == ""
        for number in (1, 2):
            path = tmp_path / "day" / f"call-{number}.wav"
            until((spool / f"call-{number}.ready").exists, "it is not told")
            with AudioReader(path, KeyRing(keys)) as reader:
                assert reader.media_type == "audio/ogg"
                sound, rate = soundfile.read(io.BytesIO(reader.read(0, reader.size)))
            assert (rate, sound.shape[1]) == (8000, 2)
        ready = {one.recording: one for one in collect(spool, 10)}
        assert sorted(ready) == ["r1", "r2"]
        assert len(sound) == pytest.approx(ready["r2"].seconds * 8000, abs=400)
        names = [f"call-{number}.{ending}" for number in (1, 2) for ending in ("json", "ogg.sealed")]
        assert sorted(entry.name for entry in path.parent.iterdir()) == names
