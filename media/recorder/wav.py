"""Wav files that are playable at any moment: NAME.part.wav while they grow, NAME.wav when complete."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

RATE: Final = 8000
WIDTH: Final = 2
HEADER: Final = 44
Pcm = bytes | memoryview
_PART: Final = ".part.wav"
_MAX_OCTETS: Final = 0xFFFFFFFF - HEADER
"""The lengths in a header have 32 bits: 37 hours of stereo."""

_layout = struct.Struct("<4sI4s4sIHHIIHH4sI")


def header(channels: int, octets: int) -> bytes:
    """The 44 octets before `octets` of 16-bit PCM at 8 kHz (Multimedia Programming Interface 1.0, WAVE)."""
    block = channels * WIDTH
    return _layout.pack(
        *(b"RIFF", HEADER - 8 + octets, b"WAVE", b"fmt ", 16, 1, channels, RATE, RATE * block, block, 8 * WIDTH),
        *(b"data", octets),
    )


def part_of(path: Path) -> Path:
    """Where a file grows."""
    return path.with_name(path.name.removesuffix(".wav") + _PART)


class WavFile:
    """A growing file; every method may raise OSError. What is skipped is silence and takes no room on the disk."""

    def __init__(self, path: Path, channels: int, *, resume: bool = False) -> None:
        """Makes missing directories; raises FileExistsError for a recording that is there and not to be resumed."""
        self.path = path
        self.octets = 0
        self._part = part_of(path)
        self._channels = channels
        self._block = channels * WIDTH
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if resume and path.exists() and not self._part.exists():
            path.rename(self._part)
        elif path.exists():
            raise FileExistsError(f"{path.name} is there already")
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (0 if resume else os.O_EXCL)
        self._fd = os.open(self._part, flags, 0o600)
        size = os.fstat(self._fd).st_size
        self.octets = max(0, size - HEADER) // self._block * self._block
        self._write(0, header(channels, self.octets))

    @property
    def samples(self) -> int:
        """How long it is by now."""
        return self.octets // self._block

    def write(self, position: int, pcm: Pcm) -> None:
        """Puts interleaved samples at `position`."""
        at = position * self._block
        end = at + len(pcm)
        if end > _MAX_OCTETS:
            raise OSError("longer than a wav file can be")
        self._write(HEADER + at, pcm)
        if end > self.octets:
            self.octets = end
            self._write(0, header(self._channels, end))

    def finish(self, samples: int) -> None:
        """Cuts or lengthens it to `samples` and gives it its name."""
        self.octets = min(samples * self._block, _MAX_OCTETS)
        try:
            os.ftruncate(self._fd, HEADER + self.octets)
            self._write(0, header(self._channels, self.octets))
        finally:
            os.close(self._fd)
        self._part.rename(self.path)

    def discard(self) -> None:
        """Removes it."""
        os.close(self._fd)
        self._part.unlink()

    def _write(self, at: int, data: Pcm) -> None:
        while data:
            written = os.pwrite(self._fd, data, at)
            at += written
            data = data[written:]


def unfinished(directory: Path, endings: tuple[str, ...] = (_PART,)) -> Iterator[Path]:
    """The growing files below `directory`; of a million names it looks at no more than those."""
    for place, _, names in os.walk(directory):
        for name in names:
            if name.endswith(endings):
                yield Path(place, name)


def repair(part: Path) -> Path:
    """Completes a file whose writer was killed, removes one without audio; returns its name. Raises OSError."""
    path = part.with_name(part.name.removesuffix(_PART) + ".wav")
    with part.open("r+b") as file:
        found = file.read(HEADER)
        channels = _layout.unpack(found)[6] if len(found) == HEADER and found[:4] == b"RIFF" else 0
        block = channels * WIDTH
        octets = (os.fstat(file.fileno()).st_size - HEADER) // block * block if block else 0
        if octets > 0:
            octets = min(octets, _MAX_OCTETS // block * block)
            file.truncate(HEADER + octets)
            file.seek(0)
            file.write(header(channels, octets))
    if octets <= 0:
        part.unlink()
    elif path.exists():
        raise FileExistsError(f"{path.name} is there already")
    else:
        part.rename(path)
    return path
