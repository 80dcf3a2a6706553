"""Timer values and the heap of deadlines."""

from __future__ import annotations

from math import inf

import pytest

from switchboard.sip.timers import COMPACT_FLOOR, DeadlineHeap, Timers
from switchboard.sip.transaction.table import Input


class Owner:
    """Something with a timer."""

    def __init__(self, name: str = "") -> None:
        """Have none yet."""
        self.name = name
        self.timer = 0


# RFC 3261 Table 4 over UDP with the default T1, T2, T4; L and M of RFC 6026.
TABLE_4 = {
    "a": 0.5,
    "b": 32.0,
    "d": 32.0,
    "e": 0.5,
    "f": 32.0,
    "g": 0.5,
    "h": 32.0,
    "i": 5.0,
    "j": 32.0,
    "k": 5.0,
    "l": 32.0,
    "m": 32.0,
    "trying": 0.2,
}


@pytest.mark.parametrize(("letter", "seconds"), TABLE_4.items())
def test_defaults_are_those_of_table_4(letter: str, seconds: float) -> None:
    """The defaults give the values of RFC 3261 Table 4."""
    assert getattr(Timers(), letter) == seconds


def test_timer_c_is_more_than_three_minutes() -> None:
    """RFC 3261 §16.6 item 11."""
    assert Timers().c > 180


def test_values_follow_from_the_base_values() -> None:
    """T1 and T4 scale what hangs on them; D never falls below 32 s unless told otherwise."""
    timers = Timers(t1=1.0, t2=8.0, t4=2.0)
    assert (timers.b, timers.d, timers.g, timers.i, timers.k, timers.m) == (64, 64, 1, 2, 2, 64)
    assert Timers(t1=0.1).d == 32
    assert Timers(t1=0.1, least_d=1.0).d == 6.4


@pytest.mark.parametrize(("when", "end"), [(7.0, 7.0), (7.001, 7.25), (7.2, 7.25), (7.25, 7.25)])
def test_what_only_lingers_ends_together_with_others(when: float, end: float) -> None:
    """Never early, and late by less than the step."""
    assert Timers(together=0.25).end(when) == end
    assert Timers().end(when) == when


def take_all(heap: DeadlineHeap[Owner], now: float = inf) -> list[tuple[str, Input]]:
    """Take everything that is due."""
    found = []
    while (due := heap.pop_due(now)) is not None:
        found.append((due[0].name, due[1]))
    return found


def test_deadlines_come_in_order_and_only_when_due() -> None:
    """The earliest comes first, equal ones as they were armed, later ones not before their time."""
    heap: DeadlineHeap[Owner] = DeadlineHeap()
    for name, when in (("c", 2.0), ("a", 1.0), ("b", 1.0), ("d", 3.0)):
        heap.schedule(when, Owner(name), Input.TIMER_A)
    assert heap.next_deadline() == 1.0
    assert take_all(heap, 0.999) == []
    assert [name for name, _ in take_all(heap, 2.0)] == ["a", "b", "c"]
    assert len(heap) == 1
    assert heap.next_deadline() == 3.0


def test_of_several_heaps_the_earliest_living_deadline_counts() -> None:
    """Empty ones, and those whose deadlines were all cancelled, say nothing."""
    heaps: list[DeadlineHeap[Owner]] = [DeadlineHeap() for _ in range(4)]
    assert DeadlineHeap.earliest(heaps) is None
    gone = Owner("gone")
    heaps[1].schedule(1.0, gone, Input.TIMER_A)
    heaps[2].schedule(3.0, Owner("late"), Input.TIMER_A)
    heaps[3].schedule(2.0, Owner("early"), Input.TIMER_A)
    assert DeadlineHeap.earliest(heaps) == 1.0
    heaps[1].cancel(gone)
    assert DeadlineHeap.earliest(heaps) == 2.0


def test_an_owner_has_one_timer() -> None:
    """Arming again replaces the timer, earlier or later."""
    heap: DeadlineHeap[Owner] = DeadlineHeap()
    owner = Owner("x")
    heap.schedule(1.0, owner, Input.TIMER_A)
    heap.schedule(5.0, owner, Input.TIMER_B)
    assert heap.next_deadline() == 5.0
    heap.schedule(2.0, owner, Input.TIMER_D)
    assert len(heap) == 1
    assert take_all(heap) == [("x", Input.TIMER_D)]
    assert owner.timer == 0
    assert len(heap) == 0
    assert heap.next_deadline() is None


def test_cancelled_deadlines_never_come() -> None:
    """A cancelled timer does not fire, and cancelling twice or without a timer is nothing."""
    heap: DeadlineHeap[Owner] = DeadlineHeap()
    gone, stays = Owner("gone"), Owner("stays")
    heap.schedule(1.0, gone, Input.TIMER_A)
    heap.schedule(2.0, stays, Input.TIMER_A)
    heap.cancel(gone)
    heap.cancel(gone)
    heap.cancel(Owner())
    assert len(heap) == 1
    assert take_all(heap) == [("stays", Input.TIMER_A)]


def test_dead_entries_are_bounded() -> None:
    """However often timers move, the heap holds no more than twice the living and the floor."""
    heap: DeadlineHeap[Owner] = DeadlineHeap()
    owners = [Owner(str(number)) for number in range(100)]
    for turn in range(200):
        for owner in owners:
            heap.schedule(1000.0 - turn, owner, Input.TIMER_A)
        assert heap.size <= 2 * len(heap) + COMPACT_FLOOR + 1
    assert len(heap) == 100
    assert len(take_all(heap)) == 100
    assert heap.size == 0


def test_next_deadline_drops_the_dead_on_top() -> None:
    """Asking for the next deadline frees the dead entries it meets."""
    heap: DeadlineHeap[Owner] = DeadlineHeap()
    owners = [Owner() for _ in range(10)]
    for owner in owners:
        heap.schedule(1.0, owner, Input.TIMER_A)
        heap.cancel(owner)
    assert heap.size == 10
    assert heap.next_deadline() is None
    assert heap.size == 0


def test_those_that_linger_end_together_and_beside_the_others() -> None:
    """All of one moment come at once, the earliest first and none before its time; an earlier timer is replaced."""
    heap: DeadlineHeap[Owner] = DeadlineHeap()
    first, second, third, busy = (Owner(name) for name in ("first", "second", "third", "busy"))
    heap.schedule(0.5, first, Input.TIMER_E)
    for owner, when in ((second, 6.0), (first, 5.0), (third, 5.0)):
        heap.linger(when, owner, Input.TIMER_K)
    heap.schedule(5.5, busy, Input.TIMER_A)
    assert len(heap) == 4
    assert heap.next_deadline() == 5.0
    assert heap.pop_lingering(4.9) == []
    assert take_all(heap, 5.4) == []
    assert heap.pop_lingering(5.4) == [(first, Input.TIMER_K), (third, Input.TIMER_K)]
    assert heap.next_deadline() == 5.5
    assert take_all(heap, 5.5) == [("busy", Input.TIMER_A)]
    assert heap.next_deadline() == 6.0
    assert heap.pop_lingering(6.0) == [(second, Input.TIMER_K)]
    assert heap.next_deadline() is None
    assert len(heap) == 0
