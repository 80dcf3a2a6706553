"""Sound files of any format become samples at 8 kHz."""

from __future__ import annotations

import math
import os
import stat
import subprocess
import sys
import wave
from array import array
from pathlib import Path

import numpy as np
import pytest

from media.audio_files import AudioError, decibels, levelled, read, trimmed, write, write_wav
from tests.unit.media.sound_files import encoded, sine, spectrum_peak, write_sine


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
def test_a_tone_keeps_its_pitch_length_and_level(tmp_path: Path, suffix: str, rate: int) -> None:
    """1000 Hz of any format and rate is 1000 Hz, as long and as loud, at 8 kHz."""
    pcm = read(write_sine(tmp_path / f"a{suffix}", seconds=1.5, rate=rate), max_seconds=60)
    assert spectrum_peak(pcm) == pytest.approx(1000, abs=2)
    # An mp3 is filled up to whole frames of 1152 samples.
    assert len(pcm) / 2 == pytest.approx(12000, abs=1200 if suffix == ".mp3" else 2)
    middle = pcm[8000:16000]
    assert decibels(middle)[0] == pytest.approx(
        20 * math.log10(0.4 / math.sqrt(2)), abs=1.0 if suffix == ".mp3" else 0.3
    )


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "FLOAT", "ALAW", "ULAW"])
def test_wav_files_of_other_widths_and_codecs(tmp_path: Path, subtype: str) -> None:
    """Studios deliver 24 bit and float, old systems 8 bit and G.711."""
    (tmp_path / "a.wav").write_bytes(encoded(sine(700, 1, 8000), 8000, "WAV", subtype))
    assert spectrum_peak(read(tmp_path / "a.wav", max_seconds=60)) == pytest.approx(700, abs=2)


def test_channels_are_mixed() -> None:
    """What is on either side of a stereo file is heard."""
    left, right = sine(600, 1, 44100), sine(1700, 1, 44100)
    pcm = read(encoded(np.stack([left, right], axis=1), 44100, "WAV"), max_seconds=60)
    for frequency in (600, 1700):
        samples = np.frombuffer(pcm, "<i2") / 32768
        probe = np.exp(-2j * np.pi * frequency * np.arange(len(samples)) / 8000)
        assert abs(np.mean(samples * probe)) * 2 == pytest.approx(0.2, rel=0.02)


def test_what_a_telephone_cannot_carry_does_not_fold_back() -> None:
    """A tone above 4 kHz is gone, not heard as another."""
    pcm = read(encoded(sine(7000, 1, 48000), 48000, "WAV"), max_seconds=60)
    assert decibels(pcm[400:-400])[0] < -70


def test_a_file_longer_than_one_block_has_no_seam() -> None:
    """Blocks of 30 s are joined by the resampler, not cut."""
    pcm = read(encoded(sine(1000, 61, 16000), 16000, "WAV"), max_seconds=900)
    samples = np.frombuffer(pcm, "<i2").astype(int)
    assert len(samples) == 61 * 8000
    around = samples[30 * 8000 - 400 : 30 * 8000 + 400]
    assert np.abs(np.diff(around)).max() <= np.abs(np.diff(samples[8000:16000])).max() + 2


def test_a_loud_file_is_clipped_not_wrapped() -> None:
    """Overshoot of the resampler stays at full scale."""
    square = np.sign(sine(440, 0.5, 44100)).astype(np.float32)
    samples = np.frombuffer(read(encoded(square, 44100, "WAV", "FLOAT"), max_seconds=60), "<i2")
    assert samples.max() == 32767
    assert samples.min() == -32768
    assert np.abs(np.diff(samples.astype(int))).max() < 65535


@pytest.mark.parametrize("content", [b"", b"RIFF", b"no audio at all" * 100, b"\xff\xfb" + bytes(50)])
def test_what_is_no_audio_is_refused(tmp_path: Path, content: bytes) -> None:
    """One error, whatever the library makes of it."""
    (tmp_path / "a.mp3").write_bytes(content)
    with pytest.raises(AudioError):
        read(tmp_path / "a.mp3", max_seconds=60)


def test_empty_and_endless_files_are_refused() -> None:
    """Nothing cannot be played, and hours are a mistake."""
    with pytest.raises(AudioError, match="holds no audio"):
        read(encoded(sine(1000, 0, 8000), 8000, "WAV"), max_seconds=60)
    with pytest.raises(AudioError, match="longer than 2 s"):
        read(encoded(sine(1000, 2.1, 8000), 8000, "WAV"), max_seconds=2)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    """It is told from one that is broken."""
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "a.wav", max_seconds=60)


def test_silence_around_speech_is_cut() -> None:
    """50 ms stay before and 100 ms after; pauses within are left."""
    tone = array("h", [8000, -8000] * 800).tobytes()
    spoken = tone + bytes(8000) + tone
    assert trimmed(bytes(16000) + spoken + bytes(20000)) == bytes(800) + spoken + bytes(1600)
    assert trimmed(bytes(16000)) == b""
    assert trimmed(b"") == b""


def test_audio_is_brought_to_a_level() -> None:
    """Root mean square as asked; rare peaks keep it lower; silence stays silence."""
    level, peak = decibels(levelled(array("h", [100, -100] * 4000).tobytes(), -20))
    assert level == pytest.approx(-20, abs=0.05)
    assert peak == pytest.approx(-20, abs=0.05)
    level, peak = decibels(levelled(array("h", [100] * 10_000 + [20_000]).tobytes(), -20))
    assert level < -30
    assert peak == pytest.approx(-1, abs=0.01)
    assert levelled(bytes(100), -20) == bytes(100)
    assert levelled(b"", -20) == b""


def test_a_file_appears_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails leaves the old file and no draft."""
    path = tmp_path / "deep" / "a.al"
    write(path, b"old", mode=0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def fail(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        write(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.al"]


def test_a_wav_is_written_as_others_read_it(tmp_path: Path) -> None:
    """8 kHz, mono, 16 bit."""
    write_wav(tmp_path / "a.wav", bytes(320))
    with wave.open(str(tmp_path / "a.wav"), "rb") as file:
        assert file.getparams()[:4] == (1, 2, 8000, 160)


def test_processes_that_never_convert_load_no_library() -> None:
    """A media worker stays small: prompts are found and played without numpy, soundfile or asyncio."""
    code = (
        "import sys, media.prompts; print([m for m in ('numpy', 'soundfile', 'soxr', 'asyncio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
