"""Prompts as ready G.711 frames: files found by name in search directories, speech, and synthesised tones.

A file of any usual format serves as a prompt. One that is neither 8 kHz mono 16-bit wav nor raw A-law is converted when
the store is preloaded, never while calls wait: its A-law lies in a directory of converted files from then on.
"""

from __future__ import annotations

import hashlib
import re
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Final, overload

from msgspec import Struct

from media import audio_files, g711, speech_name, tones
from media.codecs import CODED, encoder
from media.recording_frames import PREFIX as RECORDING
from media.recording_frames import RecordingFrames, read_recording

RATE: Final = 8000

#: Frames the store keeps, counted for both laws together, without those of other codecs, which are smaller: 64 MiB is
#: over an hour of speech.
CACHE_BYTES: Final = 64 * 1024 * 1024
#: What a prompt's file name may end in, in the order they are looked for; ".al" is raw A-law.
SUFFIXES: Final = (".wav", ".al", ".flac", ".ogg", ".mp3")
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
    """A file that cannot be played as it is: no wav of 8 kHz, mono, 16-bit PCM."""

    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path}: {what}; convert it with: sox {path.name} -r 8000 -c 1 -b 16 out.wav")
        self.path = path


class PromptUnreadyError(PromptError):
    """A file that came after the start and has to be converted first."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: has not been converted to 8 kHz yet; files are converted at the start")
        self.path = path


class Prompt(Struct, frozen=True, gc=False):
    """Audio cut into 20 ms frames of 160 octets, ready to be sent; the last is filled up with silence."""

    #: By codec name: "PCMA", "PCMU", and those in which it was played.
    frames: dict[str, Sequence[bytes]]

    def spoken(self, codec: str, at: int = 0) -> Sequence[bytes]:
        """The frames in a codec, of which those from `at` on are asked for; none in one that is not ours.

        They are encoded as they are asked for, once for all; but for one who comes into the middle, on his own.
        """
        frames = self.frames.get(codec)
        if frames is None:
            if codec not in CODED:
                return ()
            frames = self.frames[codec] = CodedFrames(self.frames["PCMA"], codec)
        if isinstance(frames, CodedFrames) and at > frames.reached:
            return CodedFrames(self.frames["PCMA"], codec, at)
        return frames

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
    return Prompt({law: _cut(encoder(law).encode(pcm), law) for law in ("PCMA", "PCMU")})


def load_alaw(path: Path) -> Prompt:
    """Return a file of raw A-law as frames of both codecs; PromptError when it is empty or too long."""
    with path.open("rb") as file:
        codes = file.read(MAX_SECONDS * RATE + 1)
    if not codes or len(codes) > MAX_SECONDS * RATE:
        raise PromptError(f"{path}: {f'longer than {MAX_SECONDS} s' if codes else 'holds no audio'}")
    return Prompt({"PCMA": _cut(codes, "PCMA"), "PCMU": _cut(codes.translate(g711.ALAW_TO_ULAW), "PCMU")})


def _cut(codes: bytes, codec: str) -> tuple[bytes, ...]:
    """Return codes as frames, the last one filled with silence."""
    codes += bytes([g711.SILENCE[codec]]) * (-len(codes) % g711.FRAME)
    return tuple([codes[i : i + g711.FRAME] for i in range(0, len(codes), g711.FRAME)])


class CodedFrames(Sequence[bytes]):
    """Frames of a codec with a state, each encoded when it is first asked for: no prompt stalls a worker.

    Those before `start` are not encoded, and not to be asked for.
    """

    def __init__(self, alaw: Sequence[bytes], codec: str, start: int = 0) -> None:
        self._alaw = alaw
        self._encoder = encoder(codec)
        self._start = start
        self._done: list[bytes] = []

    @property
    def reached(self) -> int:
        """The first frame that is still to be encoded."""
        return self._start + len(self._done)

    def __len__(self) -> int:
        return len(self._alaw)

    @overload
    def __getitem__(self, place: int) -> bytes: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[bytes]: ...
    def __getitem__(self, place: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(place, slice):
            return [self[n] for n in range(*place.indices(len(self)))]
        if place < self._start:
            raise IndexError(place)
        done = self._done
        for n in range(self.reached, place + 1):
            done.append(self._encoder.encode(g711.decode("PCMA", self._alaw[n])))
        return done[place - self._start]


class PromptStore:
    """Finds prompts by name, first directory first, and keeps the encoded frames of those used last.

    `speech` is the directory of a SpeechCache, `converted` one in which converted files are kept, `recordings` that of
    the recordings, of which messages of mailboxes are played, `keys` that of the keys of sealed ones.
    """

    def __init__(
        self,
        directories: Sequence[Path | str],
        *,
        speech: Path | str | None = None,
        converted: Path | str | None = None,
        recordings: Path | str | None = None,
        keys: Path | str | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self._directories = tuple(Path(directory) for directory in directories)
        self._speech = Path(speech) if speech is not None else None
        self._converted = Path(converted) if converted is not None else None
        self._recordings = Path(recordings) if recordings is not None else None
        self._keys = Path(keys) if keys is not None else None
        self._cache_bytes = cache_bytes
        self._held = 0
        self._cache: dict[str, Prompt] = {}

    def get(self, name: str) -> Prompt:
        """Return a prompt: "zh/welcome" and "speech:…" from a file, "tone:busy" or "silence:1.5" synthesised.

        A name that is not found is looked for again the next time. "recording:voicemail/…" is read each time, for it
        may be gone the next. Raises PromptError.
        """
        if name.startswith(RECORDING):
            return self._recorded(name)
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
        """Convert and encode every file and progress tone, so that no call waits; return what could not be read."""
        errors = []
        current = set()
        for name in self.names():
            try:
                current.add(self._convert(self.find(name)))
                self.get(name)
            except PromptError as error:
                errors.append(error)
        for cadence in tones.CADENCES:
            self.get(f"tone:{cadence}")
        self._discard_all_but(current)
        return errors

    def names(self) -> list[str]:
        """Return the names of all files in the directories, sorted."""
        found = set()
        for directory in self._directories:
            for path in directory.rglob("*"):
                name = path.relative_to(directory).with_suffix("").as_posix()
                if path.suffix in SUFFIXES and _is_name(name):
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
            for suffix in SUFFIXES:
                path = directory / f"{name}{suffix}"
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
        path = self._spoken(name) if name.startswith(speech_name.PREFIX) else self.find(name)
        try:
            return self._read(path)
        except OSError as error:
            raise PromptError(f"{path}: {error.strerror}") from None

    def _recorded(self, name: str) -> Prompt:
        """Return a recording, of which only those below the directory of recordings have names."""
        path = name.removeprefix(RECORDING)
        if self._recordings is None or len(path) > _MAX_NAME or not _is_name(path):
            raise PromptNameError(f"{name[:80]!a} is no name of a recording")
        file = self._recordings / f"{path}.wav"
        try:
            pcm = read_recording(file, MAX_SECONDS, self._keys)
        except FileNotFoundError:
            raise PromptMissingError(name, [self._recordings]) from None
        except (OSError, ValueError) as error:
            raise PromptError(f"{file}: {error}") from None
        return Prompt({"PCMA": RecordingFrames(pcm, "PCMA"), "PCMU": RecordingFrames(pcm, "PCMU")})

    def _spoken(self, name: str) -> Path:
        """Return the file of rendered speech."""
        directory = self._speech
        path = speech_name.file_of(directory or Path(), name)
        if path is None:
            raise PromptNameError(f"{name[:80]!a} is no name of speech")
        if directory is None or not path.is_file():
            raise PromptMissingError(name, [directory] if directory else [])
        return path

    def _read(self, path: Path) -> Prompt:
        """Return a file that is ready, or what it was converted to."""
        if path.suffix == speech_name.SUFFIX:
            return load_alaw(path)
        if path.suffix == ".wav" and (self._converted is None or _is_ready(path)):
            return load_wav(path)
        if self._converted is None:
            raise PromptFormatError(path, "has to be converted, and there is no directory for what comes of it")
        ready = self._converted / _converted_name(path)
        if not ready.is_file():
            raise PromptUnreadyError(path)
        return load_alaw(ready)

    def _convert(self, path: Path) -> str:
        """Convert a file that is not ready unless that was done before; return the name of what comes of it."""
        if self._converted is None or path.suffix == speech_name.SUFFIX or (path.suffix == ".wav" and _is_ready(path)):
            return ""
        try:
            name = _converted_name(path)
            if not (self._converted / name).is_file():
                pcm = audio_files.read(path, max_seconds=MAX_SECONDS)
                audio_files.write(self._converted / name, encoder("PCMA").encode(pcm))
        except audio_files.AudioError as error:
            raise PromptError(f"{path}: {error}") from None
        except OSError as error:
            raise PromptError(f"{error.filename or path}: {error.strerror}") from None
        return name

    def _discard_all_but(self, current: set[str]) -> None:
        """Delete what was converted from files that have changed or gone."""
        if self._converted is None or not self._converted.is_dir():
            return
        for path in self._converted.glob(f"*{speech_name.SUFFIX}"):
            if path.name not in current:
                path.unlink(missing_ok=True)


def _is_ready(path: Path) -> bool:
    """Return whether a wav file is 8 kHz mono 16-bit PCM."""
    try:
        with wave.open(str(path), "rb") as file:
            return (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE, 1, 2)
    except (wave.Error, EOFError, OSError):
        return False


def _converted_name(path: Path) -> str:
    """Return what the A-law of a file is called; another when the file changes."""
    status = path.stat()
    key = f"{path.absolute()}\0{status.st_mtime_ns}\0{status.st_size}"
    return hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest() + speech_name.SUFFIX


def _octets(prompt: Prompt) -> int:
    """Return about what a prompt's frames occupy: the octets and each bytes object's own 33."""
    return 2 * len(prompt.frames["PCMA"]) * (g711.FRAME + 33)
