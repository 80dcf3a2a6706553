"""All connections together, on a real loop over loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from switchboard.net import connections
from switchboard.net.acceptor import Bounds
from switchboard.net.certificates import Certificates
from switchboard.net.connections import Connections
from switchboard.net.link import FIRST_MESSAGE, Patience
from switchboard.net.web import WELCOME, Welcome
from switchboard.sip.errors import ParseError
from switchboard.sip.flow import STREAMS, StreamAddress, TcpAddress, WssAddress
from switchboard.sip.message import Message
from switchboard.sip.outgoing import Address
from tests.support.certificates import Authority
from tests.unit.sip.peer import answer, request

WAIT = 5.0


class Rig:
    """Connections on a port of their own, with a switch that only notes."""

    def __init__(
        self,
        transport: str = "tcp",
        *,
        certificates: Certificates | None = None,
        welcome: Welcome = WELCOME,
        **options: object,
    ) -> None:
        self.taken: list[tuple[Message, StreamAddress]] = []
        self.faults: list[ParseError] = []
        self.lost: list[StreamAddress] = []
        self.now = 0.0
        self.clients: list[Client] = []
        self.servers: list[Server] = []
        self.transport = transport
        self.it = Connections(self, clock=lambda: self.now, **options)  # type: ignore[arg-type]
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        sock.listen(16)
        self.port: int = sock.getsockname()[1]
        self.it.listen(sock, transport, certificates, welcome)
        self.it.start(asyncio.get_running_loop())

    def take(self, messages: Sequence[Message], fault: ParseError | None, source: StreamAddress) -> None:
        self.taken += [(message, source) for message in messages]
        self.faults += [fault] if fault is not None else []

    def cut_off(self, address: StreamAddress) -> None:
        self.lost.append(address)

    async def client(self, context: ssl.SSLContext | None = None) -> Client:
        """Somebody who connects."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context)
        client = Client(reader, writer, STREAMS[self.transport](writer.get_extra_info("sockname")))
        self.clients.append(client)
        return client

    async def server(self, context: ssl.SSLContext | None = None) -> Server:
        """Somebody we connect to."""
        clients: list[Client] = []

        async def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            clients.append(Client(reader, writer, TcpAddress(writer.get_extra_info("peername"))))

        server = await asyncio.start_server(came, "127.0.0.1", 0, ssl=context)
        made = Server(server, STREAMS[self.transport](server.sockets[0].getsockname()), clients)
        self.servers.append(made)
        return made

    async def close(self) -> None:
        """End everything."""
        self.it.close()
        for server in self.servers:
            server.server.close()
            self.clients += server.clients
        for client in self.clients:
            client.writer.close()
            with contextlib.suppress(OSError):
                await client.writer.wait_closed()
        await until(lambda: not len(self.it))


class Client:
    """A far end in the test."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: StreamAddress) -> None:
        self.reader, self.writer, self.address = reader, writer, address

    async def read(self, size: int) -> bytes:
        """So many octets."""
        return await asyncio.wait_for(self.reader.readexactly(size), WAIT)

    async def closed(self) -> bool:
        """Whether the switch has ended it."""
        with contextlib.suppress(ConnectionError):
            return not await asyncio.wait_for(self.reader.read(), WAIT)
        return True


class Server:
    """Somebody who listens."""

    def __init__(self, server: asyncio.Server, address: StreamAddress, clients: list[Client]) -> None:
        self.server, self.address, self.clients = server, address, clients


async def until(true: Callable[[], bool]) -> None:
    """Let the loop run until it is so."""
    async with asyncio.timeout(WAIT):
        while not true():
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def made(transport: str = "tcp", **options: Any) -> AsyncIterator[Rig]:
    """A rig for the time of a test; at its end nothing is left."""
    rig = Rig(transport, **options)
    try:
        yield rig
    finally:
        await rig.close()


async def test_answers_go_over_the_connection() -> None:
    """What comes has the peer's address, and what is sent there goes to it."""
    async with made() as rig:
        client = await rig.client()
        client.writer.write(request() + request("OPTIONS"))
        await until(lambda: len(rig.taken) == 2)
        assert {source for _, source in rig.taken} == {client.address}
        assert rig.it.send(b"hello", client.address) is None
        assert await client.read(5) == b"hello"
        assert rig.it.counts() == {"sip_connections": 1}
        client.writer.close()
        await until(lambda: rig.lost == [client.address])
        assert rig.it.counts() == {"sip_connections": 0}


async def test_faults_close_it() -> None:
    """After the answer of the core nothing else can be understood."""
    async with made() as rig:
        client = await rig.client()
        client.writer.write(request().replace(b"Content-Length: 0", b"Content-Length: x"))
        assert await client.closed()
        assert [fault.status for fault in rig.faults] == [400]


