"""A scripted switch on a socket: it answers what a test tells it to, or breaks the connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from switchboard.client import Client

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Scripted:
    """Keeps what was asked; `answers` are used one after the other, the last one for ever."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answers: list[web.Response | str] = []
        self.logins = 0
        self.refreshes = 0
        self.refresh_status = 200
        self.sockets: list[list[Any]] = []
        self.opened: list[tuple[str, list[str]]] = []
        self.heard: list[str] = []
        self.url = ""

    def reply(self, body: Any = None, status: int = 200, **headers: str) -> None:
        """Answer so."""
        self.answers.append(web.json_response(body, status=status, headers=headers))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        path = request.path.removeprefix("/api/v1")
        if path == "/auth/login":
            self.logins += 1
            return self._tokens()
        if path == "/auth/refresh":
            self.refreshes += 1
            if self.refresh_status != 200:
                return web.json_response({"status": self.refresh_status}, status=self.refresh_status)
            return self._tokens()
        if path == "/events":
            return await self._events(request)
        self.asked.append((request.method, request.path_qs, dict(request.headers), await request.read()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == "break":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        assert isinstance(answer, web.Response)
        return web.Response(body=answer.body, status=answer.status, headers=answer.headers)

    def _tokens(self) -> web.Response:
        serial = f"{self.logins}.{self.refreshes}"
        return web.json_response({"access_token": f"a{serial}", "refresh_token": f"r{serial}", "expires_in": 900.0})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        offered = [one.strip() for one in request.headers["Sec-WebSocket-Protocol"].split(",")]
        self.opened.append((request.query_string, offered))
        script = self.sockets.pop(0)
        if script == ["refuse"]:
            return web.Response(status=503)
        socket = web.WebSocketResponse(protocols=("switchboard.v1",))
        await socket.prepare(request)
        for step in script:
            if isinstance(step, int):
                await socket.close(code=step)
                return socket
            if step == "hear":
                self.heard.append((await socket.receive()).data)
            else:
                await socket.send_json(step)
        assert request.transport is not None
        request.transport.abort()
        return socket


@pytest.fixture
async def scripted() -> AsyncIterator[Scripted]:
    """The scripted switch."""
    script = Scripted()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    script.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield script
    await runner.cleanup()


class Pauses:
    """Sleeps that take no time; kept."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        """Sleep."""
        self.slept.append(seconds)


@pytest.fixture
def pauses() -> Pauses:
    """How long was slept."""
    return Pauses()


@pytest.fixture
async def client(scripted: Scripted, pauses: Pauses) -> AsyncIterator[Client]:
    """A client of it with name and password."""
    async with Client(scripted.url, name="lin", password="secret-word", sleep=pauses, clock=lambda: 1000.0) as made:
        yield made
