"""The API as the bench asks it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from bench.api import Api
from bench.errors import BenchError


class _Handler(BaseHTTPRequestHandler):
    """Gives tokens that serve once each."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[list[tuple[str, str, str]]] = []
    """Path, access token and refresh token."""

    def _answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
        token = self.headers.get("Authorization", "")
        spent = token != "" and any(token == before for _, before, _ in self.asked)
        self.asked.append((self.path, token, body.get("refresh_token", "")))
        given = {"access_token": f"a{len(self.asked)}", "refresh_token": f"r{len(self.asked)}"}
        data = json.dumps(given).encode()
        self.send_response(401 if spent else 404 if self.path == "/nothing" else 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = _answer  # noqa: N815 - the names that the server calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def api() -> Iterator[Api]:
    """A client of a server that is one thread."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        _Handler.asked.clear()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with Api(("127.0.0.1", server.server_address[1])) as client:
            yield client
        server.shutdown()


def test_who_has_signed_in_stays_so(api: Api) -> None:
    """A token that serves no more is renewed by the refresh token that came with it; what was asked is asked again."""
    api.sign_in("admin", "secret")
    api.ask("GET", "/one")
    api.ask("GET", "/two")
    assert _Handler.asked == [
        ("/api/v1/auth/login", "", ""),
        ("/one", "Bearer a1", ""),
        ("/two", "Bearer a1", ""),
        ("/api/v1/auth/refresh", "", "r1"),
        ("/two", "Bearer a4", ""),
    ]


def test_who_has_not_renews_nothing(api: Api) -> None:
    """What needs no account is asked without; what is refused is an error."""
    api.ask("GET", "/one")
    with pytest.raises(BenchError, match="GET /nothing: 404"):
        api.ask("GET", "/nothing")
    assert _Handler.asked == [("/one", "", ""), ("/nothing", "", "")]
