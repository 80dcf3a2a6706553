"""Requests to be called back: one open request of a number in a group, none lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from switchboard.store import callbacks as module
from switchboard.store.callbacks import CallbackRepository, Callbacks
from switchboard.store.database import Database
from switchboard.store.journal import Journal
from switchboard.store.loader import Loader
from switchboard.store.recovery import unloaded_records
from switchboard.store.store import Store
from tests.support.records import callback_record


@pytest.fixture
def callbacks(journal: Journal, database: Database) -> Callbacks:
    """The requests of an empty store."""
    return Callbacks(journal, CallbackRepository(database))


def load(journal: Journal, database: Database) -> Loader:
    """Bring the journal into the database."""
    loader = Loader(journal.directory, database, durable=lambda: journal.durable_segment)
    loader.flush()
    return loader


def test_a_request_goes_through_the_journal(callbacks: Callbacks, journal: Journal, database: Database) -> None:
    """It is open at once, and comes out of the database as it was put in."""
    assert callbacks.add(callback_record(1)) == "new"
    assert len(callbacks) == 1
    load(journal, database)
    (stored,) = CallbackRepository(database).list_requests()
    assert (stored.record, stored.state, stored.changed_us) == (callback_record(1), "open", None)


def test_one_open_request_of_a_number_in_a_group(callbacks: Callbacks, journal: Journal, database: Database) -> None:
    """A second one of the same number and group is known; other groups and other people are new."""
    assert callbacks.add(callback_record(1)) == "new"
    assert callbacks.add(callback_record(2)) == "known"
    assert callbacks.mark("request-1", "calling", 5)
    assert callbacks.add(callback_record(3)) == "known"
    assert callbacks.add(callback_record(4, group="sales")) == "new"
    assert callbacks.add(callback_record(5, person=2)) == "new"
    load(journal, database)
    found = CallbackRepository(database).list_requests()
    assert [request.record.id for request in found] == ["request-1", "request-4", "request-5"]


def test_asked_again_after_it_was_done(callbacks: Callbacks, journal: Journal, database: Database) -> None:
    """Once a request is over the number may ask again, also when all of it is loaded in one batch."""
    callbacks.add(callback_record(1))
    assert callbacks.mark("request-1", "done", 5, "1001")
    assert not callbacks.mark("request-1", "failed", 6)
    assert callbacks.add(callback_record(2)) == "new"
    load(journal, database)
    repository = CallbackRepository(database)
    assert [request.record.id for request in repository.list_requests()] == ["request-2"]
    over = repository.list_requests(only_open=False)[0]
    assert (over.record.id, over.state, over.changed_us, over.changed_by) == ("request-1", "done", 5, "1001")


def test_the_database_refuses_a_second_open_one(database: Database) -> None:
    """Records met twice, and a second open request of a number and group, are left out."""
    repository = CallbackRepository(database)
    with database.writing() as connection:
        repository.insert(connection, [callback_record(1), callback_record(1), callback_record(2)])
        repository.insert(connection, [callback_record(1)])
    assert [request.record.id for request in repository.list_requests(group="support")] == ["request-1"]
    assert repository.list_requests(group="sales") == []


def test_there_is_a_bound(callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound new requests are refused, known ones are not."""
    monkeypatch.setattr(module, "MAX_OPEN", 1)
    callbacks.add(callback_record(1))
    assert callbacks.add(callback_record(2, person=2)) == "full"
    assert callbacks.add(callback_record(3)) == "known"


def test_a_restart_knows_what_was_not_loaded(tmp_path: Path, database: Database) -> None:
    """After a kill the same requests are open, from the database and the rest of the journal."""
    journal = Journal(tmp_path / "journal")
    callbacks = Callbacks(journal, CallbackRepository(database))
    callbacks.add(callback_record(1))
    callbacks.add(callback_record(2, person=2))
    position = load(journal, database).position
    callbacks.mark("request-1", "done", 5)
    callbacks.add(callback_record(3, person=3))
    again = Callbacks(journal, CallbackRepository(database), unloaded_records(journal.directory, position))
    answers = [again.add(callback_record(10 + person, person=person)) for person in (1, 2, 3)]
    assert answers == ["new", "known", "known"]
    journal.close()


def test_a_store_opens_with_its_requests(tmp_path: Path) -> None:
    """A store that is opened again has the requests of before, and fills its tables from the journal."""
    store = Store(tmp_path)
    store.callbacks.add(callback_record(1))
    store.close()
    store = Store(tmp_path)
    assert store.callbacks.add(callback_record(2)) == "known"
    assert [request.state for request in store.callbacks.requests.list_requests()] == ["open"]
    store.close()
