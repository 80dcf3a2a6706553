"""Ports for tests: each process that runs tests has a lane of its own, below those that the system hands out.

A port of the system's own choice, closed and used later, may be somebody else's by then; one of a lane cannot.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

FIRST, SIZE, LANES = 7000, 3100, 8
"""The lanes end at 31799; Linux chooses from 32768 up."""
_SIPP, _SINGLE = 2000, 2600
"""Where in a lane the ports begin that SIPp takes for audio, and those taken one by one."""


def _claim() -> tuple[int, IO[str]]:
    """The number of a lane that no other process has, held until this one ends."""
    for lane in range(LANES):
        file = (Path(tempfile.gettempdir()) / f"switchboard-tests-{os.getuid()}-{lane}.lock").open("a")
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lane, file
        file.close()
    raise RuntimeError(f"{LANES} processes run tests on this machine already; wait for one to end")


LANE, _lock = _claim()
_base = FIRST + SIZE * LANE
MEDIA_FIRST, MEDIA_LAST = _base, _base + _SIPP - 1
"""Those of the media workers of a switch under test."""
MEDIA_RANGE = f"{MEDIA_FIRST}-{MEDIA_LAST}"
MEDIA_HALVES = f"{MEDIA_FIRST}-{_base + 999}", f"{_base + 1000}-{MEDIA_LAST}"
"""For two switches at once."""
SIPP_FIRST, SIPP_LAST = _base + _SIPP, _base + _SINGLE - 1
_for_sipp = itertools.cycle(range(SIPP_FIRST, SIPP_LAST - 10, 10))
_singles = itertools.cycle(range(_base + _SINGLE, _base + SIZE))


def _is_free(host: str, port: int, kind: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, kind == socket.SOCK_STREAM)
        try:
            sock.bind((host, port))
        except OSError:
            return False
    return True


def _free(ports: Iterator[int], size: int, turns: int) -> int:
    for port in itertools.islice(ports, turns):
        if all(
            _is_free("", port + place, kind)
            for place in range(size)
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)
        ):
            return port
    raise RuntimeError(f"no port of lane {LANE} is free")


def free_port() -> int:
    """A port that nobody uses on any address, neither by UDP nor by TCP; handed out again only when all others were."""
    return _free(_singles, 1, SIZE)


def free_media_port(takes: int) -> int:
    """The first of so many ports in a row for SIPp's audio, at most ten."""
    return _free(_for_sipp, takes, SIZE)
