"""Requests and responses out of datagrams."""

from __future__ import annotations

import pytest

from switchboard.sip.address import NameAddr
from switchboard.sip.errors import ParseError
from switchboard.sip.message import MAX_HEAD, MAX_LINES, Message, Request, Response, parse_datagram
from switchboard.sip.uri import Uri
from switchboard.sip.via import Via

SDP = b"v=0\r\ns=-\r\n"
HEAD = (
    b"INVITE sip:4001@192.0.2.1:5560 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.2:5190;branch=z9hG4bK-1;rport, SIP/2.0/TCP 192.0.2.3;branch=z9hG4bK-0\r\n"
    b'From: "A, B" <sip:a@192.0.2.2>;tag=from1\r\n'
    b"To: <sip:4001@192.0.2.1>\r\n"
    b"Call-ID: 1-1234@192.0.2.2\r\n"
    b"CSeq: 7 INVITE\r\n"
    b'Contact: "x,y" <sip:a@192.0.2.2:5190>, <sip:b@192.0.2.2>\r\n'
    b"Max-Forwards: 70\r\n"
    b"Content-Type: Application / SDP; charset=x\r\n"
)
INVITE = HEAD + b"Content-Length: 10\r\n\r\n" + SDP
RINGING = (
    b"SIP/2.0 180 Ringing, please\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK-1\r\n"
    b"From: <sip:a@192.0.2.2>;tag=from1\r\n"
    b"To: sip:4001@192.0.2.1;tag=to1\r\n"
    b"Call-ID: 1\r\n"
    b"CSeq: 7 INVITE\r\n"
    b"\r\n"
)
MINIMAL = b"OPTIONS sip:h SIP/2.0\r\n%b\r\n"


def request_of(data: bytes) -> Request:
    """Parse what must be a request."""
    message = parse_datagram(data)
    assert isinstance(message, Request)
    return message


def fault_of(data: bytes) -> ParseError:
    """Parse what must be refused."""
    with pytest.raises(ParseError) as caught:
        parse_datagram(data)
    return caught.value


def minimal(*lines: str) -> Request:
    """Parse an OPTIONS with just these header lines."""
    return request_of(MINIMAL % "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape"))


def test_request() -> None:
    """All parts of a request are found, twice the same."""
    message = request_of(INVITE)
    for _ in range(2):
        assert (message.method, message.uri, message.version) == ("INVITE", "sip:4001@192.0.2.1:5560", "SIP/2.0")
        assert message.request_uri == Uri("sip", "4001", None, "192.0.2.1", 5560)
        assert message.call_id == "1-1234@192.0.2.2"
        assert (message.from_tag, message.to_tag) == ("from1", None)
        assert (message.cseq, message.cseq_method) == (7, "INVITE")
        assert (message.cseq_method, message.cseq) == ("INVITE", 7)
        assert message.branch == "z9hG4bK-1"
        assert message.via == Via("SIP/2.0", "UDP", "192.0.2.2", 5190, {"branch": "z9hG4bK-1", "rport": None})
        assert message.from_ == NameAddr("A, B", "sip:a@192.0.2.2", {"tag": "from1"})
        assert message.to == NameAddr("", "sip:4001@192.0.2.1")
        assert message.contact == NameAddr("x,y", "sip:a@192.0.2.2:5190")
        assert message.max_forwards == 70
        assert message.content_type == "application/sdp"
        assert (message.body, message.raw) == (SDP, INVITE)
        assert (message.received, message.rport) == (None, None)
    assert repr(message) == "<Request INVITE '1-1234@192.0.2.2'>"


def test_response() -> None:
    """All parts of a response are found."""
    message = parse_datagram(RINGING)
    assert isinstance(message, Response)
    assert (message.status, message.reason, message.version) == (180, "Ringing, please", "SIP/2.0")
    assert (message.from_tag, message.to_tag, message.cseq_method) == ("from1", "to1", "INVITE")
    assert (message.contact, message.content_type, message.body) == (None, None, b"")
    assert repr(message) == "<Response 180 '1'>"


def test_cseq_method_first() -> None:
    """The CSeq can be asked for in either order."""
    assert request_of(INVITE).cseq_method == "INVITE"


