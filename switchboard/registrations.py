"""Registrations outlive the process: changes are written in batches, away from the calls, and read at the start."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from switchboard.calls.exchange import Exchange
from switchboard.calls.keep_alive import watch
from switchboard.sip.binding import Binding
from switchboard.store.database import cause_of
from switchboard.store.registrations import RegistrationRepository

PERIOD: Final = 0.5
"""Seconds between batches: what a killed process may have known and nobody else."""
BATCH: Final = 250
"""Addresses-of-record a transaction; while it is made the loop waits for the interpreter at most a few milliseconds."""
REST: Final = 0.01
RETRY: Final = 5.0
PRUNE: Final = 600.0


class KeptRegistrations:
    """Keeps the bindings of the registrar in the database; a database that fails harms no phone."""

    def __init__(
        self,
        exchange: Exchange,
        repository: RegistrationRepository,
        offset: float,
        tell: Callable[..., None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`offset` makes UTC seconds of monotonic ones; `tell` logs what failed."""
        self.failures = 0
        """Batches that could not be written."""
        self._exchange = exchange
        self._repository = repository
        self._offset = offset
        self._tell = tell
        self._clock = clock
        self._waiting: set[str] = set()
        self._complained = False

    def restore(self, now: float) -> int:
        """Take up what was known before; the addresses-of-record of accounts that are no more are left out."""
        x, count = self._exchange, 0
        for aor, bindings in self._read():
            user, _, domain = aor.rpartition("@")
            live = [binding for binding in bindings if binding.expires_at > now]
            if not live or domain != x.settings.domain or not x.authenticator.knows(user):
                self._waiting.add(aor)
                continue
            x.registrar.restore(aor, live)
            for binding in reversed(live):
                x.phones.registered(aor, binding.source, now)
                x.door.proved(binding.source, now)
                watch(x, aor, binding, now)
            count += 1
        x.registrar.take_touched()
        return count

    async def watch(self) -> None:
        """Write what has changed, again and again; ends by being cancelled."""
        prune_at = self._clock()
        while True:
            wrote = await self._write_all()
            if wrote and self._clock() >= prune_at:
                prune_at = self._clock() + PRUNE
                wrote = await self._attempt(self._prune)
            await asyncio.sleep(PERIOD if wrote else RETRY)

    async def close(self) -> None:
        """Write what has changed by now."""
        await self._write_all()

    async def _write_all(self) -> bool:
        registrar = self._exchange.registrar
        self._waiting |= registrar.take_touched()
        for aors in _pieces(list(self._waiting)):
            now = self._clock()
            changed = {aor: registrar.bindings(aor, now) for aor in aors}
            if not await self._attempt(self._write, changed):
                return False
            # What has changed again meanwhile is among what the registrar tells next.
            self._waiting.difference_update(aors)
        return True

    async def _attempt(self, work: Callable[..., None], *values: object) -> bool:
        try:
            await asyncio.to_thread(work, *values)
        except (SQLAlchemyError, OSError) as error:
            self.failures += 1
            if not self._complained:
                self._tell("registrations.not_kept", reason=cause_of(error))
            self._complained = True
            return False
        self._complained = False
        return True

    def _write(self, changed: dict[str, list[Binding]]) -> None:
        self._repository.write(changed, self._offset)
        time.sleep(REST)

    def _prune(self) -> None:
        self._repository.prune(round((self._clock() + self._offset) * 1e6))

    def _read(self) -> list[tuple[str, list[Binding]]]:
        try:
            return list(self._repository.read(self._offset))
        except SQLAlchemyError as error:
            self._tell("registrations.not_read", reason=cause_of(error))
            return []


def _pieces(aors: list[str]) -> list[list[str]]:
    return [aors[at : at + BATCH] for at in range(0, len(aors), BATCH)]
