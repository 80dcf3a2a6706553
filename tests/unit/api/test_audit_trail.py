"""Lines of the audit log: written before who asked goes on, many in one transaction."""

from __future__ import annotations

import asyncio
import threading

import pytest

from switchboard.api.audit_trail import MOST_WAITING, AuditFullError, AuditTrail
from switchboard.store.audit import AuditEntry


class SlowLog:
    """Writes when it is let; keeps how much was written together."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.free = threading.Event()
        self.error: Exception | None = None

    def append(self, *entries: AuditEntry) -> None:
        """Write lines."""
        assert self.free.wait(5)
        if self.error is not None:
            raise self.error
        self.batches.append([entry.action for entry in entries])


async def note(trail: AuditTrail, action: str) -> None:
    """Write one line."""
    await trail.note("lin", "agent", "127.0.0.1", action)


async def test_lines_that_come_meanwhile_are_written_together() -> None:
    """The first alone, all others with one transaction, in order; each is waited for."""
    log = SlowLog()
    trail = AuditTrail(log, lambda: 1.5)
    tasks = [asyncio.create_task(note(trail, "first"))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(note(trail, name)) for name in ("second", "third")]
    await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
    log.free.set()
    await asyncio.gather(*tasks)
    assert log.batches == [["first"], ["second", "third"]]


async def test_a_line_that_cannot_be_written_is_told() -> None:
    """Who asked hears of it, and the next line is written all the same."""
    log = SlowLog()
    log.free.set()
    trail = AuditTrail(log, lambda: 1.5)
    log.error = OSError("disk is full")
    with pytest.raises(OSError, match="full"):
        await note(trail, "first")
    log.error = None
    await note(trail, "second")
    assert log.batches == [["second"]]


async def test_a_log_that_stands_still_is_no_heap() -> None:
    """Beyond so many waiting lines nothing more is done."""
    log = SlowLog()
    trail = AuditTrail(log, lambda: 1.5)
    tasks = [asyncio.create_task(note(trail, "first"))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(note(trail, "more")) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(AuditFullError):
        await note(trail, "too many")
    log.free.set()
    await asyncio.gather(*tasks)


async def test_a_log_that_takes_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asked does not wait for ever; the line is written all the same when the log goes on."""
    monkeypatch.setattr("switchboard.api.audit_trail.WAIT_SECONDS", 0.01)
    log = SlowLog()
    trail = AuditTrail(log, lambda: 1.5)
    with pytest.raises(AuditFullError):
        await note(trail, "first")
    log.free.set()
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
    assert log.batches == [["first"]]
