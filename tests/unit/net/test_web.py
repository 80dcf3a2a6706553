"""One WebSocket, spoken to by a client without I/O, over a transport that only notes what is written."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.typing import Origin, Subprotocol
from websockets.uri import parse_uri

from switchboard.net.link import FIRST_MESSAGE, MOST_UNSENT, Link, Patience
from switchboard.net.web import MOST_FRAMES, MOST_HANDSHAKE, PONG_WITHIN, WELCOME, WebConnection, Welcome
from switchboard.sip.errors import ParseError
from switchboard.sip.flow import WssAddress
from switchboard.sip.message import MAX_BODY, MAX_HEAD, Message
from tests.unit.net.test_connection import Wire
from tests.unit.sip.peer import request

PEER = WssAddress(("192.0.2.2", 40000))
HOST = "sip.example.com"
VIA = "SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bKpeer1"
INVITE = request(via=VIA)
PATIENCE = Patience(connect=5.0, idle=7200.0, ping=40.0)


class Rig:
    """A WebSocket of ours, the wire, the clock, a client, and what the owner has heard."""

    def __init__(
        self, welcome: Welcome = WELCOME, *, subprotocol: str = "sip", origin: str = "", path: str = "/"
    ) -> None:
        self.now = 0.0
        self.messages: list[Message] = []
        self.faults: list[ParseError] = []
        self.ends = 0
        self.wire = Wire()
        self.it = WebConnection(self, PEER, lambda: self.now, welcome)
        self.it.connection_made(self.wire)
        self.client = ClientProtocol(
            parse_uri(f"wss://{HOST}{path}"),
            origin=Origin(origin) if origin else None,
            subprotocols=[Subprotocol(subprotocol)] if subprotocol else None,
        )
        self.read = 0

    def received(self, connection: Link, messages: Sequence[Message], fault: ParseError | None) -> None:
        assert connection is self.it
        self.messages += messages
        self.faults += [fault] if fault is not None else []

    def ended(self, connection: Link) -> None:
        self.ends += 1

    def shake_hands(self) -> Rig:
        """The opening handshake, whatever comes of it."""
        self.client.send_request(self.client.connect())
        return self.pass_on()

    def pass_on(self) -> Rig:
        """What the client has written comes to us, and what we have written to the client."""
        for data in self.client.data_to_send():
            if data:
                self.it.data_received(data)
        if self.read < len(self.wire.written):
            self.client.receive_data(self.wire.written[self.read :])
            self.read = len(self.wire.written)
        return self

    def heard(self) -> list[Frame]:
        """The frames that the client has got."""
        self.pass_on()
        return [event for event in self.client.events_received() if isinstance(event, Frame)]

    def status(self) -> int:
        """The status of the handshake."""
        (event,) = self.client.events_received()
        assert isinstance(event, Response)
        return event.status_code


def connected() -> Rig:
    """A rig whose handshake is over."""
    rig = Rig().shake_hands()
    assert rig.status() == 101
    return rig


def test_a_handshake_agrees_on_sip() -> None:
    """RFC 7118 §4.1: the subprotocol is named and taken."""
    rig = connected()
    assert rig.client.state is State.OPEN
    assert rig.client.subprotocol == "sip"
    assert rig.client.extensions == []


ALL, DESK = Welcome(origins=("*",)), Welcome(origins=("https://desk.example.com",))


@pytest.mark.parametrize(
    ("welcome", "wanted", "status"),
    [
        (Welcome(), {"subprotocol": ""}, 400),
        (Welcome(), {"subprotocol": "chat"}, 400),
        (Welcome(), {"path": "/other"}, 404),
        (Welcome(path="/sip"), {"path": "/sip?room=1"}, 101),
        (Welcome(), {"origin": f"https://{HOST}"}, 101),
        (Welcome(), {"origin": f"https://{HOST.upper()}:8443"}, 101),
        (Welcome(), {"origin": "https://evil.example.net"}, 403),
        (Welcome(), {"origin": "null"}, 403),
        (Welcome(), {"origin": "https://[bad"}, 403),
        (ALL, {"origin": "null"}, 101),
        (DESK, {"origin": "https://DESK.example.com"}, 101),
        (DESK, {"origin": "http://desk.example.com"}, 403),
        (DESK, {"origin": f"https://{HOST}"}, 403),
        (DESK, {}, 101),
    ],
)
def test_who_may_connect(welcome: Welcome, wanted: dict[str, str], status: int) -> None:
    """By path, subprotocol and the page's origin; who may not is told and closed."""
    rig = Rig(welcome, **wanted).shake_hands()
    assert rig.status() == status
    assert rig.wire.closed == (status != 101)
    rig.it.data_received(b"anything")
    assert rig.messages == []


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["Host: a", "Upgrade: websocket"], 426),
        (["Host: a", "Origin: https://a", "Origin: https://a"], 403),
        (["Host: a", "Host: b", "Origin: https://a"], 403),
    ],
)
def test_what_is_no_handshake(lines: list[str], status: int) -> None:
    """A page that is asked for, and headers that come twice."""
    rig = Rig()
    rig.it.data_received("\r\n".join(["GET / HTTP/1.1", *lines, "", ""]).encode())
    assert rig.wire.written.startswith(f"HTTP/1.1 {status} ".encode())
    assert rig.wire.closed


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00\x01\x00\x01", INVITE, b"\r\n\r\n", b"GET /\r\n\r\n"])
def test_other_protocols_are_refused(data: bytes) -> None:
    """Whatever speaks no HTTP is told so, and closed."""
    rig = Rig()
    rig.it.data_received(data)
    assert rig.wire.closed or not rig.wire.written
    rig.now = PATIENCE.connect + 1
    assert rig.wire.closed or rig.it.overdue(rig.now, PATIENCE)


