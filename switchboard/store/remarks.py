"""What people write about calls, also while a call is up."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from sqlalchemy import delete, func, insert, select

from switchboard.store.database import Database
from switchboard.store.schema import call_remarks

LONGEST: Final = 2000
MAX_OF_CALL: Final = 100


class Remark(NamedTuple):
    """One remark; `who` is a login, `at_us` UTC microseconds."""

    id: int
    call_id: str
    at_us: int
    who: str
    text: str


class RemarkRepository:
    """The remarks in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, call_id: str, *, who: str, at_us: int, text: str) -> Remark:
        """Keep a remark; raises ValueError when it is empty or too long, or the call has too many."""
        text = text.strip()
        if not text or len(text) > LONGEST:
            raise ValueError(f"a remark has 1 to {LONGEST} characters")
        columns = call_remarks.c
        with self._database.writing() as connection:
            query = select(func.count()).select_from(call_remarks).where(columns.call_id == call_id)
            if (connection.scalar(query) or 0) >= MAX_OF_CALL:
                raise ValueError(f"a call has at most {MAX_OF_CALL} remarks")
            row = insert(call_remarks).values(call_id=call_id, at_us=at_us, who=who, text=text)
            new = connection.scalar(row.returning(columns.id))
        assert new is not None
        return Remark(new, call_id, at_us, who, text)

    def get(self, remark_id: int) -> Remark | None:
        """One remark."""
        with self._database.reading() as connection:
            row = connection.execute(select(call_remarks).where(call_remarks.c.id == remark_id)).first()
        return None if row is None else Remark._make(row)

    def of_call(self, call_id: str) -> list[Remark]:
        """The remarks of a call in the order they were written."""
        return self.of_calls([call_id]).get(call_id, [])

    def of_calls(self, call_ids: Collection[str]) -> dict[str, list[Remark]]:
        """By call, the remarks of those calls that have any."""
        columns = call_remarks.c
        query = select(call_remarks).where(columns.call_id.in_(call_ids)).order_by(columns.call_id, columns.id)
        found: dict[str, list[Remark]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(query):
                found.setdefault(row.call_id, []).append(Remark._make(row))
        return found

    def remove(self, remark_id: int) -> bool:
        """Delete one; False when there is none."""
        with self._database.writing() as connection:
            return connection.execute(delete(call_remarks).where(call_remarks.c.id == remark_id)).rowcount > 0
