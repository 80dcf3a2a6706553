"""SIP text as the bench's own phone reads and writes it, independent of the switch it judges."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Final

MAGIC: Final = "z9hG4bK"
"""Every branch starts with it (RFC 3261 8.1.1.7)."""

_COMPACT: Final = {
    "v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length",
    "c": "content-type", "k": "supported", "s": "subject", "e": "content-encoding", "r": "refer-to",
}  # fmt: skip
_SINGLE: Final = ("from", "to", "call-id", "cseq", "content-length", "max-forwards")


class WireError(ValueError):
    """Bytes that are no SIP message, or SDP that has no audio."""


@dataclass(slots=True)
class Message:
    """A SIP request or response: start line, header lines in order, body."""

    start: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    @property
    def is_request(self) -> bool:
        """Whether the start line is a request line."""
        return not self.start.startswith("SIP/2.0 ")

    @property
    def method(self) -> str:
        """The request's method; of a response, the one its CSeq names."""
        return self.start.split(" ", 1)[0] if self.is_request else self.cseq[1]

    @property
    def uri(self) -> str:
        """The Request-URI."""
        return self.start.split(" ")[1]

    @property
    def status(self) -> int:
        """The status code of a response; 0 for a request."""
        return 0 if self.is_request else int(self.start.split(" ")[1])

    @property
    def reason(self) -> str:
        """The reason phrase of a response."""
        return "".join(self.start.split(" ", 2)[2:])

    def getall(self, name: str) -> list[str]:
        """Values of every line with this name (long form, any case)."""
        wanted = name.lower()
        return [value for key, value in self.headers if _COMPACT.get(key.lower(), key.lower()) == wanted]

    def get(self, name: str) -> str:
        """The first line's value, or an empty string."""
        return next(iter(self.getall(name)), "")

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        return self.get("call-id")

    @property
    def cseq(self) -> tuple[int, str]:
        """CSeq number and method."""
        number, _, method = self.get("cseq").partition(" ")
        return (int(number) if number.isdigit() else -1), method.strip()

    @property
    def branch(self) -> str:
        """Branch of the topmost Via."""
        found = re.search(r";\s*branch\s*=\s*([^;,\s]+)", self.get("via"))
        return found[1] if found else ""

    @property
    def from_tag(self) -> str:
        """Tag of From."""
        return _tag(self.get("from"))

    @property
    def to_tag(self) -> str:
        """Tag of To."""
        return _tag(self.get("to"))

    def add(self, name: str, value: str) -> None:
        """Append one header line."""
        self.headers.append((name, value))

    def render(self) -> bytes:
        """The message as it goes on the wire; Content-Length is written here."""
        lines = [self.start, *(f"{n}: {v}" for n, v in self.headers if n.lower() != "content-length")]
        head = "\r\n".join([*lines, f"Content-Length: {len(self.body)}", "", ""])
        return head.encode("utf-8", "surrogateescape") + self.body

    def faults(self) -> list[str]:
        """What an RFC 3261 peer may not send: missing or doubled headers, wrong lengths, wrong CSeq."""
        found = [f"no {name}" for name in ("via", "from", "to", "call-id", "cseq") if not self.get(name)]
        found += [f"{name} more than once" for name in _SINGLE if len(self.getall(name)) > 1]
        length = self.get("content-length")
        if length and int(length) != len(self.body):
            found.append(f"Content-Length {length} for {len(self.body)} octets")
        if self.is_request and self.cseq[1] != self.method:
            found.append(f"CSeq names {self.cseq[1]} in a {self.method}")
        if self.is_request and not self.branch.startswith(MAGIC):
            found.append(f"branch {self.branch!r} lacks the magic cookie")
        if self.is_request and not self.get("max-forwards"):
            found.append("no max-forwards")
        if self.cseq[1] == "INVITE" and (self.is_request or 200 <= self.status < 300) and not self.get("contact"):
            found.append("no contact")
        if not self.from_tag:
            found.append("no tag in From")
        if self.status > 100 and not self.to_tag:
            found.append("no tag in To")
        return found


def _tag(value: str) -> str:
    """The tag parameter outside the angle brackets."""
    found = re.search(r";\s*tag\s*=\s*([^;,\s]+)", value.rpartition(">")[2])
    return found[1] if found else ""


def parse(data: bytes) -> Message:
    """Read one datagram; folded lines are joined (RFC 3261 7.3.1)."""
    head, blank, body = data.partition(b"\r\n\r\n")
    lines = re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8", "surrogateescape")).split("\r\n")
    words = lines[0].split(" ")
    if not blank or len(words) < 3 or "SIP/2.0" not in (words[0], words[-1]):
        raise WireError(f"not a SIP message: {data[:60]!r}")
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise WireError(f"not a header line: {line!r}")
        headers.append((name.strip(), value.strip()))
    return Message(lines[0], headers, body)


def reply(request: Message, status: int, reason: str, tag: str = "") -> Message:
    """A response with the fields RFC 3261 8.2.6.2 copies from the request."""
    answer = Message(f"SIP/2.0 {status} {reason}")
    for name, value in request.headers:
        long = _COMPACT.get(name.lower(), name.lower())
        if long == "to" and tag and not _tag(value):
            value = f"{value};tag={tag}"
        if long in ("via", "from", "to", "call-id", "cseq", "record-route"):
            answer.add(name, value)
    return answer


