"""One WebSocket of a browser's phone (RFC 6455, RFC 7118): each of its messages is one SIP message."""

from __future__ import annotations

import asyncio
import http
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import Event, State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from switchboard.net.link import Link, Owner, Patience
from switchboard.sip.errors import ParseError
from switchboard.sip.flow import StreamAddress
from switchboard.sip.message import MAX_BODY, MAX_HEAD, Message, parse_datagram

MOST_HANDSHAKE: Final = 16 * 1024
"""Octets of an HTTP request, cookies and all."""

PIECE: Final = 4096
"""Octets that are cut into frames at a time, so that nobody else waits while a peer's frames are only counted."""
MOST_FRAMES: Final = 32
"""Frames in a piece; SIP messages are far larger, and who sends more of less wants to keep us busy."""

PONG_WITHIN: Final = 20.0
"""Seconds that a peer has for its pong."""

PING: Final = b"\r\n\r\n"
PONG: Final = b"\r\n"
"""RFC 7118 §6 allows the keep-alive of RFC 5626 §3.5.1 beside that of WebSockets."""

_LOG: Final = logging.getLogger("switchboard.net.web")
# Frames hold numbers and credentials, and connections are no news.
_LOG.setLevel(logging.WARNING)

_SIP: Final = (Subprotocol("sip"),)
"""RFC 7118 §4.1: without it there is no connection."""


class Welcome(NamedTuple):
    """Who may connect: to which path, and from pages of which origins.

    Without `origins` a page must come from the host it connects to, on any port; "*" stands for every page. What is no
    browser names no origin, and has to prove itself by its password alone.
    """

    path: str = "/"
    origins: tuple[str, ...] = ()

    def refusal(self, request: Request) -> tuple[int, str] | None:
        """Status and reason for which a handshake is refused."""
        if request.path.partition("?")[0] != self.path:
            return http.HTTPStatus.NOT_FOUND, "There is nothing here.\n"
        origins = request.headers.get_all("Origin")
        if origins and not (len(origins) == 1 and self._allows(origins[0], request)):
            return http.HTTPStatus.FORBIDDEN, "Pages of this origin may not connect.\n"
        return None

    def _allows(self, origin: str, request: Request) -> bool:
        if self.origins:
            return "*" in self.origins or origin.lower() in self.origins
        page, here = _host(origin), [_host(f"//{value}") for value in request.headers.get_all("Host")]
        return page != "" and here == [page]


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


WELCOME: Final = Welcome()


class WebConnection(Link):
    """Only the peer can open it, so nothing is sent before its handshake."""

    __slots__ = ("_before", "_parts", "_pinged", "_protocol", "_seen", "_text", "_welcome")

    def __init__(
        self, owner: Owner, address: StreamAddress, clock: Callable[[], float], welcome: Welcome = WELCOME
    ) -> None:
        super().__init__(owner, address, clock)
        self._welcome = welcome
        self._protocol = ServerProtocol(subprotocols=_SIP, max_size=MAX_HEAD + MAX_BODY, logger=_LOG)
        self._before = 0
        """Octets of the handshake."""
        self._parts = bytearray()
        """What has come of a message in fragments."""
        self._text = False
        """Whether it is of text."""
        self._seen = self.used
        """When octets of any kind last came."""
        self._pinged: float | None = None
        """When it was asked for the pong that it owes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the handshake."""
        super().connection_made(transport)
        self.began = self._seen = self.used

    def data_received(self, data: bytes) -> None:
        """Take the handshake, then messages; pings are answered, also those of RFC 5626 §3.5.1."""
        if self._transport is None or self._transport.is_closing():
            return
        protocol = self._protocol
        self._seen = self._clock()
        self._pinged = None
        opening = protocol.state is State.CONNECTING
        if opening:
            self._before += len(data)
            if self._before > MOST_HANDSHAKE:
                self.abort()
                return
        messages: list[Message] = []
        for piece in (data,) if opening or len(data) <= PIECE else _pieces(data):
            protocol.receive_data(piece)
            events = protocol.events_received()
            # RFC 6455 §4.1: nothing may come before our side of the handshake has gone.
            if len(events) > MOST_FRAMES or (opening and events and (len(events) > 1 or protocol.eof_sent)):
                self.abort()
                return
            if not self._take_all(events, messages):
                break
        self._flush()
        if messages:
            self._owner.received(self, messages, None)

    def send(self, data: bytes) -> bool:
        """Send one message, as text wherever it is UTF-8 (RFC 7118 §4.2)."""
        if self._transport is None or self._transport.is_closing() or self._protocol.state is not State.OPEN:
            return False
        if data.isascii() or _is_text(data):
            self._protocol.send_text(data)
        else:
            self._protocol.send_binary(data)
        self.used = self._clock()
        return self._flush()

    def overdue(self, now: float, patience: Patience) -> bool:
        """Whether it is to be ended; a silent one is pinged, which also keeps open what lies between."""
        if self._protocol.state is State.CONNECTING:
            return self.began is not None and now - self.began > patience.connect
        if super().overdue(now, patience):
            return True
        if self._pinged is not None:
            return now - self._pinged > PONG_WITHIN
        if now - self._seen > patience.ping and self._protocol.state is State.OPEN:
            self._pinged = now
            self._protocol.send_ping(b"")
            self._flush()
        return False

    def close(self) -> None:
        """Say that we go, then close."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(CloseCode.GOING_AWAY)
            self._flush()
        super().close()

    def _greet(self, request: Request) -> None:
        protocol, refusal = self._protocol, self._welcome.refusal(request)
        protocol.send_response(protocol.accept(request) if refusal is None else protocol.reject(*refusal))
        if protocol.state is State.OPEN:
            self.began, self.used = None, self._seen
            # Who has shaken hands as a SIP client may wait until somebody signs in.
            self.heard = 1

    def _take_all(self, events: Sequence[Event], messages: list[Message]) -> bool:
        """False when nothing that follows is to be taken."""
        for event in events:
            if isinstance(event, Request):
                self._greet(event)
            elif isinstance(event, Frame) and not self._take(event, messages):
                return False
        return True

    def _take(self, frame: Frame, messages: list[Message]) -> bool:
        """Take a part of a message, or all of it; False when nothing that follows is to be taken."""
        if frame.opcode > Opcode.BINARY:
            return True
        if frame.opcode is not Opcode.CONT:
            self._text = frame.opcode is Opcode.TEXT
            self.began = self._seen
        self._parts += frame.data
        if not frame.fin:
            return True
        data = bytes(self._parts)
        self._parts.clear()
        self.began, self.used = None, self._seen
        if self._text and not (data.isascii() or _is_text(data)):
            self._protocol.fail(CloseCode.INVALID_DATA)
            return False
        if data.strip(b"\r\n"):
            self._parse(data, messages)
        elif len(data) >= len(PING):
            self.send(PONG)
        return True

    def _parse(self, data: bytes, messages: list[Message]) -> None:
        self.heard += 1
        try:
            messages.append(parse_datagram(data))
        except ParseError as fault:
            # Frames tell where the next message begins, so one that is broken ends nothing.
            before, messages[:] = messages[:], []
            self._owner.received(self, before, fault)

    def _flush(self) -> bool:
        """Write what the protocol has to say; False when the peer is gone, or has been given up."""
        transport = self._transport
        if transport is None:
            return False
        for data in self._protocol.data_to_send():
            if not data:
                transport.close()
                return False
            transport.write(data)
        return self._keeps_up(transport)


def _pieces(data: bytes) -> Iterator[bytes]:
    return (data[at : at + PIECE] for at in range(0, len(data), PIECE))


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
