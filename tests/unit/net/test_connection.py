"""One connection over a transport that only notes what is written."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from switchboard.net.connection import A_TURN, Connection
from switchboard.net.link import MOST_UNSENT, Link
from switchboard.sip.errors import ParseError
from switchboard.sip.flow import TcpAddress
from switchboard.sip.message import Message, Request
from tests.unit.sip.peer import request

PEER = TcpAddress(("192.0.2.2", 40000))


class Wire(asyncio.Transport):
    """The other side of the protocol: it takes octets until it is `stuck`, then keeps them."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.kept = 0
        self.stuck = False
        self.reads = True
        self.closed = self.aborted = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Take any."""

    def get_write_buffer_size(self) -> int:
        return self.kept

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.stuck:
            self.kept += len(data)
        else:
            self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True


class Rig:
    """A connection, its wire, its clock, and what its owner has heard."""

    def __init__(self) -> None:
        self.now = 0.0
        self.messages: list[Message] = []
        self.faults: list[ParseError] = []
        self.ends = 0
        self.wire = Wire()
        self.it = Connection(self, PEER, lambda: self.now)

    def received(self, connection: Link, messages: Sequence[Message], fault: ParseError | None) -> None:
        assert connection is self.it
        self.messages += messages
        if fault is not None:
            self.faults.append(fault)

    def ended(self, connection: Link) -> None:
        assert connection is self.it
        self.ends += 1


@pytest.fixture
def rig() -> Rig:
    """A connection that stands."""
    made = Rig()
    made.it.connection_made(made.wire)
    return made


def test_messages_wait_until_it_stands() -> None:
    """What is sent before is written first, in order."""
    rig = Rig()
    assert rig.it.send(b"one ")
    assert rig.it.send(b"two ")
    rig.it.connection_made(rig.wire)
    rig.it.send(b"three")
    assert rig.wire.written == b"one two three"


def test_little_waits_for_a_peer_that_is_not_there_yet() -> None:
    """What waits is bounded too."""
    rig = Rig()
    assert rig.it.send(b"x" * MOST_UNSENT)
    assert not rig.it.send(b"x")


def test_pings_are_answered(rig: Rig) -> None:
    """RFC 5626 §3.5.1: CRLF CRLF gets CRLF, also when it comes in pieces; a single CRLF is somebody's pong."""
    for piece in (b"\r", b"\n\r", b"\n", b"\r\n"):
        rig.it.data_received(piece)
    assert rig.wire.written == b"\r\n"
    rig.it.data_received(b"\r\n")
    rig.it.data_received(b"\r\n\r\n" + request() + b"\r\n\r\n")
    assert rig.wire.written == b"\r\n" * 4
    assert len(rig.messages) == 1


def test_messages_in_pieces(rig: Rig) -> None:
    """Wherever the stream is cut; when one is begun is known until it is whole."""
    data = request() + request("OPTIONS", body=b"abc")
    for at, octet in enumerate(data):
        rig.now = float(at)
        rig.it.data_received(bytes([octet]))
    assert [message.raw for message in rig.messages] == [request(), request("OPTIONS", body=b"abc")]
    assert rig.it.heard == 2
    assert rig.it.began is None
    rig.it.data_received(b"INV")
    rig.now += 5
    rig.it.data_received(b"ITE ")
    assert rig.it.began == float(len(data) - 1)


async def test_thousands_of_messages_in_one_read(rig: Rig) -> None:
    """They are taken in turns, in order, and nothing more is read meanwhile; a fault among them ends it in its turn."""
    many = 3 * A_TURN + 7
    rig.it.data_received(b"".join(request("OPTIONS", call_id=str(n)) for n in range(many)) + b"INVITE x y z\r\n\r\n")
    assert (len(rig.messages), rig.wire.reads) == (A_TURN, False)
    turns = 0
    while not rig.wire.closed:
        before = len(rig.messages)
        await asyncio.sleep(0)
        turns += 1
        assert len(rig.messages) - before <= A_TURN
    assert [message.call_id for message in rig.messages if isinstance(message, Request)] == [
        str(n) for n in range(many)
    ]
    assert (turns, len(rig.faults)) == (3, 1)


async def test_many_messages_and_then_as_before(rig: Rig) -> None:
    """Once all are taken it is read on; an end meanwhile is an end."""
    data = b"".join(request("OPTIONS", call_id=str(n)) for n in range(A_TURN))
    rig.it.data_received(data)
    assert not rig.wire.reads
    await asyncio.sleep(0)
    assert (len(rig.messages), rig.wire.reads) == (A_TURN, True)
    rig.it.data_received(data + data)
    rig.it.connection_lost(None)
    await asyncio.sleep(0)
    assert (len(rig.messages), rig.ends) == (2 * A_TURN, 1)


def test_a_fault_ends_it(rig: Rig) -> None:
    """RFC 3261 §18.3: what was whole before it is taken; after it nothing is."""
    rig.it.data_received(request() + request().replace(b"Content-Length: 0", b"X: 0") + request())
    assert len(rig.messages) == 1
    (fault,) = rig.faults
    assert fault.status == 400
    assert rig.wire.closed
    rig.it.data_received(request())
    assert len(rig.messages) == 1


def test_a_peer_that_does_not_read_is_given_up(rig: Rig) -> None:
    """The buffer towards it is bounded."""
    rig.wire.stuck = True
    assert rig.it.send(b"x" * MOST_UNSENT)
    assert not rig.wire.aborted
    assert not rig.it.send(b"x")
    assert rig.wire.aborted
    assert not rig.it.send(b"y")


def test_its_end_is_told_once(rig: Rig) -> None:
    """And nothing can be done with it after."""
    assert rig.it.eof_received() is False
    rig.it.connection_lost(None)
    assert (rig.ends, rig.it.open) == (1, False)
    rig.it.data_received(request())
    rig.it.close()
    rig.it.abort()
    assert not rig.messages
