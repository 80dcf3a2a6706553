"""Messages out of a byte stream."""

from __future__ import annotations

import pytest

from switchboard.sip.errors import ParseError
from switchboard.sip.message import MAX_BODY, MAX_HEAD, Message
from switchboard.sip.stream import StreamFramer

FIRST = b"OPTIONS sip:h SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 4\r\n\r\n\r\n\r\n"
SECOND = b"SIP/2.0 200 OK\r\nCall-ID: 2\r\nl: 0\r\n\r\n"
BROKEN = b"OPTIONS sip:h SIP/2.0\r\nCall-ID: 3\r\nContent-Length: x\r\n\r\n"


def ids(messages: list[Message]) -> list[str]:
    """Name messages by their Call-ID."""
    return [message.call_id for message in messages]


def test_one_read_of_two() -> None:
    """Two messages in one read are told apart, each with its own octets."""
    first, second = StreamFramer().feed(FIRST + SECOND)
    assert (first.raw, first.body) == (FIRST, b"\r\n\r\n")
    assert (second.raw, second.body) == (SECOND, b"")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_any_cut(size: int) -> None:
    """It does not matter where the reads cut."""
    data = b"\r\n\r\n" + FIRST + b"\r\n\r\n" + SECOND + b"\r\n" + FIRST
    framer = StreamFramer()
    messages = [each for at in range(0, len(data), size) for each in framer.feed(data[at : at + size])]
    assert [message.raw for message in messages] == [FIRST, SECOND, FIRST]
    assert framer.pings == 2
    assert framer.close() is None


def test_pings() -> None:
    """Each pair of empty lines between messages is a keep-alive, however it is cut (RFC 5626 §3.5.1)."""
    framer = StreamFramer()
    assert framer.feed(b"\r\n\r\n\r\n") == []
    assert framer.pings == 1
    framer.feed(b"\r")
    assert framer.pings == 1
    framer.feed(b"\n")
    assert framer.pings == 2
    assert framer.close() is None


def test_messages_before_a_fault_are_kept() -> None:
    """The fault is known at once, the messages before it are returned, and it is raised once."""
    framer = StreamFramer()
    assert ids(framer.feed(FIRST + BROKEN + SECOND)) == ["1"]
    assert framer.failure is not None
    with pytest.raises(ParseError) as caught:
        framer.feed(SECOND)
    assert caught.value is framer.failure
    assert framer.feed(SECOND) == []
    assert framer.close() is None


@pytest.mark.parametrize(
    ("data", "status", "answerable"),
    [
        (BROKEN, 400, True),
        (b"OPTIONS sip:h SIP/2.0\r\nCall-ID: 3\r\n\r\n", 400, True),
        (b"SIP/2.0 200 OK\r\nCall-ID: 3\r\n\r\n", None, False),
        (b"OPTIONS sip:h SIP/2.0\r\nl: %d\r\n\r\n" % (MAX_BODY + 1), 413, True),
        (b"OPTIONS sip:h SIP/2.0\r\nl: 1\r\nl: 1\r\n\r\n", 400, True),
        (b"GET / HTTP/1.1\r\n\r\n", 400, True),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", None, False),
        (b"OPTIONS sip:h SIP/2.0\r\nX: " + b"x" * MAX_HEAD, 513, False),
        (b"OPTIONS sip:h SIP/2.0\r\nl: 0\r\nX: " + b"x" * MAX_HEAD + b"\r\n\r\n", 513, True),
        (b"a: b\r\n" * (MAX_HEAD // 6 + 1), 513, False),
        (b"x" * (MAX_HEAD + 1), None, False),
    ],
)
def test_faults(data: bytes, status: int | None, *, answerable: bool) -> None:
    """What cannot be framed kills the stream, with the status owed."""
    framer = StreamFramer()
    with pytest.raises(ParseError) as caught:
        framer.feed(data)
    assert caught.value.status == status
    assert (caught.value.partial is not None) == answerable


def test_largest_body() -> None:
    """A body of exactly the limit is taken."""
    head = b"OPTIONS sip:h SIP/2.0\r\nl: %d\r\n\r\n" % MAX_BODY
    framer = StreamFramer()
    assert framer.feed(head) == []
    assert len(framer.feed(b"x" * MAX_BODY)[0].body) == MAX_BODY


def test_endless_head_is_bounded() -> None:
    """A head that never ends is refused as soon as it is too large, whatever the reads."""
    framer = StreamFramer()
    piece = b"X: " + b"x" * 200
    for _ in range(MAX_HEAD // len(piece)):
        assert framer.feed(piece) == []
    with pytest.raises(ParseError):
        framer.feed(piece)
    assert framer.feed(piece) == []


def test_close_inside_a_message() -> None:
    """A stream that ends inside a message was cut off."""
    framer = StreamFramer()
    framer.feed(FIRST[:-1])
    fault = framer.close()
    assert fault is not None
    assert (fault.status, fault.partial is not None) == (400, True)
    framer = StreamFramer()
    framer.feed(SECOND + b"INVITE")
    fault = framer.close()
    assert fault is not None
    assert fault.status is None
    assert framer.close() is None
