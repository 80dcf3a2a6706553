"""The audit log: complete, in order, without numbers, and bounded."""

from __future__ import annotations

import pytest

from switchboard.store import audit as module
from switchboard.store.audit import AuditEntry, AuditFilter, AuditLog
from switchboard.store.database import Database

NOW = 1_760_000_000_000_000
CALL = "01997c3e-5a10-7b2c-8d55-012345678901"


@pytest.fixture
def log(database: Database) -> AuditLog:
    """An empty log."""
    return AuditLog(database)


def entry(number: int, **values: str) -> AuditEntry:
    """A line."""
    return AuditEntry(NOW + number, "alice", "agent", "127.0.0.1", "calls.hold", CALL)._replace(**values)


def test_lines_come_back_newest_first(log: AuditLog) -> None:
    """With the numbers that the log gave them, page by page."""
    log.append(*(entry(number) for number in range(5)))
    log.append()
    found = log.page(limit=2)
    assert found == [entry(4)._replace(id=5), entry(3)._replace(id=4)]
    assert [line.id for line in log.page(before=found[-1].id, limit=10)] == [3, 2, 1]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (AuditFilter(), [4, 3, 2, 1]),
        (AuditFilter(who="bob"), [2]),
        (AuditFilter(action="calls.hold"), [2, 1]),
        (AuditFilter(action="calls.*"), [4, 2, 1]),
        (AuditFilter(action="users.*", outcome="ok"), []),
        (AuditFilter(subject="bob", outcome="forbidden"), [3]),
        (AuditFilter(since_us=NOW + 2), [4, 3]),
        (AuditFilter(until_us=NOW + 2, who="alice"), [1]),
    ],
)
def test_filters(log: AuditLog, wanted: AuditFilter, ids: list[int]) -> None:
    """By who, action or its beginning, subject, outcome and time."""
    log.append(
        entry(0),
        entry(1, who="bob"),
        entry(2, action="users.delete", subject="bob", outcome="forbidden"),
        entry(3, action="calls.resume"),
    )
    assert [line.id for line in log.page(wanted)] == ids


def test_numbers_do_not_get_in(log: AuditLog) -> None:
    """What may be a telephone number is masked, ids of ours stay, long texts are cut, control characters vanish."""
    log.append(entry(0, subject="13956781234", detail=f"to number:139 5678 1234\n{'x' * 600}", who="a\x00b"))
    log.append(entry(1))
    plain, masked = log.page()
    assert plain.subject == CALL
    assert (masked.subject, masked.who) == ("139****1234", "ab")
    assert masked.detail.startswith("to number:139****1234x")
    assert len(masked.detail) == 500
    assert log.page(AuditFilter(subject="13956781234")) == [masked]


def test_pruning(log: AuditLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """By age and by number, the oldest first; numbers do not come back."""
    monkeypatch.setattr(module, "_PIECE", 3)
    log.append(*(entry(number) for number in range(10)))
    assert log.prune(NOW + 4) == 4
    assert [line.id for line in log.page()] == [10, 9, 8, 7, 6, 5]
    assert log.prune(0, keep=2) == 4
    assert [line.id for line in log.page()] == [10, 9]
    assert log.prune(NOW + 100) == 2
    log.append(entry(20))
    assert [line.id for line in log.page()] == [11]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (AuditFilter(), "SCAN audit_log"),
        (AuditFilter(who="alice"), "ix_audit_log_who_id"),
        (AuditFilter(action="calls.hold"), "ix_audit_log_action_id"),
        (AuditFilter(subject="bob"), "ix_audit_log_subject_id"),
    ],
)
def test_pages_are_read_along_an_index(log: AuditLog, database: Database, wanted: AuditFilter, index: str) -> None:
    """No page sorts the log."""
    with database.reading() as connection:
        query = module.page_query(wanted, None, 100).compile(database.engine)
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", tuple(query.params.values())).all()
    text = " ".join(row[-1] for row in plan)
    assert index in text
    assert "B-TREE" not in text
