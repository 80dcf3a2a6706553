"""Calls opened ahead: as many as are wanted, not all at once, none too old."""

from __future__ import annotations

from typing import Any

from media.rtpengine.pair import Pair
from media.rtpengine.stock import AT_ONCE, STALE, Stock


class Shop:
    """A stock, what it has asked for, and what it has thrown away."""

    def __init__(self, size: int) -> None:
        self.asked: list[Pair] = []
        self.dropped: list[Pair] = []
        self.stock = Stock(size, self.new, self.dropped.append)

    def new(self) -> Pair:
        owner: Any = None
        self.asked.append(Pair(str(len(self.asked)), owner))
        return self.asked[-1]

    def deliver(self, now: float) -> None:
        for pair in self.asked:
            self.stock.made(pair, now)


def test_what_is_taken_is_replaced() -> None:
    """The oldest is taken first; none that is still being opened counts twice."""
    shop = Shop(3)
    shop.stock.fill()
    shop.stock.fill()
    assert (len(shop.asked), len(shop.stock)) == (3, 0)
    assert shop.stock.take() is None
    shop.deliver(0.0)
    assert shop.stock.take() is shop.asked[0]
    shop.stock.fill()
    assert (len(shop.asked), len(shop.stock)) == (4, 2)


def test_many_are_opened_a_few_at_a_time() -> None:
    """One that fails makes room for another try."""
    shop = Shop(10 * AT_ONCE)
    shop.stock.fill()
    assert len(shop.asked) == AT_ONCE
    shop.stock.lost(shop.asked[0])
    shop.stock.fill()
    assert len(shop.asked) == AT_ONCE + 1
    shop.deliver(0.0)
    assert len(shop.stock) == AT_ONCE, "the lost one is none"


def test_it_is_short_while_more_are_coming_than_are_there() -> None:
    """Not when those that were asked for do not come, so that nobody waits for them."""
    shop = Shop(4)
    assert not shop.stock.short
    shop.stock.fill()
    assert shop.stock.short
    shop.stock.made(shop.asked[0], 0.0)
    assert shop.stock.short
    shop.stock.made(shop.asked[1], 0.0)
    assert not shop.stock.short
    shop.stock.take()
    assert shop.stock.short
    for pair in shop.asked[2:]:
        shop.stock.lost(pair)
    assert not shop.stock.short


def test_nothing_is_kept_for_too_long() -> None:
    """What nobody wanted is ended, and at the end all of it."""
    shop = Shop(2)
    shop.stock.fill()
    shop.stock.made(shop.asked[0], 0.0)
    shop.stock.made(shop.asked[1], 5.0)
    shop.stock.discard_stale(STALE - 0.1)
    assert shop.dropped == []
    shop.stock.discard_stale(STALE)
    assert shop.dropped == [shop.asked[0]]
    shop.stock.clear()
    assert shop.dropped == shop.asked


def test_what_is_there_no_more_is_neither_given_nor_counted() -> None:
    """Another one is opened in its place."""
    shop = Shop(2)
    shop.stock.fill()
    shop.deliver(0.0)
    first, second = shop.asked
    first.ready = second.ready = True
    assert shop.stock.oldest is first
    shop.stock.lost(first)
    assert (shop.stock.oldest, len(shop.stock)) == (second, 1)
    shop.stock.fill()
    assert len(shop.asked) == 3
    assert shop.stock.take() is second
    assert shop.stock.oldest is None
