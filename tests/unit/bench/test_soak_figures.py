"""What is said of the record of a call that went otherwise than the soak awaited."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bench.soak_figures import record_of

COLUMNS = "caller_masked, called, cause, ended_by, started_us, ended_us, path"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Two calls of one number, one of another."""
    path = tmp_path / "switchboard.db"
    connection = sqlite3.connect(path)
    connection.execute(f"CREATE TABLE calls ({COLUMNS})")
    rows = [
        ("137****0012", "4102", "busy", "agent", 1_000_000, 4_000_000, "[]"),
        ("137****0012", "4008001234", "no_answer", "system", 5_000_000, 42_000_000, '["ask"]'),
        ("137****0013", "4101", "normal", "caller", 6_000_000, 7_000_000, "[]"),
    ]
    connection.executemany("INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    connection.commit()
    connection.close()
    return path


def test_the_last_call_of_the_number_is_told_of(database: Path) -> None:
    """Whom it was for, its cause, who ended it and when, its way through the flow."""
    assert record_of(database, "13700000012") == '4008001234, no_answer by system after 37 s, ["ask"]'


def test_a_call_without_a_record_is_told_of(database: Path) -> None:
    """Which is a finding of its own."""
    assert record_of(database, "13700000099") == "there is none"
