"""The demonstration backend in a thread of the test, for switches in processes of their own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from bench.backend import Backend, Behaviour, serving
from bench.population import foreign_caller as foreign_caller
from bench.population import own_caller as own_caller
from bench.population import right_digits as right_digits
from bench.population import wrong_digits as wrong_digits
from tests.support.ports import free_port

_STARTING = 20.0


@dataclass(slots=True)
class RunningBackend:
    """A backend that answers; what it was asked and told can be looked at."""

    port: int
    state: Backend = field(default_factory=Backend)

    @property
    def url(self) -> str:
        """What a flow's variable `backend` is set to."""
        return f"http://127.0.0.1:{self.port}"

    def behave(self, kind: str, seconds: float = 5.0, only: str = "") -> None:
        """Behave so from the next request on: well, slow, failing, lying or dead."""
        self.state.behaviour = Behaviour(kind, seconds, only)

    def asked(self, path: str) -> int:
        """How often a path was asked; orders count as /orders."""
        return self.state.asked[path]

    def hooks(self, path: str) -> list[dict[str, object]]:
        """What was posted to /survey or /hangup, in order."""
        return [body for where, body in list(self.state.hooks) if where == path]


@contextmanager
def demonstration_backend(kind: str = "well", seconds: float = 5.0, only: str = "") -> Iterator[RunningBackend]:
    """Serve on a free port of the loopback while the block runs."""
    running = RunningBackend(free_port(), Backend(Behaviour(kind, seconds, only)))
    loop = asyncio.new_event_loop()
    started = threading.Event()
    problems: list[BaseException] = []

    def serve() -> None:
        runner: web.AppRunner | None = None
        try:
            runner = loop.run_until_complete(serving(running.state, "127.0.0.1", running.port))
        except Exception as problem:  # noqa: BLE001 - told where the block begins
            problems.append(problem)
        started.set()
        if runner is not None:
            loop.run_forever()
            loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=serve, name="backend", daemon=True)
    thread.start()
    assert started.wait(_STARTING), "the backend did not start"
    if problems:
        raise problems[0]
    try:
        yield running
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_STARTING)
