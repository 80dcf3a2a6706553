"""Opening, migrating and sharing the database."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, insert, select
from sqlalchemy.exc import SQLAlchemyError

import switchboard.store.migrations
from switchboard.store.callbacks import CallbackRepository
from switchboard.store.calls import CallFilter, CallRepository
from switchboard.store.database import Database, DatabaseError, cause_of, fault_of, stored_version
from switchboard.store.records import MediaRecord
from switchboard.store.schema import HEAD, key_checks, metadata
from switchboard.store.users import UserRepository

ROW = {"purpose": "test", "key_id": 1, "digest": b"d", "created_us": 1}


def migrations() -> Config:
    """The migration tool's configuration."""
    config = Config()
    config.set_main_option("script_location", str(Path(switchboard.store.migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    return config


def shape(path: Path) -> dict[str, tuple[object, ...]]:
    """Columns, references and indexes of each table, in whatever order they were added."""
    found = {}
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            columns = connection.execute(f"PRAGMA table_info('{table}')").fetchall()
            references = connection.execute(f"PRAGMA foreign_key_list('{table}')").fetchall()
            indexes = {
                name: (*how, *(one[2] for one in connection.execute(f"PRAGMA index_info('{name}')")))
                for _, name, *how in connection.execute(f"PRAGMA index_list('{table}')").fetchall()
            }
            found[table] = ({one[1:] for one in columns}, {one[2:] for one in references}, indexes)
    return found


def test_a_new_database_is_what_the_migrations_lead_to(database: Database, tmp_path: Path) -> None:
    """It is made at once, from the schema; all migrations one after the other make the same."""
    path, config = tmp_path / "migrated.db", migrations()
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()
    assert stored_version(path) == stored_version(database.path) == HEAD
    assert shape(path) == shape(database.path)


def test_two_begin_one_database(tmp_path: Path) -> None:
    """Whoever comes second finds the tables there."""
    path = tmp_path / "test.db"
    with ThreadPoolExecutor(4) as pool:
        opened = [pool.submit(Database, path) for _ in range(4)]
    for one in opened:
        one.result().close()
    assert stored_version(path) == HEAD


def test_head_is_the_newest_migration() -> None:
    """The schema names the last migration in the directory."""
    assert ScriptDirectory.from_config(migrations()).get_heads() == [HEAD]


def test_a_database_of_version_1_keeps_its_calls(tmp_path: Path) -> None:
    """What the first version stored is read after the migration, what came later is empty."""
    path, config = tmp_path / "old.db", migrations()
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql(
            "INSERT INTO calls VALUES ('c1', 1, 'carrier', 'in', '4008001234', '', 'extension', '139****1234',"
            " x'01', x'02', 5, NULL, 9, 'caller', 'normal', 200, 16, NULL, NULL)"
        )
        connection.exec_driver_sql("INSERT INTO segments VALUES ('c1', 0, 'ivr', 5, 9, 'extension')")
    engine.dispose()
    database = Database(path)
    assert stored_version(path) == HEAD
    call = CallRepository(database).get("c1")
    assert call is not None
    assert (call.cause, call.segments[0].detail) == ("normal", "extension")
    assert (call.trail, call.identity, call.survey, call.recordings, call.path) == ([], None, {}, [], [])
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


def test_a_database_of_version_3_keeps_its_calls_and_callbacks(tmp_path: Path) -> None:
    """Talk is added up from the stretches, and a callback waits since it was asked for."""
    path, config = tmp_path / "old.db", migrations()
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        connection.exec_driver_sql(
            "INSERT INTO calls VALUES ('c1', 2, 'carrier', 'in', '4008001234', '', 'extension', '139****1234',"
            " x'01', x'02', 5, NULL, 90, 'caller', 'normal', 200, 16, NULL, NULL, '', '', '', '[]')"
        )
        for place, kind, since, until in (
            (0, "ivr", 5, 9),
            (1, "talk", 9, 40),
            (2, "hold", 40, 50),
            (3, "talk", 50, 90),
        ):
            row = ("c1", place, kind, since, until, "")
            connection.exec_driver_sql("INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?)", row)
        connection.exec_driver_sql(
            "INSERT INTO callback_requests VALUES ('r1', 'support', 77, '139****1234', x'01', x'02', 'c1', 'open',"
            " NULL, '')"
        )
    engine.dispose()
    database = Database(path)
    calls = CallRepository(database)
    assert [call.id for call in calls.search(CallFilter(min_talk_us=71), 5)] == ["c1"]
    assert calls.search(CallFilter(min_talk_us=72), 5) == []
    (request,) = CallbackRepository(database).list_requests()
    assert (request.since_us, request.attempts, request.record.priority) == (77, 0, 0)
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


def test_a_database_of_version_5_keeps_its_legs(tmp_path: Path) -> None:
    """What was counted of their audio is there; how good it was nobody knows."""
    path, config = tmp_path / "old.db", migrations()
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        connection.exec_driver_sql(
            "INSERT INTO calls (id, version, trunk, direction, called, extension, flow, caller_masked, caller_sealed,"
            " caller_fingerprint, started_us, ended_by, cause, binding, flow_version, consent, path) VALUES"
            " ('c1', 3, 'carrier', 'in', '4008001234', '', '', '', x'01', x'02', 5, '', '', '', '', '', '[]')"
        )
        for place, received in enumerate((1500, None)):
            connection.exec_driver_sql(
                "INSERT INTO legs (call_id, place, id, role, peer, invited_us, cause, codec, received, sent, lost,"
                " jitter_ms, strangers) VALUES ('c1', ?, ?, 'caller', '', 5, '', '', ?, ?, ?, ?, ?)",
                (place, f"leg-{place}", *(5 * (received,))),
            )
    engine.dispose()
    database = Database(path)
    call = CallRepository(database).get("c1")
    assert call is not None
    assert [leg.media for leg in call.legs] == [MediaRecord(1500, 1500, 1500, 1500.0, 1500), None]
    database.close()


@pytest.mark.parametrize("name", ["test.db", "new.db"])
def test_a_new_or_current_database_opens_without_alembic(database: Database, name: str) -> None:
    """Neither the first nor the second start pays for importing the migration tool."""
    program = (
        "import sys; from pathlib import Path; from switchboard.store.database import Database\n"
        f"Database(Path({str(database.path.with_name(name))!r})).close(); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_nobody_else_reads_it(database: Database) -> None:
    """The file and its write-ahead log are for the owner only."""
    with database.writing() as connection:
        connection.execute(insert(key_checks), [ROW])
        files = [path for path in database.path.parent.iterdir() if path.name.startswith(database.path.name)]
        assert len(files) == 3
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_runs_in_wal_mode_with_full_sync(database: Database) -> None:
    """Readers do not stop the writer, a commit is on disk, and references are checked."""
    with database.reading() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_a_failed_write_changes_nothing(database: Database) -> None:
    """An exception in the block takes everything back."""

    def fail() -> None:
        with database.writing() as connection:
            connection.execute(insert(key_checks), [ROW])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with database.reading() as connection:
        assert connection.execute(select(key_checks)).all() == []


def test_the_connection_used_last_is_used_next(database: Database) -> None:
    """What it has read and prepared serves on; another one, which two at once have needed, stays as it is."""
    with database.reading(), database.reading():
        pass
    used = set()
    for _ in range(6):
        with database.reading() as connection:
            used.add(id(connection.connection.dbapi_connection))
    assert len(used) == 1


def test_writers_wait_for_each_other(database: Database) -> None:
    """Two threads that read and then write never lose each other's rows."""

    def work(purpose: str) -> None:
        for _ in range(20):
            with database.writing() as connection:
                keys = connection.scalars(select(key_checks.c.key_id)).all()
                new = ROW | {"purpose": purpose, "key_id": len(keys)}
                connection.execute(insert(key_checks), [new])

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as connection:
        assert sorted(connection.scalars(select(key_checks.c.key_id))) == list(range(40))


def test_a_newer_database_is_refused(database: Database) -> None:
    """A file of a version that is not known here is left alone, with a word on what to do."""
    database.close()
    with sqlite3.connect(database.path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(DatabaseError, match=r"newer version \(schema 9999\); install"):
        Database(database.path)


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    """A file of something else is named, not overwritten."""
    path = tmp_path / "test.db"
    path.write_bytes(b"something else " * 100)
    with pytest.raises(DatabaseError, match="not a usable database"):
        Database(path)
    assert path.read_bytes().startswith(b"something else")


def damaged(database: Database) -> Path:
    """A database whose accounts cannot be read."""
    with database.writing() as connection:
        roots = (
            connection.exec_driver_sql("SELECT rootpage FROM sqlite_master WHERE tbl_name = 'users'").scalars().all()
        )
        (size,) = connection.exec_driver_sql("PRAGMA page_size").one()
    database.close()
    with database.path.open("r+b") as file:
        for root in roots:
            file.seek((root - 1) * size)
            file.write(b"\xaa" * size)
    return database.path


def test_what_is_damaged_inside_is_said_in_a_line(database: Database) -> None:
    """With what to do; the values of the statement are not in it, nor in the error that is logged."""
    path = damaged(database)
    opened = Database(path)
    with pytest.raises(SQLAlchemyError) as caught:
        UserRepository(opened).by_name("somebody")
    opened.close()
    assert fault_of(path, caught.value) == (
        f"{path}: not a usable database (database disk image is malformed); restore it from a backup,"
        " or move it away to begin a new one"
    )
    assert cause_of(caught.value) == "SQLITE_CORRUPT"
    assert "somebody" not in str(caught.value)


def test_another_writer_is_told_from_damage(database: Database) -> None:
    """Whoever waited in vain is to try again; the log gets no more than the code's name."""
    with database.writing(), pytest.raises(SQLAlchemyError) as caught, database.writing(patience=0.0):
        pytest.fail("both write")
    assert fault_of(database.path, caught.value).endswith(
        "another program has been writing to it for 30 s; try again later"
    )
    assert cause_of(caught.value) == "SQLITE_BUSY"


def test_a_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    """The error says what cannot be opened and why."""
    with pytest.raises(DatabaseError, match=r"missing/test\.db: cannot be opened .*no such file"):
        Database(tmp_path / "missing" / "test.db")


def test_an_empty_file_is_begun(tmp_path: Path) -> None:
    """A file without tables becomes a database."""
    (tmp_path / "test.db").touch()
    Database(tmp_path / "test.db").close()
    assert stored_version(tmp_path / "test.db") == HEAD
