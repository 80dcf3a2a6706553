"""What is done with recordings after their end: checksums, told once, whatever ends in between."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from media.recorder.files import Files
from media.recorder.finishing import AGAIN, ATTEMPTS, GRACE, Finished, Finisher, collect
from media.recorder.sidecar import read_sidecar, sidecar_of
from media.recorder.wav import header
from media.recording_keys import KeyRing

PCM = bytes(range(256)) * 250
"""Two seconds of stereo."""


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """Where what is ready is told."""
    return tmp_path / "spool"


def recorded(path: Path, **about: object) -> Path:
    """A complete recording with its sidecar."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header(2, len(PCM)) + PCM)
    told = {"recording": "r1", "seconds": 2.0, "complete": True, "gap_count": 3, **about}
    path.with_suffix(".json").write_text(json.dumps(told))
    return path


def test_a_checksum_is_told_once(tmp_path: Path, spool: Path) -> None:
    """In the spool and in the sidecar, of the octets that lie there."""
    path = recorded(tmp_path / "day" / "call-1.wav")
    finisher = Finisher(spool, threaded=False)
    finisher.add(path, 100.0)
    assert finisher.work(100.0) is None
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    expected = Finished(recording="r1", path=str(path), seconds=2.0, octets=44 + len(PCM), gaps=3, sha256=sha256)
    assert list(collect(spool, 10)) == [expected]
    assert list(collect(spool, 10)) == []
    assert not list(spool.iterdir())
    about = json.loads(path.with_suffix(".json").read_text())
    assert (about["sha256"], about["octets"], about["gap_count"]) == (sha256, 44 + len(PCM), 3)


def test_a_broken_off_file_waits(tmp_path: Path, spool: Path) -> None:
    """For somebody to go on with it; whoever does is told of alone, after its own end."""
    path = recorded(tmp_path / "call-1.wav", complete=False, seconds=0.5)
    finisher = Finisher(spool, threaded=False)
    finisher.add(path, 100.0, GRACE)
    assert finisher.work(100.0) == 100.0 + GRACE
    finisher.forget(path)
    assert finisher.work(100.0 + GRACE) is None
    assert list(collect(spool, 10)) == []
    finisher.add(path, 200.0)
    finisher.work(200.0)
    assert [one.seconds for one in collect(spool, 10)] == [2.0]


def test_the_next_recorder_goes_on(tmp_path: Path, spool: Path) -> None:
    """With what its predecessor had noted and not done."""
    path = recorded(tmp_path / "call-1.wav")
    Finisher(spool, threaded=False).add(path, 100.0)
    following = Finisher(spool, threaded=False)
    assert len(following) == 1
    following.work(time.monotonic() + GRACE + 1.0)
    assert [one.recording for one in collect(spool, 10)] == ["r1"]
    assert len(Finisher(spool, threaded=False)) == 0


def test_a_deleted_file_is_forgotten(tmp_path: Path, spool: Path) -> None:
    """Nothing is told of it."""
    finisher = Finisher(spool, threaded=False)
    finisher.add(tmp_path / "gone-1.wav", 100.0)
    assert finisher.work(100.0) is None
    assert not list(spool.iterdir())


def test_a_fault_is_tried_again(tmp_path: Path, spool: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Some times, then at the next start; others do not wait for it."""
    finisher = Finisher(spool, threaded=False)
    bad = recorded(tmp_path / "bad-1.wav")
    bad.with_suffix(".json").unlink()
    bad.with_suffix(".json").mkdir()
    finisher.add(bad, 100.0)
    finisher.add(recorded(tmp_path / "good-1.wav"), 100.0)
    now = 100.0
    for _ in range(ATTEMPTS - 1):
        assert finisher.work(now) == now + AGAIN
        now += AGAIN
    assert finisher.work(now) is None
    assert [Path(one.path).name for one in collect(spool, 10)] == ["good-1.wav"]
    assert "bad-1.wav is left" in capfd.readouterr().err
    assert len(Finisher(spool, threaded=False)) == 1


def test_a_full_disk_is_made_up_for(tmp_path: Path, spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be noted is done all the same, once there is room; nothing half written stays in the spool."""
    path = recorded(tmp_path / "call-1.wav")
    finisher = Finisher(spool, threaded=False)

    def full(self: Path, data: bytes) -> int:
        with self.open("wb"):
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError, match="No space"):
            finisher.add(path, 100.0, error="no space left on device")
        assert finisher.work(100.0) == 100.0 + AGAIN
        assert not list(spool.iterdir())
    assert finisher.work(100.0 + AGAIN) is None
    assert [one.recording for one in collect(spool, 10)] == ["r1"]
    told = read_sidecar(sidecar_of(path))
    assert (told["complete"], told["error"]) == (False, "no space left on device")


def test_what_is_given_up_is_noted_for_the_next_recorder(
    tmp_path: Path, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though there was no room for that when it was added."""
    path = recorded(tmp_path / "call-1.wav")
    path.with_suffix(".json").unlink()
    path.with_suffix(".json").mkdir()
    finisher = Finisher(spool, threaded=False)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", lambda self, target: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(OSError, match="No space"):
            finisher.add(path, 0.0)
    for attempt in range(ATTEMPTS):
        finisher.work(attempt * AGAIN)
    assert len(finisher) == 0
    assert len(Finisher(spool, threaded=False)) == 1


def test_a_key_that_is_missing_is_no_deletion(tmp_path: Path, spool: Path) -> None:
    """A sealed file that was broken off is measured when its key is back."""
    keys = tmp_path / "keys"
    file = Files(KeyRing(keys), seal=True).open(tmp_path / "call-1.wav", 2)
    file.write(0, PCM)
    file.finish(len(PCM) // 4)
    (keys / "recording-1.key").rename(tmp_path / "backup")
    finisher = Finisher(spool, KeyRing(keys), threaded=False)
    finisher.add(tmp_path / "call-1.wav", 100.0)
    assert finisher.work(100.0) == 100.0 + AGAIN
    (tmp_path / "backup").rename(keys / "recording-1.key")
    assert finisher.work(100.0 + AGAIN) is None
    assert [one.seconds for one in collect(spool, 10)] == [2.0]


def test_a_file_without_a_sidecar(tmp_path: Path, spool: Path) -> None:
    """Of a recorder that was killed early: measured itself."""
    path = recorded(tmp_path / "call-1.wav")
    path.with_suffix(".json").unlink()
    finisher = Finisher(spool, threaded=False)
    finisher.add(path, 100.0)
    finisher.work(100.0)
    assert [(one.recording, one.seconds, one.gaps) for one in collect(spool, 10)] == [("", 2.0, 0)]


def test_its_thread_does_it(tmp_path: Path, spool: Path) -> None:
    """And ends when it is told."""
    finisher = Finisher(spool)
    for number in range(20):
        finisher.add(recorded(tmp_path / f"call-{number}.wav"), time.monotonic())
    deadline = time.monotonic() + 10.0
    while len(finisher):
        assert time.monotonic() < deadline, "the thread does nothing"
        os.sched_yield()
    finisher.close()
    assert len(list(collect(spool, 100))) == 20
    assert not list(spool.iterdir())
