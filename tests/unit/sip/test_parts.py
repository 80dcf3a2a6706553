"""Bodies of several parts: the description is found, and nothing that a peer sends does harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.sip.message import Message, parse_datagram
from switchboard.sip.parts import MAX_PARTS, take_description

SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n"
ISUP = (
    b"Content-Type: application/ISUP;base=itut92\r\nContent-Disposition: signal;handling=optional\r\n\r\n\x01\x00\xff"
)
DESCRIPTION = b"Content-Type: application/sdp\r\n\r\n" + SDP


def message(content_type: str, body: bytes) -> Message:
    """An INVITE with a body."""
    head = (
        "INVITE sip:1@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKa\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:1@h>\r\n"
        f"Call-ID: a\r\nCSeq: 1 INVITE\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return parse_datagram(head.encode() + body)


def mixed(*parts: bytes, boundary: bytes = b"b1", before: bytes = b"", after: bytes = b"") -> bytes:
    """A body of these parts."""
    return before + b"".join(b"--%s\r\n%s\r\n" % (boundary, part) for part in parts) + b"--%s--" % boundary + after


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param("multipart/mixed;boundary=b1", mixed(DESCRIPTION, ISUP), id="before the signals of a network"),
        pytest.param('Multipart/Mixed; boundary="b1"', mixed(ISUP, DESCRIPTION), id="behind them, quoted"),
        pytest.param("multipart/alternative;boundary=b1", mixed(DESCRIPTION), id="alone"),
        pytest.param(
            "multipart/mixed; boundary=b1", mixed(DESCRIPTION, before=b"hello\r\n", after=b"\r\nbye\r\n--b1\r\n"),
            id="with a preamble and an epilogue",
        ),
        pytest.param("multipart/mixed;boundary=b1", mixed(b"\r\nhello", DESCRIPTION), id="a part without headers"),
        pytest.param("multipart/mixed;boundary=b1", mixed(DESCRIPTION, DESCRIPTION + b"a=x"), id="the first of two"),
        pytest.param(
            "multipart/mixed;boundary=b1",
            mixed(b"content-type:Application/SDP ;x=y\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + SDP),
            id="spelled otherwise",
        ),
    ],
)  # fmt: skip
def test_the_description_is_taken(content_type: str, body: bytes) -> None:
    """To the octet, and the rest of the switch sees nothing else."""
    request = message(content_type, body)
    assert take_description(request)
    assert (request.body, request.content_type) == (SDP, "application/sdp")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param("application/sdp", SDP, id="one part"),
        pytest.param("text/plain", mixed(DESCRIPTION), id="not said to have parts"),
        pytest.param("multipart/mixed", mixed(DESCRIPTION), id="without a boundary"),
        pytest.param("multipart/mixed;boundary=", mixed(DESCRIPTION), id="with none"),
        pytest.param("multipart/mixed;boundary=b1;boundary=b1", mixed(DESCRIPTION), id="with two"),
        pytest.param("multipart/mixed;boundary=b", mixed(DESCRIPTION), id="another boundary"),
        pytest.param("multipart/mixed;boundary=b1", mixed(ISUP), id="without a description"),
        pytest.param(
            "multipart/mixed;boundary=b1", mixed(DESCRIPTION, ISUP.replace(b"optional", b"required")),
            id="with what has to be understood",
        ),
        pytest.param(
            "multipart/mixed;boundary=b1", mixed(b"Content-Encoding: gzip\r\n" + DESCRIPTION), id="packed",
        ),
        pytest.param("multipart/mixed;boundary=b1", mixed(*[ISUP] * MAX_PARTS, DESCRIPTION), id="too many parts"),
    ],
)  # fmt: skip
def test_where_there_is_none(content_type: str, body: bytes) -> None:
    """Nothing is changed."""
    request = message(content_type, body)
    assert not take_description(request)
    assert request.body == body


@given(st.binary(max_size=60).filter(lambda content: b"\r\n--b1" not in content), st.lists(st.just(ISUP), max_size=3))
def test_any_description_comes_back(content: bytes, others: list[bytes]) -> None:
    """Whatever its octets are."""
    request = message("multipart/mixed;boundary=b1", mixed(*others, b"Content-Type: application/sdp\r\n\r\n" + content))
    assert take_description(request)
    assert request.body == content


@given(
    st.lists(st.sampled_from([b"--b1", b"--", b"\r\n", b"\r\n\r\n", b"Content-Type: application/sdp", b"x", b"\xff:"])),
    st.sampled_from(["multipart/mixed;boundary=b1", 'multipart/x;boundary="b1"', "multipart/mixed;b1", "multipart/;;"]),
)
def test_no_body_does_harm(pieces: list[bytes], content_type: str) -> None:
    """It is found or not."""
    request = message(content_type, b"".join(pieces))
    if take_description(request):
        assert len(request.body) <= len(b"".join(pieces))
