"""Connections of browsers: any octets are messages, pongs, a refusal or the end, however they are cut."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.uri import parse_uri

from switchboard.net.link import Link
from switchboard.net.web import WebConnection
from switchboard.sip.errors import ParseError
from switchboard.sip.flow import WssAddress
from switchboard.sip.message import MAX_BODY, MAX_HEAD, Message
from tests.fuzz.pieces import Pieces

HANDSHAKE: Final = (
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\n\r\n"
)
_PEER: Final = WssAddress(("192.0.2.2", 5060))


class _Wire(asyncio.Transport):
    """Counts what is written, and is closed when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.written = 0
        self.closed = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Take any."""

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.written += len(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close


class _Owner:
    """Keeps what comes."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    def received(self, connection: Link, messages: Sequence[Message], fault: ParseError | None) -> None:
        """Some messages, or none and a fault."""
        self.messages += [message.raw for message in messages]

    def ended(self, connection: Link) -> None:
        """Never called."""


def websocket(data: bytes) -> None:
    """A connection with its handshake, or without: the same messages in one piece and in many."""
    pieces = Pieces(data)
    kind = pieces.number()
    step = 1 + pieces.number()
    octets = pieces.rest()
    first = [HANDSHAKE] if kind & 1 else []
    whole = _heard([*first, octets])
    cut = _heard([*first, *(octets[at : at + step] for at in range(0, len(octets), step))])
    # Before the handshake is over nothing else may come with it; in pieces that is not always seen.
    assert cut == whole or not kind & 1
    assert max((len(raw) for raw in whole), default=0) <= MAX_HEAD + MAX_BODY


def _heard(pieces: Sequence[bytes]) -> list[bytes]:
    owner, wire = _Owner(), _Wire()
    link = WebConnection(owner, _PEER, lambda: 0.0)
    link.connection_made(wire)
    for piece in pieces:
        link.data_received(piece)
    assert wire.written <= 4096 + 2 * sum(map(len, pieces))
    return owner.messages


def conversation(*messages: bytes, ping: bool = True) -> bytes:
    """What a client sends after its handshake: each message whole, then in two fragments with a ping between."""
    client = ClientProtocol(parse_uri("ws://a/"), state=State.OPEN)
    for message in messages:
        client.send_binary(message)
        client.send_text(message[:50], fin=False)
        if ping:
            client.send_ping(b"?")
        client.send_continuation(message[50:], fin=True)
    return b"".join(client.data_to_send())
