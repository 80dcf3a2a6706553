"""The edge's end of the control connection: signalling connects, again after each restart; the newest counts."""

from __future__ import annotations

import asyncio
import os
import secrets
import traceback
from typing import Final, cast

from media.control import Attach, ControlError, FrameReader, Ping, Stats, encode_frame
from media.edge.endpoints import Endpoints
from media.edge_control import EdgeCommand, EdgeEvent, Ready, decode_edge_commands
from media.events import Hello, Pong
from media.worker.listener import listen
from media.worker.log import complain

MAX_UNSENT: Final = 8 << 20
"""Octets for a signalling process that does not read; beyond, it has to connect again."""


class Signalling:
    """Listens on a Unix socket."""

    def __init__(self, path: str, address: str, endpoints: Endpoints) -> None:
        self._path = path
        self._address = address
        self._endpoints = endpoints
        self._boot = secrets.token_hex(8)
        self._client = ""
        self._last_seq = 0
        self._server: asyncio.Server | None = None
        self.connection: _Connection | None = None
        endpoints.on_events = self.tell

    async def open(self) -> None:
        """Lets signalling connect."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Connection(self), sock=listen(self._path))

    def close(self) -> None:
        """Takes the socket away from the file system."""
        if self._server is not None:
            self._server.close()
        if self.connection is not None:
            self.connection.abort()
        try:
            os.unlink(self._path)
        except OSError:
            pass

    def connected(self, connection: _Connection) -> None:
        """Greets, in place of whoever was connected."""
        previous, self.connection = self.connection, connection
        if previous is not None:
            previous.abort()
        taken = [(number, 0) for number in self._endpoints.taken]
        hello = Hello(0, self._address, [], taken, self._boot, self._client, self._last_seq)
        # All that can be taken is listed now; what was kept of it would list it twice.
        self._endpoints.events[:] = [event for event in self._endpoints.events if not isinstance(event, Ready)]
        connection.send([hello, self._endpoints.listing()])
        self.tell()

    def lost(self, connection: _Connection) -> None:
        """Signalling has gone, or was sent away."""
        if self.connection is connection:
            self.connection = None
            if self._endpoints.taken:
                complain("edge: signalling disconnected; the sessions go on")

    def command(self, command: EdgeCommand) -> None:
        """Carries a command out, once."""
        try:
            if isinstance(command, Attach):
                if command.client != self._client:
                    self._client, self._last_seq = command.client, 0
            elif isinstance(command, Ping):
                self._endpoints.events.append(Pong(self._last_seq))
            elif isinstance(command, Stats):
                self._endpoints.events.append(self._endpoints.stats())
            elif command.seq > self._last_seq:
                self._last_seq = command.seq
                self._endpoints.carry_out(command)
        except Exception:  # noqa: BLE001 - a fault in one call's command must not cost the others theirs
            complain(f"edge: {type(command).__name__}: {traceback.format_exc()}")

    def tell(self) -> None:
        """Sends what has happened."""
        events = self._endpoints.events
        if self.connection is not None and events:
            self.connection.send(events)
            events.clear()


class _Connection(asyncio.Protocol):
    def __init__(self, signalling: Signalling) -> None:
        self._signalling = signalling
        self._frames = FrameReader()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A transport of uvloop is none of asyncio's by class.
        self._transport = cast(asyncio.Transport, transport)
        self._signalling.connected(self)

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._frames.feed(data):
                for command in decode_edge_commands(body):
                    self._signalling.command(command)
        except ControlError as error:
            complain(f"edge: {error}")
            self.abort()
        self._signalling.tell()

    def send(self, events: list[EdgeEvent]) -> None:
        if self._transport is not None:
            self._transport.write(encode_frame(events))
            if self._transport.get_write_buffer_size() > MAX_UNSENT:
                self.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._signalling.lost(self)
