"""The stored calls: written from the journal, read by whoever shows them."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Final

from sqlalchemy import Connection, RowMapping, func, select

from switchboard.store.database import Database
from switchboard.store.records import CallRecord, LegRecord, MediaRecord, SegmentRecord
from switchboard.store.schema import calls, legs, segments
from switchboard.store.statements import insert_statement

_call_values: Final = attrgetter(*(column.name for column in calls.columns))
_leg_values: Final = attrgetter(*(name for name in LegRecord.__struct_fields__ if name != "media"))
_media_values: Final = attrgetter(*MediaRecord.__struct_fields__)
_segment_values: Final = attrgetter(*SegmentRecord.__struct_fields__)
_NO_MEDIA: Final = (None,) * len(MediaRecord.__struct_fields__)


class CallRepository:
    """The calls that have ended, with their legs and segments."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._inserts = [insert_statement(table, database.engine) for table in (calls, legs, segments)]

    def get(self, call_id: str) -> CallRecord | None:
        """One call."""
        found = self._select(call_id, limit=1)
        return found[0] if found else None

    def recent(self, count: int) -> list[CallRecord]:
        """The calls that began last, newest first."""
        return self._select(None, limit=count)

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
        leg_rows: list[tuple[object, ...]] = []
        segment_rows: list[tuple[object, ...]] = []
        for record in new.values():
            for place, leg in enumerate(record.legs):
                media = _NO_MEDIA if leg.media is None else _media_values(leg.media)
                leg_rows.append((record.id, place, *_leg_values(leg), *media))
            for place, segment in enumerate(record.segments):
                segment_rows.append((record.id, place, *_segment_values(segment)))
        call_rows = [_call_values(record) for record in new.values()]
        for statement, rows in zip(self._inserts, (call_rows, leg_rows, segment_rows), strict=True):
            if rows:
                connection.exec_driver_sql(statement, rows)
        return len(new)

    def _select(self, call_id: str | None, limit: int) -> list[CallRecord]:
        query = select(calls).order_by(calls.c.started_us.desc(), calls.c.id.desc()).limit(limit)
        if call_id is not None:
            query = query.where(calls.c.id == call_id)
        with self._database.reading() as connection:
            found = {row["id"]: _call(row) for row in connection.execute(query).mappings()}
            for table in (legs, segments):
                parts = select(table).where(table.c.call_id.in_(list(found))).order_by(table.c.place)
                for row in connection.execute(parts).mappings():
                    record = found[row["call_id"]]
                    if table is legs:
                        record.legs.append(_leg(row))
                    else:
                        record.segments.append(_segment(row))
        return list(found.values())


def _call(row: RowMapping) -> CallRecord:
    return CallRecord(**dict(row))


def _leg(row: RowMapping) -> LegRecord:
    values = dict(row)
    del values["call_id"], values["place"]
    media = {name: values.pop(name) for name in MediaRecord.__struct_fields__}
    return LegRecord(**values, media=None if media["received"] is None else MediaRecord(**media))


def _segment(row: RowMapping) -> SegmentRecord:
    values = dict(row)
    del values["call_id"], values["place"]
    return SegmentRecord(**values)
