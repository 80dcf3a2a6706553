"""When the switch last lived: the time of a file that is touched every second, as a kill leaves nothing else behind."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

_NAME: Final = "alive"


def mark_alive(directory: Path) -> None:
    """Called every second; a disk that cannot be written costs the time alone."""
    with contextlib.suppress(OSError):
        (directory / _NAME).touch(mode=0o600)


def last_alive_us(directory: Path) -> int:
    """The UTC microsecond of the last mark; 0 without one."""
    try:
        return (directory / _NAME).stat().st_mtime_ns // 1000
    except OSError:
        return 0
