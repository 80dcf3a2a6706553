"""What flows say, made by the speech cache: the calls' side of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from media.speech import SpeechCache, SpeechError
from switchboard.ops.log import get_logger


class CachedVoice:
    """Implements `calls.neighbours.Voice`."""

    def __init__(self, cache: SpeechCache) -> None:
        self._cache = cache
        self._log = get_logger()
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent = False

    def ready(self, text: str, language: str) -> str | None:
        """The name of the sound if it is there already."""
        try:
            name = self._cache.name_of(text, language)
        except SpeechError:
            return None
        return name if self._cache.cached(name) else None

    def prepare(self, texts: Sequence[tuple[str, str]], done: Callable[[], None]) -> None:
        """Make the sounds of (text, language) pairs; `done` is called once, whatever became of it."""
        task = asyncio.get_running_loop().create_task(self._prepare(tuple(texts), done), name="voice")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _prepare(self, texts: tuple[tuple[str, str], ...], done: Callable[[], None]) -> None:
        results = await asyncio.gather(*(self._cache.render(*text) for text in texts), return_exceptions=True)
        failed = next((result for result in results if isinstance(result, BaseException)), None)
        if failed is None:
            self._silent = False
        elif not self._silent:
            # Once, not with every call: nothing is spoken until this is mended.
            self._silent = True
            self._log.warning("speech.failed", reason=str(failed) if isinstance(failed, SpeechError) else repr(failed))
        done()

    async def close(self) -> None:
        """Give up what is being made."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._cache.close()
