"""Access tokens: signed and short-lived (JWT, RFC 7519, HS256), so that most requests ask no database.

The key is drawn anew at each start: a restart ends all access tokens, and clients come back with their refresh
token, which is kept. What is withdrawn before its time (a sign-out, a changed password or role) is remembered
here until the last token of it has expired.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import jwt
import msgspec

from switchboard.api.principal import Principal
from switchboard.api.problems import ApiError
from switchboard.api.types import Role

LIFETIME: Final = 15 * 60
"""Seconds."""
LONGEST: Final = 2048
"""Characters of a token that is looked at."""
MOST_WITHDRAWN: Final = 100_000

_ALGORITHM: Final = "HS256"
_ISSUER: Final = "switchboard"
_REQUIRED: Final = ["exp", "iat", "sub", "iss"]


class _Claims(msgspec.Struct, frozen=True):
    """`sid` is the session, `n` counts the tokens of this start, `mc`: the password must be changed."""

    sub: str
    name: str
    role: Role
    iat: float
    exp: float
    agent: str = ""
    sid: str = ""
    n: int = 0
    mc: bool = False


class AccessTokens:
    """Issues and checks tokens; `clock` gives UTC seconds."""

    def __init__(self, clock: Callable[[], float], key: bytes | None = None, lifetime: float = LIFETIME) -> None:
        self.lifetime = lifetime
        self._clock = clock
        self._key = key or os.urandom(32)
        self._issued = 0
        # By session or user: tokens up to this one are void; forgotten when the last of them has expired.
        self._withdrawn: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def reserve(self) -> int:
        """The number of a token to be issued: what is withdrawn from now on withdraws it too.

        It is taken before the account is read, which may be changed meanwhile.
        """
        self._issued += 1
        return self._issued

    def issue(self, principal: Principal, serial: int | None = None) -> str:
        """A token for a principal, of a number that was reserved."""
        now = self._clock()
        serial = self.reserve() if serial is None else serial
        claims: dict[str, object] = {
            "iss": _ISSUER, "sub": principal.id, "name": principal.name, "role": principal.role, "iat": now,
            "exp": now + self.lifetime, "agent": principal.agent, "sid": principal.session, "n": serial,
            "mc": principal.must_change,
        }  # fmt: skip
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def check(self, token: str) -> Principal:
        """Who a token stands for; raises `ApiError` when it is not ours, expired or withdrawn."""
        if len(token) > LONGEST:
            raise ApiError("unauthenticated", "This is not an access token of this switch.")
        try:
            decoded = jwt.decode(
                token, self._key, algorithms=[_ALGORITHM], issuer=_ISSUER,
                options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False},
            )  # fmt: skip
            claims = msgspec.convert(decoded, _Claims)
        except (jwt.InvalidTokenError, msgspec.ValidationError, ValueError):
            raise ApiError("unauthenticated", "This is not an access token of this switch.") from None
        principal = Principal(
            id=claims.sub, name=claims.name, role=claims.role, agent=claims.agent, session=claims.sid,
            must_change=claims.mc, expires=claims.exp, serial=claims.n,
        )  # fmt: skip
        if not self.valid(principal):
            raise ApiError("token-expired", "Ask for a new one with the refresh token.")
        return principal

    def valid(self, principal: Principal) -> bool:
        """Whether a token that was good once still is."""
        if self._clock() >= principal.expires:
            return False
        for key in (principal.session, principal.id):
            withdrawn = self._withdrawn.get(key)
            if withdrawn is not None and principal.serial <= withdrawn[0]:
                return False
        return True

    def withdraw(self, key: str) -> None:
        """Void all tokens of a session or a user that were issued until now."""
        if not key:
            return
        now = self._clock()
        withdrawn = self._withdrawn
        withdrawn.pop(key, None)
        withdrawn[key] = (self._issued, now + self.lifetime)
        while withdrawn and (len(withdrawn) > MOST_WITHDRAWN or next(iter(withdrawn.values()))[1] <= now):
            withdrawn.popitem(last=False)
