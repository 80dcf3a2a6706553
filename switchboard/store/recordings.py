"""The recordings of ended calls, each found by itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Select, literal, select, tuple_

from switchboard.store.database import Database
from switchboard.store.records import RecordingLength, RecordingRecord
from switchboard.store.schema import call_recordings

_MEASURE: Final = "UPDATE call_recordings SET seconds = ? WHERE id = ?"


class Recording(NamedTuple):
    """A recording and the call it belongs to."""

    call_id: str
    record: RecordingRecord


class RecordingFilter(NamedTuple):
    """Which recordings are wanted; None leaves a condition out. Times are UTC microseconds."""

    call_id: str | None = None
    since_us: int | None = None
    until_us: int | None = None


class RecordingRepository:
    """Reads recordings; they are written with their calls."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, recording: str) -> Recording | None:
        """One recording."""
        found = self._select(select(call_recordings).where(call_recordings.c.id == recording).limit(1))
        return found[0] if found else None

    def page(self, wanted: RecordingFilter, limit: int, after: tuple[int, str] | None = None) -> list[Recording]:
        """Recordings, newest first; `after` is (started_us, id) of the last one of the page before."""
        columns = call_recordings.c
        query = select(call_recordings)
        if wanted.call_id is not None:
            query = query.where(columns.call_id == wanted.call_id)
        if wanted.since_us is not None:
            query = query.where(columns.started_us >= wanted.since_us)
        if wanted.until_us is not None:
            query = query.where(columns.started_us < wanted.until_us)
        place = (columns.started_us, columns.id)
        if after is not None:
            query = query.where(tuple_(*place) < tuple_(literal(after[0]), literal(after[1])))
        return self._select(query.order_by(*(column.desc() for column in place)).limit(limit))

    def _select(self, query: Select[Any]) -> list[Recording]:
        with self._database.reading() as connection:
            return [
                Recording(
                    row.call_id,
                    RecordingRecord(
                        id=row.id, path=row.path, started_us=row.started_us, seconds=row.seconds, kind=row.kind
                    ),
                )
                for row in connection.execute(query)
            ]


def measure(connection: Connection, lengths: Iterable[RecordingLength]) -> None:
    """Correct what stored calls tell of their recordings; of calls that are not there nothing is kept."""
    rows = [(one.seconds, one.id) for one in lengths]
    if rows:
        connection.exec_driver_sql(_MEASURE, rows)
