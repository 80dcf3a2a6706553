"""Changes of the stored bindings: each is whole or not at all, and leaves a line in the log of changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, select, update

from routing.masks import MaskTable, TakenError
from switchboard.store.database import Database, wide_cache
from switchboard.store.mask_log import Change, append_changes, detail_of
from switchboard.store.mask_rows import LineRow, MaskRow, Row, binding_of, is_same, parties_of
from switchboard.store.masks import CHUNK, MaskRepository
from switchboard.store.records import utc_us
from switchboard.store.schema import mask_bindings, mask_lines, mask_quarantines, mask_releases
from switchboard.store.statements import insert_statement


class Imported(NamedTuple):
    """What an import did."""

    added: int
    replaced: int
    unchanged: int = 0


class RowError(Exception):
    """Rows that cannot be stored, each with its reason, by id; nothing was changed."""

    def __init__(self, reasons: dict[str, str]) -> None:
        super().__init__(f"{len(reasons)} bindings cannot be stored")
        self.reasons = reasons


class ExistingBindingsError(RowError):
    """Bindings are there already and are different, and replacing them was not asked for; nothing was changed."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(dict.fromkeys(keys, "is bound already, to something else"))
        self.keys = keys


def _upsert(keys: tuple[str, ...], columns: Iterable[str]) -> str:
    kept = (*keys, "created_us", "used_us")
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in kept)
    return f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changes}"


