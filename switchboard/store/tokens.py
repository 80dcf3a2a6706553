"""Refresh tokens: kept as keyed hashes, each serves once; one met again ends all that came of the same sign-in.

(RFC 9700 §4.14.2: rotation with detection of reuse.)
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from sqlalchemy import delete, func, insert, select, update

from routing.masks.secret import Vault
from switchboard.store.database import Database
from switchboard.store.records import new_id
from switchboard.store.schema import refresh_tokens, users

FAMILIES: Final = 20
"""Sign-ins of one account that may be alive at a time; the oldest one gives way."""

_PURPOSE: Final = b"refresh token"
_PIECE: Final = 500

Verdict = Literal["ok", "unknown", "expired", "reused"]


class Rotation(NamedTuple):
    """What came of a refresh token that was shown; user and family are empty when it is unknown."""

    verdict: Verdict
    user_id: str = ""
    family: str = ""
    begun_us: int = 0
    """When the sign-in was that the token descends from."""


class RefreshTokenRepository:
    """The refresh tokens in the database; the clear token is never stored."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def issue(self, user_id: str, token: str, *, now_us: int, expires_us: int, version: int | None = None) -> str:
        """Keep the first token of a sign-in; returns its family. Raises IntegrityError for an unknown account.

        With `version` only while the account is at that version; else "" and nothing is kept.
        """
        family = new_id()
        columns = refresh_tokens.c
        with self._database.writing() as connection:
            if version is not None:
                at = connection.scalar(select(users.c.version).where(users.c.id == user_id))
                if at != version:
                    return ""
            connection.execute(insert(refresh_tokens), [self._row(token, family, user_id, now_us, now_us, expires_us)])
            begun = func.max(columns.begun_us)
            newest = (
                select(columns.family)
                .where(columns.user_id == user_id)
                .group_by(columns.family)
                .order_by(begun.desc(), columns.family.desc())
                .limit(FAMILIES)
            )
            surplus = delete(refresh_tokens).where(columns.user_id == user_id, columns.family.not_in(newest))
            connection.execute(surplus)
        return family

    def rotate(self, token: str, new_token: str, *, now_us: int, expires_us: int) -> Rotation:
        """Take a token and keep the next one in its place; one that was used before ends its family."""
        columns = refresh_tokens.c
        digest = self._digest(token)
        with self._database.writing() as connection:
            row = connection.execute(select(refresh_tokens).where(columns.digest == digest)).first()
            if row is None:
                return Rotation("unknown")
            verdict: Verdict = "ok" if row.used_us is None else "reused"
            if verdict == "reused":
                connection.execute(delete(refresh_tokens).where(columns.family == row.family))
            elif row.expires_us <= now_us:
                verdict = "expired"
            else:
                connection.execute(update(refresh_tokens).where(columns.digest == digest).values(used_us=now_us))
                new = self._row(new_token, row.family, row.user_id, row.begun_us, now_us, expires_us)
                connection.execute(insert(refresh_tokens), [new])
        return Rotation(verdict, row.user_id, row.family, row.begun_us)

    def revoke_family(self, family: str) -> bool:
        """End one sign-in."""
        with self._database.writing() as connection:
            return connection.execute(delete(refresh_tokens).where(refresh_tokens.c.family == family)).rowcount > 0

    def alive(self, family: str, now_us: int) -> bool:
        """Whether a sign-in has not been ended and has a token that still serves."""
        columns = refresh_tokens.c
        query = select(columns.digest).where(
            columns.family == family, columns.used_us.is_(None), columns.expires_us > now_us
        )
        with self._database.reading() as connection:
            return connection.scalar(query.limit(1)) is not None

    def prune(self, now_us: int) -> int:
        """Forget tokens that have expired, used or not; by small transactions. How many."""
        columns = refresh_tokens.c
        total = 0
        while True:
            expired = select(columns.digest).where(columns.expires_us <= now_us).limit(_PIECE)
            with self._database.writing() as connection:
                count = connection.execute(delete(refresh_tokens).where(columns.digest.in_(expired))).rowcount
            total += count
            if count < _PIECE:
                return total

    def _digest(self, token: str) -> bytes:
        return self._vault.keyed_hash(_PURPOSE, token.encode())

    def _row(
        self, token: str, family: str, user_id: str, begun_us: int, now_us: int, expires_us: int
    ) -> dict[str, object]:
        return {
            "digest": self._digest(token),
            "family": family,
            "user_id": user_id,
            "begun_us": begun_us,
            "issued_us": now_us,
            "expires_us": expires_us,
            "used_us": None,
        }
