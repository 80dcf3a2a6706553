"""Engines that speak texts: their common interface, espeak-ng, and none."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Protocol

from msgspec import Struct

from media import audio_files

#: Root mean square of all speech, in dBFS.
LEVEL: Final = -20.0

_MAX_SECONDS: Final = 600
_KILL_SECONDS: Final = 1.0


class SpeechError(Exception):
    """A text that could not be rendered; the message never contains it."""


class SpeechUnavailableError(SpeechError):
    """There is no synthesiser; the message says how to get one."""


class Voice(Struct, frozen=True):
    """A voice of the synthesiser, with its speed in words a minute."""

    voice: str
    speed: int


#: The voices of the shipped prompts. Characters are read badly by some builds of the engine, pinyin by all.
VOICES: Final[Mapping[str, Voice]] = MappingProxyType({
    "zh": Voice("cmn-latn-pinyin+f5", 180),
    "en": Voice("en-us+f5", 170),
})  # fmt: skip


class Synthesiser(Protocol):
    """Turns a text into samples. One that is not local may take its time: the cache bounds it."""

    def identity(self, language: str) -> str:
        """Return what decides the sound beside the text: engine, voice, speed. SpeechError for a foreign language."""
        ...

    def unavailable(self) -> str:
        """Return "", or what is missing and how to install it."""
        ...

    def prepare(self) -> None:
        """Load what takes long, before the first call; blocking."""
        ...

    async def pcm(self, text: str, language: str) -> bytes:
        """Return 16-bit little-endian samples at 8 kHz. Raises SpeechError; being cancelled ends all work at once."""
        ...


class EspeakSynthesiser:
    """espeak-ng as a process a text, which is read from its standard input, not from the list of processes."""

    def __init__(self, voices: Mapping[str, Voice] = VOICES, *, program: str = "espeak-ng") -> None:
        self._voices = dict(voices)
        self._program = program

    def identity(self, language: str) -> str:
        """Return engine, voice and speed of a language ("zh", "zh-CN")."""
        voice = self._voice(language)
        return f"espeak-ng {voice.voice} {voice.speed} {LEVEL:g}"

    def unavailable(self) -> str:
        """Return "" when the program is there."""
        if shutil.which(self._program):
            return ""
        return f"{self._program} is not installed, so texts are not spoken; try: apt install espeak-ng"

    def prepare(self) -> None:
        """Load the dictionary of Chinese and what converts audio: a third of a second and 70 MB."""
        if "zh" in self._voices:
            _words("好", "zh")
        audio_files.levelled(bytes(2), LEVEL)

    async def pcm(self, text: str, language: str) -> bytes:
        """Return a text spoken, without silence around it, at the level of all speech."""
        voice = self._voice(language)
        if notice := self.unavailable():
            raise SpeechUnavailableError(notice)
        command = [self._program, "-v", voice.voice, "-s", str(voice.speed), "--stdin", "--stdout"]
        run = _Run(command)
        # A thread, because the loop's own way of starting a process may copy all of a large one's page tables.
        speaking = asyncio.get_running_loop().run_in_executor(None, _speak, run, text, language)
        try:
            return await asyncio.shield(speaking)
        except asyncio.CancelledError:
            run.stop()
            # Asked for, so that what became of it is not reported as lost.
            await asyncio.wait([asyncio.gather(speaking, return_exceptions=True)], timeout=_KILL_SECONDS)
            raise

    def _voice(self, language: str) -> Voice:
        """Return a language's voice."""
        voice = self._voices.get(language) or self._voices.get(language.partition("-")[0])
        if voice is None:
            raise SpeechError(f"no voice speaks {language[:20]!a}; there are {', '.join(sorted(self._voices))}")
        return voice


class _Run:
    """A program that is given a text and writes audio; `stop` ends it from another thread."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def output(self, feed: str) -> bytes:
        """Run it to its end and return what it wrote."""
        program = self._command[0]
        try:
            process = self._start()
            with process:
                out, complaint = process.communicate(feed.encode())
        except OSError as error:
            raise SpeechError(f"{program} failed: {error.strerror}") from None
        if process.returncode or not out:
            reason = complaint.decode(errors="replace").strip()[:200] or f"status {process.returncode}"
            raise SpeechError(f"{program} failed: {reason}")
        return out

    def stop(self) -> None:
        """Kill it, or keep it from being started."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopped:
                raise SpeechError("stopped before it began")
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, stderr=pipe)  # noqa: S603 - our own
            return self._process


class NoSynthesiser:
    """The engine of an installation that has none: names are given, nothing is rendered."""

    def identity(self, language: str) -> str:
        """Return a constant: nothing is ever stored under it."""
        return "none"

    def unavailable(self) -> str:
        """Return that it was wanted so."""
        return "texts are not spoken, because the engine is set to none"

    def prepare(self) -> None:
        """Need nothing."""

    async def pcm(self, text: str, language: str) -> bytes:
        """Refuse."""
        raise SpeechUnavailableError(self.unavailable())


def _words(text: str, language: str) -> str:
    """Return what the program is to read."""
    if not language.startswith("zh"):
        return text
    # The dictionary takes a third of a second and 60 MB: installations without Chinese do without it.
    from media.pinyin import spoken

    return spoken(text)


def _speak(run: _Run, text: str, language: str) -> bytes:
    """Return a text as samples to be played; blocking."""
    wav = run.output(_words(text, language))
    try:
        pcm = audio_files.read(wav, max_seconds=_MAX_SECONDS)
    except audio_files.AudioError as error:
        raise SpeechError(f"the synthesiser's audio {error}") from None
    return audio_files.levelled(audio_files.trimmed(pcm), LEVEL)
