"""A bad network for a test's phones: addresses of its own for each relay, and what phones say and hear through it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

from bench.chaos import Chaos as Chaos
from bench.chaos import Faces
from bench.chaos import Faults as Faults
from bench.rtp import FRAME, Packet
from tests.support.ports import LANE

_serials = itertools.cycle(range(1, 10))


def faces() -> Faces:
    """Four addresses that no other relay has, of this process or another that runs tests."""
    place = f"127.{next(_serials)}.{LANE + 1}"
    return Faces(peer=f"{place}.2", outer=f"{place}.3", inner=f"{place}.4")


def chaos(sip_port: int = 0, **options: Any) -> Chaos:
    """A relay before the switch at this port of 127.0.0.1, which must be known when it is entered."""
    return Chaos(faces(), sip_port, **options)


def numbered(seconds: float, seed: int = 1) -> bytes:
    """Noise as octets of G.711 of which each 20 ms are told by their first four octets, which count from 1."""
    count = round(seconds * 8000 / FRAME)
    noise = random.Random(seed)
    return b"".join(number.to_bytes(4, "big") + noise.randbytes(FRAME - 4) for number in range(1, count + 1))


def numbers(payloads: Iterable[bytes], said: bytes) -> list[int]:
    """Which frames of what `numbered` made these are, in order; others are left out."""
    found = []
    for payload in payloads:
        number = int.from_bytes(payload[:4], "big")
        if payload == said[(number - 1) * FRAME : number * FRAME] and payload:
            found.append(number)
    return found


def heard(packets: Iterable[Packet], said: bytes) -> list[int]:
    """The same of what a phone has received."""
    return numbers((packet.payload for packet in packets), said)


def unevenness(times: Sequence[float], even: Sequence[float] | None = None) -> float:
    """The median deviation of intervals from those of `even`, or from 20 ms; in seconds."""
    steps = [later - earlier for earlier, later in pairwise(times)]
    wanted = [0.02] * len(steps) if even is None else [later - earlier for earlier, later in pairwise(even)]
    return median(abs(step - want) for step, want in zip(steps, wanted, strict=True))
