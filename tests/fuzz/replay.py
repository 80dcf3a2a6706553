"""Inputs put before a target again, without a fuzzer."""

from __future__ import annotations

import contextlib
import gc
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from tests.fuzz.targets import TARGETS, corpus
from tests.support.fuzz import Mutator


def growth(name: str, inputs: Sequence[bytes]) -> int:
    """How many memory blocks are left behind by inputs that were all seen twice before; the least of three rounds."""
    run = TARGETS[name].run
    left = []
    # What is there already, all other tests included, need not be looked through each time.
    gc.collect()
    gc.freeze()
    for _ in range(4):
        gc.collect()
        before = sys.getallocatedblocks()
        for data in inputs:
            run(data)
        gc.collect()
        left.append(sys.getallocatedblocks() - before)
    return max(0, min(left[1:]))


def spoilt(name: str, count: int, seed: int) -> Iterator[bytes]:
    """So many inputs made of the corpus by chance, the same for one seed."""
    mutator = Mutator(seed, corpus(name))
    for _ in range(count):
        yield mutator.spoil()


def calibration() -> float:
    """CPU seconds of a loop of dictionary writes, to compare with: the least of five."""
    return least(_loop, 5)


def _loop() -> None:
    table = {}
    for number in range(20_000):
        table[number & 1023] = number


def least(work: Callable[[], None], times: int = 3) -> float:
    """The least CPU seconds of some runs; what it raises does not matter here."""
    took = []
    for _ in range(times):
        began = time.thread_time()
        with contextlib.suppress(Exception):
            work()
        took.append(time.thread_time() - began)
    return min(took)


def shuffled(inputs: Sequence[bytes], seed: int) -> list[bytes]:
    """The inputs in another order."""
    mixed = list(inputs)
    random.Random(seed).shuffle(mixed)
    return mixed
