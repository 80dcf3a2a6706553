"""Ports for tests: each process that runs tests has a lane of its own, beside those that the system hands out.

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

LANES = 16
_PHONES, _FOR_SIPP, _MEDIA, _WEB, _SINGLES = (1200, 200), (6000, 240), (10000, 1280), (30480, 140), (61100, 270)
"""Where the ports of the first lane begin, and how many a lane has: for softphones' audio, for SIPp's, of media
workers, of the WebRTC edge, and those taken one by one. Linux itself chooses from 32768 to 60999, and a switch takes
10000 to 29999 for media unless told otherwise.
"""
APART = 6
"""From one SIPp's ports to the next one's."""
CALLS_OF_PHONE = 20
"""Ports that a softphone has for its calls."""


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


def _of_lane(kind: tuple[int, int]) -> range:
    first, size = kind
    return range(first + size * LANE, first + size * (LANE + 1))


MEDIA_FIRST, MEDIA_LAST = _of_lane(_MEDIA)[0], _of_lane(_MEDIA)[-1]
"""Those of the media workers of a switch under test."""
WEB_FIRST, WEB_LAST = _of_lane(_WEB)[0], _of_lane(_WEB)[-1]
WEB_RANGE = f"{WEB_FIRST}-{WEB_LAST}"
"""Those of the WebRTC edge of a switch under test."""
MEDIA_RANGE = f"{MEDIA_FIRST}-{MEDIA_LAST}"
MEDIA_MIDDLE = MEDIA_FIRST + _MEDIA[1] // 2


def halves(span: str) -> tuple[str, str]:
    """Two ranges of one, of whole pairs."""
    first, last = map(int, span.split("-"))
    middle = first + (last + 1 - first) // 4 * 2
    return f"{first}-{middle - 1}", f"{middle}-{last}"


MEDIA_HALVES = halves(MEDIA_RANGE)
"""For two switches at once."""
_THIRD = _MEDIA[1] // 6 * 2
MEDIA_THIRDS = tuple(f"{MEDIA_FIRST + at * _THIRD}-{MEDIA_FIRST + (at + 1) * _THIRD - 1}" for at in range(3))
"""For three; each takes more than half of all where it may."""
SIPP_FIRST, SIPP_LAST = _of_lane(_FOR_SIPP)[0], _of_lane(_FOR_SIPP)[-1]
_for_sipp = itertools.cycle(range(SIPP_FIRST, SIPP_LAST, APART))
_for_phones = itertools.cycle(_of_lane(_PHONES)[::CALLS_OF_PHONE])
_singles = itertools.cycle(_of_lane(_SINGLES))


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
    return _free(_singles, 1, _SINGLES[1])


def free_media_port(takes: int) -> int:
    """The first of so many ports in a row for SIPp's audio, fewer than `APART`."""
    return _free(_for_sipp, takes, _FOR_SIPP[1])


def free_softphone_port() -> int:
    """The first of `CALLS_OF_PHONE` ports for a softphone's audio.

    Were they everybody's, one phone might have the port of another that was killed, and speak to the other's peer.
    """
    return next(_for_phones)
