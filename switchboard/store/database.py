"""The database: SQLite in WAL mode behind SQLAlchemy, brought to the newest version when it is opened."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from switchboard.store.schema import HEAD, metadata

BUSY_SECONDS: Final = 30.0
"""How long a writer waits for another one, such as an import of 200,000 rows."""
WIDE_CACHE_KIB: Final = 64 * 1024

_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    # FULL: a committed journal position lets segments be deleted, so it must survive loss of power.
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA secure_delete=ON",
    f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}",
)
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_WRITES: Final = "switchboard_writes"
_PATIENCE: Final = "switchboard_patience"
_VERSIONED: Final = "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version' AND type = 'table'"
# As the migration tool makes it.
_VERSIONS: Final = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"
    " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)


def _as_it_is(value: bytes | None) -> bytes | None:
    return value


# Of what is neither number nor text the driver asks how to adapt it, and an exception says each time that nothing does.
sqlite3.register_adapter(bytes, _as_it_is)
sqlite3.register_adapter(type(None), _as_it_is)


class DatabaseError(Exception):
    """The database cannot be used; one line that says why and what to do."""


class Database:
    """A database file, at the newest version; safe from several threads, one of them writing at a time."""

    def __init__(self, path: Path) -> None:
        """Open or create it, and migrate it; raises `DatabaseError`."""
        self.path = path
        stored = stored_version(path)
        _create(path)
        self.engine = _engine(path)
        if stored is None:
            self._begin()
        elif stored != HEAD:
            self._migrate(stored)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection with one consistent view."""
        with self.engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self, patience: float = BUSY_SECONDS) -> Iterator[Connection]:
        """A connection that holds the write lock from the start; commits at the end, or changes nothing.

        Raises OperationalError when another writer has the lock for longer than `patience`, see `is_busy`.
        """
        options = {_WRITES: True, _PATIENCE: patience}
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _begin(self) -> None:
        """Make all tables at once, unless somebody else has just done so."""
        with self.writing() as connection:
            if not connection.exec_driver_sql(_VERSIONED).first():
                metadata.create_all(connection, checkfirst=False)
                connection.exec_driver_sql(_VERSIONS)
                connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (HEAD,))

    def _migrate(self, stored: str) -> None:
        # Alembic takes 0.2 s to import, so only a database of an older version pays for it.
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
        config.set_main_option("path_separator", "os")
        try:
            with self.writing() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except CommandError:
            self.close()
            raise DatabaseError(
                f"{self.path}: written by a newer version (schema {stored}); install that version again"
            ) from None


def is_busy(error: Exception) -> bool:
    """Whether another writer was not done in time."""
    return _code(getattr(error, "orig", None)) == sqlite3.SQLITE_BUSY


def cause_of(error: Exception) -> str:
    """The name of SQLite's result code for logs, such as SQLITE_FULL: its text might quote what is somebody's."""
    return getattr(getattr(error, "orig", None), "sqlite_errorname", None) or type(error).__name__


def fault_of(path: Path, error: Exception) -> str:
    """One line for whoever operates the switch: what is wrong with the database at `path`, and what to do."""
    if is_busy(error):
        return f"{path}: another program has been writing to it for {BUSY_SECONDS:.0f} s; try again later"
    cause = getattr(error, "orig", None) or error
    if _code(cause) in _DAMAGED:
        return f"{path}: not a usable database ({cause}); restore it from a backup, or move it away to begin a new one"
    return f"{path}: {cause}"


def _code(cause: object) -> int | None:
    """The primary result code of SQLite, which is the lowest octet of each extended one."""
    code = getattr(cause, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


@contextlib.contextmanager
def wide_cache(connection: Connection) -> Iterator[None]:
    """Give a connection room for a large import: without it pages go to the log again and again."""
    (usual,) = connection.exec_driver_sql("PRAGMA cache_size").one()
    connection.exec_driver_sql(f"PRAGMA cache_size = -{WIDE_CACHE_KIB}")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA cache_size = {usual}")


def _create(path: Path) -> None:
    """Make the file before SQLite does, since its journals get the mode of the file."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DatabaseError(f"{path}: cannot be opened for writing ({reason})") from None


def stored_version(path: Path) -> str | None:
    """The migration a database file is at; None for a file that is missing, empty or without tables."""
    if not path.exists():
        return None
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
            found = connection.execute(_VERSIONED).fetchone()
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if found else None
    except sqlite3.DatabaseError as error:
        raise DatabaseError(fault_of(path, error)) from None
    return str(row[0]) if row else None


def _engine(path: Path) -> Engine:
    # The connection used last is used next: what it has read and prepared would fill each of five, one after another.
    # Errors go into logs, and a statement's values may be somebody's number: they are left out.
    engine = create_engine(
        f"sqlite:///{path}", connect_args={"check_same_thread": False}, pool_use_lifo=True, hide_parameters=True
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        # The driver would begin transactions of its own accord; here SQLAlchemy's begin event does.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        options = connection.get_execution_options()
        patience = options.get(_PATIENCE, BUSY_SECONDS)
        if patience == BUSY_SECONDS:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get(_WRITES) else "BEGIN")
            return
        connection.exec_driver_sql(f"PRAGMA busy_timeout={int(patience * 1000)}")
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        finally:
            connection.exec_driver_sql(_PRAGMAS[-1])

    return engine
