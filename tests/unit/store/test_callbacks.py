"""Requests to be called back: one open request of a number in a group, none lost."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from switchboard.store import callbacks as module
from switchboard.store.callbacks import OUTCOME_STATES, CallbackRepository, Callbacks
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


def test_the_way_of_a_request(callbacks: Callbacks, journal: Journal, database: Database) -> None:
    """Attempts, the calls made for it, who changed it and why are kept; what is not said stays as it was."""
    callbacks.add(callback_record(1))
    assert callbacks.mark("request-1", "calling", 5, "rule", attempts=1, call_id="call-1")
    assert callbacks.mark("request-1", "open", 6, "rule", reason="no_answer")
    now = callbacks.get("request-1")
    assert now is not None
    assert (now.state, now.attempts, now.last_call_id, now.reason) == ("open", 1, "call-1", "no_answer")
    load(journal, database)
    assert CallbackRepository(database).get("request-1") == now
    assert callbacks.mark("request-1", OUTCOME_STATES["attempts"], 9, "rule", reason="attempts", attempts=2)
    load(journal, database)
    over = CallbackRepository(database).get("request-1")
    assert over is not None
    assert (over.state, over.attempts, over.last_call_id, over.reason) == ("failed", 2, "call-1", "attempts")
    assert callbacks.get("request-1") is None
    assert CallbackRepository(database).get("request-2") is None


def test_open_requests_are_in_order_of_waiting(callbacks: Callbacks) -> None:
    """By when the waiting began, not by when the callback was asked for; one without place waits since it asked."""
    callbacks.add(callback_record(1))
    callbacks.add(msgspec.structs.replace(callback_record(2, person=2), since_us=1))
    callbacks.add(msgspec.structs.replace(callback_record(3, person=3), since_us=0))
    assert [request.record.id for request in callbacks.open_requests()] == ["request-2", "request-1", "request-3"]
    found = callbacks.find((2).to_bytes(16, "big"), "support")
    assert found is not None
    assert found.record.id == "request-2"
    assert callbacks.find((2).to_bytes(16, "big"), "sales") is None


def test_a_restart_restores_places_and_attempts(tmp_path: Path, database: Database) -> None:
    """What was half loaded at a kill is whole again: place, priority, requirement and attempts."""
    journal = Journal(tmp_path / "journal")
    callbacks = Callbacks(journal, CallbackRepository(database))
    for person in (1, 2, 3):
        callbacks.add(callback_record(person, person=person))
    callbacks.mark("request-1", "calling", 5, attempts=1)
    position = load(journal, database).position
    callbacks.mark("request-2", "calling", 6, attempts=2, call_id="call-2")
    callbacks.mark("request-3", "cancelled", 7, "alice", reason="withdrawn")
    callbacks.add(callback_record(4, person=3))
    again = Callbacks(journal, CallbackRepository(database), unloaded_records(journal.directory, position))
    assert again.open_requests() == callbacks.open_requests()
    assert [(request.record.id, request.state, request.attempts) for request in again.open_requests()] == [
        ("request-1", "calling", 1),
        ("request-2", "calling", 2),
        ("request-4", "open", 0),
    ]
    assert again.open_requests()[0].record == callback_record(1)
    journal.close()


def test_pages_of_requests(callbacks: Callbacks, journal: Journal, database: Database) -> None:
    """Behind the last one of the page before; by person too."""
    for person in range(1, 6):
        callbacks.add(callback_record(person // 2, person=person))
        callbacks.add(msgspec.structs.replace(callback_record(person, person=person), id=f"r{person}", group="sales"))
    load(journal, database)
    repository = CallbackRepository(database)
    seen: list[str] = []
    after = None
    while page := repository.list_requests(group="sales", after=after, limit=2):
        seen += [request.record.id for request in page]
        after = page[-1].record.asked_us, page[-1].record.id
    assert seen == ["r1", "r2", "r3", "r4", "r5"]
    (mine,) = repository.list_requests(group="sales", fingerprint=(4).to_bytes(16, "big"))
    assert mine.record.id == "r4"


def test_a_store_opens_with_its_requests(tmp_path: Path) -> None:
    """A store that is opened again has the requests of before, and fills its tables from the journal."""
    store = Store(tmp_path)
    store.callbacks.add(callback_record(1))
    store.close()
    store = Store(tmp_path)
    assert store.callbacks.add(callback_record(2)) == "known"
    assert [request.state for request in store.callbacks.requests.list_requests()] == ["open"]
    store.close()
