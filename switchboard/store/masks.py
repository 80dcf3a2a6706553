"""The stored bindings of masked numbers: read into the table of the running switch, written by imports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from sqlalchemy import RowMapping, func, select

from config.schema import Mask
from routing.masks import Binding, MaskTable
from routing.masks.secret import RealNumber, Sealed, Vault
from routing.masks.target import AorTarget, NumberTarget, SipTarget, Target, TargetError, parse_open_target
from switchboard.store.database import Database, wide_cache
from switchboard.store.schema import mask_bindings
from switchboard.store.statements import insert_statement

CHUNK: Final = 1000


class MaskRow(NamedTuple):
    """A binding as it is stored, in the order of the table's columns."""

    number: str
    extension: str
    kind: str
    target: str
    sealed: bytes | None
    fingerprint: bytes | None
    trunk: str
    shown: str
    disabled: bool
    expires_us: int | None
    label: str
    created_us: int
    updated_us: int


class Imported(NamedTuple):
    """What an import did."""

    added: int
    replaced: int


class ExistingBindingsError(Exception):
    """Rows of an import are bound already, and replacing them was not asked for; nothing was changed."""

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        super().__init__(f"{len(keys)} extensions are bound already")
        self.keys = keys


_UPSERT: Final = " ON CONFLICT (number, extension) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in MaskRow._fields if name not in ("number", "extension", "created_us")
)


class MaskRepository:
    """The bindings in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load_all(self) -> Iterator[tuple[str, str, Target, bool, float | None]]:
        """Every binding: number, extension, target, disabled, expiry in UTC seconds. Numbers stay sealed."""
        columns = mask_bindings.c
        query = select(
            columns.number, columns.extension, columns.kind, columns.target, columns.sealed,
            columns.trunk, columns.shown, columns.disabled, columns.expires_us,
        )  # fmt: skip
        text = str(query.compile(self._database.engine))
        with self._database.reading() as connection:
            result = connection.exec_driver_sql(text)
            while rows := result.fetchmany(CHUNK):
                for number, extension, kind, target, sealed, trunk, shown, disabled, expires_us in rows:
                    expires = None if expires_us is None else expires_us / 1e6
                    found = _target(kind, target, sealed, trunk, shown)
                    yield number, extension, found, bool(disabled), expires

    def fill(self, table: MaskTable, rest: Callable[[], None] | None = None) -> int:
        """Bind everything stored in `table`; `rest` is called now and then, so that other threads get on."""
        bindings, total = self.load_all(), 0
        while chunk := list(islice(bindings, CHUNK // 2)):
            for number, extension, target, disabled, expires in chunk:
                table.bind(number, extension, target, disabled=disabled, expires=expires)
            total += len(chunk)
            if rest is not None:
                rest()
        return total

    def import_rows(
        self,
        rows: Sequence[MaskRow],
        *,
        replace: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> Imported:
        """Store all rows or, on any error, none; `progress` gets the rows done."""
        with self._database.writing() as connection, wide_cache(connection):
            existing: set[tuple[str, str]] = set()
            for number in {row.number for row in rows}:
                query = select(mask_bindings.c.extension).where(mask_bindings.c.number == number)
                existing.update((number, extension) for extension in connection.scalars(query))
            taken = [key for row in rows if (key := (row.number, row.extension)) in existing]
            if taken and not replace:
                raise ExistingBindingsError(taken)
            statement = insert_statement(mask_bindings, self._database.engine) + _UPSERT
            for start in range(0, len(rows), CHUNK):
                connection.exec_driver_sql(statement, list(rows[start : start + CHUNK]))
                if progress is not None:
                    progress(min(start + CHUNK, len(rows)))
        return Imported(len(rows) - len(taken), len(taken))

    def get(self, number: str, extension: str) -> Binding | None:
        """One binding with all that is kept of it."""
        query = select(mask_bindings).where(mask_bindings.c.number == number, mask_bindings.c.extension == extension)
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _binding(row)

    def find(self, fingerprint: bytes) -> list[Binding]:
        """All bindings that lead to the number with this fingerprint."""
        query = select(mask_bindings).where(mask_bindings.c.fingerprint == fingerprint)
        with self._database.reading() as connection:
            return [_binding(row) for row in connection.execute(query).mappings()]

    def count(self) -> int:
        """How many bindings are stored."""
        with self._database.reading() as connection:
            return connection.scalar(select(func.count()).select_from(mask_bindings)) or 0


def bind_configured(table: MaskTable, masks: Iterable[Mask], vault: Vault) -> None:
    """Bind the masks of the configuration; raises `ValueError` for one that makes no sense."""
    for mask in masks:
        target = configured_target(mask, vault)
        if mask.extensions is not None:
            first, last = repr(mask.extensions).split("-")
            table.bind_span(mask.number, first, last, target)
        elif mask.extension is not None:
            table.bind(mask.number, mask.extension, target)


def configured_target(mask: Mask, vault: Vault) -> Target:
    """Where a mask of the configuration leads; a real number is sealed here."""
    if mask.real is not None:
        number = RealNumber(mask.real.reveal("sealing a configured mask"))
        return NumberTarget(vault.seal(number), mask.trunk or "", mask.shown or "")
    target = parse_open_target(mask.target or "")
    if target is None:
        raise TargetError("a mask's target is written sip:… or aor:…; a number goes under real:")
    return target


def _target(kind: str, target: str, sealed: bytes | None, trunk: str, shown: str) -> Target:
    if kind == "sip":
        return SipTarget(target)
    if kind == "aor":
        return AorTarget(target)
    return NumberTarget(Sealed(sealed or b""), trunk, shown)


def _binding(row: RowMapping) -> Binding:
    return Binding(
        number=row["number"],
        extension=row["extension"],
        target=_target(row["kind"], row["target"], row["sealed"], row["trunk"], row["shown"]),
        disabled=row["disabled"],
        expires_us=row["expires_us"],
        label=row["label"],
        created_us=row["created_us"],
        updated_us=row["updated_us"],
    )
