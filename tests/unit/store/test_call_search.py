"""Searching calls: filters, pages, and the indexes they are read along."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Select

from switchboard.store.call_history import last_calls_query
from switchboard.store.call_parts import agent_parts, talk_us
from switchboard.store.calls import CallFilter, CallRepository, Cursor, search_query
from switchboard.store.database import Database
from switchboard.store.records import CallRecord, LegRecord, SegmentRecord
from tests.support.records import BEGAN_US, call_record

SECOND = 1_000_000


def keep(database: Database, *records: CallRecord) -> CallRepository:
    """Store calls."""
    calls = CallRepository(database)
    with database.writing() as connection:
        calls.insert(connection, records)
    return calls


def numbers(records: list[CallRecord]) -> list[int]:
    """Which calls they are."""
    return [int(record.id[-12:]) for record in records]


@pytest.fixture
def calls(database: Database) -> CallRepository:
    """Six calls, each with something of its own."""
    records = [call_record(number) for number in range(6)]
    records[0].group = "sales"
    records[1].called = "4009990000"
    records[2].direction, records[2].trunk, records[2].cause = "internal", "other", "busy"
    records[3].segments = []
    records[3].legs = []
    records[4].segments[1].ended_us = records[4].started_us + 5 * SECOND
    records[5].segments[1].agent = records[5].legs[1].agent = "1002"
    return keep(database, *records)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (CallFilter(), [5, 4, 3, 2, 1, 0]),
        (CallFilter(group="sales"), [0]),
        (CallFilter(called="4009990000"), [1]),
        (CallFilter(caller=(2).to_bytes(16, "big")), [2]),
        (CallFilter(called="4009990000", caller=(2).to_bytes(16, "big")), []),
        (CallFilter(either=("4009990000", (2).to_bytes(16, "big"))), [2, 1]),
        (CallFilter(direction="internal"), [2]),
        (CallFilter(trunk="other", cause="busy"), [2]),
        (CallFilter(answered=False), [3]),
        (CallFilter(answered=True, flow="extension"), [5, 4, 2, 1, 0]),
        (CallFilter(min_talk_us=29 * SECOND), [5, 2, 1, 0]),
        (CallFilter(since_us=BEGAN_US + 2 * SECOND, until_us=BEGAN_US + 4 * SECOND), [3, 2]),
        (CallFilter(agent="1001"), [4, 2, 1, 0]),
        (CallFilter(agent="1002"), [5]),
        (CallFilter(agent="1001", min_talk_us=29 * SECOND), [2, 1, 0]),
        (CallFilter(agent="1001", since_us=BEGAN_US + SECOND, until_us=BEGAN_US + 3 * SECOND), [2, 1]),
        (CallFilter(agent="1001", group="sales"), [0]),
        (CallFilter(agent="1003"), []),
    ],
)
def test_each_condition_narrows(calls: CallRepository, wanted: CallFilter, found: list[int]) -> None:
    """Alone and together; without any all are there, newest first."""
    assert numbers(calls.search(wanted, 10)) == found


@pytest.mark.parametrize("wanted", [CallFilter(), CallFilter(agent="1001"), CallFilter(group="support")])
def test_pages_are_gapless(database: Database, wanted: CallFilter) -> None:
    """Also over calls that began at one moment, and while newer ones come in."""
    records = [call_record(number) for number in range(9)]
    for record in records[3:7]:
        record.started_us = records[3].started_us
    calls = keep(database, *records)
    seen: list[int] = []
    after = None
    for page in range(5):
        found = calls.search(wanted, 2, after)
        seen += numbers(found)
        after = Cursor(found[-1].started_us, found[-1].id)
        keep(database, call_record(100 + page))
    assert seen == [8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert calls.search(wanted, 2, after) == []


def plan(database: Database, query: Select[Any]) -> str:
    """How SQLite reads it."""
    with database.reading() as connection:
        compiled = query.compile(database.engine)
        values = tuple(compiled.params[name] for name in compiled.positiontup or ())
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", values).all()
    return " | ".join(row[-1] for row in rows)


AFTER = Cursor(BEGAN_US, "x")


@pytest.mark.parametrize("after", [None, AFTER])
@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (CallFilter(), "ix_calls_started_us_id"),
        (CallFilter(since_us=1, until_us=2, cause="busy", trunk="x", min_talk_us=5), "ix_calls_started_us_id"),
        (CallFilter(caller=b"x"), "ix_calls_caller_fingerprint_started_us_id"),
        (CallFilter(called="4008001234", since_us=5), "ix_calls_called_started_us_id"),
        (CallFilter(group="support", answered=True), "ix_calls_skill_group_started_us_id"),
        (CallFilter(agent="1001", since_us=5, group="support"), "call_agents USING PRIMARY KEY (agent=?"),
    ],
)
def test_pages_are_read_along_an_index(
    database: Database, wanted: CallFilter, index: str, after: Cursor | None
) -> None:
    """A page reads what it shows and what its finer conditions pass over; nothing is sorted."""
    told = plan(database, search_query(wanted, 50, after))
    assert index in told
    assert "B-TREE" not in told


def test_last_calls_are_read_along_an_index(database: Database) -> None:
    """However many calls an agent ever had."""
    told = plan(database, last_calls_query("1001", 10))
    assert "ix_call_agents_agent_answered_us" in told
    assert "B-TREE" not in told


def test_everybodys_own_part() -> None:
    """Two agents after each other: each one has what they talked and held, since they answered."""
    at = BEGAN_US
    record = CallRecord(
        id="c",
        started_us=at,
        ended_us=at + 60,
        legs=[
            LegRecord(id="a", role="caller", invited_us=at, answered_us=at + 1),
            LegRecord(id="b", role="agent", invited_us=at, answered_us=at + 10, agent="1001"),
            LegRecord(id="x", role="agent", invited_us=at, agent="1009"),
            LegRecord(id="c", role="agent", invited_us=at, answered_us=at + 30, agent="1002"),
            LegRecord(id="d", role="agent", invited_us=at, answered_us=at + 59, agent="1003"),
        ],
        segments=[
            SegmentRecord(kind="queue", started_us=at, ended_us=at + 5, group="support"),
            SegmentRecord(kind="ring", started_us=at + 5, ended_us=at + 10, agent="1009", group="support"),
            SegmentRecord(kind="talk", started_us=at + 10, ended_us=at + 20, agent="1001", group="support"),
            SegmentRecord(kind="hold", started_us=at + 20, ended_us=at + 24, agent="1001", group="support"),
            SegmentRecord(kind="talk", started_us=at + 24, ended_us=at + 30, agent="1001", group="support"),
            SegmentRecord(kind="conference", started_us=at + 30, ended_us=at + 40, agent="1002"),
            SegmentRecord(kind="talk", started_us=at + 40, agent="1002"),
        ],
    )
    assert sorted(agent_parts(record)) == [
        ("1001", at, "c", "support", at + 10, 16, 4),
        ("1002", at, "c", "", at + 30, 30, 0),
        ("1003", at, "c", "", at + 59, 0, 0),
    ]
    assert talk_us(record) == 46