async def test_a_connection_is_opened_on_demand_and_kept() -> None:
    """What is sent before it stands is not lost, and the second message takes the same one."""
    async with made() as rig:
        there = await rig.server()
        assert rig.it.send(b"one", there.address) is None
        assert rig.it.send(b"two", there.address) is None
        await until(lambda: len(there.clients) == 1)
        assert await there.clients[0].read(6) == b"onetwo"
        there.clients[0].writer.write(request())
        await until(lambda: bool(rig.taken))
        assert rig.taken[0][1] == there.address
        assert rig.it.opened == 1


async def test_nobody_there() -> None:
    """It is told that the address cannot be reached, and for a while it is not tried again."""
    async with made() as rig:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            nobody = TcpAddress(unused.getsockname())
        assert rig.it.send(b"one", nobody) is None
        await until(lambda: rig.lost == [nobody])
        assert rig.it.send(b"two", nobody) is not None
        rig.now += 10
        assert rig.it.send(b"three", nobody) is None
        await until(lambda: rig.lost == [nobody] * 2)


async def test_connecting_has_its_time() -> None:
    """A peer that does not shake hands is given up."""
    async with made(patience=Patience(connect=0.1)) as rig:
        full = socket.socket()
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        others = [socket.socket() for _ in range(3)]
        for other in others:
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        silent = TcpAddress(full.getsockname())
        assert rig.it.send(b"one", silent) is None
        await until(lambda: rig.lost == [silent])
        for sock in (full, *others):
            sock.close()


async def test_bounds() -> None:
    """So many with one source and no more, whoever opens them."""
    async with made(bounds=Bounds(total=10, source=2)) as rig:
        one, _two = await rig.client(), await rig.client()
        await until(lambda: len(rig.it) == 2)
        assert await (await rig.client()).closed()
        assert rig.it.send(b"x", TcpAddress(("127.0.0.1", 9))) is not None
        assert rig.it.turned_away == 2
        one.writer.close()
        await until(lambda: len(rig.it) == 1)
        three = await rig.client()
        three.writer.write(request())
        await until(lambda: len(rig.taken) == 1)
    async with made(bounds=Bounds(total=1, source=2)) as rig:
        await rig.client()
        await until(lambda: len(rig.it) == 1)
        assert await (await rig.client()).closed()


async def test_a_response_whose_connection_is_gone() -> None:
    """RFC 3261 §18.2.2: it goes to the port of the Via, at the host the request came from."""
    async with made() as rig:
        there = await rig.server()
        gone = TcpAddress(("127.0.0.1", 1))
        via = f"SIP/2.0/TCP 192.0.2.77:{there.address[1]};branch=z9hG4bKx"
        data = answer(request(via=via), 200)
        assert rig.it.send(data, gone) is None
        await until(lambda: bool(there.clients))
        assert await there.clients[0].read(len(data)) == data


async def test_idle_ones_are_ended() -> None:
    """Without a message soon, with half a message for long, or silent for very long."""
    async with made(patience=Patience(idle=1000.0)) as rig:
        mute, slow, calm = await rig.client(), await rig.client(), await rig.client()
        calm.writer.write(request())
        slow.writer.write(request() + request()[:50])
        await until(lambda: len(rig.taken) == 2)
        rig.now = FIRST_MESSAGE + 1
        rig.it.sweep(rig.now)
        assert await mute.closed()
        assert await slow.closed()
        assert len(rig.it) == 1
        rig.now = 1001.0
        rig.it.sweep(rig.now)
        assert await calm.closed()
        await until(lambda: len(rig.it) == 0)


def trusting(authority: Authority) -> ssl.SSLContext:
    """A client's context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority.file)
    return context


async def test_tls(tmp_path: Path) -> None:
    """A verified handshake, both ways of sending, and a certificate that is renewed."""
    authority = Authority(tmp_path)
    pair, other = authority.sign("switch"), authority.sign("renewed")
    certificates = Certificates(pair.certificate, pair.key)
    async with made("tls", certificates=certificates) as rig:
        client = await rig.client(trusting(authority))
        client.writer.write(request())
        await until(lambda: len(rig.taken) == 1)
        assert rig.taken[0][1] == client.address
        assert rig.taken[0][1].transport == "TLS"
        rig.it.send(b"hello", client.address)
        assert await client.read(5) == b"hello"
        pair.certificate.write_bytes(other.certificate.read_bytes())
        pair.key.write_bytes(other.key.read_bytes())
        certificates.reload()
        shown = (await rig.client(trusting(authority))).writer.get_extra_info("peercert")
        assert ("DNS", "renewed") in shown["subjectAltName"]
        rig.it.send(b"still", client.address)
        assert await client.read(5) == b"still", "connections that stand are not touched"


async def test_mutual_tls(tmp_path: Path) -> None:
    """Without a certificate of the client's authority nobody says a word to the switch."""
    authority, clients = Authority(tmp_path), Authority(tmp_path, "clients")
    pair, phone = authority.sign("switch"), clients.sign("phone")
    async with made("tls", certificates=Certificates(pair.certificate, pair.key, clients.file)) as rig:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            stranger = await rig.client(trusting(authority))
            stranger.writer.write(request())
            assert await stranger.closed()
        known = trusting(authority)
        known.load_cert_chain(phone.certificate, phone.key)
        client = await rig.client(known)
        client.writer.write(request())
        await until(lambda: bool(rig.taken))
        assert [source for _, source in rig.taken] == [client.address]


