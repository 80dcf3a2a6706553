"""How quick this machine is at the moment: a loop of 200,000 dictionary writes, by its process time.

CPU time is dearer while other machines of the host work, for every program alike. So a figure is compared as its ratio
to this loop, run on the same CPU before and after the measurement.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from typing import Final

WRITES: Final = 200_000
TIMES: Final = 9


def loop_ms() -> float:
    """Milliseconds of CPU of one loop."""
    table: dict[int, int] = {}
    began = time.thread_time()
    for number in range(WRITES):
        table[number & 255] = number * 3
    return (time.thread_time() - began) * 1000


def loops_ms(cpus: Collection[int] = (), times: int = TIMES) -> list[float]:
    """So many loops on these CPUs, anywhere if none is given."""
    allowed = os.sched_getaffinity(0)
    try:
        if chosen := allowed & set(cpus):
            os.sched_setaffinity(0, chosen)
        return [loop_ms() for _ in range(times)]
    finally:
        os.sched_setaffinity(0, allowed)
