"""Sealed audio: what goes in comes out at any place, a crash costs the last slot, and nothing can be changed unseen."""

from __future__ import annotations

import io
import os
import random
import wave
from pathlib import Path

import pytest

from media.prompts import PromptStore
from media.recorder.files import Files, left, sealed_names
from media.recorder.wav import header
from media.recording_files import AudioReader, find, remove
from media.recording_frames import read_recording
from media.recording_keys import KeyRing
from media.sealed_audio import CHUNK, HEAD, SLOT, SealedError, SealedFile, Slots, seal_octets

SECOND = 32_000
"""Octets of stereo."""


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    """A ring with one key."""
    ring = KeyRing(tmp_path / "keys")
    ring.newest()
    return ring


def noise(octets: int, seed: int = 1) -> bytes:
    """Audio."""
    return random.Random(seed).randbytes(octets)


def sealed(path: Path, keys: KeyRing, pcm: bytes, channels: int = 2) -> Path:
    """A complete sealed recording; returns the name of its file."""
    file = Files(keys, seal=True).open(path, channels)
    for at in range(0, len(pcm), 10_000):
        file.write(at // (2 * channels), pcm[at : at + 10_000])
    file.finish(len(pcm) // (2 * channels))
    return sealed_names(path)[0]


@pytest.mark.parametrize("octets", [0, 4, CHUNK - 4, CHUNK, CHUNK + 4, 3 * CHUNK, 5 * CHUNK + 1000])
def test_what_goes_in_comes_out(tmp_path: Path, keys: KeyRing, octets: int) -> None:
    """As the wav file it would have been; on the disk nothing of it is seen."""
    pcm = noise(octets)
    path = tmp_path / "day" / "call-1.wav"
    file = sealed(path, keys, pcm)
    assert find(path) == file
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["call-1.wav.sealed"]
    with AudioReader(path, KeyRing(tmp_path / "keys")) as reader:
        assert reader.size == 44 + octets
        assert reader.read(0, reader.size + 10) == header(2, octets) + pcm
    stored = file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    assert not any(pcm[at : at + 16] in stored for at in range(0, octets - 16, 997))


def test_any_place_is_read(tmp_path: Path, keys: KeyRing) -> None:
    """As of a plain file, and no slot is opened that was not asked for."""
    pcm = noise(4 * CHUNK + 500)
    path = tmp_path / "call-1.wav"
    file = sealed(path, keys, pcm)
    plain = header(2, len(pcm)) + pcm
    chance = random.Random(7)
    with AudioReader(path, keys) as reader:
        for _ in range(200):
            at = chance.randrange(len(plain))
            length = chance.choice((0, 1, 43, 44, 1000, CHUNK, 2 * CHUNK))
            assert reader.read(at, length) == plain[at : at + length]
    damaged = bytearray(file.read_bytes())
    damaged[HEAD.size + SLOT + 100] ^= 1
    file.write_bytes(damaged)
    with AudioReader(path, keys) as reader:
        assert reader.read(44 + 2 * CHUNK, CHUNK) == pcm[2 * CHUNK : 3 * CHUNK]
        with pytest.raises(SealedError, match="damaged"):
            reader.read(44 + CHUNK, 1)


def test_silence_takes_no_room(tmp_path: Path, keys: KeyRing) -> None:
    """What is skipped, in the middle and at the end."""
    path = tmp_path / "call-1.wav"
    file = Files(keys, seal=True).open(path, 2)
    file.write(0, noise(1000))
    file.write(8000 * 600, noise(1000, 2))
    file.finish(8000 * 1200)
    with AudioReader(path, keys) as reader:
        assert reader.size == 44 + SECOND * 1200
        assert reader.read(44, 1000) == noise(1000)
        assert reader.read(44 + 1000, SECOND * 600 - 1000) == bytes(SECOND * 600 - 1000)
        assert reader.read(44 + SECOND * 600, 1004) == noise(1000, 2) + bytes(4)
        assert reader.read(44 + SECOND * 1199, SECOND) == bytes(SECOND)
    assert sealed_names(path)[0].stat().st_blocks * 512 < SECOND * 600


@pytest.mark.parametrize("seconds", [0.0, 0.5, 1.0, 2.0, 2.5, 3.25])
def test_it_is_cut(tmp_path: Path, keys: KeyRing, seconds: float) -> None:
    """Anywhere."""
    pcm = noise(int(3.25 * SECOND))
    path = tmp_path / "call-1.wav"
    file = Files(keys, seal=True).open(path, 2)
    file.write(0, pcm)
    file.finish(int(seconds * 8000))
    with AudioReader(path, keys) as reader:
        assert reader.read(44, reader.size) == pcm[: int(seconds * SECOND)]


@pytest.mark.parametrize("more", [0, 1000, CHUNK, 2 * CHUNK])
def test_a_full_disk_keeps_what_was_written(
    tmp_path: Path, keys: KeyRing, monkeypatch: pytest.MonkeyPatch, more: int
) -> None:
    """It is a whole file, and says how long it is."""
    path = tmp_path / "call-1.wav"
    pcm = noise(2 * CHUNK + 400)
    file = Files(keys, seal=True).open(path, 2)
    file.write(0, pcm)

    def full(self: Slots, index: int, data: bytes, silence: int = 0) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Slots, "write", full)
    if more >= CHUNK:
        with pytest.raises(OSError, match="No space"):
            file.write(len(pcm) // 4, noise(more))
    file.finish((len(pcm) + more) // 4)
    assert (file.octets, file.samples) == (2 * CHUNK, 2 * CHUNK // 4)
    with AudioReader(path, keys) as reader:
        assert reader.read(0, reader.size) == header(2, 2 * CHUNK) + pcm[: 2 * CHUNK]


@pytest.mark.parametrize("torn", [0, 1, 15, 16, 1000, CHUNK + 31])
def test_a_crash_costs_the_last_slot(tmp_path: Path, keys: KeyRing, torn: int) -> None:
    """Wherever the write stopped; the next recorder completes it, or goes on, under nonces of its own."""
    pcm = noise(4 * CHUNK)
    path = tmp_path / "call-1.wav"
    part = sealed_names(path)[1]
    file = Files(keys, seal=True).open(path, 2)
    file.write(0, pcm)
    os.truncate(part, HEAD.size + 3 * SLOT + torn)
    before = part.read_bytes()
    assert list(left(tmp_path)) == [part]
    again = Files(keys).open(path, 2, resume=True)
    assert again.samples == 3 * CHUNK // 4
    again.write(3 * CHUNK // 4, noise(CHUNK, 9))
    again.write(CHUNK, noise(CHUNK, 10))
    again.finish(5 * CHUNK // 4)
    with AudioReader(path, keys) as reader:
        assert reader.read(44, reader.size) == pcm[: 3 * CHUNK] + noise(CHUNK, 9) + noise(CHUNK, 10)
    nonce = HEAD.size + 3 * SLOT + 4
    if torn > 15:
        assert sealed_names(path)[0].read_bytes()[nonce : nonce + 12] != before[nonce : nonce + 12]


def test_left_over_files_are_mended(tmp_path: Path, keys: KeyRing) -> None:
    """One with audio gets its name, one without goes, one without its key stays."""
    files = Files(keys, seal=True)
    files.open(tmp_path / "a-1.wav", 2).write(0, noise(2 * CHUNK + 100))
    files.open(tmp_path / "b-1.wav", 2)
    parts = {path.name: path for path in left(tmp_path)}
    assert files.mend(parts["b-1.part.wav.sealed"]) is None
    with pytest.raises(FileNotFoundError):
        Files(KeyRing(tmp_path / "other")).mend(parts["a-1.part.wav.sealed"])
    assert files.mend(parts["a-1.part.wav.sealed"]) == tmp_path / "a-1.wav"
    with AudioReader(tmp_path / "a-1.wav", keys) as reader:
        assert reader.read(44, reader.size) == noise(2 * CHUNK + 100)[: 2 * CHUNK]
    assert sorted(path.name for path in tmp_path.glob("*-1*")) == ["a-1.wav.sealed"]


def test_slots_cannot_be_moved(tmp_path: Path, keys: KeyRing) -> None:
    """Within a file or between two, nor a head changed, nor a slot made silent."""
    pcm = noise(3 * CHUNK)
    one, two = tmp_path / "a-1.wav", tmp_path / "b-1.wav"
    first, second = sealed(one, keys, pcm), sealed(two, keys, pcm)
    slots = first.read_bytes()

    def reads(data: bytes) -> bytes:
        first.write_bytes(data)
        with AudioReader(one, keys) as reader:
            return reader.read(0, reader.size)

    a, b = HEAD.size, HEAD.size + SLOT
    swapped = slots[:a] + slots[b : b + SLOT] + slots[a:b] + slots[b + SLOT :]
    foreign = slots[:a] + second.read_bytes()[a:b] + slots[b:]
    stereo = slots[:10] + b"\x01" + slots[11:]
    silent = slots[: a + 3] + bytes([slots[a + 3] | 0x80]) + slots[a + 4 :]
    for changed in (swapped, foreign, stereo, silent):
        with pytest.raises(SealedError):
            reads(changed)
    assert reads(slots)[44:] == pcm


def test_keys_rotate(tmp_path: Path, keys: KeyRing) -> None:
    """A new one seals at once, without a restart; the old one opens what it sealed."""
    old = sealed(tmp_path / "a-1.wav", keys, noise(100))
    assert keys.add() == 2
    new = sealed(tmp_path / "b-1.wav", keys, noise(100))
    assert [path.read_bytes()[8] for path in (old, new)] == [1, 2]
    (tmp_path / "keys" / "recording-1.key").unlink()
    ring = KeyRing(tmp_path / "keys")
    with AudioReader(tmp_path / "b-1.wav", ring) as reader:
        assert reader.read(44, 100) == noise(100)
    with pytest.raises(FileNotFoundError):
        AudioReader(tmp_path / "a-1.wav", ring)


@pytest.mark.parametrize("fault", ["open", "short"])
def test_a_bad_key_is_refused(tmp_path: Path, keys: KeyRing, fault: str) -> None:
    """One that others may read, or that is none."""
    path = tmp_path / "keys" / "recording-1.key"
    assert path.stat().st_mode & 0o777 == 0o600
    if fault == "open":
        path.chmod(0o644)
    else:
        path.write_text("abc")
    with pytest.raises(OSError, match="chmod 600" if fault == "open" else "is no key"):
        KeyRing(tmp_path / "keys").newest()


def test_nothing_is_sealed_twice(tmp_path: Path, keys: KeyRing) -> None:
    """Nor beside a plain file of that name; resuming goes on in the form that is there."""
    files = Files(keys, seal=True)
    sealed(tmp_path / "a-1.wav", keys, noise(100))
    for form in (files, Files(keys)):
        with pytest.raises(FileExistsError):
            form.open(tmp_path / "a-1.wav", 2)
    assert isinstance(Files(keys).open(tmp_path / "a-1.wav", 2, resume=True), SealedFile)
    plain = Files().open(tmp_path / "b-1.wav", 2)
    plain.write(0, noise(100))
    plain.finish(25)
    with pytest.raises(FileExistsError):
        files.open(tmp_path / "b-1.wav", 2)
    assert not isinstance(files.open(tmp_path / "b-1.wav", 2, resume=True), SealedFile)


def test_octets_as_they_are(tmp_path: Path, keys: KeyRing) -> None:
    """A file of another format is sealed whole."""
    (tmp_path / "source").write_bytes(noise(CHUNK + 77))
    seal_octets(tmp_path / "source", tmp_path / "call-1.ogg.sealed", keys)
    with AudioReader(tmp_path / "call-1.wav", keys) as reader:
        assert (reader.suffix, reader.media_type) == (".ogg", "audio/ogg")
        assert reader.read(0, reader.size) == noise(CHUNK + 77)
    remove(tmp_path / "call-1.wav")
    assert find(tmp_path / "call-1.wav") is None


def test_a_sealed_message_is_played(tmp_path: Path, keys: KeyRing) -> None:
    """By its frames, as a plain one."""
    pcm = noise(16_000)
    sealed(tmp_path / "voicemail" / "m1.wav", keys, pcm, channels=1)
    path = tmp_path / "voicemail" / "m1.wav"
    assert read_recording(path, 60.0, tmp_path / "keys") == pcm
    assert read_recording(path, 0.5, tmp_path / "keys") == pcm[:8000]
    store = PromptStore([], recordings=tmp_path, keys=tmp_path / "keys")
    assert len(store.get("recording:voicemail/m1").frames["PCMA"]) == 50
    with AudioReader(path, keys) as reader, wave.open(io.BytesIO(reader.read(0, reader.size))) as file:
        assert file.getnchannels() == 1