@pytest.mark.parametrize("early", [Frame(Opcode.PING, b"").serialize(mask=True), b"\x0d\x0a"], ids=("ping", "CRLF"))
def test_nobody_speaks_before_the_handshake(early: bytes) -> None:
    """RFC 6455 §4.1: what comes with the request ends it."""
    rig = Rig()
    rig.client.send_request(rig.client.connect())
    rig.it.data_received(b"".join(rig.client.data_to_send()) + early)
    assert rig.wire.aborted
    assert rig.wire.written == b""


def test_a_handshake_is_bounded() -> None:
    """In octets, and in time, however many of them trickle in."""
    rig = Rig()
    rig.it.data_received(b"GET / HTTP/1.1\r\n")
    for number in range(MOST_HANDSHAKE // 1024):
        rig.it.data_received(f"X-{number}: ".encode() + b"y" * 1024 + b"\r\n")
    assert rig.wire.aborted
    rig = Rig()
    assert not rig.it.overdue(PATIENCE.connect, PATIENCE)
    rig.now = PATIENCE.connect + 1
    rig.it.data_received(b"GET / HTTP/1.1\r\n")
    assert rig.it.overdue(rig.now, PATIENCE)
    assert not rig.it.send(b"before the handshake")


@pytest.mark.parametrize("text", [True, False])
def test_one_message_of_each_is_one_of_the_other(*, text: bool) -> None:
    """RFC 7118 §4.2: text or binary, with a Content-Length or without, whole or in fragments."""
    rig = connected()
    send = rig.client.send_text if text else rig.client.send_binary
    short = INVITE.replace(b"Content-Length: 0\r\n", b"")
    send(INVITE)
    send(short + "您好".encode())
    send(INVITE[:20], fin=False)
    rig.client.send_ping(b"in between")
    rig.client.send_continuation(INVITE[20:], fin=True)
    (pong,) = rig.heard()
    assert (pong.opcode, pong.data) == (Opcode.PONG, b"in between")
    assert [message.raw for message in rig.messages] == [INVITE, short + "您好".encode(), INVITE]
    assert rig.messages[1].body == "您好".encode()
    assert rig.it.began is None


def test_what_is_sent_is_text_where_it_can_be() -> None:
    """RFC 7118 §4.2: binary only for what is not UTF-8."""
    rig = connected()
    sent = [INVITE, INVITE + "您好".encode(), INVITE + b"\xff\xfe"]
    assert all(rig.it.send(data) for data in sent)
    assert [(frame.opcode, bytes(frame.data)) for frame in rig.heard()] == list(
        zip([Opcode.TEXT, Opcode.TEXT, Opcode.BINARY], sent, strict=True)
    )


def test_keep_alives() -> None:
    """RFC 7118 §6: pings of WebSockets and of RFC 5626 are answered; a lone CRLF and an empty message are nothing."""
    rig = connected()
    for data in (b"\r\n\r\n", b"\r\n", b""):
        rig.client.send_text(data)
    rig.client.send_ping(b"?")
    assert [(frame.opcode, bytes(frame.data)) for frame in rig.heard()] == [(Opcode.TEXT, b"\r\n"), (Opcode.PONG, b"?")]
    assert rig.messages == []
    assert not rig.faults


def test_a_broken_message_ends_nothing() -> None:
    """The 400 it is owed goes back, and what was behind it is taken; what is no SIP at all is passed over."""
    rig = connected()
    rig.client.send_text(INVITE)
    rig.client.send_text(INVITE.replace(b"Content-Length: 0", b"Content-Length: 999"))
    rig.client.send_text(b"{}")
    rig.client.send_text(INVITE)
    rig.pass_on()
    assert len(rig.messages) == 2
    assert [fault.status for fault in rig.faults] == [400, None]
    assert not rig.wire.closed


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=True), 1007),
        (Frame(Opcode.BINARY, b"x" * (MAX_HEAD + MAX_BODY + 1)).serialize(mask=True), 1009),
        (Frame(Opcode.TEXT, INVITE).serialize(mask=False), 1002),
        (Frame(Opcode.CONT, INVITE).serialize(mask=True), 1002),
        (b"\x8f\x80\x00\x00\x00\x00", 1002),
    ],
    ids=("no UTF-8", "too large", "not masked", "no beginning", "unknown opcode"),
)
def test_broken_frames_close_it(data: bytes, code: int) -> None:
    """RFC 6455 §7.4.1 tells by which number."""
    rig = connected()
    rig.it.data_received(data)
    rig.heard()
    assert rig.client.close_rcvd is not None
    assert rig.client.close_rcvd.code == code
    assert rig.wire.closed
    assert rig.messages == []


