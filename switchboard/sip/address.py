"""name-addr and addr-spec with header parameters: From, To, Contact, Route (RFC 3261 §20.10)."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from switchboard.sip.errors import LocalError, ParseError
from switchboard.sip.headers import TCHAR, format_parameters, is_token, parse_parameters, quote, unquote
from switchboard.sip.uri import USUAL_URI

# The usual From and To, decided by one match: nothing escaped in the display name, at most a tag behind.
_USUAL: Final = re.compile(
    rf'(?:"[^"\\\x00-\x1f\x7f]*"[ \t]*|[^"<>,;\\\x00-\x08\x0a-\x1f\x7f]*)<([^<>"\s]+)>(?:;tag=({TCHAR}+))?\Z'
)
# The same with a SIP URI that has no parameters: well formed by this one match.
_PLAIN: Final = re.compile(
    r'(?:"[^"\\\x00-\x1f\x7f]*"[ \t]*|[^"<>,;\\\x00-\x08\x0a-\x1f\x7f]*)<' + USUAL_URI + rf">(?:;tag={TCHAR}+)?\Z"
)
_QUOTED_DISPLAY: Final = re.compile(r'("(?:[^"\\]|\\.)*")[ \t]*<', re.DOTALL)
# Unquoted display names should be tokens; more is tolerated, but not what makes the value ambiguous.
_LOOSE_DISPLAY: Final = re.compile(r'[^"<>,;\\\x00-\x08\x0a-\x1f\x7f]*\Z')
_BARE_URI: Final = re.compile(r'[^\s;,?<>"]+\Z')


class NameAddr(msgspec.Struct, frozen=True):
    """A display name (quotes undone), a URI as raw text, and the parameters behind it."""

    display: str
    uri: str
    params: dict[str, str | None] = msgspec.field(default_factory=dict)

    @property
    def tag(self) -> str | None:
        """The tag parameter, or None (RFC 3261 §19.3)."""
        return self.params.get("tag")

    def __str__(self) -> str:
        """Write the value as name-addr; raises LocalError when the URI would leave its brackets."""
        if any(sign in self.uri for sign in '<>" \t\r\n') or not self.uri.isprintable():
            raise LocalError("URI cannot stand between < and >")
        display = f"{quote_display(self.display)} " if self.display else ""
        return f"{display}<{self.uri}>{format_parameters(self.params)}"


def quote_display(text: str) -> str:
    """Write a display name: a token as it is, anything else as a quoted-string without control characters."""
    return text if is_token(text) else quote(text)


def parse_name_addr(text: str, header: str = "address") -> NameAddr:
    """Parse one From, To, Contact, Route ... value (RFC 3261 §20.10, §20.20, §20.39)."""
    text = text.strip(" \t")
    match = _QUOTED_DISPLAY.match(text)
    if match is not None:
        display, begin = unquote(match[1]), match.end()
    else:
        begin = text.find("<") + 1
        if not begin:
            return _parse_addr_spec(text, header)
        display = text[: begin - 1].rstrip(" \t")
        if not _LOOSE_DISPLAY.match(display):
            raise ParseError("malformed display name", header=header, section="RFC 3261 §25.1")
    end = text.find(">", begin)
    if end < 0 or end == begin:
        raise ParseError("URI is not enclosed in < and >", header=header, section="RFC 3261 §20.10")
    return NameAddr(display, text[begin:end], parse_parameters(text[end + 1 :], header))


def _parse_addr_spec(text: str, header: str) -> NameAddr:
    """Parse the form without brackets: all parameters belong to the header (RFC 3261 §20.10)."""
    uri, _, _ = text.partition(";")
    params = parse_parameters(text[len(uri) :], header)
    uri = uri.rstrip(" \t")
    if not _BARE_URI.match(uri):
        # A URI with a comma, question mark or semicolon must be in brackets (RFC 3261 §20.10).
        raise ParseError("URI must be enclosed in < and >", header=header, section="RFC 3261 §20.10")
    return NameAddr("", uri, params)


def is_usual(text: str) -> bool:
    """Tell by one match whether a value has its usual form and its URI is well formed."""
    return _PLAIN.match(text) is not None


def scan_usual(text: str) -> tuple[str, str | None] | None:
    """Return (URI, tag) of a value in its usual form by one match, or None when it needs the full parser."""
    match = _USUAL.match(text)
    return None if match is None else (match[1], match[2])


def scan_tag(text: str) -> str | None:
    """Return the tag of a From or To value, None when there is none or the value is malformed."""
    match = _USUAL.match(text)
    if match is not None:
        return match[2]
    try:
        return parse_name_addr(text).params.get("tag")
    except ParseError:
        return None
