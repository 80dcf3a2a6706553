"""The web pages over a real loopback socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket

import pytest
import structlog

from config.schema import Http
from switchboard.ops.health import Health
from switchboard.ops.http import open_http, serve_http
from switchboard.ops.metrics import Metrics
from tests.support.ports import free_port


async def fetch(port: int, path: str) -> tuple[int, str, str]:
    """Status, content type and body; waits until the server is up."""
    async with asyncio.timeout(20):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(first.split()[1]), headers.get("content-type", ""), body.decode()


def serving_at(port: int, metrics: Metrics, health: Health) -> asyncio.Task[None]:
    """The pages, until it is cancelled."""
    sock = open_http(Http(port=port))
    assert sock is not None
    return asyncio.create_task(serve_http(sock, Http(port=port), metrics, health))


async def test_pages_are_served_until_cancelled() -> None:
    """/metrics is Prometheus text, /health is JSON with the status of the report; the rest is 404."""
    metrics, health = Metrics(), Health()
    metrics.call_ended("normal")
    before = signal.getsignal(signal.SIGINT)
    port = free_port()
    serving = serving_at(port, metrics, health)
    status, kind, body = await fetch(port, "/metrics")
    assert (status, kind.split(";")[0]) == (200, "text/plain")
    assert 'switchboard_calls_total{outcome="normal"} 1.0' in body
    status, kind, body = await fetch(port, "/health")
    assert (status, kind) == (200, "application/json")
    assert json.loads(body)["status"] == "ok"
    health.check("journal", lambda: "the disk is full")
    status, _, body = await fetch(port, "/health")
    assert (status, json.loads(body)["reasons"]) == (503, ["journal: the disk is full"])
    assert (await fetch(port, "/schema"))[0] == 404
    assert signal.getsignal(signal.SIGINT) is before
    serving.cancel()
    assert isinstance((await asyncio.gather(serving, return_exceptions=True))[0], asyncio.CancelledError)
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", port)) != 0


def test_a_busy_port_is_a_warning() -> None:
    """The switch goes on without pages, and the warning names the address."""
    with socket.socket() as taken, structlog.testing.capture_logs() as logs:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert open_http(Http(port=port)) is None
    (entry,) = logs
    assert (entry["event"], entry["log_level"]) == ("http.unavailable", "warning")
    assert entry["address"] == f"127.0.0.1:{port}"
    assert entry["reason"] == "the port is in use"


def test_no_pages_when_switched_off() -> None:
    """http.enabled: false binds nothing."""
    port = free_port()
    assert open_http(Http(port=port, enabled=False)) is None
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", port))


@pytest.mark.parametrize(
    "begun",
    [b"", b"GET /health HTTP/1.1\r\nHost:", b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab"],
    ids=["nothing", "half a head", "half a body"],
)
async def test_who_asks_by_the_drop_is_hung_up(begun: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A place is given back when no whole request has come in time; one that has is answered."""
    from switchboard.ops.patience import PatientProtocol

    monkeypatch.setattr(PatientProtocol, "asking_seconds", 0.2)
    port = free_port()
    serving = serving_at(port, Metrics(), Health())
    assert (await fetch(port, "/health"))[0] == 200
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(begun)
    with contextlib.suppress(ConnectionResetError):
        async with asyncio.timeout(5):
            while await reader.read(1000):
                pass
    writer.close()
    assert (await fetch(port, "/health"))[0] == 200
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
