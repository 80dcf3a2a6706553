"""Reads a CSV file of bindings into rows ready to store; real numbers are sealed on the way.

No message of this module repeats what stands in the file: a misplaced column may be somebody's number.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from operator import itemgetter
from typing import Final, NamedTuple

from routing.masks.secret import RealNumber, Vault, fold_digits
from routing.masks.table import check_extension
from routing.masks.target import AorTarget, TargetError, parse_number, parse_open_target
from switchboard.store.masks import MaskRow

REQUIRED: Final = ("number", "extension", "target")
OPTIONAL: Final = ("trunk", "shown", "expires", "label")
HEADER: Final = f"{','.join(REQUIRED)}[,{','.join(OPTIONAL)}]"
MAX_LABEL: Final = 64
TELL_EVERY: Final = 1000

_NOT_DIGITS: Final = re.compile(r"[^0-9]")
_DATE: Final = re.compile(r"\d{4}-\d{1,2}-\d{1,2}\Z")
_CODINGS: Final = ("utf-8-sig", "gb18030")


class BadRow(NamedTuple):
    """A row that cannot be imported."""

    line: int
    reason: str


class MaskFileError(Exception):
    """The file as a whole cannot be read as bindings."""


class MaskFile(NamedTuple):
    """What a file holds: good rows, the line of each, and the rows that are bad."""

    rows: list[MaskRow]
    lines: dict[tuple[str, str], int]
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


class MaskReader:
    """Turns the lines of a file into rows; `trunks` are those that calls can go out by, `accounts` softphones'."""

    def __init__(self, vault: Vault, *, trunks: Iterable[str], accounts: Iterable[str], now_us: int) -> None:
        self._vault = vault
        self._trunks = tuple(trunks)
        self._accounts = frozenset(accounts)
        self._now_us = now_us
        self._width = 0
        self._pick: Callable[[list[str]], tuple[str, ...]] = tuple
        # Most rows repeat the number, what is shown and the date, so these are checked once.
        self._numbers: dict[str, str] = {}
        self._dates: dict[str, int | None] = {"": None}
        self._ways: dict[tuple[str, str, str], tuple[str, str]] = {}

    def read(self, text: str, progress: Callable[[int], None] | None = None) -> MaskFile:
        """All rows of a file; `progress` gets the line that was reached."""
        result = MaskFile([], {}, [])
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
        told = 0
        while True:
            try:
                cells = next(reader)
                line = reader.line_num
                if not any(cells):
                    continue
                if not self._width:
                    self._name_columns(cells)
                    continue
                self._add(result, cells, line)
            except StopIteration:
                break
            except csv.Error:
                result.bad.append(BadRow(reader.line_num, "no proper CSV: an open quote or a stray character"))
            if progress is not None and reader.line_num >= told + TELL_EVERY:
                told = reader.line_num
                progress(told)
        if not self._width:
            raise MaskFileError(f"is empty; its first line names the columns: {HEADER}")
        return result

    def _add(self, result: MaskFile, cells: list[str], line: int) -> None:
        try:
            row = self._row(cells)
        except ValueError as error:
            result.bad.append(BadRow(line, str(error)))
            return
        first = result.lines.setdefault((row.number, row.extension), line)
        if first != line:
            result.bad.append(BadRow(line, f"the same number and extension as in line {first}"))
            return
        result.rows.append(row)

    def _name_columns(self, cells: list[str]) -> None:
        columns = _columns(cells)
        self._width = len(cells)
        # A column that is not there is read from the empty cell behind the last one.
        self._pick = itemgetter(*(columns.get(name, self._width) for name in REQUIRED + OPTIONAL))

    def _row(self, cells: list[str]) -> MaskRow:
        if len(cells) != self._width:
            if any(cells[self._width :]):
                raise TargetError("more cells than columns")
            cells = cells[: self._width] + [""] * (self._width - len(cells))
        number, extension, target, trunk, shown, expires, label = map(str.strip, self._pick([*cells, ""]))
        number = self._number("number", number)
        extension = fold_digits(extension)
        check_extension(extension)
        kind, target, sealed, fingerprint = self._target(target, label)
        trunk, shown = self._way_out(trunk, shown, number) if kind == "number" else ("", "")
        if len(label) > MAX_LABEL:
            raise TargetError(f"the label is longer than {MAX_LABEL} characters")
        if expires not in self._dates:
            self._dates[expires] = _expires_us(expires)
        return MaskRow(
            number, extension, kind, target, sealed, fingerprint,
            trunk, shown, False, self._dates[expires], label, self._now_us, self._now_us,
        )  # fmt: skip

    def _number(self, name: str, text: str) -> str:
        known = self._numbers.get(text)
        if known is None:
            try:
                known = parse_number(text)
            except TargetError:
                raise TargetError(f"{name}: {'is missing' if not text else 'not a telephone number'}") from None
            self._numbers[text] = known
        return known

    def _target(self, text: str, label: str) -> tuple[str, str, bytes | None, bytes | None]:
        if not text:
            raise TargetError("target: is missing")
        try:
            opened = parse_open_target(text)
        except TargetError as error:
            raise TargetError(f"target: {error}") from None
        if opened is not None:
            if isinstance(opened, AorTarget):
                if opened.aor.partition("@")[0] not in self._accounts:
                    raise TargetError("target: no account of that name in the configuration")
                return "aor", opened.aor, None, None
            return "sip", opened.uri, None, None
        try:
            digits = parse_number(text)
        except TargetError:
            raise TargetError("target: neither a telephone number nor sip:… nor aor:user") from None
        if label and digits.lstrip("+0") in _NOT_DIGITS.sub("", label):
            raise TargetError("the label holds the real number, which must not be stored in clear")
        number = RealNumber(digits)
        return "number", "", self._vault.seal(number), self._vault.fingerprint(number)

    def _way_out(self, trunk: str, shown: str, number: str) -> tuple[str, str]:
        known = self._ways.get((trunk, shown, number))
        if known is None:
            known = self._ways[trunk, shown, number] = self._check_way(trunk, shown, number)
        return known

    def _check_way(self, trunk: str, shown: str, number: str) -> tuple[str, str]:
        if not trunk and len(self._trunks) != 1:
            raise TargetError("trunk: is missing, and the configuration has not exactly one with 'to'")
        if trunk and trunk not in self._trunks:
            names = ", ".join(self._trunks) or "none"
            raise TargetError(f"trunk: not in the configuration with 'to' (known: {names})")
        if shown:
            shown = self._number("shown", shown)
            if shown == number or shown.startswith(("400", "800")):
                raise TargetError("shown: a 400 or 800 number is inbound only and cannot be shown")
        return trunk or self._trunks[0], shown


