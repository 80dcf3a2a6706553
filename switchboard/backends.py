"""Asks the customers' own servers on behalf of flows: one bounded task a request, and never an exception.

What is sent and what comes back is never logged, nor is the path: each may hold a number or an entry. A line
names the server as ``scheme://host:port``, the method, the status and the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, cast
from urllib.parse import urlsplit

import msgspec

from ivr_flows.actions import Http
from ivr_flows.events import HttpDone
from switchboard.ops.log import get_logger

if TYPE_CHECKING:
    import aiohttp

MOST: Final = 200
"""Requests under way at a time; a further one is answered ``busy``."""
LARGEST: Final = 64 * 1024
"""Octets of a response's body."""
PAUSE: Final = 0.1
"""Seconds before the first retry; each further one waits twice as long."""

_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})  # RFC 9110 section 9.2.2
_PASSING: Final = frozenset({502, 503, 504})
"""Statuses that a second try may not meet again."""
_FAREWELL: Final = 1.0
_MOST_NAMED: Final = 64
_HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # a small body must not grow large when it is unpacked
    "User-Agent": "switchboard",
}

Error = Literal["", "timeout", "unreachable", "invalid", "too_large", "busy"]
Done = Callable[[HttpDone], None]
Observe = Callable[[str, str, float], None]
"""Told of each request that was sent: server, outcome ("2xx", "5xx", "timeout", ...), seconds."""


class _Reply(NamedTuple):
    """What one try brought."""

    status: int = 0
    body: object = None
    error: Error = ""
    again: bool = False
    """Whether another try may be made."""


class _Asked:
    """One request under way."""

    __slots__ = ("call_id", "done", "http", "live", "work")

    def __init__(self, http: Http, done: Done, call_id: str) -> None:
        self.http = http
        self.done = done
        self.call_id = call_id
        self.live = True
        self.work: asyncio.Task[None] | asyncio.Handle | None = None


class Backends:
    """The requests of all calls, made in the running loop.

    ``done`` is called in the loop exactly once for each request, later than `request` returns, unless the call
    is cancelled first. A request takes at most its own timeout, tries included. An idempotent one may be sent once
    more than `retries` says, when the connection it went out on was just being closed.
    """

    def __init__(self, *, most: int = MOST, pause: float = PAUSE, observe: Observe | None = None) -> None:
        self._most = most
        self._pause = pause
        self._observe = observe
        self._log = get_logger()
        self._asked: dict[str, set[_Asked]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failing: set[str] = set()
        self._opening = asyncio.Lock()
        self._kept: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None
        self._closed = False

    @property
    def under_way(self) -> int:
        """Requests that have been sent and not answered."""
        return len(self._tasks)

    async def open(self) -> None:
        """Make ready to send, so that the first request need not; the library is loaded beside the loop."""
        async with self._opening:
            if self._kept is None and not self._closed:
                await asyncio.to_thread(_load)
                self._kept, self._fresh = _session(kept=True), _session(kept=False)

    def request(self, http: Http, done: Done, call_id: str) -> None:
        """Send a request for a call; `done` gets its end."""
        asked = _Asked(http, done, call_id)
        self._asked.setdefault(call_id, set()).add(asked)
        loop = asyncio.get_running_loop()
        if self._closed or len(self._tasks) >= self._most:
            self._log.info("backend.busy", call_id=call_id, under_way=len(self._tasks))
            asked.work = loop.call_soon(self._tell, asked, _Reply(error="busy"))
            return
        asked.work = task = loop.create_task(self._run(asked), name="backend")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel(self, call_id: str) -> None:
        """Give up the requests of a call; their `done` is not called any more."""
        for asked in self._asked.pop(call_id, ()):
            asked.live = False
            if asked.work is not None:
                asked.work.cancel()

    async def close(self) -> None:
        """Give up all requests and close all connections; a request made later is answered ``busy``."""
        self._closed = True
        for call_id in list(self._asked):
            self.cancel(call_id)
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=_FAREWELL)
        for session in (self._kept, self._fresh):
            if session is not None:
                await session.close()
        self._kept = self._fresh = None

    async def _run(self, asked: _Asked) -> None:
        http = asked.http
        server = server_of(http.url)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with asyncio.timeout(http.timeout):
                await self.open()
                reply = await self._tries(http, begun + http.timeout)
        except TimeoutError:
            reply = _Reply(error="timeout")
        except Exception as problem:  # noqa: BLE001 - the boundary; the message is left out, it may quote the URL
            self._log.error("backend.fault", call_id=asked.call_id, backend=server, fault=type(problem).__name__)
            reply = _Reply(error="unreachable")
        if asked.live:
            self._tasks.discard(cast("asyncio.Task[None]", asked.work))  # what `done` asks next has its room
            self._note(asked, server, reply, loop.time() - begun)
            self._tell(asked, reply)

    async def _tries(self, http: Http, deadline: float) -> _Reply:
        """Try until there is an answer, no try is left, or the next one would begin too late."""
        session = self._kept if http.method in _IDEMPOTENT else self._fresh
        if session is None:
            return _Reply(error="busy")
        pause = self._pause
        reply = await _try(session, http)
        for _ in range(http.retries):
            if not reply.again or asyncio.get_running_loop().time() + pause >= deadline:
                break
            await asyncio.sleep(pause)
            pause *= 2
            reply = await _try(session, http)
        return reply

    def _tell(self, asked: _Asked, reply: _Reply) -> None:
        waiting = self._asked.get(asked.call_id, set())
        waiting.discard(asked)
        if not waiting:
            self._asked.pop(asked.call_id, None)
        try:
            asked.done(HttpDone(asked.http.request_id, reply.status, reply.body, reply.error))
        except Exception as problem:  # the boundary: a fault in one call is not the end of the others
            log = self._log
            log.error("backend.unheard", call_id=asked.call_id, exc_info=problem)

    def _note(self, asked: _Asked, server: str, reply: _Reply, seconds: float) -> None:
        """Count the end of a request and log it; a server that stops or begins to answer is told loudly."""
        outcome = reply.error or f"{reply.status // 100}xx"
        if self._observe is not None:
            self._observe(server, outcome, seconds)
        failed = bool(reply.error) or reply.status >= 500
        write = self._log.info if failed else self._log.debug
        write(
            "backend.failed" if failed else "backend.answered",
            call_id=asked.call_id,
            backend=server,
            method=asked.http.method,
            status=reply.status,
            error=reply.error,
            ms=round(seconds * 1000, 1),
        )
        if failed and server not in self._failing and len(self._failing) < _MOST_NAMED:
            self._failing.add(server)
            self._log.warning("backend.down", backend=server, reason=outcome, hint="flows take their error exits")
        elif not failed and server in self._failing:
            self._failing.discard(server)
            self._log.warning("backend.up", backend=server)


