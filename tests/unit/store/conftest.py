"""Fixtures of the store's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from switchboard.store.database import Database
from switchboard.store.journal import Journal


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database at the newest version."""
    database = Database(tmp_path / "test.db")
    yield database
    database.close()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal in its own directory."""
    journal = Journal(tmp_path / "journal")
    yield journal
    journal.close()
