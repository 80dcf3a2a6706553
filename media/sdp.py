"""Session descriptions of RFC 8866: a tolerant, bounded reader and a writer that keeps unknown lines."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address
from typing import Final, Literal

from msgspec import Struct

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]

DIRECTIONS: Final[dict[str, Direction]] = {
    "sendrecv": "sendrecv",
    "sendonly": "sendonly",
    "recvonly": "recvonly",
    "inactive": "inactive",
}

# A browser's offer with all its candidates stays under 16 KiB; a datagram cannot carry more than 64 KiB.
MAX_BYTES: Final = 64 * 1024
MAX_LINES: Final = 2_000
MAX_MEDIA: Final = 64
# There are 128 RTP payload types, so a longer list repeats itself.
MAX_FORMATS: Final = 128

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_is_ipv4 = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}", re.ASCII).fullmatch
# RFC 8866 §9: token-char, what a media type and each part of a transport protocol are made of.
_is_protocol = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~/]{1,32}").fullmatch


class SdpError(Exception):
    """A description that cannot be used; `status` is what the SIP request that carried it is owed."""

    def __init__(self, reason: str, *, status: int = 400, warning: int = 399, section: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        #: The warn-code of RFC 3261 §20.43 that goes with a 488.
        self.warning = warning
        self.section = section


class Origin(Struct, frozen=True, gc=False):
    """The o= line (RFC 8866 §5.2); `address` is text and need not be an IP address."""

    user: str
    session_id: str
    version: str
    network: str
    family: str
    address: str

    def __str__(self) -> str:
        return f"{self.user} {self.session_id} {self.version} {self.network} {self.family} {self.address}"


class Media(Struct, gc=False):
    """One m= section (RFC 8866 §5.14): its line, its address and its other lines in order."""

    kind: str
    port: int
    protocol: str
    formats: list[str]
    port_count: int = 1
    connection: str | None = None
    #: The values of the a= lines, in order.
    attributes: list[str] = []
    #: Every other line of the section (i=, b=, k=, a second c=, unknown ones), whole, in order.
    lines: list[str] = []

    def attribute(self, name: str) -> str | None:
        """Return the value of the first a=name line: "" for a flag, None when it is absent."""
        return find_attribute(self.attributes, name)

    @property
    def direction(self) -> Direction | None:
        """The direction attribute of this section, or None when the session's applies."""
        return find_direction(self.attributes)

    def render(self) -> list[str]:
        """Return the lines of this section as they are written."""
        port = f"{self.port}/{self.port_count}" if self.port_count != 1 else str(self.port)
        out = [f"m={self.kind} {port} {self.protocol} {' '.join(self.formats)}"]
        out += [line for line in self.lines if line[0] == "i"]
        if self.connection is not None:
            out.append(f"c={self.connection}")
        out += [line for line in self.lines if line[0] != "i"]
        out += [f"a={value}" for value in self.attributes]
        return out


class Session(Struct, gc=False):
    """A whole description; connections are kept as the text of their c= line."""

    origin: Origin | None = None
    name: str = "-"
    connection: str | None = None
    times: list[str] = []
    attributes: list[str] = []
    #: Every other session-level line, whole, in order.
    lines: list[str] = []
    media: list[Media] = []

    def attribute(self, name: str) -> str | None:
        """Return the value of the first session-level a=name line: "" for a flag, None when absent."""
        return find_attribute(self.attributes, name)

    def direction(self, media: Media) -> Direction:
        """Return the direction of a section: its own, else the session's, else sendrecv (RFC 8866 §6.7)."""
        return find_direction(media.attributes) or find_direction(self.attributes) or "sendrecv"

    def connection_of(self, media: Media) -> str | None:
        """Return the c= text that applies to a section (RFC 8866 §5.7)."""
        return media.connection if media.connection is not None else self.connection

    def render(self) -> bytes:
        """Return the description as bytes with its lines in the order of RFC 8866 §5."""
        out = ["v=0"]
        if self.origin is not None:
            out.append(f"o={self.origin}")
        out.append(f"s={self.name}")
        early = [line for line in self.lines if line[0] in "iuep"]
        out += early
        if self.connection is not None:
            out.append(f"c={self.connection}")
        out += [line for line in self.lines if line[0] == "b"]
        out += [f"t={value}" for value in self.times or ["0 0"]]
        out += [line for line in self.lines if line[0] not in "iuepb"]
        out += [f"a={value}" for value in self.attributes]
        for media in self.media:
            out += media.render()
        out.append("")
        return "\r\n".join(out).encode("utf-8", "surrogateescape")


def find_attribute(attributes: list[str], name: str) -> str | None:
    """Return the value of the first attribute of that name: "" for a flag, None when it is absent."""
    prefix = name + ":"
    for text in attributes:
        if text.startswith(prefix):
            return text[len(prefix) :].strip()
        if text == name:
            return ""
    return None


