"""Requests to be called back: as they are stored, and those that are open in the running switch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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

OUTCOME_STATES: Final[Mapping[str, CallbackState]] = {
    "reached": "done",
    "attempts": "failed",
    "expired": "failed",
    "failed": "failed",
    "withdrawn": "cancelled",
    "replaced": "cancelled",
}
"""The state a request comes to by what the queue engine says of its end."""

Key = tuple[bytes, str]

_ASKED: Final = ("number_masked", "number_sealed", "number_fingerprint", "call_id")
_PLACE: Final = ("priority", "vip", "requirement")
_asked: Final = attrgetter("id", "group", "asked_us", *_ASKED)
_place: Final = attrgetter(*_PLACE)
_CHANGE: Final = (
    "UPDATE callback_requests SET state = ?1, changed_us = ?2, changed_by = ?3, reason = ?4,"
    " attempts = COALESCE(?5, attempts), last_call_id = CASE ?6 WHEN '' THEN last_call_id ELSE ?6 END"
    " WHERE id = ?7 AND state IN ('open', 'calling')"
)


class Request(NamedTuple):
    """A stored request with what became of it."""

    record: CallbackRecord
    state: CallbackState = "open"
    changed_us: int | None = None
    changed_by: str = ""
    attempts: int = 0
    reason: str = ""
    last_call_id: str = ""

    @property
    def since_us(self) -> int:
        """Since when the person waits."""
        return self.record.since_us or self.record.asked_us

    def changed(self, change: CallbackStateRecord) -> Request:
        """The request after a change."""
        return self._replace(
            state=change.state,
            changed_us=change.at_us,
            changed_by=change.by,
            attempts=self.attempts if change.attempts is None else change.attempts,
            reason=change.reason,
            last_call_id=change.call_id or self.last_call_id,
        )


class CallbackRepository:
    """The requests in the database; a number has at most one open request in a group."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = insert_statement(callback_requests, database.engine).replace("INSERT", "INSERT OR IGNORE", 1)

    def insert(self, connection: Connection, records: Sequence[CallbackRecord]) -> None:
        """Store requests within the caller's transaction; known ones, and second ones of a number, are left out."""
        connection.exec_driver_sql(self._insert, [_row(record) for record in records])

    def change(self, connection: Connection, changes: Iterable[CallbackStateRecord]) -> int:
        """Apply changes in order; returns how many changed something. What is over stays over."""
        return sum(
            connection.exec_driver_sql(
                _CHANGE,
                (change.state, change.at_us, change.by, change.reason, change.attempts, change.call_id, change.id),
            ).rowcount
            for change in changes
        )

    def list_requests(
        self,
        *,
        group: str | None = None,
        fingerprint: bytes | None = None,
        only_open: bool = True,
        after: tuple[int, str] | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Request]:
        """Requests by when they were asked for; `after` is (asked_us, id) of the last one of the page before."""
        columns = callback_requests.c
        query = select(callback_requests)
        if only_open:
            query = query.where(columns.state.in_(sorted(OPEN_STATES)))
        if group is not None:
            query = query.where(columns.skill_group == group)
        if fingerprint is not None:
            query = query.where(columns.number_fingerprint == fingerprint)
        if after is not None:
            asked_us, request_id = after
            later = (columns.asked_us > asked_us) | ((columns.asked_us == asked_us) & (columns.id > request_id))
            query = query.where(columns.asked_us >= asked_us, later)
        return self._select(query.order_by(columns.asked_us, columns.id).limit(limit).offset(offset))

    def get(self, request_id: str) -> Request | None:
        """One request, whatever became of it."""
        found = self._select(select(callback_requests).where(callback_requests.c.id == request_id))
        return found[0] if found else None

    def _select(self, query: Select[tuple[object, ...]]) -> list[Request]:
        found = []
        with self._database.reading() as connection:
            for row in connection.execute(query).mappings():
                names = ("id", "asked_us", "since_us", *_ASKED, *_PLACE)
                record = CallbackRecord(group=row["skill_group"], **{name: row[name] for name in names})
                found.append(Request(record, **{name: row[name] for name in Request._fields[1:]}))
        return found


class Callbacks:
    """The open requests of the running switch: kept in memory, written through the journal."""

    def __init__(self, journal: Journal, repository: CallbackRepository, unloaded: Iterable[object] = ()) -> None:
        """`unloaded` are the records of the journal that the database does not have yet."""
        self.requests = repository
        self._journal = journal
        self._open: dict[str, Request] = {}
        self._ids: dict[Key, str] = {}
        for request in repository.list_requests(limit=MAX_OPEN):
            self._keep(request)
        for record in unloaded:
            if isinstance(record, CallbackRecord):
                self._keep(Request(record))
            elif isinstance(record, CallbackStateRecord):
                self._change(record)

    def __len__(self) -> int:
        return len(self._open)

    def open_requests(self) -> list[Request]:
        """All that are open, those that wait longest first; one in state `calling` lost its attempt at a restart."""
        return sorted(self._open.values(), key=lambda request: (request.since_us, request.record.id))

    def get(self, request_id: str) -> Request | None:
        """An open request."""
        return self._open.get(request_id)

    def find(self, fingerprint: bytes, group: str) -> Request | None:
        """The open request of a number in a group."""
        found = self._ids.get((fingerprint, group))
        return None if found is None else self._open[found]

    def add(self, request: CallbackRecord) -> Literal["new", "known", "full"]:
        """Keep a request; `known` when this number waits for a call of this group already."""
        if (request.number_fingerprint, request.group) in self._ids:
            return "known"
        if len(self._open) >= MAX_OPEN:
            return "full"
        self._journal.append(Kind.CALLBACK, request.call_id, encode_callback(request))
        self._keep(Request(request))
        return "new"

    def mark(
        self,
        request_id: str,
        state: CallbackState,
        at_us: int,
        by: str = "",
        *,
        reason: str = "",
        attempts: int | None = None,
        call_id: str = "",
    ) -> bool:
        """A request went on; False when it is over, or not known.

        An attempt is `calling` with its number and the call made for it, a vain one makes it `open` again.
        """
        change = CallbackStateRecord(
            id=request_id, state=state, at_us=at_us, by=by, reason=reason, attempts=attempts, call_id=call_id
        )
        if not self._change(change):
            return False
        self._journal.append(Kind.CALLBACK_STATE, request_id, encode_callback(change))
        return True

    def _keep(self, request: Request) -> None:
        record = request.record
        key = record.number_fingerprint, record.group
        if key not in self._ids:
            self._open[record.id] = request
            self._ids[key] = record.id

    def _change(self, change: CallbackStateRecord) -> bool:
        request = self._open.get(change.id)
        if request is None:
            return False
        if change.state in OPEN_STATES:
            self._open[change.id] = request.changed(change)
        else:
            del self._open[change.id], self._ids[request.record.number_fingerprint, request.record.group]
        return True


def _row(record: CallbackRecord) -> tuple[object, ...]:
    since_us = record.since_us or record.asked_us
    return *_asked(record), "open", None, "", since_us, *_place(record), 0, "", ""
