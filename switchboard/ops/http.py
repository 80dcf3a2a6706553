"""Serves the API, /metrics and /health from the running loop; the switch does not depend on it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import socket
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

from config.schema import Http
from switchboard.ops.health import Health
from switchboard.ops.log import get_logger
from switchboard.ops.metrics import Metrics

if TYPE_CHECKING:
    import uvicorn
    from litestar import Litestar, Router

CONNECTIONS: Final = 2048
"""Connections served at a time, each WebSocket one of them; further ones are answered 503 and closed."""
BACKLOG: Final = 64
"""Connections taken in one go, which takes some milliseconds; more at once are tried again by their clients' TCP."""
LONGEST_MESSAGE: Final = 16 * 1024
"""Octets of a message from a WebSocket's client."""
PING_SECONDS: Final = 20.0
SHORT_TURN: Final = 0.0005
"""How long a thread that makes something large may keep the loop from running, in seconds."""
UNREAD_MILLISECONDS: Final = 30_000
"""How long a client may leave what it was sent unread (TCP_USER_TIMEOUT, RFC 5482)."""

BuildApi: TypeAlias = "Callable[[Router], Litestar]"
"""Makes the API with the pages for machines beside it; called in a thread."""

_FAREWELL: Final = 1.0


def open_http(settings: Http) -> socket.socket | None:
    """The listening socket; None where none is wanted, or can be had, which is a warning and no more."""
    if not settings.enabled:
        return None
    try:
        return _listen(settings)
    except OSError as problem:
        busy = problem.errno == errno.EADDRINUSE
        reason = "the port is in use" if busy else (problem.strerror or str(problem)).lower()
        address = f"{settings.host}:{settings.port}"
        get_logger().warning(
            "http.unavailable", address=address, reason=reason, hint="change http in the configuration"
        )
        return None


async def serve_http(
    sock: socket.socket, settings: Http, metrics: Metrics, health: Health, api: BuildApi | None = None
) -> None:
    """Serve on a socket of `open_http` until cancelled, without `api` only the pages."""
    log = get_logger()
    with sock:
        try:
            # two seconds of imports: in a thread, for calls may be up already
            server = await asyncio.to_thread(_build_aside, settings, metrics, health, api)
            await _serve(server, sock)
        except Exception as problem:  # the boundary: calls go on without a web server
            log.error("http.failed", address=f"{settings.host}:{settings.port}", exc_info=problem)


async def _serve(server: uvicorn.Server, sock: socket.socket) -> None:
    serving = asyncio.ensure_future(server.serve(sockets=[sock]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = server.force_exit = True
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(serving, _FAREWELL)
        raise


def _listen(settings: Http) -> socket.socket:
    six = ":" in settings.host
    sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Those accepted inherit it: who stops reading holds neither memory nor a descriptor for longer.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MILLISECONDS)
        sock.bind((settings.host, settings.port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


@contextlib.contextmanager
def short_turns() -> Iterator[None]:
    """Long work in a thread, which must not keep the loop waiting."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SHORT_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


def _build_aside(settings: Http, metrics: Metrics, health: Health, api: BuildApi | None) -> uvicorn.Server:
    try:
        with short_turns():
            return _build(settings, metrics, health, api)
    finally:
        # What was made here stays, and would be walked through whenever the loop collects garbage.
        gc.freeze()


def _build(settings: Http, metrics: Metrics, health: Health, api: BuildApi | None) -> uvicorn.Server:
    import uvicorn

    from switchboard.ops.patience import PatientProtocol
    from switchboard.ops.web import build_app, build_pages

    class Server(uvicorn.Server):
        """Leaves the signals alone: stopping comes from the supervisor."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    token = settings.metrics_token.reveal("metrics") if settings.metrics_token is not None else ""
    config = uvicorn.Config(
        build_app(metrics, health, token) if api is None else api(build_pages(metrics, health, token)),
        loop="none",
        http=PatientProtocol,
        backlog=BACKLOG,
        ws="websockets-sansio",
        ws_max_size=LONGEST_MESSAGE,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=5,
    )
    config.load()
    return Server(config)
