"""The client for programs without an event loop: the same calls, each waited for.

with BlockingClient(lambda: Client("http://127.0.0.1:8080", name="lin", password=password)) as switch:
    agents = switch(lambda api: api.agents.list())
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from switchboard.client.client import Client

T = TypeVar("T")


class BlockingClient:
    """Runs a `Client` in a loop of its own; not to be used where a loop runs already."""

    def __init__(self, make: Callable[[], Client]) -> None:
        """`make` makes the client once the loop is there."""
        self._make = make
        self._runner = asyncio.Runner()
        self._client: Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._runner.run(self._client.session.close())
        self._runner.close()

    def __call__(self, ask: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        """Ask something and wait for the answer."""
        return self._runner.run(self._ask(ask))

    async def _ask(self, ask: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
        if self._client is None:
            self._client = self._make()
        return await ask(self._client)
