"""Messages of mailboxes as prompts: read when they play, only from where recordings lie."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest

from media import g711
from media.prompts import PromptError, PromptMissingError, PromptNameError, PromptStore, from_pcm
from media.recording_frames import RecordingFrames

PCM = bytes(range(256)) * 5


def store_of(directory: Path, pcm: bytes = PCM, rate: int = 8000) -> PromptStore:
    """A store with one message."""
    (directory / "recordings" / "voicemail").mkdir(parents=True)
    write(directory / "recordings" / "voicemail" / "m-1.wav", pcm, rate)
    write(directory / "secret.wav", pcm, rate)
    return PromptStore([directory / "prompts"], recordings=directory / "recordings")


def write(path: Path, pcm: bytes, rate: int) -> None:
    """Write a wav file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)


def test_frames_are_those_of_a_prompt(tmp_path: Path) -> None:
    """Frame by frame the same as a file that is encoded whole, in both codecs, the last one filled up."""
    got, whole = store_of(tmp_path).get("recording:voicemail/m-1"), from_pcm(PCM)
    for codec in ("PCMA", "PCMU"):
        assert tuple(got.frames[codec]) == whole.frames[codec]
    assert got.seconds == whole.seconds == 0.08
    frames = RecordingFrames(PCM, "PCMA")
    assert frames[1:3] == [frames[1], frames[2]]
    assert {len(frame) for frame in frames} == {g711.FRAME}
    with pytest.raises(IndexError):
        frames[4]


def test_a_message_that_is_gone_is_not_played(tmp_path: Path) -> None:
    """It is not kept in memory."""
    store = store_of(tmp_path)
    store.get("recording:voicemail/m-1")
    (tmp_path / "recordings" / "voicemail" / "m-1.wav").unlink()
    with pytest.raises(PromptMissingError):
        store.get("recording:voicemail/m-1")


@pytest.mark.parametrize("path", ["../secret", "voicemail/../../secret", "/etc/passwd", "", "voicemail/.m", "a" * 201])
def test_nothing_else_has_a_name(tmp_path: Path, path: str) -> None:
    """Only what lies below the directory of recordings."""
    with pytest.raises(PromptNameError):
        store_of(tmp_path).get(f"recording:{path}")
    with pytest.raises(PromptNameError):
        PromptStore([tmp_path]).get("recording:secret")


@pytest.mark.parametrize(("pcm", "rate"), [(PCM, 16000), (b"", 8000)])
def test_what_cannot_be_played(tmp_path: Path, pcm: bytes, rate: int) -> None:
    """Another rate, and an empty file."""
    with pytest.raises(PromptError):
        store_of(tmp_path, pcm, rate).get("recording:voicemail/m-1")
