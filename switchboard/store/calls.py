"""The stored calls: written from the journal, read by whoever shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, RowMapping, Select, Table, func, or_, select

from switchboard.store.database import Database
from switchboard.store.records import (
    CallRecord,
    IdentityRecord,
    LegRecord,
    MediaRecord,
    RecordingRecord,
    SegmentRecord,
    TrailRecord,
)
from switchboard.store.schema import (
    call_identities,
    call_recordings,
    call_surveys,
    call_trail,
    calls,
    legs,
    segments,
)
from switchboard.store.statements import insert_statement

Values = tuple[object, ...]

_call_values: Final = attrgetter(*(column.name for column in calls.columns if column.name != "path"))
_leg_values: Final = attrgetter(*(name for name in LegRecord.__struct_fields__ if name != "media"))
_media_values: Final = attrgetter(*MediaRecord.__struct_fields__)
_segment_values: Final = attrgetter(*SegmentRecord.__struct_fields__)
_trail_values: Final = attrgetter(*TrailRecord.__struct_fields__)
_identity_values: Final = attrgetter(*IdentityRecord.__struct_fields__)
_recording_values: Final = attrgetter(*RecordingRecord.__struct_fields__)
_NO_MEDIA: Final = (None,) * len(MediaRecord.__struct_fields__)


class CallFilter(NamedTuple):
    """Which calls are wanted; None leaves a condition out. Times are UTC microseconds."""

    since_us: int | None = None
    until_us: int | None = None
    called: str | None = None
    caller: bytes | None = None
    """A fingerprint; with `called` too, either of them may fit."""
    flow: str | None = None
    cause: str | None = None


class CallRepository:
    """The calls that have ended, with all their parts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert_calls = insert_statement(calls, database.engine)
        self._insert_parts = [(insert_statement(part.table, database.engine), part.rows) for part in _PARTS]

    def get(self, call_id: str) -> CallRecord | None:
        """One call."""
        found = self._select(select(calls).where(calls.c.id == call_id))
        return found[0] if found else None

    def recent(self, count: int) -> list[CallRecord]:
        """The calls that began last, newest first."""
        return self.search(CallFilter(), count)

    def search(self, wanted: CallFilter, limit: int) -> list[CallRecord]:
        """The calls that fit, newest first."""
        query = select(calls)
        number = []
        if wanted.called is not None:
            number.append(calls.c.called == wanted.called)
        if wanted.caller is not None:
            number.append(calls.c.caller_fingerprint == wanted.caller)
        if number:
            query = query.where(or_(*number))
        if wanted.since_us is not None:
            query = query.where(calls.c.started_us >= wanted.since_us)
        if wanted.until_us is not None:
            query = query.where(calls.c.started_us < wanted.until_us)
        if wanted.flow is not None:
            query = query.where(calls.c.flow == wanted.flow)
        if wanted.cause is not None:
            query = query.where(calls.c.cause == wanted.cause)
        return self._select(query.order_by(calls.c.started_us.desc(), calls.c.id.desc()).limit(limit))

    def starting_with(self, text: str, limit: int) -> list[str]:
        """The ids that begin with `text`, as people copy a part of one."""
        query = select(calls.c.id).where(calls.c.id.startswith(text, autoescape=True)).order_by(calls.c.id).limit(limit)
        with self._database.reading() as connection:
            return list(connection.scalars(query))

    def count(self) -> int:
        """How many calls are stored."""
        with self._database.reading() as connection:
            return connection.scalar(select(func.count()).select_from(calls)) or 0

    def insert(self, connection: Connection, records: Sequence[CallRecord]) -> int:
        """Store those of the records whose ids are new, within the caller's transaction; returns how many.

        A call ends once: of two records with one id the first stays.
        """
        new: dict[str, CallRecord] = {}
        for record in records:
            new.setdefault(record.id, record)
        slots = ",".join("?" * len(new))
        query = f"SELECT id FROM calls WHERE id IN ({slots})"  # noqa: S608 - only question marks are put in
        for (known,) in connection.exec_driver_sql(query, tuple(new)):
            del new[known]
        if not new:
            return 0
        rows: list[Values] = [(*_call_values(record), _encode_path(record.path)) for record in new.values()]
        connection.exec_driver_sql(self._insert_calls, rows)
        for statement, rows_of in self._insert_parts:
            rows = [row for record in new.values() for row in rows_of(record)]
            if rows:
                connection.exec_driver_sql(statement, rows)
        return len(new)

    def _select(self, query: Select[Any]) -> list[CallRecord]:
        with self._database.reading() as connection:
            found = {row["id"]: _call(row) for row in connection.execute(query).mappings()}
            for part in _PARTS:
                keys = list(part.table.primary_key.columns)
                parts = select(part.table).where(part.table.c.call_id.in_(list(found))).order_by(*keys)
                for row in connection.execute(parts).mappings():
                    values = dict(row)
                    record = found[values.pop("call_id")]
                    values.pop("place", None)
                    part.take(record, values)
        return list(found.values())


