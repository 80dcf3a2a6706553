"""Where the blocks of Chinese mobile numbers were issued: the data file of the package `phone`, read in place.

The file begins with its version (4 octets) and the offset of the blocks (32 bits, little endian). Between stand
texts `province|city|postcode|area code`, each ended by a zero octet. A block is the first seven digits of its
numbers, the offset of its text and the kind of its carrier, nine octets in all, ordered by the digits.
"""

from __future__ import annotations

import bisect
import importlib.util
import mmap
import struct
from pathlib import Path
from typing import Final, NamedTuple

BLOCK_DIGITS: Final = 7

CARRIERS: Final = {
    1: "中国移动",
    2: "中国联通",
    3: "中国电信",
    4: "中国电信（虚拟运营商）",
    5: "中国联通（虚拟运营商）",
    6: "中国移动（虚拟运营商）",
    7: "中国广电",
    8: "中国广电（虚拟运营商）",
}

_HEAD: Final = struct.Struct("<4si")
_BLOCK: Final = struct.Struct("<iiB")
_FIELDS: Final = 4


class Block(NamedTuple):
    """Where a block was issued, and by whom."""

    province: str
    city: str
    carrier: str


class MobileBlocks:
    """The blocks of a file, which is mapped and not read: half a million take no memory of this process."""

    def __init__(self, path: Path) -> None:
        """Raises OSError for a file that cannot be read, ValueError for one of another form."""
        with path.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if len(self._data) < _HEAD.size:
            raise ValueError(f"{path}: is not a file of mobile blocks")
        version, self._start = _HEAD.unpack_from(self._data)
        count, rest = divmod(len(self._data) - self._start, _BLOCK.size)
        if rest or count < 1 or not version.isdigit():
            raise ValueError(f"{path}: is not a file of mobile blocks")
        self.version = version.decode()
        """Year and month of the data, as 2312."""
        self._places = range(count)

    def __len__(self) -> int:
        return len(self._places)

    def find(self, number: str) -> Block | None:
        """The block of a number of seven digits or more."""
        digits = int(number[:BLOCK_DIGITS])
        place = bisect.bisect_left(self._places, digits, key=self._digits)
        if place == len(self._places):
            return None
        found, offset, kind = _BLOCK.unpack_from(self._data, self._start + place * _BLOCK.size)
        if found != digits:
            return None
        province, city, *_ = self._text(offset)
        return Block(province, city, CARRIERS.get(kind, ""))

    def areas(self) -> dict[str, list[tuple[str, str]]]:
        """By area code without 0, the provinces and cities that the texts name."""
        found: dict[str, list[tuple[str, str]]] = {}
        for text in self._data[_HEAD.size : self._start].split(b"\0"):
            fields = text.decode("utf-8", "replace").split("|")
            if len(fields) == _FIELDS:
                found.setdefault(fields[3].lstrip("0"), []).append((fields[0], fields[1]))
        return found

    def close(self) -> None:
        """Let the file go."""
        self._data.close()

    def _digits(self, place: int) -> int:
        digits, _, _ = _BLOCK.unpack_from(self._data, self._start + place * _BLOCK.size)
        return int(digits)

    def _text(self, offset: int) -> list[str]:
        fields = self._data[offset : self._data.find(b"\0", offset)].decode("utf-8", "replace").split("|")
        return fields if len(fields) == _FIELDS else [""] * _FIELDS


def packaged_file() -> Path | None:
    """The data file of the installed package, which itself is not imported."""
    found = importlib.util.find_spec("phone")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).with_name("phone.dat")
