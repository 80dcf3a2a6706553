"""Where a recording lies and how it is read: as wav or ogg, plain or sealed; records know each by its wav's path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from media.recorder.wav import HEADER, header
from media.recording_keys import KeyRing
from media.sealed_audio import CHUNK, HEAD, SealedError, Slots

SEALED: Final = ".sealed"
MEDIA_TYPES: Final = {".wav": "audio/wav", ".ogg": "audio/ogg"}


def forms(path: Path) -> Iterator[Path]:
    """All names that a recording may have."""
    for one in (path, path.with_suffix(".ogg")):
        yield one
        yield one.with_name(one.name + SEALED)


def growing_ogg(path: Path) -> Path:
    """Where the ogg of a recording grows, or was left by a crash."""
    return path.with_suffix(".part.ogg")


def find(path: Path) -> Path | None:
    """The file of a recording; None when it is not there."""
    return next((one for one in forms(path) if one.is_file()), None)


def remove(path: Path) -> None:
    """Deletes a recording in all its forms, also one that is being made; raises OSError."""
    for one in (*forms(path), growing_ogg(path)):
        one.unlink(missing_ok=True)


class AudioReader:
    """Octets of a wav or ogg file at any place; of a sealed one only those asked for are opened."""

    def __init__(self, path: Path, keys: KeyRing) -> None:
        """Opens the recording that records know as `path`; raises OSError."""
        found = find(path)
        if found is None:
            raise FileNotFoundError(f"{path.name} is not there")
        sealed = found.name.endswith(SEALED)
        self.suffix = Path(found.name.removesuffix(SEALED)).suffix
        self.media_type = MEDIA_TYPES[self.suffix]
        self._descriptor = os.open(found, os.O_RDONLY | os.O_CLOEXEC)
        self._slots: Slots | None = None
        self._front = b""
        self._cached: tuple[int, bytes] = (-1, b"")
        try:
            self.size = self._open_slots(keys) if sealed else os.fstat(self._descriptor).st_size
        except OSError:
            self.close()
            raise

    def _open_slots(self, keys: KeyRing) -> int:
        slots = self._slots = Slots(self._descriptor, os.pread(self._descriptor, HEAD.size, 0), keys)
        count = slots.count()
        octets = (count - 1) * CHUNK + len(self._slot(count - 1)) if count else 0
        if slots.content:
            self._front = header(slots.content, octets)
        return len(self._front) + octets

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets the file go."""
        os.close(self._descriptor)

    def read(self, at: int, length: int) -> bytes:
        """Up to `length` octets from `at`; fewer only at the end. Raises OSError."""
        length = max(0, min(length, self.size - at))
        if self._slots is None:
            return os.pread(self._descriptor, length, at)
        data = bytearray(self._front[at : at + length])
        at += len(data) - len(self._front)
        while len(data) < length:
            index, begin = divmod(at, CHUNK)
            piece = self._slot(index)[begin : begin + length - len(data)]
            if not piece:
                raise SealedError("a sealed file is damaged")
            data += piece
            at += len(piece)
        return bytes(data)

    def _slot(self, index: int) -> bytes:
        if self._cached[0] != index:
            assert self._slots is not None
            self._cached = index, self._slots.read(index)
        return self._cached[1]


def wav_channels(reader: AudioReader) -> int:
    """Of a wav file of ours."""
    return max(1, int.from_bytes(reader.read(0, HEADER)[22:24], "little"))
