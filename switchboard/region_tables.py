"""What `phonenumbers` knows of places that is wanted here: Chinese areas, carriers, and countries by their codes.

Its data are those of the whole world and take 110 MB once they are read, so a process of its own reads them:
`python -m switchboard.region_tables` writes the small part that is wanted to its standard output. It is kept beside
the compiled modules, for it changes only with the package.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from importlib.util import cache_from_source
from pathlib import Path
from typing import Final

import msgspec

SECONDS: Final = 60.0

_CHINA: Final = "86"
# Longer prefixes are blocks of mobile numbers, which another source knows better, or of services.
_LONGEST_AREA: Final = 3
_ALIASES: Final = 3


class Country(msgspec.Struct, array_like=True):
    """A country: its name, and the national numbers that are its own among those who share its code."""

    name: str
    pattern: str = ""
    """The beginning of the number, or with `whole` all of it; empty: all that belong to no other."""
    whole: bool = False


class Tables(msgspec.Struct, array_like=True):
    """By area code without 0, by the beginning of a mobile number, and by country code."""

    areas: dict[str, str] = {}
    carriers: dict[str, str] = {}
    countries: dict[str, list[Country]] = {}


class TablesError(Exception):
    """The tables could not be made; one line that says why."""


def read_tables(seconds: float = SECONDS) -> Tables:
    """The tables that are kept, or else those that another process makes; waits for it. Raises `TablesError`."""
    kept = _place()
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.msgpack.decode(kept.read_bytes(), type=Tables)
    command = [sys.executable, "-m", __name__]
    try:
        done = subprocess.run(  # noqa: S603 - this very module
            command,
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
        )
        tables = msgspec.msgpack.decode(done.stdout, type=Tables)
    except (OSError, subprocess.SubprocessError, msgspec.MsgspecError) as error:
        raise TablesError(f"the tables of areas and countries cannot be made ({type(error).__name__})") from None
    with contextlib.suppress(OSError):
        kept.parent.mkdir(exist_ok=True)
        written = kept.with_suffix(f".{os.getpid()}")
        written.write_bytes(done.stdout)
        written.replace(kept)
    return tables


def _place() -> Path:
    """Where the tables of the installed package are kept."""
    return Path(cache_from_source(__file__)).with_name(f"region_tables-{version('phonenumbers')}.msgpack")


def collect() -> Tables:
    """Make the tables in this process."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
    from phonenumbers.carrierdata import CARRIER_DATA
    from phonenumbers.geodata import GEOCODE_DATA
    from phonenumbers.geodata.locale import LOCALE_DATA

    tables = Tables()
    for prefix, names in GEOCODE_DATA.items():
        area = prefix.removeprefix(_CHINA)
        if (
            area != prefix
            and len(area) <= _LONGEST_AREA
            and not area.startswith(("13", "14", "15", "16", "17", "18", "19"))
        ):
            tables.areas[area] = names.get("zh", "")
    for prefix, names in CARRIER_DATA.items():
        if prefix.startswith(_CHINA):
            tables.carriers[prefix.removeprefix(_CHINA)] = names.get("zh", "")
    for code, regions in COUNTRY_CODE_TO_REGION_CODE.items():
        named = [(region, _name(LOCALE_DATA.get(region, {}))) for region in regions]
        main, *others = [(region, name) for region, name in named if name] or [("", "")]
        if main[1]:
            tables.countries[str(code)] = [*(_country(region, name) for region, name in others), Country(main[1])]
    return tables


def _name(names: Mapping[str, str]) -> str:
    """The Chinese name; `*ja` says that it is the one in that language, which may say so again."""
    name = names.get("zh", "")
    for _ in range(_ALIASES):
        if not name.startswith("*"):
            return name
        name = names.get(name[1:], "")
    return ""


def _country(region: str, name: str) -> Country:
    """One of several countries behind a code, by its leading digits or else by its fixed and mobile numbers."""
    from phonenumbers.phonemetadata import PhoneMetadata

    metadata = PhoneMetadata.metadata_for_region(region)
    assert metadata is not None
    if metadata.leading_digits:
        return Country(name, metadata.leading_digits)
    kinds = (metadata.fixed_line, metadata.mobile)
    patterns = [kind.national_number_pattern for kind in kinds if kind is not None and kind.national_number_pattern]
    return Country(name, "|".join(patterns), whole=True)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.msgpack.encode(collect()))
