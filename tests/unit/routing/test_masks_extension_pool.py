"""Free extensions of a main number, with cool-down and check digit."""

from __future__ import annotations

import pytest

from routing.masks.check_digit import Check, is_right
from routing.masks.extension_pool import ExtensionPool
from routing.masks.pool import ExhaustedError


def test_new_ones_first_then_those_that_rested_longest() -> None:
    """A freed extension comes back last, and not before its time."""
    pool = ExtensionPool("100", "103", cool_down=50.0)
    assert [pool.allocate(0.0) for _ in range(2)] == ["100", "101"]
    assert pool.release("101", 1.0)
    assert pool.release("100", 2.0)
    assert [pool.allocate(500.0) for _ in range(3)] == ["102", "103", "101"]
    with pytest.raises(ExhaustedError, match=r"all 4 extensions .* the next is free in 2 s"):
        pool.allocate(50.0)
    assert pool.allocate(52.0) == "100"
    with pytest.raises(ExhaustedError, match=r"in use or cool down$"):
        pool.allocate(1e9)
    assert len(pool) == 4


def test_cool_down_is_to_the_second() -> None:
    """Not before, and then at once."""
    pool = ExtensionPool("1", "1", cool_down=50.0)
    pool.allocate(0.0)
    pool.release("1", 10.0)
    with pytest.raises(ExhaustedError, match="in 0 s"):
        pool.allocate(59.9)
    assert pool.allocate(60.0) == "1"


def test_bound_elsewhere() -> None:
    """What is bound by hand is not given out, and what is bound again while it cools down neither."""
    pool = ExtensionPool("10", "12", cool_down=50.0)
    assert pool.occupy("10")
    assert not pool.occupy("10")
    assert pool.allocate(0.0) == "11"
    pool.release("11", 0.0)
    assert pool.occupy("11")
    assert pool.allocate(100.0) == "12"
    with pytest.raises(ExhaustedError):
        pool.allocate(100.0)
    assert len(pool) == 3


@pytest.mark.parametrize("extension", ["09", "13", "1", "010", "1a", "", "１１"])
def test_not_of_the_pool(extension: str) -> None:
    """Anything else is answered with False."""
    pool = ExtensionPool("10", "12")
    assert not pool.occupy(extension)
    assert not pool.release(extension, 0.0)


def test_only_what_is_taken_is_released() -> None:
    """A free extension cannot be given back."""
    pool = ExtensionPool("10", "12")
    assert not pool.release("10", 0.0)
    pool.occupy("10")
    assert pool.release("10", 0.0)
    assert not pool.release("10", 0.0)
    assert len(pool) == 0


@pytest.mark.parametrize("check", ["luhn", "damm"])
def test_check_digits(check: Check) -> None:
    """Each extension ends with its digit, and without it is not of the pool."""
    pool = ExtensionPool("000000", "000099", check=check, cool_down=0.0)
    given = [pool.allocate(0.0) for _ in range(100)]
    assert all(len(one) == 7 and is_right(check, one) for one in given)
    assert len(set(given)) == 100
    assert not pool.release(given[5][:6], 0.0)
    assert not pool.release(given[5][:6] + str((int(given[5][6]) + 1) % 10), 0.0)
    assert pool.release(given[5], 0.0)
    assert pool.allocate(0.0) == given[5]


def test_binding_by_hand_again_and_again_costs_no_memory() -> None:
    """Rests that were cut short are forgotten."""
    pool = ExtensionPool("1", "3", cool_down=1e9)
    for _ in range(100):
        pool.occupy("2")
        pool.release("2", 0.0)
    assert len(pool._cooling) <= 6


@pytest.mark.parametrize(("first", "last"), [("20", "10"), ("1", "10"), ("", "9"), ("1234567", "1234568")])
def test_refuses_what_is_no_range(first: str, last: str) -> None:
    """Up to six digits before the check digit, the same length, the first not after the last."""
    with pytest.raises(ValueError, match=r"range|digits"):
        ExtensionPool(first, last)