def new_branch() -> str:
    """A branch no one has used."""
    return MAGIC + secrets.token_hex(9)


def angle_uri(value: str) -> str:
    """The URI of a From, To, Contact or Route value."""
    found = re.search(r"<([^>]*)>", value)
    return found[1] if found else value.split(";")[0].strip()


def uri_address(uri: str, default: tuple[str, int]) -> tuple[str, int]:
    """Numeric host and port of a URI; the default where it names a host."""
    found = re.search(r"(?:@|sips?:)(\d+\.\d+\.\d+\.\d+|\[[\da-fA-F:.]+\])(?::(\d+))?(?:[;?>]|$)", uri)
    return (found[1].strip("[]"), int(found[2] or 5060)) if found else default


def host_port(address: tuple[str, int]) -> str:
    """An address as it stands in a URI."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def authorization(challenge: str, method: str, uri: str, user: str, password: str, cnonce: str = "") -> str:
    """The Authorization value that answers a Digest challenge (RFC 7616, RFC 8760)."""
    fields = {k.lower(): v.strip('"') for k, v in re.findall(r'(\w+)\s*=\s*("[^"]*"|[^,\s]+)', challenge)}
    algorithm = fields.get("algorithm", "MD5")
    if algorithm not in ("MD5", "SHA-256"):
        raise WireError(f"a challenge for {algorithm}, which this phone does not know")

    def digest(text: str) -> str:
        return hashlib.new("md5" if algorithm == "MD5" else "sha256", text.encode()).hexdigest()

    secret = digest(f"{user}:{fields['realm']}:{password}")
    request = digest(f"{method}:{uri}")
    parts = [f'username="{user}"', f'realm="{fields["realm"]}"', f'nonce="{fields["nonce"]}"', f'uri="{uri}"']
    if "auth" in fields.get("qop", "").replace(" ", "").split(","):
        cnonce = cnonce or secrets.token_hex(8)
        response = digest(f"{secret}:{fields['nonce']}:00000001:{cnonce}:auth:{request}")
        parts += ["qop=auth", "nc=00000001", f'cnonce="{cnonce}"']
    else:
        response = digest(f"{secret}:{fields['nonce']}:{request}")
    parts += [f'response="{response}"', f"algorithm={algorithm}"]
    if "opaque" in fields:
        parts.append(f'opaque="{fields["opaque"]}"')
    return "Digest " + ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Audio:
    """What an SDP says of its first audio stream."""

    address: str
    port: int
    codecs: dict[str, int]
    """Encoding names in the offered order, with their payload types."""
    direction: str


_STATIC: Final = {0: "PCMU", 8: "PCMA", 9: "G722", 18: "G729"}


def read_sdp(body: bytes) -> Audio:
    """The first audio stream of an SDP (RFC 8866)."""
    address, port, types, names, direction = "", -1, [""], dict[int, str](), "sendrecv"
    for line in body.decode("utf-8", "replace").split("\r\n"):
        if line.startswith("m="):
            if port >= 0:
                break
            if line.startswith("m=audio "):
                _, number, _, *types = line.split(" ")
                port = int(number)
        elif line.startswith("c=") and (port >= 0 or not address):
            address = line.split(" ")[-1]
        elif line.startswith("a=rtpmap:"):
            number, name = line[9:].split(" ", 1)
            names[int(number)] = name.split("/")[0]
        elif line[2:] in ("sendrecv", "sendonly", "recvonly", "inactive"):
            direction = line[2:]
    if port < 0 or not address:
        raise WireError(f"no audio in the SDP {body!r}")
    known = {n: names.get(n, _STATIC.get(n, "?")) for n in map(int, filter(str.isdigit, types))}
    return Audio(address, port, {name: number for number, name in known.items()}, direction)


_TYPES: Final = {
    "PCMU": (0, "PCMU/8000"),
    "PCMA": (8, "PCMA/8000"),
    "telephone-event": (101, "telephone-event/8000"),
}


def write_sdp(audio: Audio, *, session: int, version: int, origin: str = "-", name: str = "-") -> bytes:
    """An SDP with one audio stream."""
    place = f"IN IP{6 if ':' in audio.address else 4} {audio.address}"
    lines = ["v=0", f"o={origin} {session} {version} {place}", f"s={name}", f"c={place}", "t=0 0"]
    lines.append(f"m=audio {audio.port} RTP/AVP {' '.join(map(str, audio.codecs.values()))}")
    lines += [f"a=rtpmap:{number} {_TYPES[codec][1]}" for codec, number in audio.codecs.items()]
    if "telephone-event" in audio.codecs:
        lines.append(f"a=fmtp:{audio.codecs['telephone-event']} 0-15")
    return "\r\n".join([*lines, "a=ptime:20", f"a={audio.direction}", ""]).encode()


def codec_types(names: tuple[str, ...]) -> dict[str, int]:
    """The payload types this phone offers for these codecs."""
    return {name: _TYPES[name][0] for name in names}