def server_of(url: str) -> str:
    """``scheme://host:port`` of a URL, without user, path or query; "?" when it has none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "?"
    if not host or parts.scheme not in ("http", "https"):
        return "?"
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{port or (443 if parts.scheme == 'https' else 80)}"


async def _try(session: aiohttp.ClientSession, http: Http) -> _Reply:
    """Send a request once."""
    import aiohttp

    safe = http.method in _IDEMPOTENT
    headers = dict(http.headers)
    if http.body is not None and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "application/json"
    try:
        async with session.request(
            http.method, http.url, headers=headers, data=http.body, allow_redirects=False
        ) as response:
            return await _read(response, safe)
    except aiohttp.ClientSSLError:
        return _Reply(error="unreachable")
    except aiohttp.ClientConnectorError:  # refused: nothing was sent, whatever the method
        return _Reply(error="unreachable", again=True)
    except aiohttp.ClientResponseError:  # no HTTP
        return _Reply(error="invalid")
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, ValueError, TypeError):  # what variables made of it
        return _Reply(error="unreachable")
    except (aiohttp.ClientError, OSError):
        return _Reply(error="unreachable", again=safe)


async def _read(response: aiohttp.ClientResponse, safe: bool) -> _Reply:
    """Read an answer; outside 2xx the status counts, and a body that is no JSON is none."""
    status = response.status
    raw = bytearray()
    if (response.content_length or 0) > LARGEST:
        return _Reply(status, error="too_large")
    async for chunk in response.content.iter_any():
        raw += chunk
        if len(raw) > LARGEST:
            return _Reply(status, error="too_large")
    again = safe and status in _PASSING
    if not raw.strip():
        return _Reply(status, again=again)
    try:
        return _Reply(status, msgspec.json.decode(raw), again=again)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Reply(status, error="invalid" if 200 <= status < 300 else "", again=again)


def _load() -> None:
    """Import the client: a quarter of a second that no call should wait for."""
    import aiohttp

    assert aiohttp


def _session(*, kept: bool) -> aiohttp.ClientSession:
    """Connections to all servers: kept for the next request, or fresh ones.

    On a kept connection that the server closes meanwhile a request is lost, so that only what may be sent
    twice goes there.
    """
    import aiohttp

    if kept:
        connector = aiohttp.TCPConnector(limit=0, resolver=aiohttp.ThreadedResolver(), keepalive_timeout=15.0)
    else:
        connector = aiohttp.TCPConnector(limit=0, resolver=aiohttp.ThreadedResolver(), force_close=True)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),  # what one call was given is nothing to the next
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # the request's own is over all
        headers=_HEADERS,
        auto_decompress=False,
        read_bufsize=LARGEST,
    )