def _delimiter(text: str) -> str:
    head = text[: text.find("\n")] if "\n" in text else text
    return max(",;\t", key=head.count)


def _columns(cells: list[str]) -> dict[str, int]:
    names = [cell.strip().lower() for cell in cells]
    columns = {name: place for place, name in enumerate(names)}
    if any(name not in columns for name in REQUIRED):
        raise MaskFileError(f"does not begin with the names of the columns: {HEADER}")
    unknown = [place for name, place in columns.items() if name not in REQUIRED + OPTIONAL]
    if unknown:
        raise MaskFileError(f"column {unknown[0] + 1} is not known; the columns are {HEADER}")
    if len(columns) != len(names):
        raise MaskFileError("names a column twice")
    return columns


def _expires_us(text: str) -> int:
    """UTC microseconds of `2026-12-31` (the end of that day) or `2026-12-31 18:00[:30][+08:00]`, local time."""
    try:
        text = text.replace("/", "-")
        if _DATE.match(text):
            day = date(*map(int, text.split("-")))
            moment = datetime.combine(day + timedelta(days=1), datetime.min.time()).astimezone()
        else:
            moment = datetime.fromisoformat(text).astimezone()
        return int(moment.timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        raise TargetError("expires: not a date such as 2026-12-31 or 2026-12-31 18:00") from None
