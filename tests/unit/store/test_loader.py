"""From the journal into the database: every ended call exactly once, whatever happens in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Connection, event
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from switchboard.store import loader as loader_module
from switchboard.store.calls import CallRepository
from switchboard.store.database import Database
from switchboard.store.journal import Journal
from switchboard.store.loader import Loader
from switchboard.store.recordings import RecordingRepository
from switchboard.store.records import RecordingLength, encode_length, encode_record
from switchboard.store.recovery import open_calls
from switchboard.store.segments import Kind, segment_path, segment_paths
from tests.support.records import call_record

ROOT = Path(__file__).parents[3]


def end(journal: Journal, *numbers: int, kind: int = Kind.ENDED) -> None:
    """Journal calls."""
    for number in numbers:
        record = call_record(number)
        journal.append(kind, record.id, encode_record(record))


def loader_of(journal: Journal, database: Database, **settings: float) -> Loader:
    """A loader that is not started; flush() drives it."""
    return Loader(
        journal.directory,
        database,
        durable=lambda: journal.durable_segment,
        **settings,  # type: ignore[arg-type]
    )


def stored(database: Database) -> list[int]:
    """The numbers of the calls in the database, oldest first."""
    return [int(record.id[-12:]) for record in reversed(CallRepository(database).recent(100_000))]


def test_loads_ended_calls_with_all_they_have(journal: Journal, database: Database) -> None:
    """Legs, media and segments come out of the database as they were journaled."""
    end(journal, 1, 2)
    end(journal, 3, kind=Kind.OPENED)
    loader_of(journal, database).flush()
    calls = CallRepository(database)
    assert calls.get(call_record(2).id) == call_record(2)
    assert calls.get(call_record(3).id) is None
    assert calls.recent(10) == [call_record(2), call_record(1)]
    assert calls.recent(1) == [call_record(2)]
    assert calls.count() == 2


def test_the_length_of_a_recording_comes_after_its_call(journal: Journal, database: Database) -> None:
    """In the same batch as the call or a later one; of a call that is not there it changes nothing."""
    loader = loader_of(journal, database)
    known = [call_record(number).recordings[0] for number in (1, 2)]
    assert known[0].id != known[1].id
    end(journal, 1)
    journal.append(Kind.RECORDING, "", encode_length(RecordingLength(id=known[0].id, seconds=12.5)))
    journal.append(Kind.RECORDING, "", encode_length(RecordingLength(id=known[1].id, seconds=9.0)))
    loader.flush()
    end(journal, 2)
    loader.flush()
    found = RecordingRepository(database)

    def seconds() -> list[float]:
        return [one.record.seconds for recording in known if (one := found.get(recording.id)) is not None]

    assert seconds() == [12.5, known[1].seconds]
    journal.append(Kind.RECORDING, "", encode_length(RecordingLength(id=known[1].id, seconds=7.25)))
    loader.flush()
    assert seconds() == [12.5, 7.25]


def test_goes_on_where_it_was(journal: Journal, database: Database) -> None:
    """What was loaded is not read again, in the same loader or a later one."""
    loader = loader_of(journal, database)
    end(journal, 1)
    loader.flush()
    end(journal, 2)
    loader.flush()
    later = loader_of(journal, database)
    assert later.position == loader.position
    end(journal, 3)
    later.flush()
    assert stored(database) == [1, 2, 3]
    assert (loader.counts()["loaded"], loader.counts()["repeated"]) == (2, 0)
    assert (later.counts()["loaded"], later.counts()["repeated"]) == (1, 0)


def test_whoever_reads_next_has_it_caught_up(journal: Journal, database: Database) -> None:
    """At once; those who ask often are content with what was a moment ago."""
    loader = loader_of(journal, database)
    end(journal, 1)
    loader.catch_up(age=60.0)
    end(journal, 2)
    loader.catch_up(age=60.0)
    assert stored(database) == [1]
    loader.catch_up()
    assert stored(database) == [1, 2]


def test_a_slow_load_is_not_waited_for(journal: Journal, database: Database) -> None:
    """Whoever reads tells what is there, while another thread is at it."""
    loader = loader_of(journal, database)
    end(journal, 1)
    with loader._loading:
        loader.catch_up(0.01)
    assert stored(database) == []


def test_another_writer_is_not_waited_for(journal: Journal, database: Database) -> None:
    """An import may take long: whoever reads is told what is there, and the loader has not failed."""
    loader = loader_of(journal, database)
    end(journal, 1)
    with database.writing():
        loader.catch_up(0.01)
        assert stored(database) == []
    assert loader.counts()["failed"] == 0
    loader.catch_up(age=60.0)
    assert stored(database) == [1]


def test_patience_is_of_one_transaction_only(database: Database) -> None:
    """The next writer of the same connection waits as long as all do."""
    with database.writing(0.5) as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000


def test_a_call_met_twice_is_stored_once(journal: Journal, database: Database) -> None:
    """Of two records with one id the first stays, in one batch and across batches."""
    loader = loader_of(journal, database)
    end(journal, 1, 1)
    changed = call_record(1)
    changed.cause = "other"
    journal.append(Kind.ENDED, changed.id, encode_record(changed))
    loader.flush()
    end(journal, 1, 2)
    loader.flush()
    assert CallRepository(database).get(call_record(1).id) == call_record(1)
    assert stored(database) == [1, 2]
    assert loader.counts()["repeated"] == 3


@pytest.mark.parametrize("step", ["insert", "position", "commit"])
def test_a_crash_between_insert_and_position(
    journal: Journal, database: Database, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whichever step of a batch is not reached, nothing of it is stored and all of it is loaded afterwards."""

    class CrashError(Exception):
        """Ends the batch as a kill would."""

    def crash(*arguments: object) -> None:
        raise CrashError

    loader = loader_of(journal, database)
    end(journal, 1)
    loader.flush()
    end(journal, 2, 3)
    with monkeypatch.context() as patch:
        if step == "insert":
            patch.setattr(loader._intake.calls, "insert", crash)
        elif step == "position":
            patch.setattr(loader, "_remember", crash)
        else:
            patch.setattr(Connection, "_commit_impl", crash)
        with pytest.raises(CrashError):
            loader.flush()
    assert stored(database) == [1]
    restarted = loader_of(journal, database)
    restarted.flush()
    assert stored(database) == [1, 2, 3]
    assert restarted.counts()["loaded"] == 2


