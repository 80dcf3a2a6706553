"""Voice mail: messages through the journal into the database, and the counts of a box."""

from __future__ import annotations

from pathlib import Path

import pytest

from switchboard.store import voicemail as module
from switchboard.store.database import Database
from switchboard.store.journal import Journal
from switchboard.store.loader import Loader
from switchboard.store.records import MessageState
from switchboard.store.recovery import unloaded_records
from switchboard.store.segments import Kind
from switchboard.store.store import Store
from switchboard.store.voicemail import MessageRepository, Voicemail, Waiting
from tests.support.records import message_record


@pytest.fixture
def voicemail(journal: Journal, database: Database) -> Voicemail:
    """The boxes of an empty store."""
    return Voicemail(journal, MessageRepository(database))


def load(journal: Journal, database: Database) -> Loader:
    """Bring the journal into the database."""
    loader = Loader(journal.directory, database, durable=lambda: journal.durable_segment)
    loader.flush()
    return loader


def states(database: Database) -> dict[str, str]:
    """The state of every message that is not deleted."""
    return {message.record.id: message.state for message in MessageRepository(database).list_box()}


def test_a_message_goes_through_the_journal(voicemail: Voicemail, journal: Journal, database: Database) -> None:
    """It counts at once, and comes out of the database as it was put in."""
    assert voicemail.add(message_record(1)) == Waiting(new=1, heard=0)
    assert states(database) == {}
    load(journal, database)
    (stored,) = MessageRepository(database).list_box("sales")
    assert (stored.record, stored.state, stored.changed_us, stored.changed_by) == (message_record(1), "new", None, "")


def test_counts_by_box(voicemail: Voicemail, journal: Journal, database: Database) -> None:
    """New and heard messages of a box are counted alike in memory and in the database."""
    for number in range(3):
        voicemail.add(message_record(number))
    voicemail.add(message_record(9, box="night"))
    assert voicemail.mark("message-0", "heard", 5, "1001")
    assert voicemail.mark("message-1", "deleted", 6)
    load(journal, database)
    for counts in (
        {box: voicemail.waiting(box) for box in ("sales", "night")},
        MessageRepository(database).counts(),
    ):
        assert counts == {"sales": Waiting(1, 1), "night": Waiting(1, 0)}
    assert voicemail.waiting("nobody") == Waiting(0, 0)


def test_the_same_again_changes_nothing(voicemail: Voicemail, journal: Journal, database: Database) -> None:
    """A message added twice is one; marking what is so already is False and writes nothing."""
    voicemail.add(message_record(1))
    assert voicemail.add(message_record(1)) == Waiting(1, 0)
    assert voicemail.mark("message-1", "heard", 5)
    assert not voicemail.mark("message-1", "heard", 6)
    assert not voicemail.mark("unknown", "heard", 7)
    assert journal.counts()["appended"] == 2
    load(journal, database)
    assert MessageRepository(database).list_box()[0].changed_us == 5


def test_deleted_stays_deleted(voicemail: Voicemail, journal: Journal, database: Database) -> None:
    """A deleted message does not come back by a later change or by its record met again, and nobody is known by it."""
    voicemail.add(message_record(1))
    voicemail.mark("message-1", "deleted", 5, "1001")
    load(journal, database)
    messages = MessageRepository(database)
    assert not messages.mark("message-1", "new", 9, "cli")
    with database.writing() as connection:
        messages.insert(connection, [message_record(1)])
    (stored,) = messages.find("message-1")
    assert (stored.state, stored.changed_us, stored.changed_by) == ("deleted", 5, "1001")
    assert (stored.record.caller_sealed, stored.record.caller_fingerprint) == (b"", b"")
    assert messages.list_box() == []
    assert [message.record.id for message in messages.list_box(state="deleted")] == ["message-1"]


def test_lists_are_newest_first_and_paged(database: Database) -> None:
    """A page is a limit and an offset; a box alone, or all of them."""
    messages = MessageRepository(database)
    with database.writing() as connection:
        messages.insert(connection, [message_record(n, box="a" if n % 2 else "b") for n in range(6)])

    def ids(**options: int) -> list[str]:
        return [message.record.id for message in messages.list_box("a", **options)]  # type: ignore[arg-type]

    assert ids() == ["message-5", "message-3", "message-1"]
    assert ids(limit=1, offset=1) == ["message-3"]
    assert len(messages.list_box()) == 6


def test_changes_made_outside_are_taken_over(voicemail: Voicemail, journal: Journal) -> None:
    """What the command line stored itself is applied in memory only, and the boxes concerned are told."""
    voicemail.add(message_record(1))
    voicemail.add(message_record(2, box="night"))
    written = journal.counts()["appended"]
    changes: dict[str, MessageState] = {"message-1": "heard", "message-2": "deleted", "unknown": "heard"}
    assert voicemail.apply(changes) == {"sales", "night"}
    assert voicemail.apply(changes) == set()
    assert (voicemail.waiting("sales"), voicemail.waiting("night")) == (Waiting(0, 1), Waiting(0, 0))
    assert journal.counts()["appended"] == written


def test_a_full_box(voicemail: Voicemail, monkeypatch: pytest.MonkeyPatch) -> None:
    """A box says when it is full, and has room again when one is deleted."""
    monkeypatch.setattr(module, "BOX_MESSAGES", 2)
    assert voicemail.has_room("sales")
    for number in range(2):
        voicemail.add(message_record(number))
    assert not voicemail.has_room("sales")
    voicemail.mark("message-0", "deleted", 5)
    assert voicemail.has_room("sales")


def test_a_restart_knows_what_was_not_loaded(tmp_path: Path, database: Database) -> None:
    """After a kill the boxes are as they were, from the database and the rest of the journal."""
    journal = Journal(tmp_path / "journal")
    voicemail = Voicemail(journal, MessageRepository(database))
    voicemail.add(message_record(1))
    voicemail.add(message_record(2))
    position = load(journal, database).position
    voicemail.mark("message-1", "heard", 5)
    voicemail.mark("message-2", "deleted", 6)
    voicemail.add(message_record(3))
    journal.append(Kind.MESSAGE, "strange", b"\x01")
    again = Voicemail(journal, MessageRepository(database), unloaded_records(journal.directory, position))
    assert again.waiting("sales") == voicemail.waiting("sales") == Waiting(new=1, heard=1)
    journal.close()


def test_a_store_opens_with_its_boxes(tmp_path: Path) -> None:
    """A store that is opened again has the messages of before."""
    store = Store(tmp_path)
    store.voicemail.add(message_record(1))
    store.close()
    store = Store(tmp_path)
    assert store.voicemail.waiting("sales") == Waiting(1, 0)
    assert store.voicemail.messages.counts() == {"sales": Waiting(1, 0)}
    store.close()
