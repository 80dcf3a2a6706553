"""What is kept for a time only: expired refresh tokens go, and old lines of the audit log."""

from __future__ import annotations

import asyncio
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from switchboard.api.services import Services
from switchboard.ops.log import get_logger

EVERY_SECONDS: Final = 3600.0


class Housekeeping:
    """Done by the way when somebody signs in or goes on with a session, once an hour at most."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._due = 0.0

    async def when_due(self) -> None:
        """Clear away if it is time; a failure is logged and tried again an hour later."""
        now = self._services.utc()
        if now < self._due:
            return
        self._due = now + EVERY_SECONDS
        try:
            await asyncio.to_thread(self._clear, now)
        except SQLAlchemyError as error:
            get_logger().error("housekeeping.failed", exc_info=error)

    def _clear(self, now: float) -> None:
        self._services.refresh_tokens.prune(int(now * 1e6))
        self._services.audit.prune(int((now - self._services.limits.audit_kept) * 1e6))
