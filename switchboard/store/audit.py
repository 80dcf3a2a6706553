"""The audit log: who did what to what, from where, and what came of it. Telephone numbers stand in it masked."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sqlalchemy import Select, delete, func, select

from switchboard.ops.masking import clean_text
from switchboard.store.database import Database
from switchboard.store.schema import audit_log

LONGEST: Final = 500
"""Characters kept of one value."""

MAX_ROWS: Final = 5_000_000
_PIECE: Final = 1000

_APPEND: Final = (
    "INSERT INTO audit_log (at_us, who, role, address, action, subject, outcome, detail)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


class AuditEntry(NamedTuple):
    """One line: `who` is a login or a program, `subject` what it was done to, `outcome` "ok" or why not.

    `at_us` is UTC microseconds, `id` is given by the log.
    """

    at_us: int
    who: str
    role: str
    address: str
    action: str
    subject: str = ""
    outcome: str = "ok"
    detail: str = ""
    id: int = 0


class AuditFilter(NamedTuple):
    """Which lines are wanted; None leaves a condition out. `action` may end with `*`."""

    who: str | None = None
    action: str | None = None
    subject: str | None = None
    outcome: str | None = None
    since_us: int | None = None
    until_us: int | None = None


EVERYTHING: Final = AuditFilter()


class AuditLog:
    """The log in the database; lines are added and, when old, dropped, never changed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, *entries: AuditEntry) -> None:
        """Write lines; digits that may be a telephone number lose their middle."""
        rows = [(entry.at_us, *map(_safe, entry[1:-1])) for entry in entries]
        if rows:
            with self._database.writing() as connection:
                connection.exec_driver_sql(_APPEND, rows)

    def page(
        self, wanted: AuditFilter = EVERYTHING, *, before: int | None = None, limit: int = 100
    ) -> list[AuditEntry]:
        """Lines that fit, newest first; `before` is the `id` of the last one of the page before."""
        with self._database.reading() as connection:
            return [AuditEntry._make(row) for row in connection.execute(page_query(wanted, before, limit))]

    def prune(self, before_us: int, keep: int = MAX_ROWS) -> int:
        """Drop lines older than a time, and beyond the newest `keep`; by small transactions. How many."""
        columns = audit_log.c
        with self._database.reading() as connection:
            newest = connection.scalar(select(func.max(columns.id))) or 0
        total = 0
        for old in (columns.id <= newest - keep, columns.at_us < before_us):
            while True:
                piece = select(columns.id).where(old).limit(_PIECE)
                with self._database.writing() as connection:
                    count = connection.execute(delete(audit_log).where(columns.id.in_(piece))).rowcount
                total += count
                if count < _PIECE:
                    break
        return total


def page_query(wanted: AuditFilter, before: int | None, limit: int) -> Select[Any]:
    """The query of a page."""
    columns = audit_log.c
    query = select(*(columns[name] for name in AuditEntry._fields))
    for name in ("who", "subject", "outcome"):
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(columns[name] == _safe(value))
    if wanted.action is not None:
        start, star, _ = wanted.action.partition("*")
        # A range, which the index serves; LIKE would not use it.
        fits = columns.action.between(start, start + "\U0010ffff") if star else columns.action == start
        query = query.where(fits)
    if wanted.since_us is not None:
        query = query.where(columns.at_us >= wanted.since_us)
    if wanted.until_us is not None:
        query = query.where(columns.at_us < wanted.until_us)
    if before is not None:
        query = query.where(columns.id < before)
    return query.order_by(columns.id.desc()).limit(limit)


def _safe(text: str) -> str:
    return clean_text(text)[:LONGEST]
