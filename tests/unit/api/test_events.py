"""The event stream over WebSocket: tokens, resuming, snapshots, and clients that do not read."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import websockets
from litestar import Litestar, Router
from litestar.exceptions import WebSocketDisconnect
from litestar.testing import TestClient, WebSocketTestSession

from config.schema import Http
from switchboard.api import events as module
from switchboard.api import telling
from switchboard.api.access_tokens import AccessTokens
from switchboard.api.app import build_api
from switchboard.api.events import events_router
from switchboard.api.pace import Pace, Rate
from switchboard.api.principal import Principal
from switchboard.api.services import Services
from switchboard.api.stream import EventStream
from switchboard.api.telling import Teller
from switchboard.api.types import Role
from switchboard.calls.news import AgentNews, CallNews
from switchboard.ops.health import Health
from switchboard.ops.http import open_http, serve_http
from switchboard.ops.metrics import Metrics
from tests.support.ports import free_port
from tests.unit.api.conftest import BEGIN, FakeClock

BEGIN_US = int(BEGIN * 1e6)
PATH = "/api/v1/events"


async def snapshot(principal: Principal) -> object:
    """Nobody is there."""
    return {"agents": [], "for": principal.name}


async def enrich(news: CallNews, principal: Principal) -> object:
    """What the role may see; one call's data come too late, another's not at all."""
    if news.call == "late":
        await asyncio.sleep(60)
    if news.call == "broken":
        raise LookupError("no such call")
    return {"caller": "138****5678" if principal.role == "agent" else "13812345678"}


@pytest.fixture
def stream(clock: FakeClock) -> EventStream:
    """The stream of the application."""
    return EventStream(lambda: int(clock() * 1e6), queue=100)


@pytest.fixture
def socket_client(services: Services, stream: EventStream) -> Iterator[TestClient[Litestar]]:
    """A client of an API that has only the stream."""
    app = build_api(services, [events_router(services, stream, Teller(enrich), snapshot)])
    with TestClient(app) as client:
        yield client


def opened(client: TestClient[Litestar], token: str = "", query: str = "") -> WebSocketTestSession:
    """A connection with the token as a subprotocol."""
    return client.websocket_connect(PATH + query, subprotocols=["switchboard.v1", f"bearer.{token}"] if token else None)


def say(client: TestClient[Litestar], stream: EventStream, *news: Any) -> None:
    """Tell news in the loop of the application."""

    async def publish() -> None:
        for one in news:
            stream.publish(one)

    client.blocking_portal.call(publish)


def ringing(call: str = "c1", agent: str = "zhang") -> CallNews:
    """A phone rings."""
    return CallNews(step="ringing", call=call, at_us=BEGIN_US, agent=agent)


def closed_with(session: WebSocketTestSession) -> int:
    """The code with which the server closes."""
    with pytest.raises(WebSocketDisconnect) as end:
        _read_on(session)
    return end.value.code


def _read_on(session: WebSocketTestSession) -> None:
    while True:
        session.receive_text(timeout=5)


def test_a_snapshot_then_what_happens(
    socket_client: TestClient[Litestar], stream: EventStream, token: Callable[[Role], str]
) -> None:
    """The token stays out of the answer: the other subprotocol is chosen."""
    with opened(socket_client, token("supervisor")) as session:
        first = session.receive_json(timeout=5)
        assert first == {
            "seq": stream.seq, "at": "2025-06-15T15:06:40Z", "type": "snapshot",
            "data": {"agents": [], "for": "supervisor"},
        }  # fmt: skip
        assert session.accepted_subprotocol == "switchboard.v1"
        say(
            socket_client,
            stream,
            ringing(),
            AgentNews(agent="zhang", state="ringing", before="idle", at_us=BEGIN_US + 5, by="call"),
        )
        ring, state = session.receive_json(timeout=5), session.receive_json(timeout=5)
        assert (ring["seq"], ring["type"]) == (first["seq"] + 1, "call.ringing")
        assert ring["data"] == {
            "call": "c1", "agent": "zhang", "group": "", "detail": "", "ring": {"caller": "13812345678"},
        }  # fmt: skip
        assert state == {
            "seq": first["seq"] + 2, "at": "2025-06-15T15:06:40.000005Z", "type": "agent.state",
            "data": {"agent": "zhang", "state": "ringing", "before": "idle", "reason": "", "by": "call"},
        }  # fmt: skip


def test_each_role_is_told_what_it_may_see(
    socket_client: TestClient[Litestar], services: Services, stream: EventStream, token: Callable[[Role], str]
) -> None:
    """The same ring, with the number masked for the agent."""
    agent = services.tokens.issue(Principal(id="u1", name="zhang", role="agent", agent="zhang"))
    with opened(socket_client, agent) as zhang, opened(socket_client, token("admin")) as admin:
        zhang.receive_json(timeout=5)
        admin.receive_json(timeout=5)
        say(socket_client, stream, ringing())
        assert zhang.receive_json(timeout=5)["data"]["ring"] == {"caller": "138****5678"}
        assert admin.receive_json(timeout=5)["data"]["ring"] == {"caller": "13812345678"}


def test_a_ring_is_told_without_what_comes_too_late_or_fails(
    socket_client: TestClient[Litestar],
    stream: EventStream,
    token: Callable[[Role], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And in its place among the other events."""
    monkeypatch.setattr(telling, "ENRICH_SECONDS", 0.01)
    with opened(socket_client, token("admin")) as admin:
        admin.receive_json(timeout=5)
        say(socket_client, stream, ringing("late"), ringing("broken"), ringing())
        told = [admin.receive_json(timeout=5)["data"] for _ in range(3)]
        assert [(one["call"], "ring" in one) for one in told] == [("late", False), ("broken", False), ("c1", True)]


