"""How long audio is kept: what is older is deleted, at the start and once a day, in slices, in a thread.

Recordings lie in a directory for each day; that of a day is deleted when its last moment is too old. Their records
stay, and each file that is deleted leaves a mark. Voice messages have a time of their own, and vanish from their boxes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from media.recording_files import SEALED
from switchboard.archive.announcing import VOICEMAIL
from switchboard.archive.deleting import Deletion, erase_message, erase_recording
from switchboard.ops.log import get_logger
from switchboard.store.voicemail import Message

EVERY_SECONDS: Final = 86_400.0
SLICE: Final = 100
REST: Final = 0.05
"""Seconds between two slices, in which disk and processor are for others."""
BY: Final = "retention"
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_ENDINGS: Final = (".wav", ".ogg", f".wav{SEALED}", f".ogg{SEALED}")


class Kept(NamedTuple):
    """Seconds for which audio is kept; None for ever."""

    recordings: float | None = None
    messages: float | None = None


class Older(Protocol):
    """Finds messages left before a time, oldest first, `after` (left_us, id) of the last one of the slice before."""

    def __call__(self, before_us: int, limit: int, after: tuple[int, str] | None = None) -> Sequence[Message]:
        """Called in a thread."""


class Retention:
    """Runs beside the calls; no fault of it reaches them."""

    def __init__(
        self,
        directory: Path,
        kept: Kept,
        older: Older,
        forget: Callable[[Message], None],
        zone: tzinfo,
        *,
        utc_us: Callable[[], int] = lambda: time.time_ns() // 1000,
        rest: Callable[[float], None] = time.sleep,
    ) -> None:
        """`forget` takes a message out of its box, in the loop; `zone` is the one whose days the directories name."""
        self._directory = directory
        self._kept = kept
        self._older = older
        self._forget = forget
        self._zone = zone
        self._utc_us = utc_us
        self._rest = rest
        self._swept: set[str] = set()

    async def watch(self) -> None:
        """Until it is cancelled; at once over when all is kept for ever."""
        while self._kept.recordings is not None or self._kept.messages is not None:
            await self.sweep()
            await asyncio.sleep(EVERY_SECONDS)

    async def sweep(self) -> None:
        """Delete what is too old now; a fault is logged, and what is left is for the next time."""
        try:
            recordings = await asyncio.to_thread(self.sweep_recordings)
            messages = await self._sweep_messages()
        except Exception as error:  # noqa: BLE001 - boundary: tomorrow is another day
            get_logger().error("retention.failed", exc_info=error)
            return
        if recordings or messages:
            get_logger().info("retention.swept", recordings=recordings, messages=messages)

    def sweep_recordings(self) -> int:
        """Delete recordings of days that are over for too long; how many. What cannot be deleted keeps no other."""
        kept = self._kept.recordings
        if kept is None:
            return 0
        now_us = self._utc_us()
        oldest = datetime.fromtimestamp(now_us / 1e6 - kept, UTC).astimezone(self._zone).date()
        deletion = Deletion(now_us, BY, f"kept for {_words(kept)}")
        total = 0
        for day in self._days(oldest):
            deleted, faults = self._sweep_day(self._directory / day, deletion)
            total += deleted
            if faults:
                get_logger().error("retention.left", day=day, files=len(faults), reason=faults[0].strerror)
            else:
                self._swept.add(day)
        return total

    def _days(self, before: date) -> list[str]:
        try:
            names = os.listdir(self._directory)
        except FileNotFoundError:
            return []
        limit = before.isoformat()
        return sorted(name for name in names if _DAY.match(name) and name < limit and name not in self._swept)

    def _sweep_day(self, directory: Path, deletion: Deletion) -> tuple[int, list[OSError]]:
        """How many were deleted, and why others were not."""
        faults: list[OSError] = []
        try:
            names = [name for name in os.listdir(directory) if name.endswith(_ENDINGS) and ".part." not in name]
        except OSError as error:
            return 0, [error]
        paths = sorted({_wav(directory, name) for name in names})
        for number, path in enumerate(paths, 1):
            try:
                erase_recording(path, deletion)
            except OSError as error:
                faults.append(error)
            if number % SLICE == 0:
                self._rest(REST)
        return len(paths) - len(faults), faults

    async def _sweep_messages(self) -> int:
        kept = self._kept.messages
        if kept is None:
            return 0
        before_us = self._utc_us() - round(timedelta(seconds=kept) / timedelta(microseconds=1))
        total = 0
        after: tuple[int, str] | None = None
        while found := await asyncio.to_thread(self._older, before_us, SLICE, after):
            after = found[-1].record.left_us, found[-1].record.id
            for message in found:
                path = self._directory / message.record.path
                try:
                    await asyncio.to_thread(erase_message, self._directory, path)
                except OSError as error:
                    # It stays in its box: of one that nobody knows the audio would be kept for ever.
                    get_logger().error("retention.left", message=message.record.id, reason=error.strerror)
                    continue
                self._forget(message)
                total += 1
        return total + await asyncio.to_thread(self._sweep_strays, before_us)

    def _sweep_strays(self, before_us: int) -> int:
        """Delete messages that are in no box, of calls that broke off; how many."""
        directory, total = self._directory / VOICEMAIL, 0
        with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
            for entry in entries:
                # What cannot be deleted was told of where it is in a box.
                with contextlib.suppress(OSError):
                    if entry.name.endswith(_ENDINGS) and entry.stat().st_mtime_ns < before_us * 1000:
                        erase_message(self._directory, _wav(directory, entry.name))
                        total += 1
        return total


def _wav(directory: Path, name: str) -> Path:
    """By what path records know a file."""
    name = name.removesuffix(SEALED)
    return directory / (name.removesuffix(Path(name).suffix) + ".wav")


def _words(seconds: float) -> str:
    days = seconds / 86_400
    return f"{days:g} days" if days >= 1 else f"{seconds:g} s"
