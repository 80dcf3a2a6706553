"""Without a fuzzer: all seeds, all that was found once, and inputs spoilt by chance; what is large; what is kept."""

from __future__ import annotations

import pytest

from tests.fuzz.replay import calibration, growth, least, spoilt
from tests.fuzz.targets import TARGETS, corpus, enlarged

SPOILT = 600
SEED = 4475
LARGE = 65_536
MOST_LOOPS = 400
"""CPU time of the largest input, in loops of 20,000 dictionary writes: what is quadratic takes thousands of them."""
KEPT = 200
"""Memory blocks; caches that have a bound may fill up a little more."""


@pytest.mark.parametrize("name", TARGETS)
def test_any_input_is_taken(name: str) -> None:
    """Seeds, former findings, and what chance makes of them raise nothing that is not declared."""
    run = TARGETS[name].run
    for data in (*corpus(name), *spoilt(name, SPOILT, SEED)):
        run(data)


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_kept_of_an_input(name: str) -> None:
    """What was seen twice leaves no memory behind when it comes again."""
    inputs = [*corpus(name), *spoilt(name, SPOILT // 10, SEED + 1)]
    assert growth(name, inputs) <= KEPT


@pytest.mark.parametrize("name", TARGETS)
def test_the_largest_input_costs_little(name: str) -> None:
    """64 KiB of what is repeated again and again, each piece that may be dear, against a loop on this machine."""
    target, most = TARGETS[name], MOST_LOOPS * calibration()
    for front, piece in target.repeated:
        data = enlarged(front, piece, LARGE)
        target.run(data)
        took = least(lambda data=data: target.run(data), 2)  # type: ignore[misc]
        assert took < most, f"{front[-20:]!r} and {piece!r} took {took:.3f} s, {most:.3f} are allowed"
