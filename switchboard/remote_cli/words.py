"""Lengths of time and places in words."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Final

from switchboard.api.types import Band, Region
from switchboard.command_line import refuse

_LENGTH: Final = re.compile(r"([0-9]{1,6})([smh]?)\Z")
_SECONDS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(text: str, name: str) -> float:
    """Seconds of `90`, `90s`, `30m` or `2h`; ends the command with one line for anything else."""
    found = _LENGTH.match(text.strip().lower())
    if found is None or int(found[1]) == 0:
        refuse(f"{name}: write 90s, 30m or 2h")
    return int(found[1]) * _SECONDS[found[2]]


def length(seconds: float | None) -> str:
    """`0:07`, `12:30`, `3:05:00`; `-` for nothing."""
    if seconds is None:
        return "-"
    whole = max(int(seconds), 0)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def ago(at: datetime | None, now: float | None = None) -> str:
    """How long ago a moment was."""
    return "-" if at is None else length((time.time() if now is None else now) - at.timestamp())


def band(estimate: Band | None) -> str:
    """A band of waiting."""
    return "-" if estimate is None else f"{length(estimate.at_least)}-{length(estimate.at_most)}"


def percent(share: float | None) -> str:
    """A share."""
    return "-" if share is None else f"{share * 100:.0f} %"


def place(region: Region | None) -> str:
    """A region; empty where it is not known."""
    if region is None:
        return ""
    parts = [region.province, "" if region.city == region.province else region.city, region.carrier]
    return " ".join(part for part in parts if part)