def test_small_batches_load_the_same(journal: Journal, database: Database) -> None:
    """Batches that cut records, and records larger than a batch, load everything."""
    end(journal, *range(50))
    loader_of(journal, database, batch_bytes=100).flush()
    assert stored(database) == list(range(50))


def test_finished_segments_go(tmp_path: Path, database: Database) -> None:
    """A segment that is loaded goes when the head of a later one is on disk, not before."""
    journal = Journal(tmp_path / "journal", segment_bytes=3000, sync_seconds=3600.0)
    loader = loader_of(journal, database)
    journal.append(Kind.OPENED, "open", b"snapshot")
    for number in range(0, 50, 10):
        end(journal, *range(number, number + 10))
        journal.sync()
    journal._durable, durable = 0, journal.durable_segment
    loader.flush()
    assert len(segment_paths(journal.directory)) == 6
    journal._durable = durable
    loader.flush()
    assert segment_paths(journal.directory) == [segment_path(journal.directory, journal.current_segment)]
    assert stored(database) == list(range(50))
    assert [entry.call_id for entry in open_calls(journal.directory)] == ["open"]
    journal.close()


def test_a_torn_segment_is_reported_and_passed(tmp_path: Path, database: Database) -> None:
    """Bytes that a kill left half written are said and do not stop the loader."""
    journal = Journal(tmp_path / "journal")
    end(journal, 1)
    journal.close()
    with segment_paths(journal.directory)[0].open("ab") as file:
        file.write(b"\x50\x00\x00\x00torn")
    journal = Journal(tmp_path / "journal")
    end(journal, 2)
    loader = loader_of(journal, database)
    with capture_logs() as logs:
        loader.flush()
    assert stored(database) == [1, 2]
    assert loader.counts()["torn_bytes"] == 8
    assert [line["event"] for line in logs] == ["loader.torn_segment"]
    journal.close()


