"""SIP over WebSocket in the details that a browser does not let one choose: handshakes, frames, pings, floods."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus
from websockets.typing import Origin, Subprotocol

from bench.phone import Phone
from bench.wire import authorization
from switchboard.ops.control_client import ask
from switchboard.sip.message import Message, Request, Response, parse_datagram
from tests.support.certificates import Authority
from tests.support.ports import free_port
from tests.support.switch import RunningSwitch, running_switch

ANNA = "anna"
WAIT = 5.0
_serial = itertools.count(1)


class Place:
    """A switch on UDP, WS and WSS, and what it needs for that."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory)
        self.pair = self.authority.sign("switch")
        self.udp, self.ws, self.wss = free_port(), free_port(), free_port()

    def settings(self) -> dict[str, Any]:
        """One account, and a number that leads to it."""
        here = {"host": "127.0.0.1"}
        pair = {"certificate": str(self.pair.certificate), "key": str(self.pair.key)}
        return {
            "sip": {
                "listen": [
                    {**here, "port": self.udp},
                    {**here, "port": self.ws, "transport": "ws", "path": "/sip"},
                    {**here, "port": self.wss, "transport": "wss", **pair, "origins": ["https://desk.example.com"]},
                ],
                "connections": {"connect": "1s", "per_source": 40},
            },
            "accounts": [{"user": ANNA, "password": "secret-of-anna"}],
            "masks": [],
            "numbers": [{"number": "7001", "target": f"aor:{ANNA}"}],
        }

    @property
    def trusting(self) -> ssl.SSLContext:
        """The context of a client."""
        return ssl.create_default_context(cafile=str(self.authority.file))

    def connect(self, *, secure: bool = True, **options: Any) -> connect:
        """A WebSocket to the switch."""
        options = {"subprotocols": [Subprotocol("sip")], "compression": None, "ping_interval": None, **options}
        if secure:
            return connect(f"wss://127.0.0.1:{self.wss}/", ssl=self.trusting, **options)
        return connect(f"ws://127.0.0.1:{self.ws}/sip", **options)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Ports and certificates."""
    return Place(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def switch(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """The switch there."""
    with running_switch(tmp_path_factory.mktemp("switch"), **place.settings()) as running:
        yield running


class WebPhone:
    """SIP by hand over one WebSocket."""

    def __init__(self, socket: ClientConnection, by: str) -> None:
        self.socket, self.by = socket, by
        self.host = f"h{next(_serial)}.invalid"
        self.contact = f"<sip:{ANNA}@{self.host};transport=ws>"

    def write(self, method: str, cseq: int, *lines: str, length: bool = False) -> str:
        """A request outside dialogs; RFC 7118 §4.2 makes Content-Length optional."""
        head = [
            f"{method} sip:switchboard.local SIP/2.0",
            f"Via: SIP/2.0/{self.by} {self.host};branch=z9hG4bK{next(_serial)}",
            f"From: <sip:{ANNA}@switchboard.local>;tag=f",
            f"To: <sip:{ANNA}@switchboard.local>",
            f"Call-ID: call-{self.host}",
            f"CSeq: {cseq} {method}",
            f"Contact: {self.contact}",
            "Max-Forwards: 70",
            *lines,
            *(["Content-Length: 0"] if length else []),
        ]
        return "\r\n".join([*head, "", ""])

    async def read(self) -> Message:
        """The next message, which must be text."""
        data = await asyncio.wait_for(self.socket.recv(), WAIT)
        assert isinstance(data, str)
        return parse_datagram(data.encode())

    async def answer(self) -> Response:
        """The next message, which must be a response."""
        message = await self.read()
        assert isinstance(message, Response)
        return message

    async def register(self) -> Response:
        """REGISTER with the password."""
        await self.socket.send(self.write("REGISTER", 1))
        challenged = await self.answer()
        assert challenged.status == 401
        value = authorization(
            challenged.headers.getall("www-authenticate")[0],
            "REGISTER", "sip:switchboard.local", ANNA, "secret-of-anna",
        )  # fmt: skip
        await self.socket.send(self.write("REGISTER", 2, f"Authorization: {value}", "Expires: 600"))
        return await self.answer()

    async def reply(self, request: Request, status: int, reason: str) -> None:
        """Answer a request of the switch."""
        copied = [f"{name.title()}: {request.headers.get(name)}" for name in ("via", "from", "call-id", "cseq")]
        lines = [f"SIP/2.0 {status} {reason}", *copied, f"To: {request.headers.get('to')};tag=web"]
        await self.socket.send("\r\n".join([*lines, f"Contact: {self.contact}", "", ""]))


@contextlib.asynccontextmanager
async def web_phone(place: Place, *, secure: bool = True) -> AsyncIterator[WebPhone]:
    """A phone that is connected."""
    async with place.connect(secure=secure) as socket:
        assert socket.subprotocol == "sip"
        yield WebPhone(socket, "WSS" if secure else "WS")


@pytest.mark.parametrize("secure", [True, False])
async def test_a_phone_is_called_over_its_websocket(place: Place, switch: RunningSwitch, *, secure: bool) -> None:
    """Its contact leads nowhere and is never looked up; who leaves is not called any more."""
    by = "WSS" if secure else "WS"
    async with await Phone.open("13800138000", target=("127.0.0.1", place.udp)) as caller:
        async with web_phone(place, secure=secure) as anna:
            registered = await anna.register()
            assert registered.status == 200
            assert anna.contact in (registered.headers.get("contact") or "")
            await anna.socket.send("\r\n\r\n")
            assert await anna.socket.recv() == "\r\n"
            call = await caller.dial("7001")
            invite = await anna.read()
            assert isinstance(invite, Request)
            assert invite.uri == anna.contact.strip("<>")
            assert (invite.headers.get("via") or "").startswith(f"SIP/2.0/{by} 127.0.0.1:")
            assert f":{place.wss if secure else place.ws};transport=ws>" in (invite.headers.get("contact") or "")
            await anna.reply(invite, 180, "Ringing")
            await call.ringing()
            assert await call.cancel() == 487
            cancel = await anna.read()
            assert isinstance(cancel, Request)
            assert cancel.method == "CANCEL"
            await anna.reply(cancel, 200, "OK")
            await anna.reply(invite, 487, "Request Terminated")
            ack = await anna.read()
            assert isinstance(ack, Request)
            assert ack.method == "ACK"
        await switch.eventually(lambda: switch.metrics()["registrations"] == 0)
        call = await caller.dial("7001")
        assert await call.decided() == 480
        assert caller.complaints == []
    await switch.nothing_left()


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"subprotocols": None}, 400),
        ({"subprotocols": [Subprotocol("chat")]}, 400),
        ({"origin": Origin("https://evil.example.net")}, 403),
        ({"origin": Origin("https://desk.example.com")}, 101),
        ({"additional_headers": {"Cookie": "x" * 20_000}}, 0),
    ],
)
async def test_who_may_connect(place: Place, switch: RunningSwitch, options: dict[str, Any], status: int) -> None:
    """Only SIP, only from pages of the desk; a request without measure is not even answered."""
    found = 101
    try:
        async with place.connect(**options):
            pass
    except InvalidStatus as refused:
        found = refused.response.status_code
    except (OSError, InvalidMessage):
        found = 0
    assert found == status
    await switch.eventually(lambda: switch.metrics()["sip_connections"] == 0)


async def test_a_message_too_large(place: Place, switch: RunningSwitch) -> None:
    """The peer is told why it is cut off."""
    async with place.connect() as socket:
        await socket.send("x" * 100_000)
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(socket.recv(), WAIT)
        assert closed.value.rcvd is None or closed.value.rcvd.code == 1009


async def test_certificates_are_renewed(place: Place, switch: RunningSwitch) -> None:
    """Who connects after the command is shown the new one; who is connected stays."""

    def shown(socket: ClientConnection) -> str:
        return str(dict(socket.transport.get_extra_info("peercert")["subjectAltName"])["DNS"])

    async with place.connect() as before:
        assert shown(before) == "switch"
        other = place.authority.sign("other")
        place.pair.certificate.write_bytes(other.certificate.read_bytes())
        place.pair.key.write_bytes(other.key.read_bytes())
        control = switch.store / "control.sock"
        assert await asyncio.to_thread(ask, control, "reload-certificates") == {"reloaded": True}
        async with place.connect() as after:
            assert shown(after) == "other"
        await before.send("\r\n\r\n")
        assert await before.recv() == "\r\n"


async def test_a_flood_of_half_open_ones(place: Place, switch: RunningSwitch) -> None:
    """Who never finishes a handshake takes the room of its own address, for a moment, and of nobody else."""
    flood: list[asyncio.StreamWriter] = []

    async def metrics() -> dict[str, float]:
        return await asyncio.to_thread(switch.metrics)

    for number in range(400):
        if number % 10 == 0 and (await metrics())["sip_connections_turned_away_total"] >= 20:
            break
        _, writer = await asyncio.open_connection("127.0.0.1", place.wss if number % 2 else place.ws)
        writer.write(b"\x16\x03\x01" if number % 2 else b"GET /sip HTTP/1.1\r\n")
        flood.append(writer)
    else:
        raise AssertionError("nobody is turned away")
    # On a busy machine the first have been given up by now.
    assert (await metrics())["sip_connections"] <= 40
    async with place.connect(local_addr=("127.0.0.2", 0)) as socket:
        assert (await WebPhone(socket, "WSS").register()).status == 200
    await switch.eventually(lambda: switch.metrics()["sip_connections"] == 0, within=15)
    async with web_phone(place) as anna:
        assert (await anna.register()).status == 200
    for writer in flood:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