def test_resuming_goes_on_after_the_last_event_seen(
    socket_client: TestClient[Litestar], stream: EventStream, token: Callable[[Role], str]
) -> None:
    """Without a snapshot; a number that is no number is refused."""
    with opened(socket_client, token("admin")) as session:
        seen = session.receive_json(timeout=5)["seq"]
    say(socket_client, stream, *(CallNews(step="held", call=f"c{n}", at_us=BEGIN_US) for n in range(3)))
    with opened(socket_client, token("admin"), f"?since={seen + 1}") as session:
        assert [session.receive_json(timeout=5)["data"]["call"] for _ in range(2)] == ["c1", "c2"]
    with opened(socket_client, token("admin"), "?since=1") as session:
        assert session.receive_json(timeout=5)["type"] == "snapshot"
    for wrong in ("x", "-1", "1e3", "9" * 30, "１"):
        with opened(socket_client, token("admin"), f"?since={wrong}") as session:
            assert closed_with(session) == 4400


def test_the_token_may_come_as_the_first_message(
    socket_client: TestClient[Litestar], token: Callable[[Role], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within five seconds, and nothing else before it."""
    with opened(socket_client) as session:
        session.send_json({"token": token("agent")})
        assert session.receive_json(timeout=5)["type"] == "snapshot"
    nested = '{"more":' + "[" * 5_000
    for message in ('{"since": 1}', "hello", "[]", '{"token": 5}', '{"token": "x", "more": 1}', nested):
        with opened(socket_client) as session:
            session.send_text(message)
            assert closed_with(session) == 4400
    monkeypatch.setattr(module, "TOKEN_SECONDS", 0.01)
    with opened(socket_client) as session:
        assert closed_with(session) == 4401


def test_who_may_not_listen_is_closed_out(
    socket_client: TestClient[Litestar], services: Services, stream: EventStream, clock: FakeClock,
    token: Callable[[Role], str],
) -> None:  # fmt: skip
    """Garbage and expired tokens 4401, auditors and given passwords 4403; none of them takes a place."""
    expired = token("admin")
    clock.now += 901
    given = Principal(id="u", name="u", role="admin", must_change=True)
    for bad, code in (
        ("garbage", 4401), (expired, 4401), (token("auditor"), 4403), (services.tokens.issue(given), 4403),
    ):  # fmt: skip
        with opened(socket_client, bad) as session:
            assert closed_with(session) == code
    assert stream.counts()["stream_clients"] == 0


def test_the_stream_ends_with_its_token_unless_renewed(
    socket_client: TestClient[Litestar], services: Services, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new token of the same account goes on; one of another does not; a withdrawn one ends it."""
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.005)
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.02)
    zhang = Principal(id="u1", name="zhang", role="agent", agent="zhang", session="s1")
    with opened(socket_client, services.tokens.issue(zhang)) as session:
        session.receive_json(timeout=5)
        clock.now += 600
        session.send_json({"token": services.tokens.issue(zhang)})
        assert session.receive_json(timeout=5)["type"] == "idle"
        assert session.receive_json(timeout=5)["type"] == "idle"
        clock.now += 600
        assert session.receive_json(timeout=5)["type"] == "idle"
        assert session.receive_json(timeout=5)["type"] == "idle"
        clock.now += 300
        assert closed_with(session) == 4401
    with opened(socket_client, services.tokens.issue(zhang)) as session:
        session.send_json({"token": services.tokens.issue(Principal(id="u2", name="li", role="agent", agent="li"))})
        assert closed_with(session) == 4403
    with opened(socket_client, services.tokens.issue(zhang)) as session:
        session.receive_json(timeout=5)
        services.tokens.withdraw("s1")
        assert closed_with(session) == 4401


