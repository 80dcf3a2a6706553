"""The stored calls: written from the journal, read by whoever shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, func, literal, or_, select, tuple_

from switchboard.store.call_parts import PARTS, Values, agent_parts, talk_us
from switchboard.store.database import Database
from switchboard.store.records import CallRecord, Direction
from switchboard.store.schema import call_agents, calls
from switchboard.store.statements import insert_statement

# Columns that are called otherwise than their fields, and those that are made of several fields.
_GROUP: Final = "skill_group"
_MADE: Final = ("path", "talk_us")
# One text for any number of ids: the driver keeps each text that it has prepared.
_KNOWN: Final = "SELECT id FROM calls WHERE id IN (SELECT value FROM json_each(?))"
_call_values: Final = attrgetter(
    *("group" if column.name == _GROUP else column.name for column in calls.columns if column.name not in _MADE)
)


class Cursor(NamedTuple):
    """The last call of a page: the next page begins behind it."""

    started_us: int
    id: str


class CallFilter(NamedTuple):
    """Which calls are wanted; None leaves a condition out. Times are UTC microseconds."""

    since_us: int | None = None
    until_us: int | None = None
    called: str | None = None
    caller: bytes | None = None
    """A fingerprint."""
    flow: str | None = None
    cause: str | None = None
    agent: str | None = None
    """One of those who answered."""
    group: str | None = None
    """The last group the caller waited for."""
    direction: Direction | None = None
    trunk: str | None = None
    min_talk_us: int | None = None
    """With `agent` it is that agent's own part that counts."""
    answered: bool | None = None
    """Whether anybody talked with the caller."""
    either: tuple[str, bytes] | None = None
    """A called number or a caller's fingerprint, whichever fits."""


class CallRepository:
    """The calls that have ended, with all their parts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert_calls = insert_statement(calls, database.engine)
        self._insert_agents = insert_statement(call_agents, database.engine)
        self._insert_parts = [(insert_statement(part.table, database.engine), part.rows) for part in PARTS]

    def get(self, call_id: str) -> CallRecord | None:
        """One call."""
        found = self.select(select(calls).where(calls.c.id == call_id))
        return found[0] if found else None

    def recent(self, count: int) -> list[CallRecord]:
        """The calls that began last, newest first."""
        return self.search(CallFilter(), count)

    def search(self, wanted: CallFilter, limit: int, after: Cursor | None = None) -> list[CallRecord]:
        """The calls that fit, newest first; `after` is the last call of the page before."""
        return self.select(search_query(wanted, limit, after))

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
        for (known,) in connection.exec_driver_sql(_KNOWN, (msgspec.json.encode(list(new)).decode(),)):
            del new[known]
        if not new:
            return 0
        rows: list[Values] = [
            (*_call_values(record), _encode_path(record.path), talk_us(record)) for record in new.values()
        ]
        connection.exec_driver_sql(self._insert_calls, rows)
        for statement, rows_of in (*self._insert_parts, (self._insert_agents, agent_parts)):
            rows = [row for record in new.values() for row in rows_of(record)]
            if rows:
                connection.exec_driver_sql(statement, rows)
        return len(new)

    def select(self, query: Select[Any]) -> list[CallRecord]:
        """The calls of a query that gives the columns of `calls`, in its order."""
        with self._database.reading() as connection:
            found = {row["id"]: _call(row) for row in connection.execute(query).mappings()}
            for part in PARTS:
                keys = list(part.table.primary_key.columns)
                parts = select(part.table).where(part.table.c.call_id.in_(list(found))).order_by(*keys)
                for row in connection.execute(parts).mappings():
                    values = dict(row)
                    record = found[values.pop("call_id")]
                    values.pop("place", None)
                    part.take(record, values)
        return list(found.values())


def search_query(wanted: CallFilter, limit: int, after: Cursor | None = None) -> Select[Any]:
    """The query of a search. An agent's calls are read along `call_agents`, others along an index of `calls`."""
    query = select(calls)
    place, talked = (calls.c.started_us, calls.c.id), calls.c.talk_us
    if wanted.agent is not None:
        own = call_agents.c
        query = query.join(call_agents, own.call_id == calls.c.id).where(own.agent == wanted.agent)
        place, talked = (own.started_us, own.call_id), own.talk_us
    query = query.where(*_conditions(wanted, place[0], talked))
    if after is not None:
        query = query.where(tuple_(*place) < tuple_(literal(after.started_us), literal(after.id)))
    return query.order_by(*(column.desc() for column in place)).limit(limit)


def _conditions(
    wanted: CallFilter, started_us: ColumnElement[int], talked: ColumnElement[int]
) -> Iterable[ColumnElement[bool]]:
    for column, value in (
        (calls.c.called, wanted.called),
        (calls.c.caller_fingerprint, wanted.caller),
        (calls.c.flow, wanted.flow),
        (calls.c.cause, wanted.cause),
        (calls.c.skill_group, wanted.group),
        (calls.c.direction, wanted.direction),
        (calls.c.trunk, wanted.trunk),
    ):
        if value is not None:
            yield column == value
    if wanted.since_us is not None:
        yield started_us >= wanted.since_us
    if wanted.until_us is not None:
        yield started_us < wanted.until_us
    if wanted.min_talk_us is not None:
        yield talked >= wanted.min_talk_us
    if wanted.answered is not None:
        yield talked > 0 if wanted.answered else talked == 0
    if wanted.either is not None:
        called, caller = wanted.either
        yield or_(calls.c.called == called, calls.c.caller_fingerprint == caller)


def _encode_path(path: list[str]) -> str:
    return msgspec.json.encode(path).decode() if path else "[]"


def _call(row: RowMapping) -> CallRecord:
    values = dict(row)
    del values["talk_us"]
    path = msgspec.json.decode(values.pop("path"), type=list[str])
    return CallRecord(group=values.pop(_GROUP), path=path, **values)
