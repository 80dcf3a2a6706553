"""Recordings that are complete are told of by the log and the event stream, each once, though its call be over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from media.recorder.finishing import Finished, collect
from switchboard.calls.news import Feed, RecordingNews
from switchboard.ops.log import get_logger
from switchboard.store.recordings import RecordingFilter, RecordingRepository

EVERY_SECONDS: Final = 1.0
MOST: Final = 200
"""Told at a time; the rest a second later."""
VOICEMAIL: Final = "voicemail"
_OF_ONE_CALL: Final = 100


class Listens(Protocol):
    """Whose feed is told; it may be replaced while the switch runs."""

    feed: Feed


class Announcer:
    """Looks into the spool of the recorder once a second, in a thread."""

    def __init__(
        self,
        spool: Path,
        recordings: RecordingRepository,
        listener: Listens,
        utc_us: Callable[[], int],
        log: Callable[..., None],
        ready: Callable[[RecordingNews], None] = lambda news: None,
    ) -> None:
        """`log` takes an event and values; `ready` is called in the loop, whoever listens."""
        self._spool = spool
        self._recordings = recordings
        self._listener = listener
        self._utc_us = utc_us
        self._log = log
        self._ready = ready

    async def watch(self) -> None:
        """Until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_SECONDS)

    async def look(self) -> None:
        """Tell what is ready now."""
        for one in await asyncio.to_thread(self._collect):
            self._tell(one)

    def _collect(self) -> list[RecordingNews]:
        found = []
        try:
            for one in collect(self._spool, MOST):
                found.append(self._news(one))  # noqa: PERF401 - what was found before a fault is told
        except Exception as error:  # noqa: BLE001 - boundary: a fault of disk or database must not end the watch
            get_logger().error("recording.unannounced", exc_info=error)
        return found

    def _news(self, one: Finished) -> RecordingNews:
        path = Path(one.path)
        of_box = path.parent.name == VOICEMAIL
        call = "" if of_box else path.stem.rpartition("-")[0]
        recording = path.stem if of_box else one.recording or self._id_of(call, path)
        return RecordingNews(
            recording=recording,
            call=call,
            kind="voicemail" if of_box else "call",
            seconds=round(one.seconds, 3),
            octets=one.octets,
            gaps=one.gaps,
            sha256=one.sha256,
            at_us=self._utc_us(),
        )

    def _id_of(self, call: str, path: Path) -> str:
        """The id of a recording whose recorder was killed before it noted one."""
        found = self._recordings.page(RecordingFilter(call), _OF_ONE_CALL)
        return next((one.record.id for one in found if Path(one.record.path).name == path.name), "")

    def _tell(self, news: RecordingNews) -> None:
        self._ready(news)
        self._log(
            "recording.ready", call_id=news.call, recording=news.recording, kind=news.kind, seconds=news.seconds,
            octets=news.octets, gaps=news.gaps, sha256=news.sha256,
        )  # fmt: skip
        if self._listener.feed.listening:
            self._listener.feed.publish(news)
