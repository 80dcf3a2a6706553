"""Prompts as ready G.711 frames: wav files found by name in search directories, and synthesised tones."""

from __future__ import annotations

import re
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from media import g711, tones

RATE: Final = 8000

#: Frames the store keeps, counted for both codecs together: 64 MiB is over an hour of speech.
CACHE_BYTES: Final = 64 * 1024 * 1024
#: A file longer than this is no prompt but a mistake: it would stall the worker that encodes it.
MAX_SECONDS: Final = 900

# A segment cannot begin with a dot, so neither ".." nor a hidden file can be named.
_is_name = re.compile(r"[\w-][\w.-]*(?:/[\w-][\w.-]*)*").fullmatch
_MAX_NAME: Final = 200


class PromptError(Exception):
    """A prompt that cannot be played."""


class PromptMissingError(PromptError):
    """No file of that name is in any of the searched directories."""

    def __init__(self, name: str, searched: Sequence[Path]) -> None:
        places = ", ".join(str(place) for place in searched) or "no directory at all"
        super().__init__(f"prompt {name!r} not found; searched {places}")
        self.name = name
        self.searched = tuple(searched)


class PromptNameError(PromptError):
    """A name that cannot be one of a prompt."""


class PromptFormatError(PromptError):
    """A file that is no wav of 8 kHz, mono, 16-bit PCM."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path}: {what}; convert it with: sox {path.name} -r 8000 -c 1 -b 16 out.wav")
        self.path = path


class Prompt(Struct, frozen=True, gc=False):
    """Audio cut into 20 ms frames of 160 octets, ready to be sent; the last is filled up with silence."""

    #: By codec name: "PCMA", "PCMU".
    frames: dict[str, tuple[bytes, ...]]

    @property
    def seconds(self) -> float:
        """How long it plays."""
        return len(self.frames["PCMA"]) * g711.FRAME / RATE


def load_wav(path: Path) -> Prompt:
    """Return a wav file as frames of both codecs; PromptFormatError when it is no 8 kHz mono 16-bit PCM."""
    try:
        with wave.open(str(path), "rb") as file:
            got = (file.getframerate(), file.getnchannels(), 8 * file.getsampwidth())
            if got != (RATE, 1, 16):
                raise PromptFormatError(path, "{} Hz, {} channel(s), {} bit instead of 8000 Hz, 1, 16".format(*got))
            if file.getnframes() > MAX_SECONDS * RATE:
                raise PromptFormatError(path, f"longer than {MAX_SECONDS} s")
            pcm = file.readframes(file.getnframes())
            if len(pcm) < 2:
                raise PromptFormatError(path, "holds no audio")
    except (wave.Error, EOFError) as error:
        raise PromptFormatError(path, f"no PCM wav file ({error or 'it ends early'})") from None
    return from_pcm(pcm)


def from_pcm(pcm: bytes) -> Prompt:
    """Return 16-bit little-endian samples at 8 kHz as frames of both codecs."""
    pcm = pcm[: len(pcm) & ~1]
    return Prompt({"PCMA": _cut(g711.encode("PCMA", pcm), "PCMA"), "PCMU": _cut(g711.encode("PCMU", pcm), "PCMU")})


def _cut(codes: bytes, codec: str) -> tuple[bytes, ...]:
    """Return codes as frames, the last one filled with silence."""
    codes += bytes([g711.SILENCE[codec]]) * (-len(codes) % g711.FRAME)
    return tuple([codes[i : i + g711.FRAME] for i in range(0, len(codes), g711.FRAME)])


class PromptStore:
    """Finds prompts by name, first directory first, and keeps the encoded frames of those used last."""

    def __init__(self, directories: Sequence[Path | str], *, cache_bytes: int = CACHE_BYTES) -> None:
        self._directories = tuple(Path(directory) for directory in directories)
        self._cache_bytes = cache_bytes
        self._held = 0
        self._cache: dict[str, Prompt] = {}

    def get(self, name: str) -> Prompt:
        """Return a prompt: "zh/welcome" from a file, "tone:busy" or "silence:1.5" synthesised.

        Raises PromptMissingError, PromptNameError or PromptFormatError.
        """
        prompt = self._cache.pop(name, None)
        if prompt is None:
            prompt = self._load(name)
            self._held += _octets(prompt)
            while self._held > self._cache_bytes and self._cache:
                self._held -= _octets(self._cache.pop(next(iter(self._cache))))
        # The dictionary's order is the order of use.
        self._cache[name] = prompt
        return prompt

    def preload(self) -> list[PromptError]:
        """Encode every file and progress tone there is, so that no call waits; return what could not be read."""
        errors = []
        for name in [*self.names(), *(f"tone:{cadence}" for cadence in tones.CADENCES)]:
            try:
                self.get(name)
            except PromptError as error:
                errors.append(error)
        return errors

    def names(self) -> list[str]:
        """Return the names of all files in the directories, sorted."""
        found = set()
        for directory in self._directories:
            for path in directory.rglob("*.wav"):
                name = path.relative_to(directory).with_suffix("").as_posix()
                if _is_name(name):
                    found.add(name)
        return sorted(found)

    def forget(self) -> None:
        """Drop what is kept, so that changed files are read again."""
        self._cache.clear()
        self._held = 0

    def find(self, name: str) -> Path:
        """Return the file a name stands for; PromptNameError or PromptMissingError when there is none."""
        if len(name) > _MAX_NAME or not _is_name(name):
            raise PromptNameError(f"{name[:80]!a} is no prompt name: letters, digits, - _ . in parts joined by /")
        for directory in self._directories:
            path = directory / f"{name}.wav"
            if path.is_file():
                return path
        raise PromptMissingError(name, self._directories)

    def _load(self, name: str) -> Prompt:
        """Synthesise or read a prompt that is not kept yet."""
        if tones.is_tone(name):
            try:
                return from_pcm(tones.synthesise(name))
            except tones.ToneError as error:
                raise PromptNameError(str(error)) from None
        path = self.find(name)
        try:
            return load_wav(path)
        except OSError as error:
            raise PromptError(f"{path}: {error.strerror}") from None


def _octets(prompt: Prompt) -> int:
    """Return about what a prompt's frames occupy: the octets and each bytes object's own 33."""
    return 2 * len(prompt.frames["PCMA"]) * (g711.FRAME + 33)
