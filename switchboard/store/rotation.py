"""Rotation: what is sealed goes under the newest encryption key, numbers under a new fingerprint."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Table, bindparam, func, select, update

from routing.masks.secret import Sealed, Vault
from switchboard.store.database import Database
from switchboard.store.schema import callback_requests, calls, mask_bindings, mask_lines, users, voicemail_messages

CHUNK: Final = 1000

_SEALED: Final[tuple[tuple[Table, Column[bytes], Column[bytes] | None], ...]] = (
    (mask_bindings, mask_bindings.c.sealed, mask_bindings.c.fingerprint),
    (mask_lines, mask_lines.c.a_sealed, mask_lines.c.a_fingerprint),
    (mask_lines, mask_lines.c.b_sealed, mask_lines.c.b_fingerprint),
    (calls, calls.c.caller_sealed, calls.c.caller_fingerprint),
    (voicemail_messages, voicemail_messages.c.caller_sealed, voicemail_messages.c.caller_fingerprint),
    (callback_requests, callback_requests.c.number_sealed, callback_requests.c.number_fingerprint),
    (users, users.c.totp_sealed, None),
)


def reseal(database: Database, vault: Vault) -> int:
    """Bring everything sealed under the active key of `vault`, numbers fingerprint anew; returns how many.

    It goes by small transactions and may be stopped and begun again; the old keys stay in the ring meanwhile.
    """
    return sum(_reseal(database, vault, *columns) for columns in _SEALED)


def sealed_under(database: Database, key_id: int) -> int:
    """How many stored numbers and secrets need this key; one that none needs may be taken out of the ring."""
    head = key_id.to_bytes(2, "big")
    total = 0
    with database.reading() as connection:
        for table, sealed, _ in _SEALED:
            query = select(func.count()).select_from(table).where(func.substr(sealed, 1, 2) == head)
            total += connection.scalar(query) or 0
    return total


def _reseal(
    database: Database, vault: Vault, table: Table, sealed: Column[bytes], printed: Column[bytes] | None
) -> int:
    keys = list(table.primary_key.columns)
    query = select(*keys, sealed).where(func.length(sealed) > 0).order_by(*keys)
    statement = update(table).values({sealed: bindparam("new_sealed")})
    if printed is not None:
        statement = statement.values({printed: bindparam("new_printed")})
    for key in keys:
        statement = statement.where(key == bindparam(f"old_{key.name}"))
    statement = statement.where(sealed == bindparam("old_sealed"))
    total = 0
    with database.reading() as connection:
        rows = connection.execute(query).all()
    for start in range(0, len(rows), CHUNK):
        changes = []
        for *key_values, old in rows[start : start + CHUNK]:
            named = {f"old_{key.name}": value for key, value in zip(keys, key_values, strict=True)}
            new: dict[str, bytes] = {"new_sealed": vault.reseal(Sealed(old))}
            if printed is not None:
                new["new_printed"] = vault.fingerprint(vault.open(Sealed(old)))
            changes.append(named | new | {"old_sealed": old})
        with database.writing() as connection:
            connection.execute(statement, changes)
        total += len(changes)
    return total
