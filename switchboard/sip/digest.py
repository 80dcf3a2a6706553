"""Digest authentication with MD5, SHA-256 and SHA-512-256 (RFC 7616, RFC 8760, RFC 3261 §22).

Nonces carry their own proof (an HMAC over time, salt and realm), so a challenge costs no memory. Only nonces
that were used with the right password are remembered, in a bounded table, to refuse a repeated nonce count.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import msgspec

from switchboard.sip.errors import LocalError, ParseError, ProtocolError
from switchboard.sip.headers import TCHAR, is_token, quote, refuse_control, unquote
from switchboard.sip.uri import Uri, parse_uri, same_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_DIRECTIVE: Final = re.compile(
    rf"[ \t]*({TCHAR}+)[ \t]*=[ \t]*" + r'("(?:[^"\\]|\\.)*"|[^\s,"]+)[ \t]*(?:,|\Z)', re.DOTALL
)
_HASHES: Final = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
_OFFERED: Final = ("SHA-256", "MD5")
_COUNT: Final = re.compile(r"[0-9a-fA-F]{1,8}\Z")
"""Of eight digits by the grammar; some leave out the zeros at its beginning, and mean the same."""
_WINDOW: Final = 32
_NOBODY: Final = "0" * 64


class Verdict(enum.Enum):
    """What became of one Authorization value.

    OK lets the request in; STALE and REPLAY are owed a new challenge with stale=true; WRONG (also: another
    scheme or realm) a new challenge; MALFORMED a 400.
    """

    OK = "ok"
    STALE = "stale"
    REPLAY = "replay"
    WRONG = "wrong"
    MALFORMED = "malformed"


class Credentials(msgspec.Struct, frozen=True):
    """The directives of one Authorization or challenge value, quotes undone."""

    scheme: str
    fields: dict[str, str]

    def get(self, name: str) -> str:
        """Return a directive, "" when absent."""
        return self.fields.get(name, "")

    @property
    def algorithm(self) -> str:
        """The algorithm in upper case, MD5 when absent (RFC 7616 §3.3)."""
        return self.fields.get("algorithm", "MD5").upper()


def parse_credentials(value: str) -> Credentials:
    """Parse an Authorization or WWW-Authenticate value; only the Digest scheme is looked into."""
    scheme, _, rest = value.strip(" \t").replace("\t", " ").partition(" ")
    if scheme.lower() != "digest":
        return Credentials(scheme.lower(), {})
    fields: dict[str, str] = {}
    at, end = 0, len(rest)
    while at < end:
        match = _DIRECTIVE.match(rest, at)
        if match is None or match[1].lower() in fields:
            raise ParseError("malformed digest", header="Authorization", section="RFC 7616 §3.4")
        fields[match[1].lower()] = unquote(match[2])
        at = match.end()
    return Credentials("digest", fields)


def pick(values: Iterable[str], realm: str) -> str | None:
    """Return the Authorization value meant for the realm, None when there is none (RFC 3261 §22.3)."""
    for value in values:
        try:
            if parse_credentials(value).get("realm") == realm:
                return value
        except ParseError:
            continue
    return None


def _digest(text: str, algorithm: str) -> str:
    name = _HASHES[algorithm.removesuffix("-SESS")]
    return hashlib.new(name, text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def ha1(user: str, realm: str, password: str, algorithm: str) -> str:
    """Return H(user:realm:password), all that need be stored of a password (RFC 7616 §3.4.2)."""
    if algorithm.upper().removesuffix("-SESS") not in _HASHES:
        raise LocalError(f"unknown digest algorithm {algorithm!r}")
    return _digest(f"{user}:{realm}:{password}", algorithm.upper())


def response_of(secret: str, method: str, fields: Credentials) -> str:
    """Return the `response` owed for H(A1), the method and the other directives (RFC 7616 §3.4.1)."""
    algorithm, nonce, cnonce = fields.algorithm, fields.get("nonce"), fields.get("cnonce")
    if algorithm.endswith("-SESS"):
        secret = _digest(f"{secret}:{nonce}:{cnonce}", algorithm)
    ha2 = _digest(f"{method}:{fields.get('uri')}", algorithm)
    qop = fields.get("qop")
    middle = f"{nonce}:{fields.get('nc')}:{cnonce}:{qop}" if qop else nonce
    return _digest(f"{secret}:{middle}:{ha2}", algorithm)


class Challenger:
    """Challenges requests for one realm and judges the answers."""

    __slots__ = ("_floor", "_key", "_lifetime", "_limit", "_seen", "realm")

    def __init__(self, realm: str, key: bytes, nonce_lifetime: float = 300.0, max_nonces: int = 50_000) -> None:
        """Take the realm, the secret key of the nonces, their lifetime and how many used ones to remember."""
        if len(key) < 16:
            raise LocalError("the key of the nonces must have 16 octets or more")
        self.realm = refuse_control(realm)
        self._key = key
        self._lifetime = nonce_lifetime
        self._limit = max_nonces
        self._seen: OrderedDict[str, tuple[float, int, int]] = OrderedDict()
        self._floor = float("-inf")

    def __len__(self) -> int:
        """Count the used nonces remembered."""
        return len(self._seen)

    def challenge(
        self, now: float, salt: str, *, stale: bool = False, algorithms: tuple[str, ...] = _OFFERED
    ) -> list[str]:
        """Return the values of WWW-Authenticate, the preferred algorithm first (RFC 8760 §2.4)."""
        if not is_token(salt) or "." in salt:
            raise LocalError("the salt of a nonce must be a token without dots")
        nonce = self._sign(f"{int(now * 1000):x}.{salt}")
        tail = ", stale=true" if stale else ""
        realm = quote(self.realm)
        return [
            f'Digest realm={realm}, nonce="{nonce}", algorithm={algorithm}, qop="auth"{tail}'
            for algorithm in algorithms
        ]

    def check(
        self,
        authorization: str,
        method: str,
        uri: str,
        ha1: Callable[[str, str], str | None],
        now: float,
    ) -> Verdict:
        """Judge an Authorization value, as `judge` does what was read of it."""
        try:
            fields = parse_credentials(authorization)
        except ParseError:
            return Verdict.MALFORMED
        return self.judge(fields, method, uri, ha1, now)

    def judge(
        self,
        fields: Credentials,
        method: str,
        uri: str,
        ha1: Callable[[str, str], str | None],
        now: float,
    ) -> Verdict:
        """Judge credentials; `ha1(user, algorithm)` gives the stored secret or None.

        An unknown user costs the same work as a wrong password, and gets the same answer.
        """
        if fields.scheme != "digest":
            return Verdict.WRONG
        if not _is_complete(fields):
            return Verdict.MALFORMED
        if fields.get("realm") != self.realm or not _same_target(fields.get("uri"), uri):
            return Verdict.WRONG
        secret = ha1(fields.get("username"), fields.algorithm)
        expected = response_of(secret or _NOBODY, method, fields)
        given = fields.get("response").lower().encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(expected.encode(), given) or secret is None:
            return Verdict.WRONG
        return self._judge_nonce(fields.get("nonce"), fields.get("nc"), now)

    def _sign(self, text: str) -> str:
        signed = f"{text}.{self.realm}".encode("utf-8", "surrogateescape")
        return f"{text}.{hmac.digest(self._key, signed, 'sha256').hex()[:32]}"

    def _judge_nonce(self, nonce: str, nc: str, now: float) -> Verdict:
        """Check that the nonce is ours, fresh, and not used with this count (RFC 7616 §3.4, §5.12)."""
        signed, _, _ = nonce.rpartition(".")
        if not hmac.compare_digest(self._sign(signed).encode(), nonce.encode("utf-8", "surrogateescape")):
            return Verdict.STALE
        issued = int(signed.partition(".")[0], 16) / 1000
        if not 0 <= now - issued + 0.001 <= self._lifetime:
            # A nonce from the future was issued before a restart of the monotonic clock.
            return Verdict.STALE
        # Without qop there is no count: such a nonce is good for one request.
        count = int(nc, 16) if nc else 1
        known = self._seen.pop(nonce, None)
        if known is None:
            if issued <= self._floor:
                return Verdict.STALE
            self._remember(nonce, (issued, count, 1))
            return Verdict.OK
        updated = _advance(known, count)
        self._remember(nonce, updated or known)
        return Verdict.OK if updated is not None else Verdict.REPLAY

    def _remember(self, nonce: str, entry: tuple[float, int, int]) -> None:
        """Put a nonce at the young end; what falls out at the old end raises the floor and stays out."""
        self._seen[nonce] = entry
        while len(self._seen) > self._limit:
            _, (issued, _, _) = self._seen.popitem(last=False)
            self._floor = max(self._floor, issued)


def _advance(entry: tuple[float, int, int], count: int) -> tuple[float, int, int] | None:
    """Note a count in the window of the last 32, None when it was there or is too old (UDP may reorder)."""
    issued, highest, mask = entry
    if count > highest:
        shift = min(count - highest, _WINDOW)
        return issued, count, (mask << shift | 1) & ((1 << _WINDOW) - 1)
    back = highest - count
    if back >= _WINDOW or mask >> back & 1:
        return None
    return issued, highest, mask | 1 << back


def _is_complete(fields: Credentials) -> bool:
    """Tell whether all directives an answer to our challenge needs are there and well formed."""
    if fields.algorithm not in _OFFERED or "username" not in fields.fields:
        return False
    if not all(fields.get(name) for name in ("realm", "nonce", "uri", "response")):
        return False
    if "qop" not in fields.fields:
        return True
    count = fields.get("nc")
    valid_count = _COUNT.match(count) is not None and int(count, 16) > 0
    return fields.get("qop") == "auth" and valid_count and bool(fields.get("cnonce"))


def _same_target(given: str, request_uri: str) -> bool:
    """Tell whether the digest's uri names the Request-URI (RFC 7616 §3.4.6), or the server in it and no user.

    RFC 3261 §22.4 leaves it to the server whether both must be equivalent: some agents name only whom they talk to.
    Another user, and another server, are another's request.
    """
    try:
        return same_uri(given, request_uri) or same_uri(given, _server_of(request_uri))
    except ParseError:
        return False


def _server_of(uri: str) -> Uri:
    named = parse_uri(uri)
    return Uri(named.scheme, None, None, named.host, named.port)


def answer(
    challenge: str,
    method: str,
    uri: str,
    user: str,
    *,
    cnonce: str,
    nc: int = 1,
    password: str | None = None,
    ha1: str | None = None,
) -> str:
    """Return the Authorization value that answers a challenge, from a password or H(A1) (RFC 7616 §3.4)."""
    asked = parse_credentials(challenge)
    offered = _offered_qop(asked)
    if not can_answer(challenge):
        raise ProtocolError("cannot be answered", header="WWW-Authenticate", section="RFC 7616 §3.3")
    algorithm, realm = asked.algorithm, asked.get("realm")
    if ha1 is None:
        if password is None:
            raise LocalError("a password or its H(A1) is needed")
        ha1 = _digest(f"{user}:{realm}:{password}", algorithm)
    fields = {"username": user, "realm": realm, "nonce": asked.get("nonce"), "uri": uri}
    if "algorithm" in asked.fields:
        fields["algorithm"] = asked.fields["algorithm"]
    if offered or algorithm.endswith("-SESS"):
        fields["cnonce"] = cnonce
    if offered:
        fields |= {"qop": "auth", "nc": f"{nc:08x}"}
    if "opaque" in asked.fields:
        fields["opaque"] = asked.fields["opaque"]
    fields["response"] = response_of(ha1, method, Credentials("digest", fields))
    bare = ("algorithm", "qop", "nc")
    return "Digest " + ", ".join([f"{k}={v if k in bare else quote(v)}" for k, v in fields.items()])


def _offered_qop(asked: Credentials) -> list[str]:
    return [item.strip(" \t").lower() for item in asked.get("qop").split(",") if item.strip(" \t")]


def can_answer(challenge: str) -> bool:
    """Tell whether `answer` can meet a challenge; of several the first such is taken (RFC 8760 §2.4)."""
    try:
        asked = parse_credentials(challenge)
    except ParseError:
        return False
    offered = _offered_qop(asked)
    return (
        asked.scheme == "digest"
        and asked.algorithm.removesuffix("-SESS") in _HASHES
        and bool(asked.get("nonce"))
        and "realm" in asked.fields
        and (not offered or "auth" in offered)
    )