def test_accessors_of_nothing() -> None:
    """What the transaction layer asks for is never an exception, the rest is."""
    message = minimal()
    assert (message.call_id, message.from_tag, message.to_tag, message.branch) == ("", None, None, None)
    assert (message.cseq, message.cseq_method) == (-1, "")
    assert (message.contact, message.max_forwards, message.content_type) == (None, None, None)
    for name, header in (("from_", "From"), ("to", "To"), ("via", "Via")):
        with pytest.raises(ParseError) as caught:
            getattr(message, name)
        assert (caught.value.header, caught.value.status) == (header, 400)


def test_accessors_of_rubbish() -> None:
    """Malformed values read as missing where the transaction layer asks, and are refused elsewhere."""
    message = minimal("From: <x", 'To: "', "Via: x", "Contact: <", "Max-Forwards: -1", "CSeq: one two three")
    assert (message.from_tag, message.to_tag, message.branch, message.max_forwards) == (None, None, None, None)
    assert (message.cseq, message.cseq_method) == (-1, "")
    for name in ("from_", "to", "via", "contact"):
        with pytest.raises(ParseError):
            getattr(message, name)
    with pytest.raises(ParseError):
        _ = request_of(b"OPTIONS nowhere SIP/2.0\r\n\r\n").request_uri


@pytest.mark.parametrize("value", ["", "1", "INVITE 1", "-1 INVITE", "1_0 INVITE", "٣ INVITE", "12345678901234567 X"])
def test_malformed_cseq(value: str) -> None:
    """A CSeq that is no number and method reads as -1."""
    assert minimal(f"CSeq: {value}").cseq == -1


def test_wildcard_contact() -> None:
    """The wildcard is no address."""
    assert minimal("Contact: *").contact is None


class TestFraming:
    """RFC 3261 §18.3 on datagrams."""

    def test_extra_octets_are_dropped(self) -> None:
        """What follows the body is neither body nor raw."""
        message = request_of(INVITE + b"INVITE sip:evil SIP/2.0\r\n\r\n")
        assert (message.body, message.raw) == (SDP, INVITE)

    def test_without_length_the_rest_is_body(self) -> None:
        """A datagram without Content-Length has all the rest as its body."""
        message = request_of(HEAD + b"\r\n" + SDP + b"more")
        assert message.body == SDP + b"more"

    def test_leading_empty_lines_are_skipped(self) -> None:
        """Empty lines before the start line are ignored (RFC 3261 §7.5)."""
        assert request_of(b"\r\n\r\n" + INVITE).raw == INVITE

    @pytest.mark.parametrize(
        "lines",
        [
            b"Content-Length: 11\r\n",
            b"Content-Length: -1\r\n",
            b"Content-Length: \r\n",
            b"Content-Length: 1x\r\n",
            b"Content-Length: +5\r\n",
            b"Content-Length: 9999999999\r\n",
            b"Content-Length: 5\r\nl: 5\r\n",
        ],
    )
    def test_wrong_length(self, lines: bytes) -> None:
        """A length that cannot frame the message is owed a 400, and the request is there to answer it."""
        fault = fault_of(HEAD + lines + b"\r\n" + SDP)
        assert (fault.status, fault.header) == (400, "Content-Length")
        assert fault.partial is not None
        assert fault.partial.branch == "z9hG4bK-1"

    def test_wrong_length_of_a_response(self) -> None:
        """A response is owed nothing."""
        fault = fault_of(RINGING[:-2] + b"Content-Length: 5\r\n\r\n")
        assert (fault.status, fault.partial) == (None, None)

    def test_unterminated_head(self) -> None:
        """A head without its empty line is owed a 400 when the request can be recognised."""
        for data in (HEAD, HEAD[:-2]):
            fault = fault_of(data)
            assert fault.status == 400
            assert fault.partial is not None
            assert fault.partial.call_id == "1-1234@192.0.2.2"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"\0\0\0\0",
        b"hello\r\n\r\n",
        b"hello world\r\n\r\n",
        b"SIP/2.0\r\n\r\n",
        b"SIP/2.0 OK\r\n\r\n",
        b"SIP/2.0 20x OK\r\n\r\n",
        b"SIP/2.0 12345678901 OK\r\n\r\n",
        b" INVITE sip:a SIP/2.0\r\n\r\n",
        b"\x00\x01\x00\x00\x21\x12\xa4\x42",
    ],
)
def test_no_sip(data: bytes) -> None:
    """What is no SIP request is owed nothing."""
    fault = fault_of(data)
    assert (fault.status, fault.partial) == (None, None)