# --- over real sockets ---


@contextlib.asynccontextmanager
async def served(services: Services, stream: EventStream) -> AsyncIterator[int]:
    """The API in this loop, as in the switch; the port."""
    port = free_port()

    def build(pages: Router) -> Litestar:
        return build_api(services, [events_router(services, stream, Teller(), snapshot)], beside=[pages])

    sock = open_http(Http(port=port))
    assert sock is not None
    serving = asyncio.create_task(serve_http(sock, Http(port=port), Metrics(), Health(), build))
    try:
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(ConnectionRefusedError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    await writer.wait_closed()
                    break
                await asyncio.sleep(0)
        yield port
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


@pytest.fixture
def live(services: Services) -> Services:
    """The services with the real time."""
    from dataclasses import replace

    rates = {name: Rate(each_second=1000.0, burst=1000.0) for name in ("user", "address", "login")}
    return replace(
        services, clock=time.monotonic, utc=time.time, tokens=AccessTokens(time.time), pace=Pace(time.monotonic, rates)
    )


async def _drain(connection: websockets.ClientConnection) -> None:
    while True:
        await connection.recv()


async def test_a_client_that_does_not_read_is_dropped_with_4008(
    live: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The teller is not slowed, another client gets every event in order, and the slow one learns why it ended."""
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.05)
    stream = EventStream(lambda: int(time.time() * 1e6), queue=200)
    token = live.tokens.issue(Principal(id="u0", name="boss", role="supervisor"))
    protocols = [websockets.Subprotocol("switchboard.v1"), websockets.Subprotocol(f"bearer.{token}")]
    took: list[float] = []
    events = 0
    async with served(live, stream) as port:
        url = f"ws://127.0.0.1:{port}{PATH}"
        # A small buffer, so that not reading is felt soon.
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        narrow.setblocking(False)
        await asyncio.get_running_loop().sock_connect(narrow, ("127.0.0.1", port))
        async with (
            websockets.connect(url, subprotocols=protocols, max_queue=1, sock=narrow) as slow,
            websockets.connect(url, subprotocols=protocols, max_queue=None) as quick,
        ):
            begin = json.loads(await quick.recv())["seq"]
            while not stream.dropped:
                assert events < 500_000
                for _ in range(50):
                    at_us = time.time_ns() // 1000
                    before = time.thread_time()
                    stream.publish(CallNews(step="held", call=f"c{events}", at_us=at_us, detail="x" * 200))
                    took.append(time.thread_time() - before)
                    events += 1
                await asyncio.sleep(0.001)
            assert stream.dropped == 1
            got = [json.loads(await asyncio.wait_for(quick.recv(), 10))["seq"] for _ in range(events)]
            assert got == list(range(begin + 1, begin + 1 + events))
            with pytest.raises(websockets.ConnectionClosedError) as end:
                await asyncio.wait_for(_drain(slow), 10)
            assert end.value.rcvd is not None
            assert end.value.rcvd.code == 4008
            assert stream.counts()["stream_clients"] == 1
    assert sorted(took)[len(took) * 9 // 10] < 0.001


async def test_stopping_the_server_ends_the_streams(live: Services) -> None:
    """Clients are told to come back (1012) and no task is left."""
    stream = EventStream(lambda: int(time.time() * 1e6))
    token = live.tokens.issue(Principal(id="u0", name="boss", role="supervisor"))
    async with served(live, stream) as port:
        connection = await websockets.connect(
            f"ws://127.0.0.1:{port}{PATH}", subprotocols=[websockets.Subprotocol(f"bearer.{token}")]
        )
        await connection.recv()
    with pytest.raises(websockets.ConnectionClosed) as end:
        await asyncio.wait_for(connection.recv(), 5)
    assert end.value.rcvd is not None
    assert end.value.rcvd.code == 1012
    async with asyncio.timeout(5):
        while stream.counts()["stream_clients"]:
            await asyncio.sleep(0.01)
