"""The loader: a thread that moves ended calls, messages and callback requests from the journal into the database.

Rule 1: the records of a batch and the journal position behind them are one transaction, so a kill at any
point neither loses nor doubles one. Rule 2: a segment is deleted when it is loaded to its end and the head
of a later one, which carries the calls still open, is on disk. Rule 3: batches are small and pause between,
since the thread shares the interpreter with the switch.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import structlog
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from switchboard.store.alive import mark_alive
from switchboard.store.database import BUSY_SECONDS, Database, cause_of, is_busy
from switchboard.store.intake import DECODERS, Intake, Journalled
from switchboard.store.records import CallRecord
from switchboard.store.schema import journal_position
from switchboard.store.segments import Reading, read_segment, segment_number, segment_paths

POLL_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 0.002
BATCH_BYTES: Final = 1024 * 1024
RETRY_SECONDS: Final = 1.0
CATCH_UP_SECONDS: Final = 1.0
"""Whoever reads waits so long at most for what has just been journalled."""
COMPLAINT_SECONDS: Final = 60.0

_SET_POSITION: Final = (
    "INSERT INTO journal_position (id, segment, position) VALUES (1, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET segment = excluded.segment, position = excluded.position"
)
_COUNTERS: Final = ("loaded", "repeated", "unreadable", "torn_bytes", "dropped", "failed")
_log = structlog.get_logger("switchboard.store.loader")


class Loader:
    """Follows the journal in `directory`; `durable` tells the oldest segment that must stay."""

    def __init__(
        self,
        directory: Path,
        database: Database,
        *,
        durable: Callable[[], int],
        poll_seconds: float = POLL_SECONDS,
        batch_bytes: int = BATCH_BYTES,
    ) -> None:
        self._directory = directory
        self._database = database
        self._intake = Intake(database)
        self._durable = durable
        self._poll_seconds = poll_seconds
        self._batch_bytes = batch_bytes
        self._segment, self._offset = self._stored_position()
        self._loading = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._complain_at = 0.0
        self._caught_up_at = float("-inf")
        self._counts = dict.fromkeys(_COUNTERS, 0)
        self.fault = ""
        """Why the last attempt to load failed, as SQLite's code for it; empty once one has succeeded."""

    def counts(self) -> dict[str, int]:
        """Totals since the start: calls loaded, met again, not readable; segments dropped; failures."""
        return dict(self._counts)

    @property
    def position(self) -> tuple[int, int]:
        """The segment and the offset in it up to which the journal is in the database."""
        return self._segment, self._offset

    def start(self) -> None:
        """Begin to follow the journal."""
        self._thread = threading.Thread(target=self._follow, name="journal-loader", daemon=True)
        self._thread.start()

    def flush(self) -> None:
        """Load everything that the journal holds now; raises what the database raises."""
        with self._loading:
            while self._step():
                pass

    def catch_up(self, seconds: float = CATCH_UP_SECONDS, *, age: float = 0.0) -> None:
        """Load what the journal holds now, for whoever reads next; no longer than that, and whatever the database says.

        What a client has seen happen is then in the database when it asks for the record of it. Nothing is done when
        that was done at most `age` seconds ago: for those who ask often.
        """
        begun = time.monotonic()
        until = begun + seconds
        if begun - self._caught_up_at < age:
            return
        if not self._loading.acquire(timeout=seconds):
            return
        try:
            while self._step(max(0.0, until - time.monotonic())):
                if time.monotonic() >= until:
                    return
            self._caught_up_at = begun
        except (SQLAlchemyError, OSError) as error:
            # Another writer, such as a large import: what is there is read.
            if not is_busy(error):
                self._complain(error)
        finally:
            self._loading.release()

    def close(self) -> None:
        """Stop the thread; what is not loaded yet stays in the journal."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _follow(self) -> None:
        while not self._stopping.wait(self._poll_seconds):
            mark_alive(self._directory)
            try:
                with self._loading:
                    while self._step() and not self._stopping.wait(PAUSE_SECONDS):
                        pass
                self.fault = ""
            except (SQLAlchemyError, OSError) as error:
                self._complain(error)
                self._stopping.wait(RETRY_SECONDS)

    def _complain(self, error: Exception) -> None:
        self._counts["failed"] += 1
        self.fault = cause_of(error)
        now = time.monotonic()
        if now >= self._complain_at:
            self._complain_at = now + COMPLAINT_SECONDS
            _log.error("loader.failed", reason=self.fault, **self._counts)

    def _step(self, patience: float = BUSY_SECONDS) -> bool:
        """Load one batch, or go on to the next segment; False when there is nothing more now."""
        # The list comes first: a segment with a successor in it gets no more records, so its end is its end.
        numbers = {segment_number(path): path for path in segment_paths(self._directory)}
        later = [number for number in numbers if number > self._segment]
        path = numbers.get(self._segment)
        if path is not None and self._load(path, patience, last=not later):
            return True
        if not later:
            self._drop(numbers)
            return False
        self._segment, self._offset = min(later), 0
        self._drop(numbers)
        return True

    def _load(self, path: Path, patience: float, *, last: bool) -> bool:
        """Load one batch of a segment; False when there is no more in it now."""
        reading = read_segment(path, self._offset, self._batch_bytes)
        records = self._records(reading)
        if reading.end == self._offset and reading.torn >= self._batch_bytes:
            # One record larger than a batch.
            reading = read_segment(path, self._offset)
            records = self._records(reading)
        if reading.end == self._offset:
            if reading.torn and not last:
                self._counts["torn_bytes"] += reading.torn
                _log.warning("loader.torn_segment", segment=path.name, bytes=reading.torn)
            return False
        self._store(records, reading.end, patience)
        # Whoever has read less than a batch from the newest segment need not look at once whether there is more.
        return not last or len(reading.data) >= self._batch_bytes

    def _records(self, reading: Reading) -> list[Journalled]:
        records = []
        for entry in reading.entries(DECODERS):
            try:
                records.append(DECODERS[entry.kind](entry.payload))
            except msgspec.MsgspecError:
                self._counts["unreadable"] += 1
                _log.error("loader.record_unreadable", call=entry.call_id)
        return records

    def _store(self, records: list[Journalled], offset: int, patience: float) -> None:
        if records:
            with self._database.writing(patience) as connection:
                stored = self._intake.insert(connection, records)
                self._remember(connection, offset)
            self._counts["loaded"] += stored
            self._counts["repeated"] += sum(isinstance(record, CallRecord) for record in records) - stored
        self._offset = offset

    def _remember(self, connection: Connection, offset: int) -> None:
        connection.exec_driver_sql(_SET_POSITION, (self._segment, offset))

    def _stored_position(self) -> tuple[int, int]:
        with self._database.reading() as connection:
            row = connection.execute(select(journal_position.c.segment, journal_position.c.position)).first()
        return (row.segment, row.position) if row else (0, 0)

    def _drop(self, numbers: dict[int, Path]) -> None:
        """Delete the segments before the current one, as far as a later head on disk replaces them."""
        keep = min(self._segment, self._durable())
        for number, path in numbers.items():
            if number < keep:
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
                self._counts["dropped"] += 1
