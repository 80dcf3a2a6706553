"""The store as a whole: opened in order, held by one, and right again after any end."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from config.schema import Mask
from routing.masks import AorTarget, RealNumber, SipTarget
from switchboard.store.database import DatabaseError
from switchboard.store.journal import Journal
from switchboard.store.keys import KeyFileError, add_encryption_key
from switchboard.store.mask_editor import MaskEditor
from switchboard.store.records import encode_record, encode_snapshot
from switchboard.store.segments import Kind
from switchboard.store.store import Store
from tests.support.masks import open_row
from tests.support.records import call_record


def end(store: Store, number: int) -> None:
    """Journal a call that ended."""
    record = call_record(number)
    store.journal.append(Kind.ENDED, record.id, encode_record(record))


def test_closing_brings_everything_into_the_database(tmp_path: Path) -> None:
    """What was journaled before close() is in the database of the next start."""
    store = Store(tmp_path)
    end(store, 1)
    store.close()
    store = Store(tmp_path)
    assert store.calls.get(call_record(1).id) == call_record(1)
    assert store.closed == 0
    store.close()


def test_calls_that_a_kill_left_open_are_closed(tmp_path: Path) -> None:
    """They get a record with the cause switch_restarted, once, over any number of starts."""
    Store(tmp_path).close()
    journal = Journal(tmp_path / "journal")
    record = call_record(1, ended=False)
    journal.append(Kind.OPENED, record.id, encode_snapshot(record, b""))
    journal.sync()
    with capture_logs() as logs:
        store = Store(tmp_path)
    assert store.closed == 1
    assert logs == [{"event": "store.calls_closed", "calls": 1, "log_level": "warning"}]
    store.loader.flush()
    found = store.calls.get(record.id)
    assert found is not None
    assert (found.cause, found.ended_by) == ("switch_restarted", "switch")
    store.close()
    store = Store(tmp_path)
    assert (store.closed, store.calls.count()) == (0, 1)
    store.close()
    journal.close()


def test_fresh_empties_database_and_journal_and_keeps_keys(tmp_path: Path) -> None:
    """Nothing of earlier calls and bindings is left, and numbers seal as before."""
    store = Store(tmp_path)
    end(store, 1)
    MaskEditor(store.database, "test").store([open_row("1", "aor", "alice")])
    sealed = store.vault.seal(RealNumber("13956781234"))
    store.close()
    store = Store(tmp_path, fresh=True)
    store.loader.flush()
    assert (store.calls.count(), store.masks.count()) == (0, 0)
    assert store.vault.open(sealed) == RealNumber("13956781234")
    store.close()


def test_places_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    """A directory that is missing, or a file in the way of the journal, is one clear line."""
    with pytest.raises(DatabaseError, match="cannot be opened for writing"):
        Store(tmp_path / "missing")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "journal").touch()
    with pytest.raises(DatabaseError, match="the journal cannot be written"):
        Store(tmp_path / "store")


def test_masks_come_from_configuration_and_database(tmp_path: Path) -> None:
    """Stored bindings win over configured ones, and a reload sees what was added."""
    store = Store(tmp_path)
    configured = [Mask(number="4008001234", extension=text, target="aor:alice") for text in ("1", "2")]
    MaskEditor(store.database, "test").store([open_row("2", "sip", "sip:2@h")])
    table = store.load_masks(configured)
    assert table.bound("4008001234", "1") == AorTarget("alice")
    assert table.bound("4008001234", "2") == SipTarget("sip:2@h")
    MaskEditor(store.database, "test").store([open_row("3", "sip", "sip:3@h")])
    new = store.load_masks(configured)
    assert table.compare(new).added == 1
    store.close()


def test_keys_are_reloaded(tmp_path: Path) -> None:
    """A key that was added seals after the reload; a wrong one changes nothing."""
    store = Store(tmp_path)
    add_encryption_key(tmp_path)
    store.reload_keys()
    assert store.vault.active_key == 2
    (tmp_path / "keys" / "encryption-2.key").chmod(0o644)
    with pytest.raises(KeyFileError):
        store.reload_keys()
    assert store.vault.open(store.vault.seal(RealNumber("4001"))) == RealNumber("4001")
    store.close()


@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), OperationalError("x", {}, Exception("x"))])
def test_closing_survives_a_broken_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """What cannot be loaded at the end stays in the journal for the next start."""

    def broken() -> None:
        raise error

    store = Store(tmp_path)
    store.loader.close()
    end(store, 1)
    monkeypatch.setattr(store.loader, "flush", broken)
    with capture_logs() as logs:
        store.close()
    assert [line["event"] for line in logs] == ["store.flush_failed"]
    store = Store(tmp_path)
    store.loader.flush()
    assert store.calls.count() == 1
    store.close()
