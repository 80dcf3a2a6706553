"""Answers that the client has already: 304 for a matching If-None-Match (RFC 9110 §13.1.2)."""

from __future__ import annotations

from typing import Final

from litestar.enums import ScopeType
from litestar.types import Message, Scope, Send

_KEPT: Final = frozenset({b"etag", b"vary"})


def unless_known(scope: Scope, send: Send) -> Send:
    """A `send` that leaves the body out when its ETag is one of those the client names."""
    known = _tags(scope)
    if not known or scope["type"] == ScopeType.WEBSOCKET or scope["method"] not in ("GET", "HEAD"):
        return send
    left_out = False

    async def send_unless_known(message: Message) -> None:
        nonlocal left_out
        if message["type"] == "http.response.start" and message["status"] == 200:
            tag = next((value for name, value in message["headers"] if name.lower() == b"etag"), b"")
            if tag and tag.removeprefix(b"W/") in known:
                left_out = True
                headers = [(name, value) for name, value in message["headers"] if name.lower() in _KEPT]
                await send({"type": "http.response.start", "status": 304, "headers": headers})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        if not left_out:
            await send(message)

    return send_unless_known


def _tags(scope: Scope) -> frozenset[bytes]:
    given = b",".join(value for name, value in scope["headers"] if name.lower() == b"if-none-match")
    return frozenset(tag.strip().removeprefix(b"W/") for tag in given.split(b",") if tag.strip())
