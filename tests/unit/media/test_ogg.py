"""Recordings that become Ogg Opus after their end."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from media.recorder import finishing
from media.recorder.files import Files
from media.recorder.finishing import AGAIN, Finisher, checksum, collect
from media.recorder.ogg import to_ogg
from media.recording_files import AudioReader, find, remove
from media.recording_keys import KeyRing
from switchboard.archive.deleting import Deletion, deleted_at, erase_recording

RATE = 8000
SECONDS = 12


def tones() -> NDArray[np.int16]:
    """440 Hz left, 1000 Hz right."""
    times = np.arange(SECONDS * RATE) / RATE
    return np.stack([9000 * np.sin(2 * np.pi * hz * times) for hz in (440, 1000)], axis=1).astype("<i2")


def loudest(samples: NDArray[np.float64]) -> float:
    """The frequency that is heard."""
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.argmax(spectrum) * RATE / len(samples))


def recorded(path: Path, keys: KeyRing, *, seal: bool, channels: int = 2) -> Path:
    """A complete recording."""
    file = Files(keys, seal=seal).open(path, channels)
    file.write(0, tones()[:, :channels].tobytes())
    file.finish(SECONDS * RATE)
    return path


@pytest.mark.parametrize("seal", [False, True])
def test_a_call_becomes_ogg(tmp_path: Path, seal: bool) -> None:
    """In stereo and as long as it was, much smaller, sealed where it was; the checksum is that of the new file."""
    keys, spool = KeyRing(tmp_path / "keys"), tmp_path / "spool"
    path = recorded(tmp_path / "day" / "call-1.wav", keys, seal=seal)
    before = find(path)
    assert before is not None
    size = before.stat().st_size
    finisher = Finisher(spool, keys, ogg=True, threaded=False)
    finisher.add(path, 1.0)
    assert finisher.work(1.0) is None
    name = "call-1.ogg.sealed" if seal else "call-1.ogg"
    file = path.with_name(name)
    assert sorted(entry.name for entry in path.parent.iterdir()) == sorted([name, "call-1.json"])
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.stat().st_size < size / 4
    with AudioReader(path, keys) as reader:
        octets = reader.read(0, reader.size)
        assert reader.media_type == "audio/ogg"
    assert octets[:4] == b"OggS"
    assert (octets[:64] in file.read_bytes()) is not seal
    sound, rate = soundfile.read(io.BytesIO(octets))
    assert (rate, sound.shape[1]) == (RATE, 2)
    assert len(sound) == pytest.approx(SECONDS * RATE, abs=RATE // 20)
    assert loudest(sound[:, 0]) == pytest.approx(440, abs=2)
    assert loudest(sound[:, 1]) == pytest.approx(1000, abs=2)
    (told,) = collect(spool, 10)
    assert (told.sha256, told.octets) == checksum(file)
    assert told.seconds == SECONDS
    assert json.loads(path.with_suffix(".json").read_text())["sha256"] == told.sha256


def test_messages_stay_wav(tmp_path: Path) -> None:
    """Telephones play them."""
    keys = KeyRing(tmp_path / "keys")
    path = recorded(tmp_path / "voicemail" / "m.wav", keys, seal=False, channels=1)
    finisher = Finisher(tmp_path / "spool", keys, ogg=True, threaded=False)
    finisher.add(path, 1.0)
    finisher.work(1.0)
    assert find(path) == path
    assert len(list(collect(tmp_path / "spool", 10))) == 1


def test_one_that_is_stopped_stays_as_it_is(tmp_path: Path) -> None:
    """The next recorder begins anew, whatever is left of the first attempt."""
    keys, spool = KeyRing(tmp_path / "keys"), tmp_path / "spool"
    path = recorded(tmp_path / "call-1.wav", keys, seal=False)
    wav = path.read_bytes()
    finisher = Finisher(spool, keys, ogg=True, threaded=False)
    finisher.add(path, 1.0)
    finisher._next = lambda now, job=finisher._jobs["call-1"]: job  # type: ignore[method-assign,misc]
    finisher.close()
    assert finisher.work(1.0) is None
    assert path.read_bytes() == wav
    assert list(collect(spool, 10)) == []
    again = Finisher(spool, keys, ogg=True, threaded=False)
    assert len(again) == 1
    again.work(float("inf"))
    assert find(path) == tmp_path / "call-1.ogg"
    assert not list(tmp_path.glob("*.part.ogg"))


@pytest.mark.parametrize("seal", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_what_is_deleted_meanwhile_stays_deleted(tmp_path: Path, seal: bool, whole: bool) -> None:
    """Whether its deletion has met what was made of it by then, or the wav alone."""
    keys = KeyRing(tmp_path / "keys")
    path = recorded(tmp_path / "day" / "call-1.wav", keys, seal=seal)
    found = find(path)
    assert found is not None

    def delete() -> bool:
        if whole:
            remove(path)
        else:
            found.unlink(missing_ok=True)
        return True

    with pytest.raises(FileNotFoundError):
        to_ogg(path, keys, delete)
    assert not list(path.parent.iterdir())


def test_what_a_crash_has_left_is_deleted_with_the_recording(tmp_path: Path) -> None:
    """It is audio as well."""
    path = recorded(tmp_path / "day" / "call-1.wav", KeyRing(tmp_path / "keys"), seal=False)
    path.with_name("call-1.part.ogg").write_bytes(b"OggS")
    remove(path)
    assert not list(path.parent.iterdir())


def test_nothing_is_told_of_what_is_deleted_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is the mark of its deletion overwritten, however long the checksum takes."""
    keys, spool = KeyRing(tmp_path / "keys"), tmp_path / "spool"
    path = recorded(tmp_path / "day" / "call-1.wav", keys, seal=False)

    def slow(file: Path) -> tuple[str, int]:
        found = checksum(file)
        erase_recording(path, Deletion(1, "anna", "asked for"))
        return found

    monkeypatch.setattr(finishing, "checksum", slow)
    finisher = Finisher(spool, keys, threaded=False)
    finisher.add(path, 1.0)
    assert finisher.work(1.0) is None
    assert list(collect(spool, 10)) == []
    assert deleted_at(path) is not None


def test_what_cannot_be_made_is_tried_again(tmp_path: Path) -> None:
    """Until then the wav is there, whole."""
    keys = KeyRing(tmp_path / "keys")
    path = recorded(tmp_path / "day" / "call-1.wav", keys, seal=False)
    (path.parent / "call-1.part.ogg").mkdir()
    finisher = Finisher(tmp_path / "spool", keys, ogg=True, threaded=False)
    finisher.add(path, 1.0)
    assert finisher.work(1.0) == 1.0 + AGAIN
    assert find(path) == path
    os.rmdir(path.parent / "call-1.part.ogg")
    finisher.work(1.0 + AGAIN)
    assert find(path) == path.with_suffix(".ogg")