class MaskEditor:
    """Binds, unbinds and switches; `who` stands in the log."""

    def __init__(self, database: Database, who: str) -> None:
        self._database = database
        self._who = who
        self._masks = MaskRepository(database)
        self._insert_masks = insert_statement(mask_bindings, database.engine) + _upsert(
            ("number", "extension"), mask_bindings.columns.keys()
        )
        self._insert_lines = insert_statement(mask_lines, database.engine) + _upsert(("id",), mask_lines.columns.keys())

    def store(
        self,
        rows: Sequence[Row],
        *,
        action: str = "bind",
        replace: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> Imported:
        """Store all rows or, on any error, none; those that are stored just so are left alone.

        `progress` gets the rows done. Raises `RowError`, of it `ExistingBindingsError`.
        """
        with self._database.writing() as connection, wide_cache(connection):
            existing = self._existing(rows, connection)
            changed = [row for row in rows if (known := existing.get(row.key)) is None or not is_same(row, known)]
            taken = [row.key for row in changed if row.key in existing]
            if taken and not replace:
                raise ExistingBindingsError(taken)
            self._check(changed, connection)
            # In the order of the keys, pages of the tables are written once.
            changed.sort(key=_key)
            for start in range(0, len(changed), CHUNK):
                self._store_chunk(changed[start : start + CHUNK], existing, action, connection)
                if progress is not None:
                    progress(min(start + CHUNK, len(changed)))
        return Imported(len(changed) - len(taken), len(taken), len(rows) - len(changed))

    def unbind(self, binding: str, *, quarantine_until_us: int | None = None, reason: str = "") -> bool:
        """Take a binding away; False if there is none. An extension may answer with a notice until a time."""
        with self._database.writing() as connection:
            row = self._masks.some([binding], connection).get(binding)
            if row is None:
                return False
            now_us = utc_us()
            if isinstance(row, MaskRow):
                columns = mask_bindings.c
                connection.execute(
                    delete(mask_bindings).where(columns.number == row.number, columns.extension == row.extension)
                )
                self._quarantine(row, quarantine_until_us, connection)
            else:
                connection.execute(delete(mask_lines).where(mask_lines.c.id == row.id))
                people = b"".join(party.fingerprint for party in parties_of(row))
                values = {"number": row.number, "people": people, "released_us": now_us}
                connection.execute(mask_releases.insert(), [values])
            self._note(connection, now_us, "unbind", row, reason)
        return True

    def switch(self, binding: str, *, disabled: bool, reason: str = "") -> bool | None:
        """Disable or enable a binding; False when it is so already, None if there is none."""
        with self._database.writing() as connection:
            row = self._masks.some([binding], connection).get(binding)
            if row is None:
                return None
            if bool(row.disabled) == disabled:
                return False
            now_us = utc_us()
            values = {"disabled": disabled, "updated_us": now_us}
            if isinstance(row, MaskRow):
                columns = mask_bindings.c
                here = (columns.number == row.number, columns.extension == row.extension)
                connection.execute(update(mask_bindings).where(*here).values(values))
            else:
                connection.execute(update(mask_lines).where(mask_lines.c.id == row.id).values(values))
            self._note(connection, now_us, "disable" if disabled else "enable", row, reason)
        return True

    def _existing(self, rows: Sequence[Row], connection: Connection) -> dict[str, Row]:
        """The stored bindings with the ids of these rows; whole numbers at once when there are many."""
        if len(rows) <= CHUNK:
            return self._masks.some([row.key for row in rows], connection)
        found: dict[str, Row] = self._masks.some([row.id for row in rows if isinstance(row, LineRow)], connection)
        for number in {row.number for row in rows if isinstance(row, MaskRow)}:
            query = str(select(mask_bindings).where(mask_bindings.c.number == "").compile(self._database.engine))
            for values in connection.exec_driver_sql(query, (number,)):
                row = MaskRow._make(values)
                found[row.key] = row
        return found

    def _check(self, rows: Sequence[Row], connection: Connection) -> None:
        """`RowError` for bindings of X numbers that cannot stand beside each other or what is stored."""
        lines = {row.id: row for row in rows if isinstance(row, LineRow)}
        if not lines:
            return
        table = MaskTable()
        for stored in self._masks.on_numbers((row.number for row in lines.values()), connection):
            if stored.id not in lines:
                _try(table, stored, {})
        faults: dict[str, str] = {}
        for row in lines.values():
            _try(table, row, faults)
        if faults:
            raise RowError(faults)

    def _store_chunk(self, rows: Sequence[Row], existing: dict[str, Row], action: str, connection: Connection) -> None:
        masks = [row for row in rows if isinstance(row, MaskRow)]
        lines = [row for row in rows if isinstance(row, LineRow)]
        if masks:
            connection.exec_driver_sql(self._insert_masks, masks)
            keys = [(row.number, row.extension) for row in masks]
            connection.exec_driver_sql("DELETE FROM mask_quarantines WHERE number = ? AND extension = ?", keys)
        if lines:
            connection.exec_driver_sql(self._insert_lines, lines)
        now_us = utc_us()
        append_changes(connection, self._changes(rows, existing, action, now_us))

    def _changes(self, rows: Iterable[Row], existing: dict[str, Row], action: str, now_us: int) -> Iterator[Change]:
        for row in rows:
            before = existing.get(row.key)
            detail = detail_of(row) if before is None else f"{detail_of(row)}; before: {detail_of(before)}"
            yield Change(now_us, self._who, action, row.key, detail, "")

    def _quarantine(self, row: MaskRow, until_us: int | None, connection: Connection) -> None:
        columns = mask_quarantines.c
        connection.execute(
            delete(mask_quarantines).where(columns.number == row.number, columns.extension == row.extension)
        )
        if until_us is not None:
            values = {"number": row.number, "extension": row.extension, "until_us": until_us}
            connection.execute(mask_quarantines.insert(), [values])

    def _note(self, connection: Connection, now_us: int, action: str, row: Row, reason: str) -> None:
        append_changes(connection, [Change(now_us, self._who, action, row.key, detail_of(row), reason)])


def _key(row: Row) -> str:
    return row.key


def _try(table: MaskTable, row: LineRow, faults: dict[str, str]) -> None:
    try:
        table.add(binding_of(row))
    except TakenError as error:
        faults[row.key] = f"{error} ({error.other})"
    except ValueError as error:
        faults[row.key] = str(error)
