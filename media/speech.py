"""Speech made while calls go on: a synthesiser behind an interface, and a bounded cache of what it said.

A text is rendered once: its name, "speech:" and the SHA-256 of text, language, engine and voice in hexadecimal, stands
for a file of A-law in the cache's directory, which a media worker finds there and plays as it is.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

from msgspec import Struct

from media import audio_files, g711
from media.speech_name import PREFIX, SUFFIX, file_of, is_digest

#: What may be played in place of speech that cannot be had.
STAND_IN: Final = "tone:beep"
#: Root mean square of all speech, in dBFS.
LEVEL: Final = -20.0
#: Longer texts are no announcement; at 200 characters a minute this is five minutes.
MAX_TEXT: Final = 1000

MAX_SECONDS: Final = 600
CACHE_BYTES: Final = 256 * 1024 * 1024
# After pruning this much of the limit is used, so that not every new text walks the directory.
_PRUNE_TO: Final = 0.9
_MAX_WAITING: Final = 200

# Brackets would be read as phonemes, control characters as commands.
_UNREADABLE: Final = re.compile(r"[\x00-\x1f\x7f\[\]<>\\]+")


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

    async def pcm(self, text: str, language: str) -> bytes:
        """Return a text spoken, without silence around it, at the level of all speech."""
        voice = self._voice(language)
        if notice := self.unavailable():
            raise SpeechUnavailableError(notice)
        words = await asyncio.to_thread(_words, text, language)
        wav = await self._run("-v", voice.voice, "-s", str(voice.speed), "--stdin", "--stdout", feed=words)
        return await asyncio.to_thread(_finish, wav)

    def _voice(self, language: str) -> Voice:
        """Return a language's voice."""
        voice = self._voices.get(language) or self._voices.get(language.partition("-")[0])
        if voice is None:
            raise SpeechError(f"no voice speaks {language[:20]!a}; there are {', '.join(sorted(self._voices))}")
        return voice

    async def _run(self, *arguments: str, feed: str) -> bytes:
        """Run the program and return what it wrote; whoever is cancelled leaves no process."""
        process = await asyncio.create_subprocess_exec(
            self._program,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, complaint = await process.communicate(feed.encode())
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode or not out:
            reason = complaint.decode(errors="replace").strip()[:200] or f"status {process.returncode}"
            raise SpeechError(f"{self._program} failed: {reason}")
        return out


class NoSynthesiser:
    """The engine of an installation that has none: names are given, nothing is rendered."""

    def identity(self, language: str) -> str:
        """Return a constant: nothing is ever stored under it."""
        return "none"

    def unavailable(self) -> str:
        """Return that it was wanted so."""
        return "texts are not spoken, because the engine is set to none"

    async def pcm(self, text: str, language: str) -> bytes:
        """Refuse."""
        raise SpeechUnavailableError(self.unavailable())


class SpeechCache:
    """Rendered texts in a directory of bounded size, least recently used ones dropped first."""

    def __init__(
        self,
        directory: Path,
        synthesiser: Synthesiser,
        *,
        cache_bytes: int = CACHE_BYTES,
        parallel: int = 2,
        timeout: float = 3.0,
    ) -> None:
        self._directory = directory
        self._synthesiser = synthesiser
        self._cache_bytes = cache_bytes
        self._held = -1
        self._timeout = timeout
        self._turns = asyncio.Semaphore(parallel)
        self._writing = asyncio.Lock()
        self._running: dict[str, asyncio.Task[None]] = {}

    @property
    def directory(self) -> Path:
        """Where the files are."""
        return self._directory

    def unavailable(self) -> str:
        """Return "", or why no new text can be spoken and what to install."""
        return self._synthesiser.unavailable()

    def name_of(self, text: str, language: str) -> str:
        """Return the name a text is played by, rendered or not; SpeechError for a language nobody speaks."""
        key = f"{self._synthesiser.identity(language)}\0{language}\0{_clean(text)}"
        return PREFIX + hashlib.sha256(key.encode()).hexdigest()

    def cached(self, name: str) -> bool:
        """Return whether a name can be played now; asking counts as a use."""
        try:
            os.utime(self._file(name))
        except OSError:
            return False
        return True

    async def render(self, text: str, language: str) -> str:
        """Return a text's name when it can be played, rendering it unless that was done before.

        Callers of the same text share one rendering. Raises SpeechError when it fails, takes longer than the
        timeout, or too many texts are waiting.
        """
        name = self.name_of(text, language)
        if self.cached(name):
            return name
        if notice := self.unavailable():
            raise SpeechUnavailableError(notice)
        task = self._running.get(name)
        if task is None:
            if len(self._running) >= _MAX_WAITING:
                raise SpeechError("too many texts are waiting to be spoken")
            task = asyncio.create_task(self._produce(name, text, language), name="speech")
            self._running[name] = task
            task.add_done_callback(lambda done: self._ended(name, done))
        # A caller who hangs up must not take the text from others who wait for it.
        await asyncio.shield(task)
        return name

    async def close(self) -> None:
        """End what is being rendered."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _produce(self, name: str, text: str, language: str) -> None:
        """Render and store one text, within the timeout from now on, waiting included."""
        text = _clean(text)
        if not text:
            raise SpeechError("there is nothing to say")
        if len(text) > MAX_TEXT:
            raise SpeechError(f"a text of {len(text)} characters is too long; {MAX_TEXT} are allowed")
        try:
            async with asyncio.timeout(self._timeout), self._turns:
                pcm = await self._synthesiser.pcm(text, language)
                if not pcm:
                    raise SpeechError("the synthesiser was silent")
                async with self._writing:
                    await asyncio.to_thread(self._store, name, pcm)
        except TimeoutError:
            raise SpeechError(f"no speech within {self._timeout:g} s") from None
        except OSError as error:
            raise SpeechError(f"{self._directory}: {error.strerror or error}") from None

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        """Forget a finished rendering; its error is taken note of even when nobody waits any more."""
        del self._running[name]
        if not task.cancelled():
            task.exception()

    def _file(self, name: str) -> Path:
        """Return where a name's file is or would be."""
        path = file_of(self._directory, name)
        if path is None:
            raise SpeechError(f"{name[:20]!a} is no name of speech")
        return path

    def _store(self, name: str, pcm: bytes) -> None:
        """Write a file and keep the directory below its limit."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._file(name)
        audio_files.write(path, g711.encode("PCMA", pcm), mode=0o600)
        if self._held < 0:
            self._held = sum(size for _, size, _ in self._files())
        else:
            self._held += path.stat().st_size
        if self._held > self._cache_bytes:
            self._prune(path)

    def _prune(self, newest: Path) -> None:
        """Delete the files used longest ago, but never the one just written."""
        files = sorted(self._files())
        held = sum(size for _, size, _ in files)
        for _, size, path in files:
            if held <= self._cache_bytes * _PRUNE_TO:
                break
            if path != newest:
                path.unlink(missing_ok=True)
                held -= size
        self._held = held

    def _files(self) -> list[tuple[int, int, Path]]:
        """Return last use in nanoseconds, size and path of every file of speech."""
        found = []
        with os.scandir(self._directory) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX) and is_digest(entry.name.removesuffix(SUFFIX)):
                    status = entry.stat()
                    found.append((status.st_mtime_ns, status.st_size, Path(entry.path)))
        return found


def _clean(text: str) -> str:
    """Return a text without what no voice can read."""
    return " ".join(_UNREADABLE.sub(" ", text).split())


def _words(text: str, language: str) -> str:
    """Return what the program is to read."""
    if not language.startswith("zh"):
        return text
    # The dictionary takes a third of a second and 60 MB: installations without Chinese do without it.
    from media.pinyin import spoken

    return spoken(text)


def _finish(wav: bytes) -> bytes:
    """Return the program's file as samples to be played."""
    try:
        pcm = audio_files.read(wav, max_seconds=MAX_SECONDS)
    except audio_files.AudioError as error:
        raise SpeechError(f"the synthesiser's audio {error}") from None
    return audio_files.levelled(audio_files.trimmed(pcm), LEVEL)
