"""Requests to be called back: as they are stored, and those that are open in the running switch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final, Literal, NamedTuple

from sqlalchemy import Connection, Select, select

from switchboard.store.database import Database
from switchboard.store.journal import Journal
from switchboard.store.records import (
    CallbackRecord,
    CallbackState,
    CallbackStateRecord,
    encode_callback,
)
from switchboard.store.schema import callback_requests
from switchboard.store.segments import Kind
from switchboard.store.statements import insert_statement

OPEN_STATES: Final = frozenset({"open", "calling"})
MAX_OPEN: Final = 100_000
"""How many requests may be open; beyond them new ones are refused."""

Key = tuple[bytes, str]

_values: Final = attrgetter(*CallbackRecord.__struct_fields__)
_CHANGE: Final = (
    "UPDATE callback_requests SET state = ?, changed_us = ?, changed_by = ?"
    " WHERE id = ? AND state IN ('open', 'calling')"
)


class Request(NamedTuple):
    """A stored request with what became of it."""

    record: CallbackRecord
    state: CallbackState
    changed_us: int | None
    changed_by: str


class CallbackRepository:
    """The requests in the database; a number has at most one open request in a group."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = insert_statement(callback_requests, database.engine).replace("INSERT", "INSERT OR IGNORE", 1)

    def insert(self, connection: Connection, records: Sequence[CallbackRecord]) -> None:
        """Store requests within the caller's transaction; known ones, and second ones of a number, are left out."""
        connection.exec_driver_sql(self._insert, [(*_values(record), "open", None, "") for record in records])

    def change(self, connection: Connection, changes: Iterable[CallbackStateRecord]) -> int:
        """Apply changes in order; returns how many changed something. What is over stays over."""
        return sum(
            connection.exec_driver_sql(_CHANGE, (change.state, change.at_us, change.by, change.id)).rowcount
            for change in changes
        )

    def list_requests(
        self, *, group: str | None = None, only_open: bool = True, limit: int = 100, offset: int = 0
    ) -> list[Request]:
        """Requests, those that wait longest first."""
        columns = callback_requests.c
        query = select(callback_requests)
        if only_open:
            query = query.where(columns.state.in_(sorted(OPEN_STATES)))
        if group is not None:
            query = query.where(columns.skill_group == group)
        return self._select(query.order_by(columns.asked_us, columns.id).limit(limit).offset(offset))

    def _select(self, query: Select[tuple[object, ...]]) -> list[Request]:
        found = []
        with self._database.reading() as connection:
            for row in connection.execute(query).mappings():
                values = dict(row)
                state, changed_us, changed_by = (values.pop(name) for name in ("state", "changed_us", "changed_by"))
                record = CallbackRecord(group=values.pop("skill_group"), **values)
                found.append(Request(record, state, changed_us, changed_by))
        return found

    def open_keys(self) -> dict[str, Key]:
        """By id, number and group of the requests that are open."""
        columns = callback_requests.c
        query = select(columns.id, columns.number_fingerprint, columns.skill_group)
        with self._database.reading() as connection:
            rows = connection.execute(query.where(columns.state.in_(sorted(OPEN_STATES))))
            return {request: (fingerprint, group) for request, fingerprint, group in rows}


class Callbacks:
    """The open requests of the running switch: kept in memory, written through the journal."""

    def __init__(self, journal: Journal, repository: CallbackRepository, unloaded: Iterable[object] = ()) -> None:
        """`unloaded` are the records of the journal that the database does not have yet."""
        self.requests = repository
        self._journal = journal
        self._keys = repository.open_keys()
        self._open = set(self._keys.values())
        for record in unloaded:
            if isinstance(record, CallbackRecord):
                self._keep(record)
            elif isinstance(record, CallbackStateRecord):
                self._change(record)

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, request: CallbackRecord) -> Literal["new", "known", "full"]:
        """Keep a request; `known` when this number waits for a call of this group already."""
        if (request.number_fingerprint, request.group) in self._open:
            return "known"
        if len(self._keys) >= MAX_OPEN:
            return "full"
        self._journal.append(Kind.CALLBACK, request.call_id, encode_callback(request))
        self._keep(request)
        return "new"

    def mark(self, request_id: str, state: CallbackState, at_us: int, by: str = "") -> bool:
        """A request went on; False when it is over, or not known."""
        change = CallbackStateRecord(id=request_id, state=state, at_us=at_us, by=by)
        if not self._change(change):
            return False
        self._journal.append(Kind.CALLBACK_STATE, request_id, encode_callback(change))
        return True

    def _keep(self, request: CallbackRecord) -> None:
        key = request.number_fingerprint, request.group
        if key not in self._open:
            self._keys[request.id] = key
            self._open.add(key)

    def _change(self, change: CallbackStateRecord) -> bool:
        if change.id not in self._keys:
            return False
        if change.state not in OPEN_STATES:
            self._open.discard(self._keys.pop(change.id))
        return True
