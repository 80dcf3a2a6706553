"""Speech made while calls go on: a synthesiser behind an interface, and a bounded cache of what it said.

A text is rendered once: its name, "speech:" and the SHA-256 of text, language, engine and voice in hexadecimal, stands
for a file of A-law in the cache's directory, which a media worker finds there and plays as it is.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import time
from pathlib import Path
from typing import Final

from media import audio_files, g711
from media.speech_name import PREFIX, SUFFIX, file_of, is_digest
from media.synthesis import EspeakSynthesiser, NoSynthesiser, SpeechError, SpeechUnavailableError, Synthesiser

__all__ = [
    "STAND_IN",
    "EspeakSynthesiser",
    "NoSynthesiser",
    "SpeechCache",
    "SpeechError",
    "SpeechUnavailableError",
    "Synthesiser",
]

#: What may be played in place of speech that cannot be had.
STAND_IN: Final = "tone:beep"
#: Longer texts are no announcement; at 200 characters a minute this is five minutes.
MAX_TEXT: Final = 1000
CACHE_BYTES: Final = 256 * 1024 * 1024
# After pruning this much of the limit is used, so that not every new text walks the directory.
_PRUNE_TO: Final = 0.9
_MAX_WAITING: Final = 200
#: A text that was asked for so many seconds ago is there still, unless this cache itself has dropped it.
_USE_HOLDS: Final = 30.0
#: Names remembered for that.
_MAX_USED: Final = 10_000

# Brackets would be read as phonemes, control characters as commands.
_UNREADABLE: Final = re.compile(r"[\x00-\x1f\x7f\[\]<>\\]+")


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
        self._used: dict[str, float] = {}

    @property
    def directory(self) -> Path:
        """Where the files are."""
        return self._directory

    def unavailable(self) -> str:
        """Return "", or why no new text can be spoken and what to install."""
        return self._synthesiser.unavailable()

    async def prepare(self) -> None:
        """Make the first caller wait no longer than the others; to be awaited at the start."""
        if not self.unavailable():
            await asyncio.to_thread(self._synthesiser.prepare)

    def name_of(self, text: str, language: str) -> str:
        """Return the name a text is played by, rendered or not; SpeechError for a language nobody speaks."""
        key = f"{self._synthesiser.identity(language)}\0{language}\0{_clean(text)}"
        return PREFIX + hashlib.sha256(key.encode()).hexdigest()

    def cached(self, name: str) -> bool:
        """Return whether a name can be played now; asking counts as a use, once in half a minute."""
        now = time.monotonic()
        used = self._used.get(name)
        if used is not None and now - used < _USE_HOLDS:
            return True
        try:
            os.utime(self._file(name))
        except OSError:
            return False
        if len(self._used) >= _MAX_USED:
            self._used.clear()
        self._used[name] = now
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
        self._used.clear()
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
    # A backend's JSON may hold halves of characters, which no encoding has.
    text = text.encode(errors="replace").decode()
    return " ".join(_UNREADABLE.sub(" ", text).split())