def find_direction(attributes: list[str]) -> Direction | None:
    """Return the first direction attribute of a list (RFC 8866 §6.7), or None."""
    for text in attributes:
        if text in DIRECTIONS:
            return DIRECTIONS[text]
    return None


def parse_sdp(data: bytes) -> Session:
    """Read a description; line ends may be CRLF or LF, and o=, s= and t= may be missing (RFC 8866 §5)."""
    if len(data) > MAX_BYTES:
        raise SdpError(f"description of {len(data)} bytes, limit {MAX_BYTES}", status=488)
    lines = data.decode("utf-8", "surrogateescape").split("\n", MAX_LINES)
    if len(lines) > MAX_LINES:
        raise SdpError(f"description of more than {MAX_LINES} lines", status=488)
    if lines[0].rstrip() != "v=0":
        raise SdpError("description does not begin with v=0", section="RFC 8866 §5.1")
    session = Session()
    media: Media | None = None
    attributes = session.attributes
    for line in lines:
        letter = line[:2]
        if letter == "a=":
            attributes.append(line[2:].rstrip())
        elif letter == "m=":
            if len(session.media) == MAX_MEDIA:
                raise SdpError(f"more than {MAX_MEDIA} m= lines", status=488)
            media = _parse_media(line[2:])
            session.media.append(media)
            attributes = media.attributes
        else:
            _other_line(session, media, letter, line.rstrip())
    return session


def _other_line(session: Session, media: Media | None, letter: str, line: str) -> None:
    """Put a line that is neither a= nor m= where it belongs."""
    if not line or letter == "v=":
        return
    if letter[1:] != "=" or not letter[0].isalpha():
        raise SdpError(f"line without a type: {line[:40]!a}", section="RFC 8866 §5")
    if media is not None:
        if letter == "c=" and media.connection is None:
            media.connection = line[2:]
        else:
            media.lines.append(line)
    elif letter == "c=" and session.connection is None:
        session.connection = line[2:]
    elif letter == "o=" and session.origin is None:
        session.origin = _parse_origin(line[2:])
    elif letter == "s=":
        session.name = line[2:] or "-"
    elif letter == "t=":
        session.times.append(line[2:])
    else:
        session.lines.append(line)


def _parse_origin(value: str) -> Origin | None:
    """Read an o= line; one with another number of fields says nothing we need and is dropped."""
    fields = value.split()
    return Origin(*fields) if len(fields) == 6 else None


def _parse_media(value: str) -> Media:
    """Read an m= line: media, port with an optional count, protocol, formats (RFC 8866 §5.14)."""
    fields = value.split(None, MAX_FORMATS + 3)
    if len(fields) < 4:
        raise SdpError(f"m= line with {len(fields)} fields, 4 needed", section="RFC 8866 §5.14")
    if len(fields) > MAX_FORMATS + 3:
        raise SdpError(f"more than {MAX_FORMATS} formats in one m= line", status=488)
    kind, port, protocol = fields[:3]
    if not (_is_protocol(kind) and _is_protocol(protocol)):
        raise SdpError("media type or protocol is no token", section="RFC 8866 §9")
    port, slash, count = port.partition("/")
    return Media(
        kind,
        parse_number(port, 65535, "port"),
        protocol,
        fields[3:],
        parse_number(count, 65535, "port count") if slash else 1,
    )


def parse_number(text: str, highest: int, what: str) -> int:
    """Return a decimal number from 0 to `highest`, written in ASCII digits only."""
    if not (text.isdecimal() and text.isascii() and len(text) <= 10 and (number := int(text)) <= highest):
        raise SdpError(f"{what} {text[:20]!a} is no number from 0 to {highest}")
    return number


def parse_address(connection: str) -> str:
    """Return the unicast IP address of a c= value in canonical text (RFC 8866 §5.7).

    Names, multicast and the broadcast address are refused: we would not know, or not dare, whom to send to.
    """
    fields = connection.split()
    if len(fields) != 3 or fields[0].upper() != "IN":
        raise SdpError("c= line is not 'IN IP4|IP6 address'", section="RFC 8866 §5.7")
    address = fields[2]
    if not _is_ipv4(address):
        parsed = _parse_ipv6(address)
        if parsed.ipv4_mapped is None:
            return parsed.compressed
        # Packets from there arrive with the plain form, which is what they are compared with.
        address = str(parsed.ipv4_mapped)
    if int(address[: address.index(".")]) >= 224:
        raise SdpError(f"{address} is no unicast address", status=488, warning=301)
    return address


def _parse_ipv6(address: str) -> IPv6Address:
    """Return a unicast IPv6 address without a zone."""
    try:
        parsed = IPv6Address(address)
    except AddressValueError:
        raise SdpError(f"{address[:60]!a} is no IP address", status=488, warning=301) from None
    if parsed.is_multicast or parsed.scope_id:
        raise SdpError(f"{address[:60]!a} is no unicast address", status=488, warning=301)
    return parsed