def test_fragments_are_bounded_together() -> None:
    """Many small ones are one large one, and have the time of one message."""
    rig = connected()
    rig.client.send_text(b"x", fin=False)
    rig.pass_on()
    rig.now = FIRST_MESSAGE + 1
    rig.client.send_continuation(b"x", fin=False)
    rig.pass_on()
    assert rig.it.overdue(rig.now, PATIENCE)
    rig = connected()
    rig.client.send_text(b"x", fin=False)
    for _ in range(9):
        rig.client.send_continuation(b"x" * 10_000, fin=False)
    rig.heard()
    assert rig.client.close_rcvd is not None
    assert rig.client.close_rcvd.code == 1009


def test_the_last_message_before_a_close_counts() -> None:
    """A page that is left says so in its last message."""
    rig = connected()
    rig.client.send_text(INVITE)
    rig.client.send_close(1001)
    rig.heard()
    assert len(rig.messages) == 1
    assert rig.client.close_rcvd is not None
    assert rig.client.close_rcvd.code == 1001
    assert rig.wire.closed
    assert not rig.it.send(b"too late")


def test_silence_is_broken_by_a_ping() -> None:
    """Who answers stays, who does not has gone; who only answers pings is ended like anybody who is idle."""
    rig = connected()
    assert not rig.it.overdue(PATIENCE.ping, PATIENCE)
    assert rig.heard() == []
    rig.now = PATIENCE.ping + 1
    assert not rig.it.overdue(rig.now, PATIENCE)
    assert [frame.opcode for frame in rig.heard()] == [Opcode.PING]
    rig.now += 5
    rig.pass_on()
    rig.now += PATIENCE.ping + 1
    for _ in range(2):
        assert not rig.it.overdue(rig.now, PATIENCE)
        rig.now += 5
    assert [frame.opcode for frame in rig.heard()] == [Opcode.PING], "one at a time"
    rig.pass_on()
    rig.now += PATIENCE.ping + 1
    assert not rig.it.overdue(rig.now, PATIENCE)
    rig.now += PONG_WITHIN + 1
    assert rig.it.overdue(rig.now, PATIENCE)
    rig = connected()
    rig.now = PATIENCE.idle + 1
    rig.client.send_pong(b"I am here")
    rig.pass_on()
    assert rig.it.overdue(rig.now, PATIENCE)


