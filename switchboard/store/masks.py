"""The stored bindings of masked numbers, as they are read: all into the table of the running switch, or some."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec
import structlog
from sqlalchemy import ColumnElement, Connection, Select, Table, and_, false, func, or_, select, true

from config.schema import Mask
from routing.masks import AorTarget, Binding, MaskTable
from routing.masks.secret import RealNumber, Vault
from routing.masks.target import NumberTarget, Target, TargetError, parse_open_target
from switchboard.store.database import Database
from switchboard.store.mask_rows import LineRow, MaskRow, Row, binding_of, target_of
from switchboard.store.schema import mask_bindings, mask_lines, mask_quarantines, mask_refusals

CHUNK: Final = 1000
MOST_IDS: Final = 500
_VACANT: Final = AorTarget("-")

_log = structlog.get_logger("switchboard.store.masks")


class MaskFilter(NamedTuple):
    """Which bindings are wanted; None leaves a condition out."""

    number: str | None = None
    kind: str | None = None
    party: bytes | None = None
    """The fingerprint of somebody's number."""
    label: str | None = None
    """A part of the label."""
    state: str | None = None
    """active, disabled or expired; idle time is not looked at."""


class MaskRepository:
    """The bindings in the database; who changes them is `MaskEditor`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self) -> Iterator[MaskRow]:
        """The binding of every extension. Numbers stay sealed."""
        return map(MaskRow._make, self._all(mask_bindings))

    def lines(self) -> Iterator[LineRow]:
        """Every binding of an X number."""
        return map(LineRow._make, self._all(mask_lines))

    def fill(self, table: MaskTable, rest: Callable[[], None] | None = None, *, now_us: int = 0) -> int:
        """Bind everything stored in `table`; `rest` is called now and then, so that other threads get on."""
        total = 0
        everything: tuple[Iterator[Row], ...] = (self.rows(), self.lines())
        for rows in everything:
            while chunk := list(islice(rows, CHUNK // 2)):
                for row in chunk:
                    total += _bind(table, row)
                if rest is not None:
                    rest()
        for number, extension, until_us in self.quarantines(now_us):
            if table.bound(number, extension) is None:
                table.bind(number, extension, _VACANT)
                table.unbind(number, extension, quarantine_until=until_us / 1e6)
        table.lines.callbacks.set_refusals(self.refusals())
        return total

    def get(self, binding: str) -> Binding | None:
        """One binding, by id, with all that is kept of it."""
        row = self.row(binding)
        return None if row is None else binding_of(row)

    def row(self, binding: str) -> Row | None:
        """One binding as it is stored, by id."""
        return self.some([binding]).get(binding)

    def some(self, bindings: Sequence[str], connection: Connection | None = None) -> dict[str, Row]:
        """Those of some bindings that are stored, by id."""
        if connection is None:
            with self._database.reading() as reading:
                return self.some(bindings, reading)
        found: dict[str, Row] = {}
        lines = [binding for binding in bindings if "," not in binding]
        for start in range(0, len(lines), CHUNK):
            query = select(mask_lines).where(mask_lines.c.id.in_(lines[start : start + CHUNK]))
            found.update((row.id, LineRow._make(row)) for row in connection.execute(query))
        extensions: dict[str, list[str]] = {}
        for binding in bindings:
            number, comma, extension = binding.partition(",")
            if comma:
                extensions.setdefault(number, []).append(extension)
        columns = mask_bindings.c
        for number, those in extensions.items():
            for start in range(0, len(those), CHUNK):
                chunk = those[start : start + CHUNK]
                query = select(mask_bindings).where(columns.number == number, columns.extension.in_(chunk))
                found.update((row.key, row) for row in map(MaskRow._make, connection.execute(query)))
        return found

    def on_numbers(self, numbers: Iterable[str], connection: Connection) -> Iterator[LineRow]:
        """The bindings of some X numbers."""
        ordered = sorted(set(numbers))
        for start in range(0, len(ordered), CHUNK):
            query = select(mask_lines).where(mask_lines.c.number.in_(ordered[start : start + CHUNK]))
            yield from map(LineRow._make, connection.execute(query))

    def find(self, fingerprint: bytes) -> list[Binding]:
        """All bindings in which the number with this fingerprint has a part."""
        return [binding_of(row) for row in self.search(MaskFilter(party=fingerprint), -1)]

    def search(self, wanted: MaskFilter, limit: int, offset: int = 0, *, now_us: int = 0) -> list[Row]:
        """The bindings that fit, extensions first, in the order of numbers; `limit` -1 is no limit."""
        found: list[Row] = []
        with self._database.reading() as connection:
            for table, make in ((mask_bindings, MaskRow._make), (mask_lines, LineRow._make)):
                if limit >= 0 and len(found) >= limit:
                    break
                condition = _condition(table, wanted, now_us)
                order = [table.c.number, table.c.extension] if table is mask_bindings else [table.c.number, table.c.id]
                query: Select[Any] = select(table).where(condition).order_by(*order)
                here = limit if limit < 0 else limit - len(found)
                rows = connection.execute(query.limit(here).offset(offset)).all()
                found.extend(make(row) for row in rows)
                if offset and not rows:
                    counted = connection.scalar(select(func.count()).select_from(table).where(condition)) or 0
                    offset -= counted
                else:
                    offset = 0
        return found

    def count(self, wanted: MaskFilter | None = None, *, now_us: int = 0) -> int:
        """How many bindings there are, or fit."""
        total = 0
        with self._database.reading() as connection:
            for table in (mask_bindings, mask_lines):
                condition = true() if wanted is None else _condition(table, wanted, now_us)
                total += connection.scalar(select(func.count()).select_from(table).where(condition)) or 0
        return total

    def quarantines(self, now_us: int) -> list[tuple[str, str, int]]:
        """Number, extension and end (UTC microseconds) of the extensions given back a short while ago."""
        with self._database.reading() as connection:
            query = select(mask_quarantines).where(mask_quarantines.c.until_us > now_us)
            return [(row.number, row.extension, row.until_us) for row in connection.execute(query)]

    def refusals(self) -> list[tuple[bytes, bytes, float | None]]:
        """Who wants no calls from whom: fingerprints of customer and agent (empty: anybody), until a UTC second."""
        columns = mask_refusals.c
        with self._database.reading() as connection:
            rows = connection.execute(select(columns.customer, columns.agent, columns.until_us))
            return [(row.customer, row.agent, None if row.until_us is None else row.until_us / 1e6) for row in rows]

    def _all(self, table: Table) -> Iterator[Sequence[Any]]:
        text = str(select(table).compile(self._database.engine))
        with self._database.reading() as connection:
            result = connection.exec_driver_sql(text)
            while rows := result.fetchmany(CHUNK):
                yield from rows


class MaskChanges(NamedTuple):
    """What some bindings are now: stored or configured ones, and those that are gone, with their quarantine."""

    bound: list[Binding]
    gone: dict[str, float | None]


def read_changes(
    repository: MaskRepository, bindings: Sequence[str], configured: Iterable[Mask], vault: Vault, *, now_us: int
) -> MaskChanges:
    """What is to be brought into a running table after these bindings changed; may run in a thread."""
    stored = repository.some(bindings)
    changes = MaskChanges([binding_of(row) for row in stored.values()], {})
    below = MaskTable()
    bind_configured(below, configured, vault)
    until = {f"{number},{extension}": end / 1e6 for number, extension, end in repository.quarantines(now_us)}
    for binding in bindings:
        if binding in stored:
            continue
        number, _, extension = binding.partition(",")
        target = below.bound(number, extension) if extension else None
        if target is not None:
            changes.bound.append(Binding(number=number, extension=extension, target=target))
        else:
            changes.gone[binding] = until.get(binding)
    return changes


def apply_changes(table: MaskTable, changes: MaskChanges) -> int:
    """Bring changes into the table that answers calls; returns how many bindings it has then.

    What goes makes room for what comes, so all that changed is taken out first.
    """
    for binding in changes.bound:
        if binding.kind != "extension":
            table.remove(binding.key)
    for gone, until in changes.gone.items():
        table.remove(gone, quarantine_until=until)
    for binding in changes.bound:
        _add(table, binding)
    return len(table)


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


def _bind(table: MaskTable, row: Row) -> bool:
    if isinstance(row, MaskRow) and not row.policy and not row.label:
        target = target_of(row.kind, row.target, row.sealed, row.trunk, row.shown)
        expires = None if row.expires_us is None else row.expires_us / 1e6
        table.bind(row.number, row.extension, target, disabled=bool(row.disabled), expires=expires)
        return True
    try:
        return _add(table, binding_of(row))
    except msgspec.MsgspecError:
        _log.error("masks.policy_unreadable", binding=row.key)
        return False


def _add(table: MaskTable, binding: Binding) -> bool:
    try:
        table.add(binding)
    except ValueError as error:
        # Written by hand or by another version; the others are not to suffer from it.
        _log.error("masks.not_bound", binding=binding.key, reason=str(error))
        return False
    return True


def _condition(table: Table, wanted: MaskFilter, now_us: int) -> ColumnElement[bool]:
    columns = table.c
    conditions: list[ColumnElement[bool]] = [true()]
    if wanted.number is not None:
        conditions.append(columns.number == wanted.number)
    if wanted.kind is not None:
        if table is mask_lines:
            conditions.append(columns.kind == wanted.kind)
        elif wanted.kind != "extension":
            conditions.append(false())
    if wanted.party is not None:
        names = ("fingerprint",) if table is mask_bindings else ("a_fingerprint", "b_fingerprint")
        conditions.append(or_(*(columns[name] == wanted.party for name in names)))
    if wanted.label is not None:
        conditions.append(columns.label.contains(wanted.label, autoescape=True))
    expired = and_(columns.expires_us.is_not(None), columns.expires_us <= now_us)
    if wanted.state == "disabled":
        conditions.append(columns.disabled)
    elif wanted.state == "expired":
        conditions += [~columns.disabled, expired]
    elif wanted.state == "active":
        conditions += [~columns.disabled, ~expired]
    return and_(*conditions)
