"""Resources of the process: open files and processor cores."""

from __future__ import annotations

import os
import re
import resource
from typing import Final

RESERVED: Final = 128
"""Descriptors of one process that are not RTP or RTCP sockets: SIP, channels, files, libraries."""


def raise_open_files() -> int:
    """Raise the soft limit on open files to the hard one, for this process and its children; returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            return _finite(soft)
    return _finite(hard)


def _finite(limit: int) -> int:
    return 1 << 20 if limit == resource.RLIM_INFINITY else limit


def port_pairs(descriptors: int) -> int:
    """How many RTP/RTCP pairs one process may hold open."""
    return max(0, (descriptors - RESERVED) // 2)


def pin(cpus: str) -> None:
    """Bind this process and whatever it starts to cores such as ``0`` or ``0,2-3``; or ValueError."""
    wanted: set[int] = set()
    for part in cpus.split(","):
        match = re.fullmatch(r"\s*(\d{1,4})(?:-(\d{1,4}))?\s*", part)
        if match is None:
            raise ValueError(f"--cpus {cpus}: expected cores such as 0 or 0,1 or 0-3")
        wanted.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    available = os.sched_getaffinity(0)
    if not wanted or not wanted <= available:
        known = ",".join(map(str, sorted(available)))
        raise ValueError(f"--cpus {cpus}: this process may use the cores {known}")
    os.sched_setaffinity(0, wanted)