def test_a_slow_reader_is_given_up() -> None:
    """As on any connection."""
    rig = connected()
    rig.wire.stuck = True
    for _ in range(MOST_UNSENT // 40_000 + 1):
        rig.it.send(b"x" * 40_000)
    assert rig.wire.aborted
    assert not rig.it.send(b"x")


def test_we_close() -> None:
    """The peer is told that the switch goes away; a connection that is lost is told to the owner."""
    rig = connected()
    rig.it.close()
    (end,) = rig.heard()
    assert end.opcode is Opcode.CLOSE
    assert rig.wire.closed
    rig.it.connection_lost(None)
    rig.it.close()
    assert rig.ends == 1
    assert not rig.it.open


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """Messages, and the octets of a client that sends them in fragments, with pings between."""
    client = ClientProtocol(parse_uri("ws://a/"), state=State.OPEN)
    messages = []
    for number in range(draw(st.integers(1, 4))):
        body = draw(st.text(max_size=300)).encode()
        message = request(via=VIA, cseq=number + 1, body=body)
        cuts = sorted(draw(st.lists(st.integers(0, len(message)), max_size=4)))
        parts = [message[a:b] for a, b in zip([0, *cuts], [*cuts, len(message)], strict=True)]
        client.send_binary(parts[0], fin=len(parts) == 1)
        for place, part in enumerate(parts[1:], 2):
            if draw(st.booleans()):
                client.send_ping(b"")
            client.send_continuation(part, fin=place == len(parts))
        messages.append(message)
    return messages, b"".join(client.data_to_send())


@given(conversations(), st.lists(st.integers(1, 200), min_size=1))
def test_it_does_not_matter_how_octets_come(conversation: tuple[list[bytes], bytes], sizes: list[int]) -> None:
    """The same messages in the same order, however they are cut into frames and packets."""
    messages, data = conversation
    rig = connected()
    place = 0
    while data[place:]:
        size = sizes[place % len(sizes)]
        rig.it.data_received(data[place : place + size])
        place += size
    assert [message.raw for message in rig.messages] == messages
    assert rig.it.began is None
    assert not rig.wire.closed


@settings(max_examples=300)
@given(st.data())
def test_nothing_breaks_it(data: st.DataObject) -> None:
    """Random octets, and good ones with some of them changed, are messages, pongs or its end; never an exception."""
    rig = connected()
    for _ in range(data.draw(st.integers(1, 5))):
        _, good = data.draw(conversations())
        octets = bytearray(good)
        for _ in range(data.draw(st.integers(0, 4))):
            octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
        rig.it.data_received(bytes(octets))
        rig.it.data_received(data.draw(st.binary(max_size=60)))
    assert rig.wire.kept <= MOST_UNSENT
    assert not rig.wire.aborted


@given(st.binary(max_size=300), st.booleans())
def test_no_handshake_breaks_it(octets: bytes, begun: bool) -> None:
    """Whatever comes first is answered or awaited, and is no message."""
    rig = Rig()
    if begun:
        rig.it.data_received(b"GET / HTTP/1.1\r\nHost: a\r\n")
    rig.it.data_received(octets)
    rig.it.data_received(b"\r\n\r\n")
    assert rig.messages == []
    assert rig.faults == []


def test_a_refusal_is_of_a_request() -> None:
    """Rules need no connection."""
    assert Welcome().refusal(Request("/", Headers({"Host": "a"}))) is None


@pytest.mark.parametrize("frame", [b"\x89\x80\0\0\0\0", b"\x00\x80\0\0\0\0"])
def test_who_sends_nothing_but_frames_is_given_up(frame: bytes) -> None:
    """Tens of thousands in one read would keep everybody waiting, and none of them says anything."""
    rig = connected()
    rig.it.data_received(b"\x01\x80\0\0\0\0" + frame * 40_000)
    assert rig.wire.aborted
    assert rig.wire.written.count(b"\x8a\x00") <= MOST_FRAMES


def test_many_messages_in_one_read() -> None:
    """A proxy that has waited brings those of many phones at once."""
    rig = connected()
    for _ in range(200):
        rig.client.send_text(INVITE)
    rig.it.data_received(b"".join(rig.client.data_to_send()))
    assert (len(rig.messages), rig.wire.aborted) == (200, False)
