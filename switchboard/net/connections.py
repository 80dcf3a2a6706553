"""All connections of the switch, TCP, TLS and WebSockets: taken, opened on demand, reused, bounded, ended when idle.

A connection is known by the address of its far end. Whatever goes there goes over it (RFC 3261 §18.2.2, RFC 5626
§5.3): there is never a second one to the same address.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple, Protocol

from switchboard.net.acceptor import Acceptor, Bounds
from switchboard.net.certificates import Certificates
from switchboard.net.connection import Connection
from switchboard.net.link import Link, Patience
from switchboard.net.web import WELCOME, WebConnection, Welcome
from switchboard.sip.errors import ParseError
from switchboard.sip.flow import SIX, STREAMS, StreamAddress, WebAddress
from switchboard.sip.message import Message, parse_datagram
from switchboard.sip.outgoing import Address

SWEEP: Final = 5.0
"""Seconds between two looks for connections that have become idle."""

A_SLICE: Final = 100
"""Connections looked at in one turn of the loop."""

REFUSED_FOR: Final = 2.0
"""Seconds that an address is not tried again after it could not be connected to."""

MOST_REFUSED: Final = 4096


class Home(NamedTuple):
    """Where the switch listens on one transport, what it shows there, and to whom it opens a WebSocket."""

    host: str
    certificates: Certificates | None
    welcome: Welcome


BOUNDS: Final = Bounds()
PATIENCE: Final = Patience()


class Switch(Protocol):
    """Who takes what comes over connections."""

    def take(self, messages: Sequence[Message], fault: ParseError | None, source: StreamAddress) -> None:
        """Take what has come together."""

    def cut_off(self, address: StreamAddress) -> None:
        """There is no connection any more."""


class Connections:
    """The connections of one switch; `start` and everything after it belong to the loop."""

    def __init__(
        self,
        switch: Switch,
        *,
        bounds: Bounds = BOUNDS,
        patience: Patience = PATIENCE,
        names: Mapping[Address, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`names` are what the certificates of peers must say where it is not their address."""
        self._switch = switch
        self._bounds = bounds
        self._patience = patience
        self._names = names if names is not None else {}
        self._clock = clock
        self._links: dict[StreamAddress, Link] = {}
        self._sources: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._refused: dict[StreamAddress, float] = {}
        self._acceptors: list[Acceptor] = []
        self._homes: dict[type, Home] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self.opened = 0
        self.turned_away = 0
        """Connections that were refused because there were too many."""

    def __len__(self) -> int:
        return len(self._links)

    def listen(
        self,
        sock: socket.socket,
        transport: str,
        certificates: Certificates | None = None,
        welcome: Welcome = WELCOME,
    ) -> None:
        """Take connections from this socket, once started, and open those of the transport: one of `STREAMS`."""
        host = sock.getsockname()[0]
        kind = (SIX if ":" in host else STREAMS)[transport]
        self._homes[kind] = Home(host, certificates, welcome)
        self._acceptors.append(Acceptor(sock, lambda conn, peer: self._accept(conn, kind((peer[0], peer[1])))))

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin."""
        self._loop = loop
        for acceptor in self._acceptors:
            acceptor.start(loop)
        self._sweeper = loop.call_later(SWEEP, self._sweep)

    def close(self) -> None:
        """End every connection, and take no more."""
        self._loop = None
        if self._sweeper is not None:
            self._sweeper.cancel()
        for acceptor in self._acceptors:
            acceptor.close()
        for task in self._tasks:
            task.cancel()
        for link in list(self._links.values()):
            link.close()

    def speaks(self, peer: StreamAddress) -> bool:
        """Whether the switch has the transport of this address."""
        return bool(self._homes_for(peer))

    def _homes_for(self, peer: StreamAddress) -> list[Home]:
        """Ours of its family first, then the other one: listened on once, a transport serves both."""
        name = peer.transport.lower()
        return [self._homes[kind] for kind in (type(peer), STREAMS[name], SIX[name]) if kind in self._homes]

    def send(self, data: bytes, destination: StreamAddress) -> OSError | None:
        """Send over the connection to this address, which is opened when there is none; an error is returned.

        What later becomes of a connection that was begun is told by `cut_off`.
        """
        link = self._links.get(destination)
        if link is None and data.startswith(b"SIP/2.0 "):
            # Its connection is gone: the response goes where the Via says the peer listens (RFC 3261 §18.2.2).
            destination = _listening(data, destination)
            link = self._links.get(destination)
        if link is None:
            error = self._open(destination)
            if error is not None:
                return error
            link = self._links[destination]
        return None if link.send(data) else OSError(errno.ENOBUFS, "the peer does not read")

    def counts(self) -> dict[str, int]:
        """What is open."""
        return {"sip_connections": len(self._links)}

    # --- what the connections tell

    def received(self, connection: Link, messages: Sequence[Message], fault: ParseError | None) -> None:
        """Messages of one peer."""
        self._switch.take(messages, fault, connection.address)

    def ended(self, connection: Link) -> None:
        """A connection is over."""
        self._forget(connection)
        if self._loop is not None:
            self._switch.cut_off(connection.address)

    # --- theirs

    def _accept(self, sock: socket.socket, peer: StreamAddress) -> None:
        """Take one in, if there is room for it; the handshake is counted too."""
        if not self._has_room(peer) or peer in self._links:
            self.turned_away += 1
            sock.close()
            return
        link = self._enter(peer)
        self._work(self._welcome(sock, link))

    async def _welcome(self, sock: socket.socket, link: Link) -> None:
        assert self._loop is not None
        context = self._context(link.address, ours=True)
        try:
            prepare(sock)
            await self._loop.connect_accepted_socket(
                lambda: link, sock, ssl=context, ssl_handshake_timeout=self._patience.connect if context else None
            )
        except (OSError, TimeoutError):
            sock.close()
            self._forget(link)
        except asyncio.CancelledError:
            sock.close()
            self._forget(link)
            raise

    # --- ours

    def _open(self, peer: StreamAddress) -> OSError | None:
        if not self.speaks(peer) or self._loop is None:
            return OSError(errno.EPROTONOSUPPORT, f"the switch has no {peer.transport}")
        if isinstance(peer, WebAddress):
            return OSError(errno.ENOTCONN, "only the peer can open a WebSocket")
        if self._refused.get(peer, 0.0) > self._clock():
            return OSError(errno.ECONNREFUSED, "it could not be reached a moment ago")
        if not self._has_room(peer):
            self.turned_away += 1
            return OSError(errno.EMFILE, "too many connections")
        self._work(self._connect(self._enter(peer)))
        return None

    async def _connect(self, link: Link) -> None:
        assert self._loop is not None
        peer, place = link.address, (link.address[0], link.address[1])
        context = self._context(peer, ours=False)
        name = self._names.get(place, peer[0]) if context else None
        sock = None
        try:
            if name is not None:
                # As `ssl` will do, but while there is nothing to be closed.
                name.encode("idna")
            async with asyncio.timeout(self._patience.connect):
                sock = _socket(self._homes_for(peer)[0].host, peer[0])
                await self._loop.sock_connect(sock, place)
                await self._loop.create_connection(lambda: link, sock=sock, ssl=context, server_hostname=name)
        except (OSError, TimeoutError, UnicodeError):
            if sock is not None:
                sock.close()
            if len(self._refused) >= MOST_REFUSED:
                self._refused.clear()
            self._refused[peer] = self._clock() + REFUSED_FOR
            self.ended(link)
        except asyncio.CancelledError:
            if sock is not None:
                sock.close()
            raise
        else:
            self.opened += 1

    def _context(self, peer: StreamAddress, *, ours: bool) -> ssl.SSLContext | None:
        certificates = self._homes_for(peer)[0].certificates
        if certificates is None:
            return None
        return certificates.server if ours else certificates.client

    # --- upkeep

    def _has_room(self, peer: StreamAddress) -> bool:
        return len(self._links) < self._bounds.total and self._sources.get(peer[0], 0) < self._bounds.source

    def _enter(self, peer: StreamAddress) -> Link:
        link: Link
        if isinstance(peer, WebAddress):
            link = WebConnection(self, peer, self._clock, self._homes_for(peer)[0].welcome)
        else:
            link = Connection(self, peer, self._clock)
        self._links[peer] = link
        self._sources[peer[0]] = self._sources.get(peer[0], 0) + 1
        return link

    def _forget(self, link: Link) -> None:
        peer = link.address
        if self._links.get(peer) is not link:
            return
        del self._links[peer]
        self._sources[peer[0]] -= 1
        if not self._sources[peer[0]]:
            del self._sources[peer[0]]

    def _work(self, work: Coroutine[None, None, None]) -> None:
        assert self._loop is not None
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _sweep(self) -> None:
        assert self._loop is not None
        now = self._clock()
        self._refused = {peer: until for peer, until in self._refused.items() if until > now}
        self._look_on(iter(list(self._links.values())))
        self._sweeper = self._loop.call_later(SWEEP, self._sweep)

    def _look_on(self, links: Iterator[Link]) -> None:
        """Look at some, and let others speak before the next ones: thousands may be due for a ping at once."""
        some = list(islice(links, A_SLICE))
        self.sweep(self._clock(), some)
        if len(some) == A_SLICE and self._loop is not None:
            self._loop.call_soon(self._look_on, links)

    def sweep(self, now: float, links: Iterable[Link] | None = None) -> None:
        """End connections that are silent for too long, or slow with a message; of all when none are given."""
        for link in list(self._links.values()) if links is None else links:
            if link.open and link.overdue(now, self._patience):
                link.abort()


def prepare(sock: socket.socket) -> None:
    """Small messages at once; a peer that has vanished is noticed within two minutes."""
    sock.setblocking(False)
    with contextlib.suppress(OSError):  # a kernel without one of them serves as well
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000)


def _socket(home: str, peer: str) -> socket.socket:
    """A socket that comes from the address we listen on: carriers know us by it."""
    family = socket.AF_INET6 if ":" in peer else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        prepare(sock)
        if (":" in home) == (":" in peer):
            sock.bind((home, 0))
    except OSError:
        sock.close()
        raise
    return sock


def _listening(response: bytes, source: StreamAddress) -> StreamAddress:
    """Where the peer that sent the request listens, as its Via says: its host is the one the request came from."""
    try:
        via = parse_datagram(response).via
    except ParseError:
        return source
    return type(source)((source[0], via.port or (5061 if source.transport == "TLS" else 5060)))
