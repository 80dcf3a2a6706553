"""Writes the audit log from the loop: a line is in the database before its request is answered.

Lines that come while one is written are written together, in one transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from switchboard.store.audit import AuditEntry

WAIT_SECONDS: Final = 10.0
MOST_WAITING: Final = 10_000


class Log(Protocol):
    """Where lines go; may wait."""

    def append(self, *entries: AuditEntry) -> None:
        """Write lines in one transaction."""


class AuditFullError(Exception):
    """The log cannot be written, or not in time: nobody can tell later what was asked."""


class AuditTrail:
    """One writer at a time; `note` returns when its line is written."""

    def __init__(self, log: Log, utc: Callable[[], float]) -> None:
        self._log = log
        self._utc = utc
        self._waiting: list[tuple[AuditEntry, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def note(
        self, who: str, role: str, address: str, action: str, subject: str = "", outcome: str = "ok", detail: str = ""
    ) -> None:
        """Write one line; raises `AuditFullError` when that takes too long, or what the database says."""
        if len(self._waiting) >= MOST_WAITING:
            raise AuditFullError
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = AuditEntry(round(self._utc() * 1e6), who, role, address, action, subject, outcome, detail)
        self._waiting.append((entry, written))
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write())
        try:
            await asyncio.wait_for(written, WAIT_SECONDS)
        except TimeoutError:
            raise AuditFullError from None

    async def _write(self) -> None:
        try:
            while self._waiting:
                taken, self._waiting = self._waiting, []
                try:
                    await asyncio.to_thread(self._log.append, *(entry for entry, _ in taken))
                except Exception as error:  # noqa: BLE001 - goes on to those who asked
                    _tell(taken, error)
                else:
                    _tell(taken, None)
        finally:
            self._writer = None


def _tell(taken: list[tuple[AuditEntry, asyncio.Future[None]]], error: Exception | None) -> None:
    for _, written in taken:
        if written.done():
            continue
        if error is None:
            written.set_result(None)
        else:
            written.set_exception(error)