@pytest.mark.parametrize("trusted", [True, False])
async def test_carriers_are_verified(tmp_path: Path, *, trusted: bool) -> None:
    """A carrier must show a certificate of an authority we trust, for its address."""
    ours, theirs = Authority(tmp_path), Authority(tmp_path, "theirs")
    pair, carrier = ours.sign("switch"), theirs.sign("carrier")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(carrier.certificate, carrier.key)
    authority = theirs if trusted else ours
    certificates = Certificates(pair.certificate, pair.key, None, authority.file)
    async with made("tls", certificates=certificates) as rig:
        there = await rig.server(context)
        assert rig.it.send(b"hello", there.address) is None
        if trusted:
            await until(lambda: bool(there.clients))
            assert await there.clients[0].read(5) == b"hello"
        else:
            await until(lambda: rig.lost == [there.address])


async def test_a_name_that_no_certificate_can_have(tmp_path: Path) -> None:
    """It is as if nobody were there; nothing waits for a connection that cannot come."""
    pair, carrier = Authority(tmp_path).sign("switch"), Authority(tmp_path, "theirs").sign("carrier")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(carrier.certificate, carrier.key)
    names: dict[Address, str] = {}
    async with made("tls", certificates=Certificates(pair.certificate, pair.key), names=names) as rig:
        there = await rig.server(context)
        names[there.address[0], there.address[1]] = "carrier..example"
        assert rig.it.send(b"hello", there.address) is None
        await until(lambda: rig.lost == [there.address])
        assert len(rig.it) == 0


async def test_a_handshake_that_never_comes(tmp_path: Path) -> None:
    """It is counted as a connection, and has its time."""
    pair = Authority(tmp_path).sign("switch")
    patience = Patience(connect=0.2)
    async with made("tls", certificates=Certificates(pair.certificate, pair.key), patience=patience) as rig:
        silent = await rig.client()
        await until(lambda: len(rig.it) == 1)
        assert await silent.closed()
        await until(lambda: len(rig.it) == 0)


async def test_transports_that_are_not_there() -> None:
    """An error at once."""
    async with made() as rig:
        assert rig.it.send(b"x", STREAMS["tls"](("127.0.0.1", 5061))) is not None
        assert not rig.it.speaks(STREAMS["tls"](("127.0.0.1", 5061)))


async def test_websockets_over_a_real_loop(tmp_path: Path) -> None:
    """A handshake and a message each way in TLS; nobody can be connected to by a WebSocket."""
    authority = Authority(tmp_path)
    pair = authority.sign("switch")
    async with made("wss", certificates=Certificates(pair.certificate, pair.key), welcome=Welcome("/sip")) as rig:
        address = f"wss://127.0.0.1:{rig.port}/sip"
        async with connect(address, ssl=trusting(authority), subprotocols=[Subprotocol("sip")]) as socket:
            await socket.send(request().decode())
            await until(lambda: len(rig.taken) == 1)
            source = rig.taken[0][1]
            assert source == WssAddress(socket.local_address)
            assert rig.it.send(b"hello", source) is None
            assert await asyncio.wait_for(socket.recv(), WAIT) == "hello"
        await until(lambda: rig.lost == [source])
        assert rig.it.send(request(), source) is not None
        assert rig.it.send(answer(request(), 200), source) is not None


async def test_many_are_looked_at_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are served in between, and none is left out."""
    monkeypatch.setattr(connections, "SWEEP", 0.05)
    monkeypatch.setattr(connections, "A_SLICE", 2)
    async with made(patience=Patience(idle=1000.0)) as rig:
        clients = [await rig.client() for _ in range(5)]
        await until(lambda: len(rig.it) == 5)
        rig.now = FIRST_MESSAGE + 1
        for client in clients:
            assert await client.closed()
        await until(lambda: len(rig.it) == 0)
