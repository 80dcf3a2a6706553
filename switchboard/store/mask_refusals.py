"""Customers who want no calls back, as an operator writes them down; what they say in a call comes by the journal."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import delete, select

from routing.masks import RealNumber, Vault
from routing.masks.target import parse_number
from switchboard.store.database import Database
from switchboard.store.mask_log import Change, append_changes, printed
from switchboard.store.mask_use import note_refusal
from switchboard.store.records import RefusalRecord, utc_us
from switchboard.store.schema import mask_refusals

ANYBODY: Final = b""


class Refusal(NamedTuple):
    """Somebody wants no calls from anybody; `customer` as in the log of changes, `call_id` of the call that said so."""

    customer: str
    refused_us: int
    call_id: str


class Told(NamedTuple):
    """What an operator's word did: to whom, by fingerprint, and whether anything changed."""

    customer: bytes
    changed: bool


class MaskRefusals:
    """Refusals of calls back; `who` stands in the log of changes."""

    def __init__(self, database: Database, vault: Vault, who: str) -> None:
        self._database = database
        self._vault = vault
        self._who = who

    def refuse(self, number: str, reason: str = "") -> Told:
        """From now on nobody calls this number back through X; raises `ValueError` for what is none."""
        return self._tell(number, reason, withdrawn=False)

    def accept(self, number: str, reason: str = "") -> Told:
        """Take a refusal of this number back; raises `ValueError` for what is none."""
        return self._tell(number, reason, withdrawn=True)

    def find(self, number: str) -> Refusal | None:
        """The refusal of this number; raises `ValueError` for what is none."""
        found = self.latest(1, customer=self._fingerprint(number))
        return found[0] if found else None

    def latest(self, limit: int, offset: int = 0, customer: bytes | None = None) -> list[Refusal]:
        """The latest ones, newest first, or that of a fingerprint alone."""
        columns = mask_refusals.c
        query = select(columns.customer, columns.refused_us, columns.call_id).where(columns.agent == ANYBODY)
        if customer is not None:
            query = query.where(columns.customer == customer)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(columns.refused_us.desc()).limit(limit).offset(offset))
            return [Refusal(printed(row.customer), row.refused_us, row.call_id) for row in rows]

    def _fingerprint(self, number: str) -> bytes:
        return self._vault.fingerprint(RealNumber(parse_number(number)))

    def _tell(self, number: str, reason: str, *, withdrawn: bool) -> Told:
        customer, now_us, columns = self._fingerprint(number), utc_us(), mask_refusals.c
        here = (columns.customer == customer, columns.agent == ANYBODY)
        with self._database.writing() as connection:
            known = connection.execute(select(columns.refused_us).where(*here)).first() is not None
            if known is not withdrawn:
                return Told(customer, changed=False)
            if withdrawn:
                connection.execute(delete(mask_refusals).where(*here))
            else:
                note_refusal(connection, RefusalRecord(customer=customer, at_us=now_us))
            action = "accept" if withdrawn else "refuse"
            append_changes(connection, [Change(now_us, self._who, action, "", printed(customer), reason)])
        return Told(customer, changed=True)
