"""How long an HTTP client may take to ask: one that sends its request by the drop is hung up."""

from __future__ import annotations

import asyncio
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

ASKING_SECONDS: Final = 30.0
"""From the connection, or from the answer before, until a whole request is there, its body included."""

_ASKING: Final = frozenset({h11.IDLE, h11.SEND_BODY})


class PatientProtocol(H11Protocol):
    """HTTP/1.1 whose connections are given back: each holds one of a bounded number of places."""

    asking_seconds = ASKING_SECONDS
    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The time runs."""
        super().connection_made(transport)
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._forget()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """The stream has limits of its own."""
        self._forget()
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """The next request has as much time."""
        super().on_response_complete()
        self._begin()

    def _begin(self) -> None:
        self._forget()
        if not self.transport.is_closing():
            self._limit = self.loop.call_later(self.asking_seconds, self._overdue)

    def _forget(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _overdue(self) -> None:
        self._limit = None
        if self.conn.their_state in _ASKING:
            self.transport.abort()
