"""Ports ahead of demand."""

from __future__ import annotations

import pytest

from media.port_stock import DRY_TICKS, LOW_WATER, MOST, PortStock


def stock(known: int) -> PortStock:
    """A stock of which nothing is in use."""
    made = PortStock()
    made.free.extend(range(known))
    made.add(known)
    return made


@pytest.mark.parametrize(("known", "low"), [(0, LOW_WATER), (256, LOW_WATER), (400, 100), (4000, 1000)])
def test_the_mark_goes_by_how_many_were_ever_needed(known: int, low: int) -> None:
    """A quarter of them, never less than a few."""
    assert stock(known).low == low


def test_each_wish_of_a_burst_is_twice_as_great() -> None:
    """Up to what is given at once; one at a time."""
    ports = stock(0)
    wishes = []
    for _ in range(7):
        wishes.append(ports.wish())
        assert ports.wish() == 0
        ports.add(wishes[-1])
    assert wishes == [64, 128, 256, 512, MOST, MOST, MOST]


def test_in_calm_the_next_wish_is_smaller() -> None:
    """Half as great a second, down to where it began."""
    ports = stock(0)
    for _ in range(6):
        ports.add(ports.wish())
    ports.known = 0
    for _ in range(10):
        ports.tick()
    assert ports.wish() == LOW_WATER


def test_a_great_stock_grows_by_a_quarter() -> None:
    """Its calls are many: so few ports as a small one gets would not last."""
    assert stock(2000).wish() == 500
    assert stock(8000).wish() == MOST


def test_when_none_is_left_there_is_no_wish_for_a_while() -> None:
    """Somebody may give ports back meanwhile."""
    ports = stock(0)
    assert ports.wish() > 0
    ports.none_left()
    assert not ports.wished
    for _ in range(DRY_TICKS):
        assert ports.wish() == 0
        ports.tick()
    assert ports.wish() > 0


def test_a_wish_without_an_answer_is_given_up() -> None:
    """After a second at least, two at most."""
    ports = stock(0)
    assert ports.wish() > 0
    ports.tick()
    assert ports.wished
    ports.tick()
    assert not ports.wished


def test_what_is_lost_of_a_wish_is_no_reason_to_wait() -> None:
    """Some ports came, and others were refused or lost on their way: there may be more."""
    ports = stock(0)
    ports.add(ports.wish() - 1)
    ports.tick()
    ports.tick()
    assert not ports.wished
    assert ports.wish() > 0