def _leg_rows(record: CallRecord) -> Iterable[Values]:
    for place, leg in enumerate(record.legs):
        media = _NO_MEDIA if leg.media is None else _media_values(leg.media)
        yield record.id, place, *_leg_values(leg), *media


def _take_leg(record: CallRecord, values: dict[str, Any]) -> None:
    media = {name: values.pop(name) for name in MediaRecord.__struct_fields__}
    record.legs.append(LegRecord(**values, media=None if media["received"] is None else MediaRecord(**media)))


def _segment_rows(record: CallRecord) -> Iterable[Values]:
    return [(record.id, place, *_segment_values(segment)) for place, segment in enumerate(record.segments)]


def _take_segment(record: CallRecord, values: Mapping[str, Any]) -> None:
    record.segments.append(SegmentRecord(**values))


def _trail_rows(record: CallRecord) -> Iterable[Values]:
    return [(record.id, place, *_trail_values(entry)) for place, entry in enumerate(record.trail)]


def _take_trail(record: CallRecord, values: Mapping[str, Any]) -> None:
    record.trail.append(TrailRecord(**values))


def _identity_rows(record: CallRecord) -> Iterable[Values]:
    return () if record.identity is None else ((record.id, *_identity_values(record.identity)),)


def _take_identity(record: CallRecord, values: Mapping[str, Any]) -> None:
    record.identity = IdentityRecord(**values)


def _survey_rows(record: CallRecord) -> Iterable[Values]:
    return [(record.id, place, *answer) for place, answer in enumerate(record.survey.items())]


def _take_survey(record: CallRecord, values: Mapping[str, Any]) -> None:
    record.survey[values["question"]] = values["answer"]


def _recording_rows(record: CallRecord) -> Iterable[Values]:
    return [(record.id, place, *_recording_values(recording)) for place, recording in enumerate(record.recordings)]


def _take_recording(record: CallRecord, values: Mapping[str, Any]) -> None:
    record.recordings.append(RecordingRecord(**values))


class _Part(NamedTuple):
    """A table that holds what a call has several of, or may have."""

    table: Table
    rows: Callable[[CallRecord], Iterable[Values]]
    take: Callable[[CallRecord, dict[str, Any]], None]


_PARTS: Final = (
    _Part(legs, _leg_rows, _take_leg),
    _Part(segments, _segment_rows, _take_segment),
    _Part(call_trail, _trail_rows, _take_trail),
    _Part(call_identities, _identity_rows, _take_identity),
    _Part(call_surveys, _survey_rows, _take_survey),
    _Part(call_recordings, _recording_rows, _take_recording),
)


def _encode_path(path: list[str]) -> str:
    return msgspec.json.encode(path).decode() if path else "[]"


def _call(row: RowMapping) -> CallRecord:
    values = dict(row)
    return CallRecord(**values | {"path": msgspec.json.decode(values["path"], type=list[str])})
