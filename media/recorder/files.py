"""What a recording is written to: a plain wav file, or a sealed one where that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from media.recorder.wav import Pcm, WavFile, part_of, repair, unfinished
from media.recording_files import SEALED
from media.recording_keys import KeyRing
from media.sealed_audio import HEAD, SealedFile, Slots

_PART: Final = ".part.wav"


class AudioFile(Protocol):
    """A growing file of interleaved samples; every method may raise OSError."""

    @property
    def octets(self) -> int:
        """Of audio, by now."""

    @property
    def samples(self) -> int:
        """How long it is by now."""

    def write(self, position: int, pcm: Pcm) -> None:
        """Puts samples at `position`."""

    def finish(self, samples: int) -> None:
        """Cuts or lengthens it to `samples` and gives it its name; shorter, as `samples` tells, if there is no room."""

    def discard(self) -> None:
        """Removes it."""


class Files:
    """Opens them and completes what was left; `keys` are needed for sealed ones only."""

    def __init__(self, keys: KeyRing | None = None, *, seal: bool = False) -> None:
        self._keys = keys
        self._seal = seal and keys is not None

    def open(self, path: Path, channels: int, *, resume: bool = False) -> AudioFile:
        """A file that becomes `path`, or that with SEALED behind it; raises OSError."""
        sealed, part = sealed_names(path)
        seal = self._seal
        if resume and (sealed.exists() or part.exists()):
            seal = True
        elif resume and (path.exists() or part_of(path).exists()):
            seal = False
        elif path.exists() or sealed.exists():
            raise FileExistsError(f"{path.name} is there already")
        if not seal:
            return WavFile(path, channels, resume=resume)
        if self._keys is None:
            raise OSError("there are no keys to seal it")
        return SealedFile(part, sealed, channels, self._keys, resume=resume)

    def mend(self, part: Path) -> Path | None:
        """Completes a file that nobody writes any more; its wav's path, None where it had no audio. Raises OSError."""
        if not part.name.endswith(SEALED):
            path = repair(part)
            return path if path.exists() else None
        path = part.with_name(part.name.removesuffix(_PART + SEALED) + ".wav")
        if self._keys is None:
            raise OSError("there are no keys to open it")
        with part.open("rb") as opened:
            head = opened.read(HEAD.size)
            if len(head) < HEAD.size:
                part.unlink()
                return None
            channels = Slots(opened.fileno(), head, self._keys).content
        file = SealedFile(part, sealed_names(path)[0], channels, self._keys, resume=True)
        if not file.samples:
            file.discard()
            return None
        file.finish(file.samples)
        return path


def left(directory: Path) -> Iterator[Path]:
    """The growing files below `directory`, of either kind."""
    return unfinished(directory, (_PART, _PART + SEALED))


def sealed_names(path: Path) -> tuple[Path, Path]:
    """What the sealed form of a wav file is called when it is complete, and while it grows."""
    part = part_of(path)
    return path.with_name(path.name + SEALED), part.with_name(part.name + SEALED)
