"""A complete wav recording becomes Ogg Opus (RFC 7845) of a sixth of its size; a sealed one stays sealed throughout."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from media.recorder.wav import HEADER, RATE, WIDTH
from media.recording_files import SEALED, AudioReader, find, growing_ogg, wav_channels
from media.recording_keys import KeyRing
from media.sealed_audio import seal_octets

_SECONDS: Final = 5
"""Of audio, encoded at a time."""


class StoppedError(Exception):
    """There was no time left; nothing has changed."""


def to_ogg(path: Path, keys: KeyRing, may_go_on: Callable[[], bool]) -> bool:
    """Put an ogg file in the place of the stereo recording that records know as `path`; False for what is none.

    The wav goes when the ogg is on the disk. Raises OSError, ValueError for what cannot be encoded, StoppedError.
    """
    found = find(path)
    if found is None or not found.name.endswith((".wav", f".wav{SEALED}")):
        return False
    target = path.with_suffix(".ogg")
    part = growing_ogg(path)
    with AudioReader(path, keys) as reader:
        if wav_channels(reader) != 2 or reader.size <= HEADER:
            return False
        part.unlink(missing_ok=True)
        try:
            if found.name.endswith(SEALED):
                _seal(reader, part, keys, may_go_on)
                target = target.with_name(target.name + SEALED)
            else:
                descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                try:
                    _encode(reader, descriptor, may_go_on)
                finally:
                    os.close(descriptor)
        except (OSError, ValueError, StoppedError):
            part.unlink(missing_ok=True)
            raise
    _settle(part, target)
    try:
        found.unlink()
    except FileNotFoundError:
        # It was deleted meanwhile: what was made of it goes as well.
        target.unlink(missing_ok=True)
        raise
    return True


def _seal(reader: AudioReader, part: Path, keys: KeyRing, may_go_on: Callable[[], bool]) -> None:
    """By way of memory: what was sealed is never on the disk in clear."""
    descriptor = os.memfd_create("ogg", os.MFD_CLOEXEC)
    try:
        _encode(reader, descriptor, may_go_on)
        seal_octets(Path(f"/proc/self/fd/{descriptor}"), part, keys)
    finally:
        os.close(descriptor)


def _encode(reader: AudioReader, descriptor: int, may_go_on: Callable[[], bool]) -> None:
    # Libraries that take a tenth of a second to load, and that nobody needs who keeps wav files.
    import numpy as np
    import soundfile

    block = 2 * WIDTH
    piece = _SECONDS * RATE * block
    try:
        with soundfile.SoundFile(descriptor, "w", RATE, 2, format="OGG", subtype="OPUS", closefd=False) as file:
            for at in range(HEADER, reader.size, piece):
                if not may_go_on():
                    raise StoppedError
                data = reader.read(at, piece)
                file.write(np.frombuffer(data[: len(data) // block * block], "<i2").reshape(-1, 2))
    except soundfile.SoundFileError as error:
        raise ValueError(f"cannot be encoded ({error})") from None


def _settle(part: Path, target: Path) -> None:
    descriptor = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.rename(target)
