"""Via values: where a response goes and which transaction it belongs to (RFC 3261 §20.42)."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from switchboard.sip.errors import LocalError, ParseError
from switchboard.sip.headers import TCHAR, format_parameters, is_digits, parse_parameters, split_commas
from switchboard.sip.uri import HOST

_VIA: Final = re.compile(
    rf"({TCHAR}+)[ \t]*/[ \t]*({TCHAR}+)[ \t]*/[ \t]*({TCHAR}+)[ \t]+({HOST})"
    r"(?:[ \t]*:[ \t]*([0-9]{1,5}))?[ \t]*(?=;|\Z)"
)
# The usual Via line, decided by one match: one value, no white space but one SP, port below 60000.
_USUAL: Final = re.compile(
    r"SIP/2\.0/[A-Z]+ [A-Za-z0-9][A-Za-z0-9.\-]*(?::[1-5]?[0-9]{1,4})?"
    r"(?:;rport)?;branch=(z9hG4bK[A-Za-z0-9\-.!%*_+`'~]+)(?:;rport)?\Z"
)
_PLACE: Final = re.compile(rf"{TCHAR}+/{TCHAR}+/{TCHAR}+ {HOST}(?::[0-9]{{1,5}})?\Z")

_BRANCH: Final = re.compile(rf"{TCHAR}+(?=[;, \t]|\Z)")

MAGIC: Final = "z9hG4bK"
"""The start of every branch made by an RFC 3261 element (§8.1.1.7)."""


class Via(msgspec.Struct, frozen=True):
    """One Via value; `protocol` is "SIP/2.0", `host` keeps the brackets of an IPv6 reference."""

    protocol: str
    transport: str
    host: str
    port: int | None = None
    params: dict[str, str | None] = msgspec.field(default_factory=dict)

    @property
    def branch(self) -> str | None:
        """The branch parameter, or None for an RFC 2543 element."""
        return self.params.get("branch")

    @property
    def received(self) -> str | None:
        """The source address the next element saw, without brackets (RFC 5118 §4.5 allows both forms)."""
        value = self.params.get("received")
        return value.strip("[]") if value else None

    @property
    def rport(self) -> int | None:
        """The source port the next element saw (RFC 3581 §4); None when absent or still without a value."""
        value = self.params.get("rport")
        return int(value) if value and is_digits(value) and len(value) <= 5 else None

    @property
    def wants_rport(self) -> bool:
        """True when the sender asked for symmetric response routing (RFC 3581 §3)."""
        return "rport" in self.params

    @property
    def ttl(self) -> int | None:
        """The ttl of a multicast request, 0 to 255."""
        value = self.params.get("ttl")
        return int(value) if value and is_digits(value) and len(value) <= 3 and int(value) <= 255 else None

    def __str__(self) -> str:
        """Write the value; raises LocalError when a field would break out of its place."""
        port = "" if self.port is None else f":{self.port}"
        place = f"{self.protocol}/{self.transport} {self.host}{port}"
        if not _PLACE.match(place):
            raise LocalError("Via cannot be written")
        return place + format_parameters(self.params)


def parse_via(text: str) -> Via:
    """Parse one Via value; white space round the separators is allowed (RFC 3261 §25.1)."""
    text = text.strip(" \t")
    match = _VIA.match(text)
    if match is None:
        raise ParseError("malformed Via", header="Via", section="RFC 3261 §20.42")
    port = int(match[5]) if match[5] else None
    if port is not None and port > 65535:
        raise ParseError("port of a Via out of range", header="Via", section="RFC 3261 §20.42")
    params = parse_parameters(text[match.end() :], "Via")
    return Via(f"{match[1]}/{match[2]}", match[3], match[4], port, params)


def is_usual(text: str) -> bool:
    """Tell by one match whether a line is one well-formed Via with an RFC 3261 branch."""
    return _USUAL.match(text) is not None


def scan_branch(text: str) -> str | None:
    """Return the branch of the first Via value in a line, None when absent or malformed."""
    if '"' not in text:
        at = text.find(";branch=")
        comma = text.find(",")
        if at >= 0 and (comma < 0 or at < comma):
            match = _BRANCH.match(text, at + 8)
            if match is not None:
                return match[0]
    try:
        return parse_via(split_commas(text)[0]).params.get("branch")
    except ParseError:
        return None
