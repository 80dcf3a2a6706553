"""The log of changes of masks: who did what when. Numbers stand in it as a few octets of their fingerprint."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from sqlalchemy import Connection, select

from switchboard.store.database import Database
from switchboard.store.mask_rows import LineRow, MaskRow, Row
from switchboard.store.schema import mask_log

PRINTED: Final = 4
"""Octets of a fingerprint that are shown: enough to see whether two are the same person."""

_APPEND: Final = "INSERT INTO mask_log (at_us, who, action, binding, detail, reason) VALUES (?, ?, ?, ?, ?, ?)"


class Change(NamedTuple):
    """One line of the log; `binding` is empty for what concerns no single one."""

    at_us: int
    who: str
    action: str
    binding: str
    detail: str
    reason: str


def append_changes(connection: Connection, changes: Iterable[Change]) -> None:
    """Write lines within the caller's transaction."""
    if rows := list(changes):
        connection.exec_driver_sql(_APPEND, rows)


def note(database: Database, change: Change) -> None:
    """Write one line now."""
    with database.writing() as connection:
        append_changes(connection, [change])


def changes(database: Database, *, binding: str | None = None, action: str | None = None, limit: int) -> list[Change]:
    """The last changes, newest first."""
    columns = mask_log.c
    query = select(columns.at_us, columns.who, columns.action, columns.binding, columns.detail, columns.reason)
    if binding is not None:
        query = query.where(columns.binding == binding)
    if action is not None:
        query = query.where(columns.action == action)
    with database.reading() as connection:
        return [Change._make(row) for row in connection.execute(query.order_by(columns.id.desc()).limit(limit))]


def printed(fingerprint: bytes | None) -> str:
    """A person in the log."""
    return f"#{(fingerprint or b'')[:PRINTED].hex()}"


def detail_of(row: Row) -> str:
    """What a binding is, without a number."""
    if isinstance(row, MaskRow):
        where = f"number {printed(row.fingerprint)} by {row.trunk}" if row.kind == "number" else row.target
        if row.kind == "aor":
            where = f"aor:{where}"
    else:
        where = _line(row)
    return where + (f" {row.policy}" if row.policy else "") + (", disabled" if row.disabled else "")


def _line(row: LineRow) -> str:
    words = [row.kind, row.target or printed(row.a_fingerprint) if row.target or row.a_sealed else ""]
    words.append(printed(row.b_fingerprint) if row.b_sealed else "")
    words.append(f"group {row.group}" if row.group else "")
    return " ".join(word for word in words if word)
