"""Registrations of phones, so that they can be called when the process that knew them has died."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from switchboard.sip.binding import Binding
from switchboard.sip.flow import StreamAddress, on_transport, transport_of
from switchboard.store.database import Database

_SET: Final = (
    "INSERT INTO registrations (aor, expires_us, bindings) VALUES (?1, ?2, ?3)"
    " ON CONFLICT (aor) DO UPDATE SET expires_us = excluded.expires_us, bindings = excluded.bindings"
)
_DELETE: Final = "DELETE FROM registrations WHERE aor = ?1"


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """One binding as it is stored; its expiry is in UTC microseconds."""

    contact: str
    source: tuple[str, int]
    transport: str
    q: float
    expires_us: int
    call_id: str
    cseq: int
    user_agent: str
    params: str
    path: tuple[str, ...]
    instance: str
    reg_id: int


_decoder: Final = msgspec.msgpack.Decoder(tuple[Kept, ...])
_encode: Final = msgspec.msgpack.Encoder().encode


class RegistrationRepository:
    """The registrations in the database, one row an address-of-record."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, changed: Mapping[str, Sequence[Binding]], offset: float) -> None:
        """Store what some addresses-of-record have now, none: nothing. `offset` makes UTC seconds of their times.

        A binding over a connection is not kept: with the process the connection is gone, and the phone registers anew.
        One with a Path is, because its proxy can be connected to.
        """
        gone: list[tuple[str]] = []
        rows: list[tuple[str, int, bytes]] = []
        for aor, bindings in changed.items():
            kept = [_kept(one, offset) for one in bindings if not isinstance(one.source, StreamAddress) or one.path]
            if kept:
                rows.append((aor, max(one.expires_us for one in kept), _encode(kept)))
            else:
                gone.append((aor,))
        with self._database.writing() as connection:
            if rows:
                connection.exec_driver_sql(_SET, rows)
            if gone:
                connection.exec_driver_sql(_DELETE, gone)

    def prune(self, now_us: int) -> int:
        """Remove what has expired; how many addresses-of-record that were."""
        with self._database.writing() as connection:
            return connection.exec_driver_sql("DELETE FROM registrations WHERE expires_us <= ?1", (now_us,)).rowcount

    def read(self, offset: float) -> Iterator[tuple[str, list[Binding]]]:
        """All that are stored, also expired ones; what cannot be read any more is left out."""
        with self._database.reading() as connection:
            rows = connection.exec_driver_sql("SELECT aor, bindings FROM registrations").all()
        for aor, body in rows:
            try:
                kept = _decoder.decode(body)
            except msgspec.DecodeError:
                continue
            yield aor, [_binding(one, offset) for one in kept]


def _kept(binding: Binding, offset: float) -> Kept:
    source = binding.source
    return Kept(
        contact=binding.contact,
        source=(source[0], source[1]),
        transport=transport_of(source),
        q=binding.q,
        expires_us=round((binding.expires_at + offset) * 1e6),
        call_id=binding.call_id,
        cseq=binding.cseq,
        user_agent=binding.user_agent,
        params=binding.params,
        path=binding.path,
        instance=binding.instance,
        reg_id=binding.reg_id,
    )


def _binding(kept: Kept, offset: float) -> Binding:
    return Binding(
        contact=kept.contact,
        source=on_transport(kept.source, kept.transport),
        q=kept.q,
        expires_at=kept.expires_us / 1e6 - offset,
        call_id=kept.call_id,
        cseq=kept.cseq,
        user_agent=kept.user_agent,
        params=kept.params,
        path=kept.path,
        instance=kept.instance,
        reg_id=kept.reg_id,
    )
