"""Prompts as files that rtpengine plays: what is to be heard in a row is one file, so that there are no gaps in it."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import threading
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from media import g711
from media.prompts import RATE, PromptError, PromptStore
from media.recording_frames import PREFIX as RECORDING

MOST: Final = 2000
"""Files that are kept."""
_log = structlog.get_logger("media.rtpengine")

Told = Callable[[str, str], None]
"""The file, or "" and the name of a prompt that cannot be had, or twice "" where no file can be written."""


class Sounds:
    """A directory of joined prompts, which rtpengine must see under the same name."""

    def __init__(self, directory: Path, prompts: PromptStore) -> None:
        """The directory is made when it is needed first."""
        self._directory = directory
        self._prompts = prompts
        self._files: dict[tuple[str, ...], str] = {}
        self._lock = threading.Lock()

    @staticmethod
    def keeps(names: Sequence[str]) -> bool:
        """Whether these may be files here: messages of mailboxes are copied nowhere."""
        return bool(names) and not any(name.startswith(RECORDING) for name in names)

    def get(self, names: Sequence[str], told: Told) -> None:
        """Tells the file, at once where it is known, else once it is written."""
        key = tuple(names)
        known = self._files.get(key)
        if known is not None:
            told(known, "")
            return
        future = asyncio.get_running_loop().run_in_executor(None, self._make, key)
        future.add_done_callback(lambda done: self._made(key, done.result(), told))

    def _made(self, key: tuple[str, ...], found: tuple[str, str], told: Told) -> None:
        file, missing = found
        if file:
            self._files[key] = file
            while len(self._files) > MOST:
                Path(self._files.pop(next(iter(self._files)))).unlink(missing_ok=True)
        told(file, missing)

    def _make(self, names: tuple[str, ...]) -> tuple[str, str]:
        """Write the file; in a thread of its own, one after the other."""
        with self._lock:
            return self._written(names)

    def _written(self, names: tuple[str, ...]) -> tuple[str, str]:
        codes = b""
        for name in names:
            try:
                codes += b"".join(self._prompts.get(name).spoken("PCMA"))
            except PromptError:
                return "", name
        path = self._directory / f"{hashlib.sha256(codes).hexdigest()}.wav"
        try:
            if not path.is_file():
                self._directory.mkdir(parents=True, exist_ok=True)
                part = path.with_suffix(f".{os.getpid()}")
                part.write_bytes(wav(codes))
                part.replace(path)
        except OSError as error:
            _log.error("rtpengine.sounds", reason=str(error))
            return "", ""
        return str(path.absolute()), ""


def wav(codes: bytes) -> bytes:
    """A-law as a wav file of samples: rtpengine plays one of A-law in bursts."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((1, 2, RATE, 0, "NONE", ""))
        written.writeframes(g711.decode("PCMA", codes))
    return file.getvalue()