def test_a_record_that_cannot_be_read_is_reported_and_passed(journal: Journal, database: Database) -> None:
    """A payload that is no record does not stop the calls behind it."""
    journal.append(Kind.ENDED, "strange", b"\x01")
    end(journal, 1)
    loader = loader_of(journal, database)
    with capture_logs() as logs:
        loader.flush()
    assert stored(database) == [1]
    assert loader.counts()["unreadable"] == 1
    assert logs == [{"event": "loader.record_unreadable", "call": "strange", "log_level": "error"}]


def test_a_new_journal_after_an_old_position(tmp_path: Path, database: Database) -> None:
    """When the journal was taken away, the loader reads the next one from its beginning."""
    journal = Journal(tmp_path / "journal")
    end(journal, 1)
    loader_of(journal, database).flush()
    journal.close()
    for path in segment_paths(journal.directory):
        path.unlink()
    journal = Journal(tmp_path / "journal")
    end(journal, 2)
    loader_of(journal, database).flush()
    assert stored(database) == [1, 2]
    journal.close()


def test_an_empty_directory_is_nothing_to_do(tmp_path: Path, database: Database) -> None:
    """Without a journal flush() returns."""
    loader = Loader(tmp_path / "nothing", database, durable=lambda: 0)
    loader.flush()
    assert loader.position == (0, 0)


def test_the_thread_survives_a_failing_database(
    journal: Journal, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure is logged once a minute without values, and the batch is loaded when the database is back."""
    monkeypatch.setattr(loader_module, "RETRY_SECONDS", 0.0)
    loader = loader_of(journal, database, poll_seconds=0.0)
    insert, calls, faults = loader._intake.calls.insert, list[int](), list[str]()

    def failing(connection: Connection, records: object) -> int:
        calls.append(1)
        if len(calls) < 4:
            faults.append(loader.fault)
            raise OperationalError("INSERT 13956781234", {}, Exception("13956781234"))
        loader._stopping.set()
        return insert(connection, records)  # type: ignore[arg-type]

    monkeypatch.setattr(loader._intake.calls, "insert", failing)
    end(journal, 1)
    with capture_logs() as logs:
        loader.start()
        assert loader._thread is not None
        loader._thread.join(20)
        loader.close()
    assert stored(database) == [1]
    assert loader.counts()["failed"] == 3
    assert (faults, loader.fault) == (["", "OperationalError", "OperationalError"], ""), "so long as it lasts"
    assert [line["event"] for line in logs] == ["loader.failed"]
    assert "13956781234" not in str(logs)


def test_closing_a_loader_that_was_not_started(journal: Journal, database: Database) -> None:
    """close() without start() has nothing to wait for."""
    loader_of(journal, database).close()


def test_kill_9_while_loading(tmp_path: Path) -> None:
    """A process killed while it writes and loads leaves every call to be found exactly once."""
    directory = tmp_path / "journal"
    database = Database(tmp_path / "calls.db")
    command = [sys.executable, "-m", "tests.support.journal_writer", str(directory), "50000", "load"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as child:
        assert child.stdout is not None
        said = 0
        while said < 1500 or CallRepository(database).count() < 200:
            said = int(child.stdout.readline())
        os.kill(child.pid, signal.SIGKILL)
        said = max([said, *map(int, child.stdout.read().split(b"\n")[:-1])])
    before = CallRepository(database).count()
    journal = Journal(directory)
    loader = loader_of(journal, database)
    loader.flush()
    found = stored(database)
    assert found[: said * 6 // 7] == [number for number in range(said + 2) if number % 7][: said * 6 // 7]
    assert len(found) == len(set(found)) == before + loader.counts()["loaded"]
    assert loader.counts()["repeated"] == 0
    assert CallRepository(database).get(call_record(1).id) == call_record(1)
    journal.close()
    database.close()


def test_batches_of_any_size_are_asked_for_by_one_text(database: Database) -> None:
    """The driver keeps what it has prepared for each text: one for each size would take megabytes, bit by bit."""
    repository, texts = CallRepository(database), set()
    event.listen(database.engine, "before_cursor_execute", lambda *given: texts.add(given[2]))
    for first, count in ((1, 1), (2, 5), (4, 9)):
        with database.writing() as connection:
            stored_now = repository.insert(connection, [call_record(first + n) for n in range(count)])
        assert stored_now == count - (3 if first == 4 else 0)
    assert sum("FROM calls" in text for text in texts) == 1
