"""归属地: the province, city and carrier a calling number was issued in or by, from kept data and an operator's file.

The data age, and a number that moved to another carrier or city keeps its first place: what is said is a guess.
Blocks of mobile numbers come from the package `phone`, area codes and countries from `phonenumbers`; both together
take less than 2 MB here. The region of a foreign number is its country; of a 400 or 800 number it is 全国.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from routing.numbers import Number, is_mobile, normalise
from switchboard.mobile_blocks import BLOCK_DIGITS, MobileBlocks, packaged_file
from switchboard.region_file import Override, read_overrides
from switchboard.region_tables import Country, Tables, TablesError, read_tables

CACHED: Final = 8192
"""Prefixes whose regions are remembered; whole numbers are not."""

# fmt: off
PROVINCES: Final = (
    "北京", "天津", "上海", "重庆", "河北", "山西", "辽宁", "吉林", "黑龙江", "江苏", "浙江", "安徽",
    "福建", "江西", "山东", "河南", "湖北", "湖南", "广东", "海南", "四川", "贵州", "云南", "陕西",
    "甘肃", "青海", "内蒙古", "广西", "西藏", "宁夏", "新疆",
)
# fmt: on

_LONGEST_CODE: Final = 3
_ENDINGS: Final = re.compile(r"^(?:省|市|自治区|壮族自治区|回族自治区|维吾尔自治区)")


class Region(NamedTuple):
    """Where a number is from; empty texts where that is not known. Abroad `province` is the country."""

    province: str = ""
    city: str = ""
    carrier: str = ""


UNKNOWN: Final = Region()
NATIONWIDE: Final = Region("全国")


class Regions:
    """Looks regions up; until `load` is through, every number is of an unknown one."""

    def __init__(self, overrides: Path | None = None, *, cached: int = CACHED) -> None:
        """`overrides` is the operator's CSV file."""
        self._file = overrides
        self._remembered = functools.lru_cache(cached)(self._find)
        self._overrides: Mapping[str, Override] = {}
        self._lengths: tuple[int, ...] = ()
        # Nothing behind the block, or behind the longest prefix that the operator names, tells a place apart.
        self._telling = BLOCK_DIGITS
        self._blocks: MobileBlocks | None = None
        self._areas: Mapping[str, Region] = {}
        self._carriers: Mapping[str, str] = {}
        self._countries: Mapping[str, list[Country]] = {}
        self._loading = threading.Lock()
        self.faults: list[str] = []
        """What could not be read of the kept data; regions are unknown where it is missing."""

    def load(self) -> None:
        """Read the data, which takes a second: in a thread. Again it reads the operator's file anew.

        Raises `RegionFileError` for a wrong file, and then goes on with what was there before.
        """
        with self._loading:
            overrides = {} if self._file is None else read_overrides(self._file)
            if self._blocks is None:
                self._load_kept()
            self._overrides = overrides
            self._lengths = tuple(sorted({len(prefix) for prefix in overrides}, reverse=True))
            self._telling = max(BLOCK_DIGITS, *self._lengths, 0)
            self._remembered.cache_clear()

    def lookup(self, number: str) -> Region:
        """The region of a number in clear, however it is written."""
        if not is_mobile(number):
            found = normalise(number)
            if found.kind != "e164" or found.number.startswith("+"):
                return self._overridden(found.number, _abroad(found, self._countries))
            number = found.number
        return self._remembered(number[: self._telling])

    def place(self, number: str) -> tuple[str, str]:
        """Province and city of a number in clear."""
        region = self.lookup(number)
        return region.province, region.city

    def counts(self) -> dict[str, int]:
        """How much is known: blocks, area codes, country codes, the operator's prefixes; and how much is remembered."""
        return {
            "blocks": 0 if self._blocks is None else len(self._blocks),
            "areas": len(self._areas),
            "countries": len(self._countries),
            "overrides": len(self._overrides),
            "remembered": self._remembered.cache_info().currsize,
        }

    def _find(self, prefix: str) -> Region:
        return self._overridden(prefix, self._fixed(prefix) if prefix.startswith("0") else self._mobile(prefix))

    def _mobile(self, prefix: str) -> Region:
        block = None if self._blocks is None else self._blocks.find(prefix)
        if block is not None:
            return Region(*block)
        lengths = range(BLOCK_DIGITS, 1, -1)
        carrier = next((self._carriers[prefix[:size]] for size in lengths if prefix[:size] in self._carriers), "")
        return Region(carrier=carrier)

    def _fixed(self, prefix: str) -> Region:
        return self._areas.get(prefix[1:4]) or self._areas.get(prefix[1:3]) or UNKNOWN

    def _overridden(self, number: str, region: Region) -> Region:
        for length in self._lengths:
            override = self._overrides.get(number[:length]) if length <= len(number) else None
            if override is not None:
                return Region(*(ours or theirs for ours, theirs in zip(override, region, strict=True)))
        return region

    def _load_kept(self) -> None:
        self.faults = []
        blocks, tables = None, Tables()
        path = packaged_file()
        try:
            if path is None:
                self.faults.append("the package phone is not installed; run: pip install phone")
            else:
                blocks = MobileBlocks(path)
        except (OSError, ValueError) as error:
            self.faults.append(f"blocks of mobile numbers cannot be read ({error})")
        try:
            tables = read_tables()
        except TablesError as error:
            self.faults.append(str(error))
        self._areas = _areas(blocks, tables)
        self._carriers, self._countries = tables.carriers, tables.countries
        self._blocks = blocks


def _areas(blocks: MobileBlocks | None, tables: Tables) -> dict[str, Region]:
    """By area code: the one city that has it by the newer data, or what the other data say of those that share it."""
    found = {area: split_place(name) for area, name in tables.areas.items()}
    for area, places in blocks.areas().items() if blocks is not None else ():
        if len(places) == 1 or area not in found:
            province, cities = places[0][0], [city for _, city in places]
            found[area] = Region(province, "、".join(cities))
    return found


def split_place(name: str) -> Region:
    """A place as the data write it, "江苏省常州市", "四川省成都市、资阳市" or "北京市"; 省 and 市 are left out."""
    for province in PROVINCES:
        if name.startswith(province):
            rest = _ENDINGS.sub("", name.removeprefix(province))
            cities = [city.removesuffix("市") for city in rest.split("、") if city]
            return Region(province, "、".join(cities) or province)
    return UNKNOWN


def _abroad(number: Number, countries: Mapping[str, list[Country]]) -> Region:
    if number.kind == "service":
        return NATIONWIDE
    if number.kind != "e164":
        return UNKNOWN
    digits = number.number.removeprefix("+")
    for length in range(1, _LONGEST_CODE + 1):
        for country in countries.get(digits[:length], ()):
            if _is_of(digits[length:], country):
                return Region(country.name)
    return UNKNOWN


def _is_of(national: str, country: Country) -> bool:
    if not country.pattern:
        return True
    match = re.fullmatch if country.whole else re.match
    return match(country.pattern, national) is not None


@functools.cache
def _shared() -> Regions:
    regions = Regions()
    regions.load()
    return regions


def region_of(number: str) -> tuple[str, str]:
    """Province and city of a number in clear, from the kept data; the first call waits until they are read."""
    return _shared().place(number)
