"""What is said of the record of a call that went otherwise than the soak awaited."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bench.soak_figures import record_of

COLUMNS = "caller_masked, called, cause, ended_by, started_us, ended_us, path, id"
LEG = "call_id, place, role, answered_us, ended_us, cause, received, sent, strangers, silent"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Two calls of one number, one of another."""
    path = tmp_path / "switchboard.db"
    connection = sqlite3.connect(path)
    connection.execute(f"CREATE TABLE calls ({COLUMNS})")
    rows = [
        ("137****0012", "4102", "busy", "agent", 1_000_000, 4_000_000, "[]", "one"),
        ("137****0012", "4008001234", "no_answer", "system", 5_000_000, 42_000_000, '["ask"]', "two"),
        ("137****0013", "4101", "normal", "caller", 6_000_000, 7_000_000, "[]", "three"),
    ]
    connection.executemany("INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    connection.execute(f"CREATE TABLE legs ({LEG})")
    legs = [
        ("two", 1, "callee", None, 42_000_000, "no_answer", None, None, None, None),
        ("two", 0, "caller", 6_000_000, 42_000_000, "no_answer", 1800, 900, 0, 0),
        ("three", 0, "caller", 6_500_000, 7_000_000, "normal", 25, 25, 0, 0),
    ]
    connection.executemany("INSERT INTO legs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", legs)
    connection.commit()
    connection.close()
    return path


def test_the_last_call_of_the_number_is_told_of(database: Path) -> None:
    """Whom it was for, its cause, who ended it and when, its way through the flow, and its legs."""
    call, caller, callee = record_of(database, "13700000012").split("; ")
    assert call == '4008001234, no_answer by system after 37 s, ["ask"]'
    assert caller.startswith(
        "role caller, answered_us 6000000, ended_us 42000000, cause no_answer, received 1800, sent 900"
    )
    assert callee.startswith("role callee, answered_us None")


def test_a_call_without_a_record_is_told_of(database: Path) -> None:
    """Which is a finding of its own."""
    assert record_of(database, "13700000099") == "there is none"