class TestLines:
    """Line ends and folding."""

    @pytest.mark.parametrize("stray", [b"\n", b"\r", b"\nVia: evil", b"\r\r\n", b"\n\r"])
    def test_bare_line_ends_are_refused(self, stray: bytes) -> None:
        """A lone CR or LF is owed a 400, and the request to answer holds none."""
        fault = fault_of(b"OPTIONS sip:h SIP/2.0\r\nSubject: a" + stray + b"\r\nTo: x\r\n\r\n")
        assert fault.status == 400
        assert fault.partial is not None
        assert not any(char in str(list(fault.partial.headers)) for char in "\r\n")

    def test_folding(self) -> None:
        """A folded line reads as one, in the start of the head too."""
        message = request_of(b"OPTIONS sip:h SIP/2.0\r\nSubject: a\r\n b\r\n\tc\r\nTo:\r\n x\r\n\r\n")
        assert (message.headers.get("subject"), message.headers.get("to")) == ("a b c", "x")

    def test_folded_start_line_is_not_hidden(self) -> None:
        """A continuation of the start line is malformed, also when it looks like a header or is continued."""
        for line in (b" x", b" To: x", b"\tTo: x\r\n y"):
            message = request_of(b"OPTIONS sip:h SIP/2.0\r\n" + line + b"\r\n\r\n")
            assert message.headers.malformed is not None
            assert "to" not in message.headers

    def test_continued_name(self) -> None:
        """A name may stand on the line before its colon."""
        message = request_of(b"OPTIONS sip:h SIP/2.0\r\nTo\r\n : x\r\n\r\n")
        assert (message.headers.get("to"), message.headers.malformed) == ("x", None)

    def test_any_octet_survives(self) -> None:
        """Octets that are no UTF-8 come back as they were."""
        message = request_of(b"OPTIONS sip:h SIP/2.0\r\nSubject: \xff\xe4\xbd\xa0\x00\r\n\r\n")
        value = message.headers.get("subject") or ""
        assert value == "\udcff你\0"
        assert value.encode("utf-8", "surrogateescape") == b"\xff\xe4\xbd\xa0\x00"


class TestLimits:
    """Hard limits of a head."""

    def test_head_too_large(self) -> None:
        """A head beyond the limit is owed a 513."""
        fault = fault_of(b"OPTIONS sip:h SIP/2.0\r\nVia: v\r\nX: " + b"x" * MAX_HEAD + b"\r\n\r\n")
        assert fault.status == 513
        assert fault.partial is not None
        assert fault.partial.headers.get("via") == "v"

    def test_head_at_the_limit(self) -> None:
        """A head of exactly the limit is taken."""
        start = b"OPTIONS sip:h SIP/2.0\r\nX: "
        assert request_of(start + b"x" * (MAX_HEAD - len(start)) + b"\r\n\r\n").method == "OPTIONS"

    def test_too_many_lines(self) -> None:
        """More lines than the limit are refused without being looked at."""
        fault = fault_of(b"OPTIONS sip:h SIP/2.0\r\n" + b"a: b\r\n" * (MAX_LINES + 1) + b"\r\n")
        assert (fault.status, fault.partial) == (513, None)
        lines = b"a: b\r\n" * MAX_LINES
        assert len(request_of(b"OPTIONS sip:h SIP/2.0\r\n" + lines + b"\r\n").headers) == MAX_LINES


def test_message_is_either() -> None:
    """The alias covers both kinds."""
    messages: list[Message] = [parse_datagram(INVITE), parse_datagram(RINGING)]
    assert [type(message) for message in messages] == [Request, Response]
