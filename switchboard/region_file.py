"""The operator's own word on regions: a CSV file `prefix,province,city,carrier`, of which the longest prefix counts.

A prefix is the beginning of a number in the form it is dialled within China (`1395678`, `0571`, `400800`) or abroad
(`+1415`). What is left empty is as the kept data say. A first line of these names and lines that begin with # are
passed over.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Final, NamedTuple

COLUMNS: Final = ("prefix", "province", "city", "carrier")
MAX_ROWS: Final = 200_000
LONGEST_TEXT: Final = 64

_PREFIX: Final = re.compile(r"\+?[0-9]{1,15}\Z")


class Override(NamedTuple):
    """What is said of a prefix; empty texts leave it as it is."""

    province: str
    city: str
    carrier: str


class RegionFileError(Exception):
    """The file is wrong; one line `file:line: what and why`."""


def read_overrides(path: Path) -> dict[str, Override]:
    """By prefix, what the file says; raises `RegionFileError`."""
    found: dict[str, Override] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, strict=True)
            for row in rows:
                if not row or row[0].startswith("#") or (rows.line_num == 1 and tuple(map(str.strip, row)) == COLUMNS):
                    continue
                prefix, override = _override(row, f"{path}:{rows.line_num}")
                if prefix in found:
                    raise RegionFileError(f"{path}:{rows.line_num}: prefix {prefix} is already in the file")
                if len(found) >= MAX_ROWS:
                    raise RegionFileError(f"{path}:{rows.line_num}: more than {MAX_ROWS} prefixes")
                found[prefix] = override
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RegionFileError(f"{path}: cannot be read ({reason})") from None
    except UnicodeDecodeError:
        raise RegionFileError(f"{path}: is not in UTF-8; save it as CSV UTF-8") from None
    except csv.Error as error:
        raise RegionFileError(f"{path}:{rows.line_num}: {error}") from None
    return found


def _override(row: list[str], where: str) -> tuple[str, Override]:
    cells = [cell.strip() for cell in row]
    if len(cells) != len(COLUMNS):
        raise RegionFileError(f"{where}: expected {','.join(COLUMNS)}, found {len(cells)} columns")
    prefix = cells[0].replace(" ", "").replace("-", "")
    if not _PREFIX.match(prefix):
        raise RegionFileError(f"{where}: '{cells[0][:LONGEST_TEXT]}' is not the beginning of a number")
    if any(len(cell) > LONGEST_TEXT for cell in cells):
        raise RegionFileError(f"{where}: a text is longer than {LONGEST_TEXT} characters")
    if not any(cells[1:]):
        raise RegionFileError(f"{where}: prefix {prefix} has no province, city or carrier")
    return prefix.removeprefix("+86"), Override(*cells[1:])
