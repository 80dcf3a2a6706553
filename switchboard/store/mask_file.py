"""Reads a file of bindings, CSV or JSON lines, into rows ready to store.

No message of this module repeats what stands in the file: a misplaced column may be somebody's number.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Final, NamedTuple

import msgspec

from routing.masks.target import TargetError
from switchboard.store.mask_fields import FIELDS, SIMPLE, FieldReader
from switchboard.store.mask_rows import Row

REQUIRED: Final = ("number", "extension", "target")
HEADER: Final = f"{','.join(REQUIRED)}[,{','.join(name for name in FIELDS if name not in REQUIRED)}]"
HEADER_OF_LINES: Final = "number,kind,a[,b,n,group,…]"
TELL_EVERY: Final = 1000

_CODINGS: Final = ("utf-8-sig", "gb18030")
_OBJECT: Final = msgspec.json.Decoder(dict[str, str | int | bool | None])


class BadRow(NamedTuple):
    """A row that cannot be imported."""

    line: int
    reason: str


class MaskFileError(Exception):
    """The file as a whole cannot be read as bindings."""


class MaskFile(NamedTuple):
    """What a file holds: good rows, the line of each by id, and the rows that are bad."""

    rows: list[Row]
    lines: dict[str, int]
    bad: list[BadRow]


def decode(data: bytes) -> str:
    """The text of a file in UTF-8, with or without BOM, in UTF-16 with BOM, or in GB 18030 (and so GBK)."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        codings: tuple[str, ...] = ("utf-16",)
    else:
        codings = _CODINGS
    for coding in codings:
        try:
            return data.decode(coding)
        except UnicodeDecodeError:
            continue
    raise MaskFileError("is neither UTF-8 nor GBK text; save it as CSV UTF-8")


def read_masks(text: str, fields: FieldReader, progress: Callable[[int], None] | None = None) -> MaskFile:
    """All bindings of a file; `progress` gets the line that was reached."""
    result = MaskFile([], {}, [])
    if text.lstrip()[:1] == "{":
        read = _json_lines(text, fields, result)
    else:
        read = _csv_lines(text, fields, result)
    told = 0
    for line in read:
        if progress is not None and line >= told + TELL_EVERY:
            told = line
            progress(told)
    return result


def _json_lines(text: str, fields: FieldReader, result: MaskFile) -> Iterator[int]:
    for line, piece in enumerate(text.splitlines(), 1):
        if piece.strip():
            _add(result, line, lambda piece=piece: fields.row(_from_json(piece)))  # type: ignore[misc]
        yield line


def _from_json(text: str) -> dict[str, str]:
    try:
        values = _OBJECT.decode(text)
    except msgspec.MsgspecError:
        raise TargetError("not a JSON object whose values are texts, whole numbers, true, false or null") from None
    if any(name not in FIELDS for name in values):
        raise TargetError(f"an unknown name; there are {', '.join(FIELDS)}")
    return {name: _text(value) for name, value in values.items()}


def _text(value: str | int | bool | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


class _Table:
    """How the columns of a CSV file are read."""

    def __init__(self, cells: list[str]) -> None:
        self._columns = _columns(cells)
        self._width = len(cells)
        self._simple = self._columns.keys() <= set(SIMPLE)
        # A column that is not there is read from the empty cell behind the last one.
        self._pick = itemgetter(*(self._columns.get(name, self._width) for name in SIMPLE))

    def row(self, cells: list[str], fields: FieldReader) -> Row:
        if len(cells) != self._width:
            if any(cells[self._width :]):
                raise TargetError("more cells than columns")
            cells = cells[: self._width] + [""] * (self._width - len(cells))
        if self._simple:
            number, extension, target, trunk, shown, expires, label = map(str.strip, self._pick([*cells, ""]))
            return fields.extension(number, extension, target, trunk, shown, expires, label)
        return fields.row({name: cells[place] for name, place in self._columns.items()})


def _csv_lines(text: str, fields: FieldReader, result: MaskFile) -> Iterator[int]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    table: _Table | None = None
    while True:
        try:
            cells = next(reader)
            if not any(cells):
                continue
            if table is None:
                table = _Table(cells)
                continue
            _add(result, reader.line_num, lambda cells=cells, table=table: table.row(cells, fields))  # type: ignore[misc]
        except StopIteration:
            break
        except csv.Error:
            result.bad.append(BadRow(reader.line_num, "no proper CSV: an open quote or a stray character"))
        yield reader.line_num
    if table is None:
        raise MaskFileError(f"is empty; its first line names the columns: {HEADER} or {HEADER_OF_LINES}")


def _add(result: MaskFile, line: int, make: Callable[[], Row]) -> None:
    try:
        row = make()
    except ValueError as error:
        result.bad.append(BadRow(line, str(error)))
        return
    first = result.lines.setdefault(row.key, line)
    if first != line:
        what = "number and extension" if "," in row.key else "binding"
        result.bad.append(BadRow(line, f"the same {what} as in line {first}"))
        return
    result.rows.append(row)


def _delimiter(text: str) -> str:
    head = text[: text.find("\n")] if "\n" in text else text
    return max(",;\t", key=head.count)


def _columns(cells: list[str]) -> dict[str, int]:
    names = [cell.strip().lower() for cell in cells]
    columns = {name: place for place, name in enumerate(names)}
    needed = ("number", "kind") if "kind" in columns else REQUIRED
    if any(name not in columns for name in needed):
        raise MaskFileError(f"does not begin with the names of the columns: {HEADER} or {HEADER_OF_LINES}")
    unknown = [place for name, place in columns.items() if name not in FIELDS]
    if unknown:
        raise MaskFileError(f"column {unknown[0] + 1} is not known; the columns are {HEADER}")
    if len(columns) != len(names):
        raise MaskFileError("names a column twice")
    return columns
