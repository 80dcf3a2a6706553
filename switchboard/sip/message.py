"""Requests and responses: the head is split once; what the transaction layer needs of it is read at once.

These attributes (`call_id`, `from_tag`, `to_tag`, `cseq`, `cseq_method`, `branch`) never raise: what is missing or
malformed reads as "", None or -1 and is named by `validate`. The others (`from_`, `to`, `via`, `contact`,
`request_uri`) are parsed at first use and kept, and raise ParseError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from switchboard.sip.address import NameAddr, parse_name_addr, scan_tag
from switchboard.sip.errors import ParseError
from switchboard.sip.headers import Headers, is_digits, split_commas
from switchboard.sip.uri import Uri, parse_uri
from switchboard.sip.usual import ABSENT, is_usual_way, match_usual
from switchboard.sip.via import Via, parse_via, scan_branch

if TYPE_CHECKING:
    from collections.abc import Callable

# Deployed SIP and HTTP servers take 4-64 KiB of head; the longest of RFC 4475 is 3.5 KiB.
MAX_HEAD: Final = 16 * 1024
"""The largest head (start line and headers) in octets; beyond it 513 is owed."""
MAX_LINES: Final = 256
"""The largest number of lines of a head; beyond it the message is dropped: echoing it would cost too much."""
MAX_BODY: Final = 64 * 1024
"""The largest body in octets; beyond it 413 is owed."""


class _Message:
    """What requests and responses have in common."""

    __slots__ = (
        "_contact",
        "_contact_uri",
        "_from",
        "_to",
        "_via",
        "body",
        "branch",
        "call_id",
        "cseq",
        "cseq_method",
        "from_tag",
        "headers",
        "raw",
        "to_tag",
        "usual",
    )

    def __init__(self, headers: Headers, body: bytes, raw: bytes, uri: str) -> None:
        """Hold the headers, the body and the octets both came from; `uri` is that of a request."""
        self.headers = headers
        self.body = body
        self.raw = raw
        self._from: NameAddr | None = None
        self._to: NameAddr | None = None
        self._via: Via | None = None
        self._contact: NameAddr | None = None
        first = headers.first
        get = first.get
        self.call_id = call_id = get("call-id", "")
        """The Call-ID, "" when missing."""
        match = match_usual(
            f"{uri}\n{get('via')}\n{get('from')}\n{get('to')}\n{call_id}\n{get('cseq')}\n"
            f"{get('max-forwards', ABSENT)}\n{get('contact', ABSENT)}"
        )
        self._contact_uri: str | None
        self.branch: str | None
        """The branch of the top Via, None when missing."""
        self.from_tag: str | None
        """The tag of From, None when missing."""
        self.to_tag: str | None
        """The tag of To, None when missing."""
        self.cseq: int
        """The number of CSeq, -1 when missing or malformed."""
        self.cseq_method: str
        """The method of CSeq, "" when missing or malformed."""
        self.usual = False
        """Whether one match has shown that `validate` would find no fault with the headers."""
        if match is None:
            self._contact_uri = None
            self._read_each(get)
            return
        _, _, self.branch, self.from_tag, self.to_tag, number, self.cseq_method, uri_, bare = match.groups()
        self._contact_uri = uri_ or bare
        self.cseq = int(number)
        if headers.more is None and headers.malformed is None and "route" not in first and "record-route" not in first:
            self.usual = True
        elif headers.malformed is None:
            self.usual = is_usual_way(headers)

    def _read_each(self, get: Callable[[str], str | None]) -> None:
        value = get("from")
        self.from_tag = None if value is None else scan_tag(value)
        value = get("to")
        self.to_tag = None if value is None else scan_tag(value)
        value = get("via")
        self.branch = None if value is None else scan_branch(value)
        self.cseq, self.cseq_method = _split_cseq(get("cseq"))

    @property
    def via(self) -> Via:
        """The top Via."""
        if self._via is None:
            self._via = parse_via(split_commas(self._required("via", "Via"))[0])
        return self._via

    @property
    def from_(self) -> NameAddr:
        """The From value."""
        if self._from is None:
            self._from = parse_name_addr(self._required("from", "From"), "From")
        return self._from

    @property
    def to(self) -> NameAddr:
        """The To value."""
        if self._to is None:
            self._to = parse_name_addr(self._required("to", "To"), "To")
        return self._to

    @property
    def contact(self) -> NameAddr | None:
        """The first Contact, None when there is none or it is the wildcard of a REGISTER."""
        if self._contact is None:
            value = self.headers.get("contact")
            if value is None or value == "*":
                return None
            self._contact = parse_name_addr(split_commas(value)[0], "Contact")
        return self._contact

    @property
    def contact_uri(self) -> str | None:
        """The URI of the first Contact, None when there is none or it is the wildcard."""
        if self._contact_uri is None:
            contact = self.contact
            if contact is not None:
                self._contact_uri = contact.uri
        return self._contact_uri

    @property
    def content_type(self) -> str | None:
        """The media type in lower case and without parameters, None when missing."""
        value = self.headers.first.get("content-type")
        if value == "application/sdp":
            return value
        return None if value is None else value.partition(";")[0].replace(" ", "").replace("\t", "").lower()

    def _required(self, name: str, shown: str) -> str:
        value = self.headers.get(name)
        if value is None:
            raise ParseError("missing header", header=shown, section="RFC 3261 §8.1.1")
        return value


class Request(_Message):
    """A request; `uri` is the raw text of the Request-URI.

    `received` and `rport` are the packet's source as set by the core (RFC 3261 §18.2.1, RFC 3581 §4).
    """

    __slots__ = ("_request_uri", "method", "received", "rport", "uri", "version")

    def __init__(
        self,
        method: str,
        uri: str,
        headers: Headers,
        body: bytes = b"",
        raw: bytes = b"",
        version: str = "SIP/2.0",
    ) -> None:
        """Hold the parts of the request line beside headers and body."""
        _Message.__init__(self, headers, body, raw, uri)
        self.usual = self.usual and version == "SIP/2.0" and method == self.cseq_method and uri != ""
        self.method = method
        self.uri = uri
        self.version = version
        self.received: str | None = None
        self.rport: int | None = None
        self._request_uri: Uri | None = None

    @property
    def request_uri(self) -> Uri:
        """The parsed Request-URI."""
        if self._request_uri is None:
            self._request_uri = parse_uri(self.uri)
        return self._request_uri

    @property
    def user(self) -> str:
        """The user part of the Request-URI with escapes undone, "" when it has none; the URI may be malformed."""
        if self.usual:
            # Neither escapes nor a password.
            return self.uri.partition(":")[2].rpartition("@")[0]
        return self.request_uri.user_text

    @property
    def max_forwards(self) -> int | None:
        """The Max-Forwards number, None when missing or malformed."""
        value = self.headers.first.get("max-forwards")
        return int(value) if value is not None and is_digits(value) and len(value) <= 9 else None

    def __repr__(self) -> str:
        """Show method and Call-ID only: the URI may name a person."""
        return f"<Request {self.method} {self.call_id!r}>"


class Response(_Message):
    """A response."""

    __slots__ = ("reason", "status", "version")

    def __init__(
        self,
        status: int,
        reason: str,
        headers: Headers,
        body: bytes = b"",
        raw: bytes = b"",
        version: str = "SIP/2.0",
    ) -> None:
        """Hold the parts of the status line beside headers and body."""
        _Message.__init__(self, headers, body, raw, "")
        self.usual = self.usual and version == "SIP/2.0" and 100 <= status <= 699
        self.status = status
        self.reason = reason
        self.version = version

    def __repr__(self) -> str:
        """Show status and Call-ID."""
        return f"<Response {self.status} {self.call_id!r}>"


Message = Request | Response


def parse_datagram(data: bytes) -> Message:
    """Parse one datagram or WebSocket message (RFC 3261 §18.3).

    The body is Content-Length octets, what follows is dropped; without Content-Length it is all the rest.
    """
    if data[:1] in (b"\r", b"\n"):
        # RFC 3261 §7.5: empty lines before the start line are ignored.
        data = data.lstrip(b"\r\n")
    end = data.find(b"\r\n\r\n")
    if end < 0:
        raise _unterminated(data)
    message = read_head(data[:end])
    begin = end + 4
    size = content_length(message)
    if size is None:
        message.raw = data
        message.body = data[begin:]
        return message
    stop = begin + size
    if stop > len(data):
        message.body = data[begin:]
        raise refusal(message, "larger than the message", "Content-Length", "RFC 3261 §18.3")
    message.raw = data if stop == len(data) else data[:stop]
    message.body = data[begin:stop]
    return message


def read_head(head: bytes) -> Message:
    """Parse start line and headers, without the empty line that ends them."""
    text = head.decode("utf-8", "surrogateescape")
    lines = text.split("\r\n")
    if len(lines) > MAX_LINES + 1:
        raise ParseError("too many header lines", status=513, section="RFC 3261 §21.5.7")
    # A bare CR or LF would become a line of its own in somebody's copy of the header.
    between = "".join(lines)
    stray = "\r" in between or "\n" in between
    if stray:
        lines = [line.replace("\r", " ").replace("\n", " ") for line in lines]
    message = _start(lines)
    if stray:
        raise refusal(message, "bare CR or LF in the head", None, "RFC 3261 §7")
    if len(head) > MAX_HEAD:
        raise refusal(message, "head too large", None, "RFC 3261 §21.5.7", status=513)
    return message


def content_length(message: Message) -> int | None:
    """Return the one Content-Length, None when missing; raises when it cannot frame the message."""
    headers = message.headers
    value = headers.first.get("content-length")
    if value is None:
        return None
    if headers.more is not None and "content-length" in headers.more:
        raise refusal(message, "more than one Content-Length", "Content-Length", "RFC 3261 §20.14")
    if not (value.isascii() and value.isdigit()) or len(value) > 9:
        raise refusal(message, "malformed Content-Length", "Content-Length", "RFC 3261 §20.14")
    return int(value)


def refusal(message: Message, reason: str, header: str | None, section: str, *, status: int = 400) -> ParseError:
    """Make the ParseError of a message whose head could be read; nothing is owed to a response."""
    if isinstance(message, Request):
        return ParseError(reason, status=status, header=header, section=section, partial=message)
    return ParseError(reason, status=None, header=header, section=section)


def _start(lines: list[str]) -> Message:
    """Make the message of its lines, the first of which is the start line (RFC 3261 §7.1, §7.2)."""
    first = lines[0]
    if first[3:4] == "/" and first[:3].upper() == "SIP":
        version, _, rest = first.partition(" ")
        code, _, reason = rest.partition(" ")
        if not is_digits(code) or len(code) > 10:
            raise ParseError("malformed status line", status=None, section="RFC 3261 §7.2")
        return Response(int(code), reason, Headers(lines, 1), b"", b"", version)
    method, _, rest = first.partition(" ")
    uri, space, version = rest.rpartition(" ")
    if not space or not method:
        raise ParseError("not a SIP message", status=None, section="RFC 3261 §7.1")
    return Request(method, uri, Headers(lines, 1), b"", b"", version)


def _unterminated(data: bytes) -> ParseError:
    """Make the error of a datagram without an empty line after its headers."""
    if not data:
        return ParseError("empty datagram", status=None, section="RFC 5626 §3.5.1")
    try:
        message = read_head(data.removesuffix(b"\r\n"))
    except ParseError as error:
        return error
    return refusal(message, "head is not terminated", None, "RFC 3261 §7")


def _split_cseq(value: str | None) -> tuple[int, str]:
    """Split a CSeq value; (-1, "") when malformed (RFC 3261 §20.16)."""
    parts = value.split() if value is not None else []
    if len(parts) != 2 or not is_digits(parts[0]) or len(parts[0]) > 16:
        return -1, ""
    return int(parts[0]), parts[1]
