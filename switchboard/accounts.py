"""Softphone accounts: their digest secrets, and the check of what a phone sends (RFC 3261 §22)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from switchboard.sip.digest import Challenger, Verdict, ha1, parse_credentials, pick
from switchboard.sip.errors import ParseError
from switchboard.sip.headers import quote

_ALGORITHMS: Final = ("SHA-256", "MD5")


class Accounts:
    """Judges credentials; passwords are kept as H(A1) only."""

    def __init__(
        self,
        realm: str,
        passwords: Iterable[tuple[str, str]],
        key: bytes,
        token: Callable[[], str],
        narrowed: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        """Take users with their passwords; `narrowed` are those with fewer algorithms than all, in order."""
        self._challenger = Challenger(realm, key)
        self._ours = f"realm={quote(realm)}"
        self._token = token
        self._narrowed = dict(narrowed or {})
        self._secrets = {
            (user, algorithm): ha1(user, realm, password, algorithm)
            for user, password in passwords
            for algorithm in self._narrowed.get(user, _ALGORITHMS)
        }
        self._users = {user for user, _ in self._secrets}

    def challenge(self, now: float, user: str, *, stale: bool = False) -> tuple[str, ...]:
        """Values of WWW-Authenticate or Proxy-Authenticate for who says to be `user` (RFC 8760 §2.4)."""
        algorithms = self._narrowed.get(user, _ALGORITHMS)
        return tuple(self._challenger.challenge(now, self._token(), stale=stale, algorithms=algorithms))

    def meant(self, values: Sequence[str]) -> str | None:
        """Of the credentials in a request those for our realm, None without any: proxies may have asked as well."""
        if len(values) == 1 and self._ours in values[0]:
            return values[0]
        return pick(values, self._challenger.realm)

    def user(self, authorization: str, method: str, uri: str, now: float) -> tuple[str | None, bool]:
        """The account that the credentials prove, or None; and whether only the nonce was too old."""
        try:
            fields = parse_credentials(authorization)
        except ParseError:
            return None, False
        verdict = self._challenger.judge(fields, method, uri, self._secret, now)
        if verdict is Verdict.OK:
            return fields.get("username"), False
        return None, verdict in (Verdict.STALE, Verdict.REPLAY)

    def knows(self, user: str) -> bool:
        """Whether there is such an account."""
        return user in self._users

    def _secret(self, user: str, algorithm: str) -> str | None:
        return self._secrets.get((user, algorithm.upper().removesuffix("-SESS")))
