"""SIP, SIPS and tel URIs; any other scheme is kept opaque."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from switchboard.sip.errors import LocalError, ParseError
from switchboard.sip.headers import MAX_PARAMETERS

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*\Z")
# userinfo, RFC 3261 §25.1: unreserved / escaped / user-unreserved; '#' is tolerated (phones send *#codes).
_USER: Final = re.compile(r"(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/#]|%[0-9A-Fa-f]{2})+\Z")
_PASSWORD: Final = re.compile(r"(?:[A-Za-z0-9\-_.!~*'()&=+$,]|%[0-9A-Fa-f]{2})*\Z")
# host, RFC 3261 §25.1; '_' is tolerated, and three colons in an IPv6 reference (RFC 5118 §4.10).
HOST: Final = r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_.\-]*)|\[[0-9A-Fa-f:.]+\])"
_HOSTPORT: Final = re.compile(rf"({HOST})(?::([0-9]{{1,5}}))?\Z")
_PARAMETER: Final = re.compile(
    r"((?:[A-Za-z0-9\-_.!~*'()\[\]/:&+$]|%[0-9A-Fa-f]{2})+)"
    r"(?:=((?:[A-Za-z0-9\-_.!~*'()\[\]/:&+$=]|%[0-9A-Fa-f]{2})*))?\Z"
)
_HEADERS: Final = re.compile(r"(?:[A-Za-z0-9\-_.!~*'()\[\]/?:+$=&]|%[0-9A-Fa-f]{2})*\Z")
_NUMBER: Final = re.compile(r"(?=[\-.()]*[0-9A-Fa-f*#+])(?:\+[0-9\-.()]+|[0-9A-Fa-f*#\-.()]+)\Z")
_OPAQUE: Final = re.compile(r"[^\s<>\"\x00-\x1f\x7f]+\Z")
# The usual request-URI, decided by one match: no escapes, no headers, port below 60000.
_USUAL: Final = re.compile(
    r"sips?:(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/]+@)?[A-Za-z0-9][A-Za-z0-9.\-]*(?::[1-5]?[0-9]{1,4})?"
    r"(?:;[A-Za-z][A-Za-z0-9\-]*(?:=[A-Za-z0-9\-_.!~*'()\[\]/:&+$]+)?)?\Z"
)
# A SIP URI without escapes, parameters, headers, commas and question marks, port below 60000.
USUAL_URI: Final = r"sips?:(?:[A-Za-z0-9\-_.!~*'()&=+$/]++@)?[A-Za-z0-9][A-Za-z0-9.\-]*+(?::[1-5]?[0-9]{1,4}+)?"
_PLAIN: Final = re.compile(USUAL_URI + r"\Z")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.!~*'()")
# RFC 3261 §19.1.4: these must match whenever either URI has them.
_DECISIVE: Final = ("transport", "user", "ttl", "method", "maddr")
_SEPARATORS: Final = str.maketrans("", "", "-.()")


class Uri(msgspec.Struct, frozen=True):
    """A parsed URI: escapes are kept as received, scheme and parameter names are lower case.

    `host` keeps the brackets of an IPv6 reference; `user` holds the number of a tel URI;
    `opaque` holds everything after the colon of an unknown scheme.
    """

    scheme: str
    user: str | None = None
    password: str | None = None
    host: str = ""
    port: int | None = None
    params: dict[str, str | None] = msgspec.field(default_factory=dict)
    headers: str = ""
    opaque: str = ""

    @property
    def is_sip(self) -> bool:
        """True for sip and sips."""
        return self.scheme in ("sip", "sips")

    @property
    def user_text(self) -> str:
        """The user part with escapes undone once (RFC 3261 §19.1.2)."""
        return unescape(self.user or "")

    @property
    def aor(self) -> str:
        """`user@domain` in canonical form: needless escapes undone, domain in lower case (RFC 3261 §10.3)."""
        host = self.host.lower()
        return f"{_canonical_escapes(self.user)}@{host}" if self.user is not None else host

    def __str__(self) -> str:
        """Write the URI; raises LocalError when a field would break out of its place."""
        text = self._text()
        try:
            same = parse_uri(text) == self
        except ParseError as error:
            raise LocalError(f"URI cannot be written: {error.reason}") from error
        if not same:
            raise LocalError("URI cannot be written: a field holds a delimiter")
        return text

    def _text(self) -> str:
        if self.opaque:
            return f"{self.scheme}:{self.opaque}"
        params = "".join([f";{k}" if v is None else f";{k}={v}" for k, v in self.params.items()])
        if self.scheme == "tel":
            return f"tel:{self.user}{params}"
        user = "" if self.user is None else self.user
        if self.password is not None:
            user += f":{self.password}"
        at = "@" if self.user is not None else ""
        port = "" if self.port is None else f":{self.port}"
        query = f"?{self.headers}" if self.headers else ""
        return f"{self.scheme}:{user}{at}{self.host}{port}{params}{query}"


def parse_uri(text: str) -> Uri:
    """Parse any URI; sip, sips and tel are checked against their grammar (RFC 3261 §19.1, RFC 3966)."""
    scheme, colon, rest = text.partition(":")
    if not colon or not _SCHEME.match(scheme):
        raise ParseError("URI without a scheme", section="RFC 3261 §19.1.1")
    scheme = scheme.lower()
    if scheme in ("sip", "sips"):
        return _parse_sip(scheme, rest)
    if scheme == "tel":
        return _parse_tel(rest)
    if not _OPAQUE.match(rest):
        raise ParseError("malformed URI", section="RFC 3986 §3")
    return Uri(scheme, opaque=rest)


def is_sip_uri(text: str) -> bool:
    """Tell by its scheme whether a URI is sip or sips."""
    return text.partition(":")[0].lower() in ("sip", "sips")


def is_usual_uri(text: str) -> bool:
    """Tell by one match whether the text is a SIP URI without parameters, commas or question marks."""
    return _PLAIN.match(text) is not None


def is_well_formed(text: str) -> bool:
    """Tell whether `parse_uri` would accept the text, by one match for the usual ones."""
    if _USUAL.match(text):
        return True
    try:
        parse_uri(text)
    except ParseError:
        return False
    return True


def _parse_sip(scheme: str, rest: str) -> Uri:
    """Parse what follows `sip:` or `sips:`."""
    user: str | None = None
    password: str | None = None
    # The user part may hold ';' and '?', so '@' is looked for first (RFC 4475 §3.1.1.9).
    info, at, place = rest.partition("@")
    if at:
        user, has_password, secret = info.partition(":")
        if has_password:
            password = secret
        if not _USER.match(user) or (password is not None and not _PASSWORD.match(password)):
            raise ParseError("malformed user part of a URI", section="RFC 3261 §19.1.1")
    else:
        place = rest
    place, _, headers = place.partition("?")
    hostport, semicolon, tail = place.partition(";")
    match = _HOSTPORT.match(hostport)
    if match is None or not _HEADERS.match(headers):
        raise ParseError("malformed host or headers of a URI", section="RFC 3261 §19.1.1")
    port = int(match[2]) if match[2] else None
    if port is not None and port > 65535:
        raise ParseError("port of a URI out of range", section="RFC 3261 §19.1.1")
    params = _parse_parameters(tail) if semicolon else {}
    return Uri(scheme, user, password, match[1], port, params, headers)


def _parse_tel(rest: str) -> Uri:
    """Parse what follows `tel:` (RFC 3966 §3)."""
    number, semicolon, tail = rest.partition(";")
    if not _NUMBER.match(number):
        raise ParseError("malformed number in a tel URI", section="RFC 3966 §3")
    return Uri("tel", user=number, params=_parse_parameters(tail) if semicolon else {})


def _parse_parameters(text: str) -> dict[str, str | None]:
    """Parse `name=value;flag` of a URI; a name must not appear twice."""
    items = text.split(";", MAX_PARAMETERS)
    if len(items) > MAX_PARAMETERS:
        raise ParseError("too many parameters in a URI")
    found: dict[str, str | None] = {}
    for item in items:
        match = _PARAMETER.match(item)
        if match is None:
            raise ParseError("malformed parameter in a URI", section="RFC 3261 §19.1.1")
        name = match[1].lower()
        if name in found:
            raise ParseError("repeated parameter in a URI", section="RFC 3261 §19.1.1")
        found[name] = match[2]
    return found


def unescape(text: str) -> str:
    """Undo %HH once, never recursively; bytes that are no UTF-8 survive as surrogates (RFC 4475 §3.1.1.3)."""
    if "%" not in text:
        return text
    raw = text.encode("utf-8", "surrogateescape")
    parts = raw.split(b"%")
    out = bytearray(parts[0])
    for part in parts[1:]:
        pair = part[:2].decode("latin-1")
        if _ESCAPE.match("%" + pair):
            out.append(int(pair, 16))
            out += part[2:]
        else:
            out += b"%" + part
    return out.decode("utf-8", "surrogateescape")


def _canonical_escapes(text: str | None) -> str:
    """Undo escapes of unreserved characters and write the others in upper case (RFC 3986 §6.2.2)."""
    if not text or "%" not in text:
        return text or ""

    def one(match: re.Match[str]) -> str:
        char = chr(int(match[1], 16))
        return char if char in _UNRESERVED else match[0].upper()

    return _ESCAPE.sub(one, text)


def same_uri(first: str | Uri, second: str | Uri) -> bool:
    """Compare two URIs by RFC 3261 §19.1.4 (sip, sips) or RFC 3966 §4 (tel), others as text."""
    if isinstance(first, str) and first == second:
        return True
    a = parse_uri(first) if isinstance(first, str) else first
    b = parse_uri(second) if isinstance(second, str) else second
    if a.scheme != b.scheme:
        return False
    if a.scheme == "tel":
        return _same_tel(a, b)
    if not a.is_sip:
        return a.opaque == b.opaque
    return (
        a.host.lower() == b.host.lower()
        and a.port == b.port
        and (a.user is None) == (b.user is None)
        and _canonical_escapes(a.user) == _canonical_escapes(b.user)
        and _canonical_escapes(a.password) == _canonical_escapes(b.password)
        and _same_parameters(a.params, b.params)
        and _header_set(a.headers) == _header_set(b.headers)
    )


def _same_parameters(a: dict[str, str | None], b: dict[str, str | None]) -> bool:
    """Compare URI parameters: the decisive ones always, the others only when both URIs have them."""
    for name in _DECISIVE:
        if (name in a) != (name in b):
            return False
    return all(_fold(a[name]) == _fold(b[name]) for name in a.keys() & b.keys())


def _fold(value: str | None) -> str | None:
    return None if value is None else _canonical_escapes(value).lower()


def _header_set(headers: str) -> list[tuple[str, str]]:
    """List URI headers in an order that does not matter, names in lower case."""
    pairs = [item.partition("=") for item in headers.split("&")] if headers else []
    return sorted((_canonical_escapes(name).lower(), _canonical_escapes(value)) for name, _, value in pairs)


def _same_tel(a: Uri, b: Uri) -> bool:
    """Compare numbers without visual separators, and all parameters (RFC 3966 §4)."""
    numbers = [(uri.user or "").translate(_SEPARATORS).lower() for uri in (a, b)]
    params = [{name: _fold(value) for name, value in uri.params.items()} for uri in (a, b)]
    return numbers[0] == numbers[1] and params[0] == params[1]
