"""Requests of flows against real servers on the loopback, good and bad ones."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import structlog

from ivr_flows.actions import Http
from ivr_flows.events import HttpDone
from switchboard.backends import LARGEST, Backends, server_of

SECRET = "4417"

Answer = Callable[["Server", asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A server that answers each connection's request as it is told, and keeps what it was sent."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.connections = 0
        self.tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the listener and all connections."""
        assert self._server is not None
        self._server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                sizes = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(sizes[0].split(b":")[1])) if sizes else b""
                self.requests.append(head + body)
                await self.answer(self, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


def reply(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    """A whole response."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def says(raw: bytes) -> Answer:
    """Answer always the same."""

    async def answer(server: Server, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)

    return answer


async def never(server: Server, writer: asyncio.StreamWriter) -> None:
    """Take the request and say nothing."""
    await asyncio.Event().wait()


async def closes(server: Server, writer: asyncio.StreamWriter) -> None:
    """Close without an answer."""
    writer.close()


async def closes_midway(server: Server, writer: asyncio.StreamWriter) -> None:
    """Promise more than is sent."""
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"own"')
    writer.close()


async def trickles(server: Server, writer: asyncio.StreamWriter) -> None:
    """Send a blank now and then, and never end."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1\r\n \r\n")
        await writer.drain()
        await asyncio.sleep(0.005)


async def pours(server: Server, writer: asyncio.StreamWriter) -> None:
    """Send for ever, without saying how much."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        await writer.drain()


Serve = Callable[[Answer], Awaitable[Server]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts servers that are gone after the test."""
    servers: list[Server] = []

    async def start(answer: Answer) -> Server:
        server = Server(answer)
        await server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop()


class Asking:
    """Backends under test, and what became of each request."""

    def __init__(self, **options: Any) -> None:
        self.observed: list[tuple[str, str]] = []
        self.backends = Backends(pause=0.001, observe=self._observe, **options)
        self.done: list[HttpDone] = []
        self.changed = asyncio.Event()

    def _observe(self, server: str, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        self.observed.append((server, outcome))

    def take(self, end: HttpDone) -> None:
        """Where ends come in."""
        self.done.append(end)
        self.changed.set()

    def send(self, where: Server | str, call_id: str = "call", **fields: Any) -> None:
        """Begin a request."""
        url = where if isinstance(where, str) else f"http://127.0.0.1:{where.port}/orders/8{SECRET}?subject={SECRET}"
        given = {"method": "GET", "headers": {}, "body": None, "timeout": 10.0, "retries": 0, "request_id": 1, **fields}
        self.backends.request(Http(url=url, **given), self.take, call_id)

    async def until(self, count: int) -> list[HttpDone]:
        """Wait for so many ends."""
        async with asyncio.timeout(20):
            while len(self.done) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.done

    async def ask(self, where: Server | str, **fields: Any) -> HttpDone:
        """Send a request and return its end."""
        before = len(self.done)
        self.send(where, **fields)
        assert len(self.done) == before, "told before request() returned"
        return (await self.until(before + 1))[-1]


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    """Backends that are closed after the test."""
    asking = Asking()
    yield asking
    await asking.backends.close()
    assert asking.backends.under_way == 0


def dead_end() -> str:
    """A URL where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{sock.getsockname()[1]}/"


class TestAnswers:
    """What comes back."""

    async def test_a_json_object(self, serve: Serve, asking: Asking) -> None:
        """Status and decoded body are told under the request's number."""
        server = await serve(says(reply(b'{"own": true, "data": {"items": [{"status": "sent"}]}}')))
        end = await asking.ask(server, request_id=7)
        assert end == HttpDone(7, 200, {"own": True, "data": {"items": [{"status": "sent"}]}}, "")
        assert asking.observed == [(f"http://127.0.0.1:{server.port}", "2xx")]

    async def test_what_is_sent(self, serve: Serve, asking: Asking) -> None:
        """Method, path, headers and body are the flow's; the body is JSON; nothing is to be compressed."""
        server = await serve(says(reply(b"{}")))
        await asking.ask(server, method="POST", headers={"X-Key": "abc"}, body=b'{"step": "number"}')
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        assert lines[0] == f"post /orders/8{SECRET}?subject={SECRET} http/1.1"
        assert {"x-key: abc", "content-type: application/json", "accept-encoding: identity"} <= set(lines)
        assert body == b'{"step": "number"}'

    async def test_a_content_type_of_the_flow(self, serve: Serve, asking: Asking) -> None:
        """A flow may say what its body is."""
        server = await serve(says(reply(b"{}")))
        await asking.ask(server, method="POST", headers={"content-type": "text/plain"}, body=b"1")
        assert server.requests[0].lower().count(b"content-type") == 1

    @pytest.mark.parametrize("status", ["404 Not Found", "500 Oh", "302 Found"])
    async def test_other_statuses(self, serve: Serve, asking: Asking, status: str) -> None:
        """Statuses are for the flow to judge, with or without JSON."""
        server = await serve(says(reply(b"<html>", status)))
        assert await asking.ask(server) == HttpDone(1, int(status[:3]), None, "")
        server.answer = says(reply(b'{"error": 1}', status))
        assert await asking.ask(server) == HttpDone(1, int(status[:3]), {"error": 1}, "")

    async def test_an_empty_answer(self, serve: Serve, asking: Asking) -> None:
        """A hook that answers with nothing has answered well."""
        server = await serve(says(b"HTTP/1.1 204 No Content\r\n\r\n"))
        assert await asking.ask(server) == HttpDone(1, 204, None, "")
        server.answer = says(reply(b" \n"))
        assert await asking.ask(server) == HttpDone(1, 200, None, "")

    async def test_redirects_are_not_followed(self, serve: Serve, asking: Asking) -> None:
        """No other server gets the request."""
        other = await serve(says(reply(b"{}")))
        server = await serve(says(reply(b"", "307 Go", f"Location: http://127.0.0.1:{other.port}/\r\n")))
        assert (await asking.ask(server)).status == 307
        assert other.requests == []

    async def test_cookies_are_forgotten(self, serve: Serve, asking: Asking) -> None:
        """What one call was given is not sent by the next."""
        server = await serve(says(reply(b"{}", headers="Set-Cookie: session=1; Path=/\r\n")))
        await asking.ask(server)
        await asking.ask(server)
        assert b"cookie" not in server.requests[1].lower()

    @pytest.mark.parametrize(
        "body", [b"<html>", b'{"own": true', b"\xff\xfe{}", b"[" * 50000, b"nonsense", b"{}{}", b"NaN"]
    )
    async def test_no_json(self, serve: Serve, asking: Asking, body: bytes) -> None:
        """A good status with something else than JSON is invalid."""
        server = await serve(says(reply(body)))
        assert await asking.ask(server) == HttpDone(1, 200, None, "invalid")

    async def test_packed_answers(self, serve: Serve, asking: Asking) -> None:
        """What was not to be compressed is not unpacked."""
        server = await serve(says(reply(b"\x1f\x8b\x08\x00 a bomb", headers="Content-Encoding: gzip\r\n")))
        assert (await asking.ask(server)).error == "invalid"

    @pytest.mark.parametrize(
        "raw",
        [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 5000 + b"\r\n"],
    )
    async def test_no_http(self, serve: Serve, asking: Asking, raw: bytes) -> None:
        """What is no HTTP is invalid, whoever speaks there."""
        assert (await asking.ask(await serve(says(raw)))).error == "invalid"

    async def test_too_large_as_announced(self, serve: Serve, asking: Asking) -> None:
        """A body over the bound is not read."""
        server = await serve(says(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"))
        assert await asking.ask(server) == HttpDone(1, 200, None, "too_large")

    async def test_too_large_without_warning(self, serve: Serve, asking: Asking) -> None:
        """A body that goes on for ever is given up at the bound."""
        assert await asking.ask(await serve(pours)) == HttpDone(1, 200, None, "too_large")

    async def test_as_large_as_may_be(self, serve: Serve, asking: Asking) -> None:
        """The bound itself is allowed."""
        body = json.dumps("x" * (LARGEST - 2)).encode()
        assert len(body) == LARGEST
        assert (await asking.ask(await serve(says(reply(body))))).error == ""


class TestTrouble:
    """Servers that do not answer."""

    @pytest.mark.parametrize("answer", [never, trickles])
    async def test_slow(self, serve: Serve, asking: Asking, answer: Answer) -> None:
        """The timeout is over the whole request, however it is spent."""
        assert await asking.ask(await serve(answer), timeout=0.1) == HttpDone(1, 0, None, "timeout")
        assert asking.observed[0][1] == "timeout"

    async def test_the_timeout_is_over_all_tries(self, serve: Serve, asking: Asking) -> None:
        """Retries do not add to it."""
        server = await serve(says(reply(b"{}", "503 x")))
        asking.backends._pause = 5.0
        assert (await asking.ask(server, timeout=0.5, retries=9)).status == 503
        assert len(server.requests) == 1

    async def test_refused(self, asking: Asking) -> None:
        """Nobody listening is told at once, retries or not."""
        assert await asking.ask(dead_end(), retries=2) == HttpDone(1, 0, None, "unreachable")
        assert await asking.ask(dead_end(), method="POST", body=b"{}") == HttpDone(1, 0, None, "unreachable")

    @pytest.mark.parametrize("answer", [closes, closes_midway])
    async def test_closes(self, serve: Serve, asking: Asking, answer: Answer) -> None:
        """A connection that ends early has brought nothing."""
        assert (await asking.ask(await serve(answer), method="POST", body=b"{}")).error == "unreachable"

    @pytest.mark.parametrize(
        "url",
        ["", "nonsense", "ftp://127.0.0.1/", "http://", "http://[::1", "http://127.0.0.1:99999/", "file:///etc/passwd"],
    )
    async def test_no_url(self, asking: Asking, url: str) -> None:
        """What variables made of a URL may be none."""
        assert (await asking.ask(url)).error == "unreachable"

    async def test_headers_cannot_be_split(self, serve: Serve, asking: Asking) -> None:
        """A line break in a value is refused, and nothing is sent."""
        server = await serve(says(reply(b"{}")))
        assert (await asking.ask(server, headers={"X-A": "1\r\nX-B: 2"})).error == "unreachable"
        assert server.requests == []

    async def test_an_unknown_host(self, asking: Asking) -> None:
        """A name that does not exist is unreachable."""
        assert (await asking.ask("http://nobody.invalid/")).error in ("unreachable", "timeout")

    async def test_a_fault_of_ours(self, asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever breaks, the flow gets an end."""

        async def broken(*_: object) -> None:
            raise AssertionError(f"about {SECRET}")

        monkeypatch.setattr(asking.backends, "_tries", broken)
        with structlog.testing.capture_logs() as lines:
            assert (await asking.ask("http://127.0.0.1/")).error == "unreachable"
        assert [line["fault"] for line in lines if line["event"] == "backend.fault"] == ["AssertionError"]
        assert SECRET not in str(lines)

    async def test_a_fault_of_who_asked(self, serve: Serve, asking: Asking) -> None:
        """An exception where the end is told does not reach the loop, nor the next request."""
        server = await serve(says(reply(b"{}")))

        def broken(end: HttpDone) -> None:
            asking.take(end)
            raise AssertionError

        asking.backends.request(Http(1, "GET", f"http://127.0.0.1:{server.port}/", {}, None, 5.0, 0), broken, "call")
        with structlog.testing.capture_logs() as lines:
            await asking.until(1)
            assert (await asking.ask(server)).status == 200
        assert [line["event"] for line in lines if line["log_level"] == "error"] == ["backend.unheard"]


class TestRetries:
    """What is tried again."""

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
    async def test_what_may_be_sent_twice(self, serve: Serve, asking: Asking, method: str) -> None:
        """A lost answer of an idempotent method is asked for again, so often as allowed."""
        server = await serve(closes)
        assert (await asking.ask(server, method=method, retries=2)).error == "unreachable"
        assert len(server.requests) >= 3

    async def test_what_may_not(self, serve: Serve, asking: Asking) -> None:
        """A POST that may have been taken is not sent twice."""
        server = await serve(closes)
        assert (await asking.ask(server, method="POST", body=b"{}", retries=5)).error == "unreachable"
        assert len(server.requests) == 1

    async def test_a_post_that_was_never_sent(
        self, serve: Serve, asking: Asking, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A refused connection may be tried again, whatever the method."""
        url = dead_end()
        port = int(url.rsplit(":", 1)[1].strip("/"))
        late: list[Server] = []
        sleep = asyncio.sleep

        async def begins_to_listen(seconds: float) -> None:
            if not late:
                server = Server(says(reply(b"{}")))
                server._server = await asyncio.start_server(server._serve, "127.0.0.1", port)
                late.append(server)
            await sleep(0)

        monkeypatch.setattr("switchboard.backends.asyncio.sleep", begins_to_listen)
        assert (await asking.ask(url, method="POST", body=b"{}", retries=1)).status == 200
        monkeypatch.undo()
        await late[0].stop()

    @pytest.mark.parametrize(("status", "tries"), [(500, 1), (502, 3), (503, 3), (504, 3), (404, 1), (200, 1)])
    async def test_statuses(self, serve: Serve, asking: Asking, status: int, tries: int) -> None:
        """What may pass is tried again, what would come again is not; the last answer counts."""
        server = await serve(says(reply(b"{}", f"{status} x")))
        assert (await asking.ask(server, retries=2)).status == status
        assert len(server.requests) == tries

    async def test_success_at_last(self, serve: Serve, asking: Asking) -> None:
        """The first good answer ends it."""

        async def third_time(server: Server, writer: asyncio.StreamWriter) -> None:
            writer.write(reply(b'{"n": 3}') if len(server.requests) == 3 else reply(b"", "503 x"))

        assert await asking.ask(await serve(third_time), retries=5) == HttpDone(1, 200, {"n": 3}, "")
        assert [outcome for _, outcome in asking.observed] == ["2xx"]

    async def test_kept_connections(self, serve: Serve, asking: Asking) -> None:
        """Only what may be sent twice goes over a connection that the server may just be closing."""
        server = await serve(says(reply(b"{}")))
        for _ in range(3):
            await asking.ask(server)
        assert server.connections == 1
        for _ in range(3):
            await asking.ask(server, method="POST", body=b"{}")
        assert server.connections == 4


class TestBounds:
    """How much goes on at a time, and how it is stopped."""

    async def test_busy(self, serve: Serve) -> None:
        """A request over the bound is answered at once, though not before `request` returns; then there is room."""
        server = await serve(never)
        asking = Asking(most=3)
        for number in range(3):
            asking.send(server, f"call {number}")
        end = await asking.ask(server, call_id="one more")
        assert end == HttpDone(1, 0, None, "busy")
        assert asking.backends.under_way == 3
        asking.backends.cancel("call 1")
        while asking.backends.under_way == 3:
            await asyncio.sleep(0)
        server.answer = says(reply(b"{}"))
        assert (await asking.ask(server)).status == 200
        await asking.backends.close()

    async def test_one_after_the_other(self, serve: Serve) -> None:
        """Who is told may ask again at once, however full it is."""
        server = await serve(says(reply(b"{}")))
        asking = Asking(most=1)

        def then(end: HttpDone) -> None:
            asking.take(end)
            asking.send(server, request_id=2)

        asking.backends.request(Http(1, "GET", f"http://127.0.0.1:{server.port}/", {}, None, 5.0, 0), then, "call")
        assert [end.status for end in await asking.until(2)] == [200, 200]
        await asking.backends.close()

    async def test_cancelled(self, serve: Serve, asking: Asking) -> None:
        """A call that is over hears nothing, and its connection is closed."""
        server = await serve(never)
        asking.send(server, "gone")
        asking.send(server, "stays", timeout=0.3)
        while len(server.requests) < 2:
            await asyncio.sleep(0.001)
        asking.backends.cancel("gone")
        asking.backends.cancel("never there")
        await asking.until(1)
        assert [end.error for end in asking.done] == ["timeout"]
        assert asking.backends.under_way == 0
        assert asking.backends._asked == {}
        assert [outcome for _, outcome in asking.observed] == ["timeout"]

    async def test_cancelled_when_the_answer_is_there(self, serve: Serve, asking: Asking) -> None:
        """However late the cancellation, nothing is told after it."""
        server = await serve(says(reply(b"{}")))
        await asking.ask(server)
        for turns in range(40):
            asking.done.clear()
            asking.send(server)
            for _ in range(turns):
                await asyncio.sleep(0)
            told = len(asking.done)
            asking.backends.cancel("call")
            while asking.backends.under_way:
                await asyncio.sleep(0)
            assert len(asking.done) == told

    async def test_cancelled_while_busy(self, serve: Serve) -> None:
        """The refusal of a call that is over is not told either."""
        asking = Asking(most=0)
        asking.send("http://127.0.0.1/")
        asking.backends.cancel("call")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert asking.done == []
        await asking.backends.close()

    async def test_several_of_one_call(self, serve: Serve, asking: Asking) -> None:
        """A call may ask twice at a time."""
        server = await serve(says(reply(b"{}")))
        asking.send(server, request_id=1)
        asking.send(server, request_id=2)
        assert {end.request_id for end in await asking.until(2)} == {1, 2}

    async def test_closed(self, serve: Serve) -> None:
        """Closing gives up what is under way; later requests are refused."""
        server = await serve(never)
        asking = Asking()
        asking.send(server)
        while not server.requests:
            await asyncio.sleep(0.001)
        await asking.backends.close()
        assert (asking.backends.under_way, asking.done) == (0, [])
        assert (await asking.ask(server)).error == "busy"
        await asking.backends.close()

    async def test_two_hundred_at_once(self, serve: Serve, asking: Asking) -> None:
        """The default bound is really served at a time."""
        held = asyncio.Event()

        async def hold(server: Server, writer: asyncio.StreamWriter) -> None:
            await held.wait()
            writer.write(reply(b"{}"))

        server = await serve(hold)
        for number in range(200):
            asking.send(server, f"call {number}")
        assert (await asking.ask(server)).error == "busy"
        while len(server.requests) < 200:
            await asyncio.sleep(0.001)
        held.set()
        ends = await asking.until(201)
        assert sum(end.status == 200 for end in ends) == 200


class TestSecrecy:
    """What is written of it."""

    async def test_lines(self, serve: Serve, asking: Asking) -> None:
        """Server, method, status and time; neither path, query, headers nor bodies, in good times and bad."""
        server = await serve(says(reply(f'{{"digits": "{SECRET}"}}'.encode())))
        private = {"method": "POST", "headers": {"X-Key": SECRET}, "body": SECRET.encode()}
        with structlog.testing.capture_logs() as lines:
            await asking.ask(server, call_id="0c1", **private)
            server.answer = says(reply(SECRET.encode() + b"{", "500 x"))
            await asking.ask(server, **private)
            server.answer = says(reply(SECRET.encode() + b"{"))
            await asking.ask(server, **private)
            server.answer = says(SECRET.encode() + b"\r\n\r\n")
            await asking.ask(server, **private)
            server.answer = closes_midway
            await asking.ask(server, **private)
            await asking.ask(f"http://user:{SECRET}@127.0.0.1:1/{SECRET}", **private)
            await asking.ask(f"http://127.0.0.1:{SECRET}{SECRET}/", **private)
        assert len(lines) >= 7
        assert SECRET not in str(lines)
        first = lines[0]
        assert (first["event"], first["call_id"], first["status"]) == ("backend.answered", "0c1", 200)
        assert first["backend"] == f"http://127.0.0.1:{server.port}"
        assert SECRET not in str(asking.observed)

    async def test_trouble_is_loud_once(self, serve: Serve, asking: Asking) -> None:
        """A server that stops answering is a warning, and so is its return; each request between is a line."""
        server = await serve(says(reply(b"{}", "500 x")))
        with structlog.testing.capture_logs() as lines:
            for _ in range(3):
                await asking.ask(server)
            server.answer = says(reply(b"{}"))
            await asking.ask(server)
            await asking.ask(server)
        loud = [line["event"] for line in lines if line["log_level"] == "warning"]
        assert loud == ["backend.down", "backend.up"]
        assert [line["event"] for line in lines].count("backend.failed") == 3

    @pytest.mark.parametrize(
        ("url", "server"),
        [
            ("http://backend.example/a?b=c", "http://backend.example:80"),
            ("https://backend.example:8443/a", "https://backend.example:8443"),
            ("https://me:secret@backend.example", "https://backend.example:443"),
            ("http://[::1]:81/", "http://[::1]:81"),
            ("http://[::1", "?"),
            ("http://a:99999/", "?"),
            ("ftp://a/", "?"),
            ("", "?"),
        ],
    )
    def test_a_server_is_named(self, url: str, server: str) -> None:
        """Without user, path or query."""
        assert server_of(url) == server
