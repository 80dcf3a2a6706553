"""Answers the challenges of carriers and proxies (RFC 3261 §22.2-22.3, RFC 7616 §3.4, RFC 8760 §2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from switchboard.sip.digest import answer, can_answer, parse_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from switchboard.sip.message import Response
    from switchboard.sip.outgoing import OutgoingRequest

_FIELDS: Final = {401: ("www-authenticate", "Authorization"), 407: ("proxy-authenticate", "Proxy-Authorization")}
"""By status: where the challenge stands, and where its answer goes."""
MAX_REALMS: Final = 4
"""So many proxies on one way may each ask for a password; more are not believed."""
MAX_STALE: Final = 3
"""So often in a row a peer may call a nonce stale that it has only just given."""


class _Asked:
    """The last challenge of one realm, and how often its nonce was used."""

    __slots__ = ("challenge", "count", "nonce", "stale")

    def __init__(self, challenge: str, nonce: str) -> None:
        self.challenge = challenge
        self.nonce = nonce
        self.count = 0
        self.stale = 0


class DigestClient:
    """One account at one peer: its challenges are remembered, so that later requests bring their answer along."""

    __slots__ = ("_asked", "_password", "_realm", "user")

    def __init__(self, user: str, password: str, realm: str = "") -> None:
        """With `realm` no other realm learns a hash of the password."""
        self.user = user
        self._password = password
        self._realm = realm
        self._asked: dict[tuple[str, str], _Asked] = {}

    def __repr__(self) -> str:
        return f"<DigestClient {self.user!r}>"

    def headers(self, method: str, uri: str, cnonce: str) -> tuple[str, ...]:
        """Header lines for a request that was not challenged yet, as far as challenges may be answered again.

        A challenge without qop has no count, so its nonce is good for one request only.
        """
        return tuple(
            [
                self._line(field, asked, method, uri, cnonce)
                for (field, _), asked in self._asked.items()
                if "qop" in parse_credentials(asked.challenge).fields
            ]
        )

    def retry(self, response: Response, sent: OutgoingRequest, cnonce: str) -> tuple[str, ...] | None:
        """The header lines with which a challenged request is to be sent again, credentials included.

        None when that is of no use: no challenge that can be answered, or the password is wrong there. The request
        itself is the caller's: the same Call-ID, To and From tag, the next CSeq (RFC 3261 §22.1).
        """
        fields = _FIELDS.get(response.status)
        if fields is None:
            return None
        challenges = dict(self._chosen(response.headers.getall(fields[0])))
        kept = {(field, realm): line for field, realm, line in _credentials(sent.headers)}
        for realm, challenge in challenges.items():
            before = kept.pop((fields[1], realm), None)
            if not self._learn((fields[1], realm), challenge, before):
                return None
            kept[fields[1], realm] = self._line(fields[1], self._asked[fields[1], realm], sent.method, sent.uri, cnonce)
        if not challenges or len(kept) > MAX_REALMS:
            return None
        # RFC 3261 §22.3: those of other proxies on the way stay, as each of them asks again.
        for key, asked in self._asked.items():
            if key in kept and (key[0] != fields[1] or key[1] not in challenges):
                kept[key] = self._line(key[0], asked, sent.method, sent.uri, cnonce)
        others = [line for line in sent.headers if not line.startswith(("Authorization:", "Proxy-Authorization:"))]
        return (*others, *kept.values())

    def _chosen(self, values: list[str]) -> Iterator[tuple[str, str]]:
        """Of each realm the first challenge that can be answered (RFC 8760 §2.4)."""
        seen = set()
        for value in values:
            if not can_answer(value):
                continue
            realm = parse_credentials(value).get("realm")
            if realm not in seen and self._realm in ("", realm):
                seen.add(realm)
                yield realm, value

    def _learn(self, key: tuple[str, str], challenge: str, before: str | None) -> bool:
        """Take a challenge; False when what answered the last one was wrong by more than its age."""
        fields = parse_credentials(challenge)
        known = self._asked.get(key)
        stale = known.stale if known is not None else 0
        if before is not None and _is_fresh(before, fields.get("nonce")):
            stale = stale + 1 if fields.get("stale").lower() == "true" else MAX_STALE + 1
            if stale > MAX_STALE:
                self._asked.pop(key, None)
                return False
        else:
            stale = 0
        if known is None or known.nonce != fields.get("nonce"):
            known = _Asked(challenge, fields.get("nonce"))
            self._asked.pop(key, None)
            while len(self._asked) >= MAX_REALMS:
                del self._asked[next(iter(self._asked))]
            self._asked[key] = known
        known.stale = stale
        return True

    def _line(self, field: str, asked: _Asked, method: str, uri: str, cnonce: str) -> str:
        asked.count += 1
        value = answer(
            asked.challenge, method, uri, self.user, cnonce=cnonce, nc=asked.count, password=self._password
        )  # fmt: skip
        return f"{field}: {value}"


def _credentials(lines: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    """Field, realm and line of each answer that a request brought."""
    for line in lines:
        field, _, value = line.partition(": ")
        if field in ("Authorization", "Proxy-Authorization"):
            yield field, parse_credentials(value).get("realm"), line


def _is_fresh(line: str, nonce: str) -> bool:
    """Whether what refuses these credentials refuses the password: they answered a challenge for the first time, or
    the very `nonce` that is to be answered again.
    """
    answered = parse_credentials(line.partition(": ")[2])
    return answered.get("nc") in ("", "00000001") or answered.get("nonce") == nonce
