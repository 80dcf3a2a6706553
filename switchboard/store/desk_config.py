"""Agents and groups that were set while running: they win over those of the configuration of the same name.

Each has a version that only grows, also over a removal, so that an ETag made of it never comes back. A removed one
stays as a tombstone, since the configuration may still name it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Generic, Literal, NamedTuple, TypeVar

import msgspec
import structlog
from sqlalchemy import Connection, select

from routing.acd.model import Agent, Group
from switchboard.store.database import Database
from switchboard.store.schema import desk_objects

Kind = Literal["agent", "group"]
_Value = TypeVar("_Value", bound=Agent | Group)

MAX_OBJECTS: Final = 100_000
ABSENT: Final = -1
"""The version to expect of what must not be stored, or was removed."""

_SET: Final = (
    "INSERT INTO desk_objects (kind, name, version, body, changed_us, changed_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
    " ON CONFLICT (kind, name) DO UPDATE SET version = excluded.version, body = excluded.body,"
    " changed_us = excluded.changed_us, changed_by = excluded.changed_by"
)
_log = structlog.get_logger("switchboard.store.desk_config")


class Stored(NamedTuple, Generic[_Value]):
    """A stored agent or group; `value` is None for one that was removed."""

    value: _Value | None
    version: int
    changed_us: int
    changed_by: str


class VersionError(Exception):
    """It was changed by somebody else meanwhile; `current` is its version now, 0 when it is not stored."""

    def __init__(self, current: int) -> None:
        super().__init__(f"it is at version {current}")
        self.current = current


class DeskObjects(Generic[_Value]):
    """The stored agents, or the stored groups."""

    def __init__(self, database: Database, kind: Kind, model: type[_Value]) -> None:
        self._database = database
        self._kind = kind
        self._model = model

    def all(self) -> dict[str, Stored[_Value]]:
        """By name, the removed ones too; one that cannot be read any more is left out and logged."""
        columns = desk_objects.c
        query = select(desk_objects).where(columns.kind == self._kind).order_by(columns.name)
        found: dict[str, Stored[_Value]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(query):
                stored = self._stored(row.name, row.version, row.body, row.changed_us, row.changed_by)
                if stored is not None:
                    found[row.name] = stored
        return found

    def get(self, name: str) -> Stored[_Value] | None:
        """One; None when it was never stored."""
        columns = desk_objects.c
        query = select(desk_objects).where(columns.kind == self._kind, columns.name == name)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else self._stored(name, row.version, row.body, row.changed_us, row.changed_by)

    def put(self, name: str, value: _Value, *, by: str, at_us: int, expected: int | None = None) -> int:
        """Store one; its new version. With `expected` only while it is at that version (0: not stored), or is not there
        (ABSENT): VersionError.

        Raises ValueError when there are too many.
        """
        body = msgspec.json.encode(value).decode()
        return self._set(name, body, by, at_us, expected)

    def remove(self, name: str, *, by: str, at_us: int, expected: int | None = None) -> int:
        """Remove one, from the configuration as well; the version of its tombstone. Raises VersionError."""
        return self._set(name, None, by, at_us, expected)

    def forget(self, name: str) -> bool:
        """Drop what is stored, so that the configuration counts again. The version begins anew."""
        with self._database.writing() as connection:
            statement = "DELETE FROM desk_objects WHERE kind = ? AND name = ?"
            return connection.exec_driver_sql(statement, (self._kind, name)).rowcount > 0

    def names(self, configured: Iterable[str]) -> list[str]:
        """The names of what counts, in no particular order."""
        columns = desk_objects.c
        query = select(columns.name, columns.body.is_(None)).where(columns.kind == self._kind)
        with self._database.reading() as connection:
            stored = {row[0]: not row[1] for row in connection.execute(query)}
        return [*(name for name in configured if name not in stored), *(name for name in stored if stored[name])]

    def overlay(self, configured: Mapping[str, _Value]) -> dict[str, _Value]:
        """What counts: the configured ones, with the stored ones in their place and without the removed ones."""
        found = dict(configured)
        for name, stored in self.all().items():
            if stored.value is None:
                found.pop(name, None)
            else:
                found[name] = stored.value
        return found

    def _set(self, name: str, body: str | None, by: str, at_us: int, expected: int | None) -> int:
        with self._database.writing() as connection:
            current, there = self._version(connection, name)
            if there if expected == ABSENT else expected not in (None, current):
                raise VersionError(current)
            if not current and self._count(connection) >= MAX_OBJECTS:
                raise ValueError(f"there are {MAX_OBJECTS} of them already")
            connection.exec_driver_sql(_SET, (self._kind, name, current + 1, body, at_us, by))
        return current + 1

    def _version(self, connection: Connection, name: str) -> tuple[int, bool]:
        """The version, 0 when it was never stored, and whether it is there."""
        columns = desk_objects.c
        query = select(columns.version, columns.body).where(columns.kind == self._kind, columns.name == name)
        row = connection.execute(query).first()
        return (0, False) if row is None else (row.version, row.body is not None)

    def _count(self, connection: Connection) -> int:
        (count,) = connection.exec_driver_sql("SELECT count(*) FROM desk_objects WHERE kind = ?", (self._kind,)).one()
        return int(count)

    def _stored(self, name: str, version: int, body: str | None, changed_us: int, by: str) -> Stored[_Value] | None:
        try:
            value = None if body is None else msgspec.json.decode(body, type=self._model)
        except msgspec.MsgspecError:
            _log.error("desk.object_unreadable", kind=self._kind, subject=name)
            return None
        return Stored(value, version, changed_us, by)


class DeskConfig:
    """The stored agents and groups."""

    def __init__(self, database: Database) -> None:
        self.agents = DeskObjects(database, "agent", Agent)
        self.groups = DeskObjects(database, "group", Group)
