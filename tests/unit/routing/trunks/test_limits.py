"""Channels and calls per second."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.trunks.failover import NEVER, USUAL, FailoverError, read_failover
from routing.trunks.health import MIN_INTERVAL, TRANSITIONS, Health, HealthState, Probing, Sign
from routing.trunks.limits import Limits, Load


def test_channels_are_full_until_one_is_given_back() -> None:
    """The last channel is taken, then there is none, then there is one."""
    load = Load(Limits(channels=2))
    for _ in range(2):
        assert load.shortage(0.0) == ""
        load.take(0.0)
    assert load.shortage(100.0) == "full"
    load.calls -= 1
    assert load.shortage(100.0) == ""


def test_a_rate_holds_in_any_second() -> None:
    """Two calls in any second: the third waits until the first is a second old."""
    load = Load(Limits(cps=2))
    for now, shortage in ((0.0, ""), (0.9, ""), (0.99, "fast"), (1.0, ""), (1.5, "fast"), (1.95, "")):
        assert load.shortage(now) == shortage, now
        if not shortage:
            load.take(now)
    assert load.rate(1.96) == 2
    assert load.rate(3.5) == 0


def test_other_limits_hold_from_then_on() -> None:
    """Fewer channels than calls: none is free until enough are over; the calls of the last second still count."""
    load = Load(Limits(channels=3, cps=5))
    for _ in range(3):
        load.take(0.0)
    load.adjust(Limits(channels=1, cps=2))
    assert load.shortage(0.5) == "full"
    load.calls -= 1
    load.calls -= 1
    load.calls -= 1
    assert load.shortage(0.5) == "fast"
    assert load.shortage(1.5) == ""
    load.adjust(Limits())
    assert load.shortage(0.5) == ""


@given(st.integers(1, 5), st.lists(st.floats(0.0, 0.6), max_size=60))
def test_no_second_has_more_than_its_rate(cps: int, pauses: list[float]) -> None:
    """Whenever calls come, those taken never exceed the rate in any window of a second."""
    load, taken, now = Load(Limits(cps=cps)), [], 0.0
    for pause in pauses:
        now += pause
        if not load.shortage(now):
            load.take(now)
            taken.append(now)
    for begin in taken:
        assert sum(1 for at in taken if begin <= at < begin + 1.0 - 1e-9) <= cps


@pytest.mark.parametrize(
    ("words", "statuses"),
    [
        ([], set()),
        ([503], {503}),
        (["503", 408], {408, 503}),
        (["5xx"], set(range(500, 600))),
        (["4xx", 503], {status for status in range(400, 500) if status not in NEVER} | {503}),
    ],
)
def test_statuses_that_lead_on(words: list[int | str], statuses: set[int]) -> None:
    """Single ones and classes, of which those that are the called party's answer are left out."""
    assert read_failover(words) == statuses


@pytest.mark.parametrize("word", [486, "486", 404, 407, 487, 600, 603, "6xx", "3xx", 200, 302, "busy", ""])
def test_statuses_that_never_do(word: int | str) -> None:
    """Busy is busy by any gateway (RFC 3261 §16.7)."""
    with pytest.raises(FailoverError):
        read_failover([word])


def test_what_leads_on_usually_may() -> None:
    """The built-in statuses are none of those that never do."""
    assert not USUAL & NEVER


ROWS: list[tuple[Probing, list[int], list[str]]] = [
    (Probing(30.0), [200], ["up"]),
    (Probing(30.0), [404], ["up"]),
    (Probing(30.0), [503, 503], ["unknown", "down"]),
    (Probing(30.0), [408, 503], ["unknown", "down"]),
    (Probing(30.0), [408, 200, 408, 408], ["unknown", "up", "up", "down"]),
    (Probing(30.0, rise=2, fall=1), [408, 200, 200], ["down", "down", "up"]),
    (Probing(30.0, rise=2, fall=1), [408, 200, 408, 200, 200], ["down", "down", "down", "down", "up"]),
    (Probing(30.0, rise=3, fall=3), [200, 408, 408, 481, 408, 408, 408], ["up"] * 6 + ["down"]),
]


@pytest.mark.parametrize(("probing", "statuses", "states"), ROWS)
def test_health_by_what_becomes_of_options(probing: Probing, statuses: list[int], states: list[str]) -> None:
    """So many failures in a row, so many answers; any answer but 503 is one."""
    health, found, now = Health(probing, 0.0, 0.5), [], 0.0
    for status in statuses:
        assert health.due is not None
        now = health.due
        health.sent()
        assert health.due is None
        before = health.state
        assert health.outcome(status, now + 1.0) is (health.state is not before)
        found.append(health.state.value)
    assert found == states
    assert health.due == now + 31.0


def test_the_table_of_health() -> None:
    """Every pair that is not in it leaves the state as it is."""
    for state in HealthState:
        for sign in Sign:
            following = TRANSITIONS.get((state, sign))
            assert following is not state
            if sign is Sign.FAILURE:
                assert following is None


def test_the_first_options_are_spread() -> None:
    """Each gateway begins at its own time within the first seconds."""
    assert [Health(Probing(60.0), 10.0, share).due for share in (0.0, 0.5, 1.0)] == [10.0, 12.5, 10.0 + MIN_INTERVAL]
    assert Health(Probing(), 10.0, 0.5).due is None


def test_looked_after_otherwise() -> None:
    """Switched on it is asked soon, switched off never and nothing is known of it; shorter intervals count at once."""
    health = Health(Probing(), 0.0, 0.0)
    health.adjust(Probing(60.0), 100.0, 0.0)
    assert health.due == 100.0
    health.sent()
    health.outcome(200, 100.0)
    health.adjust(Probing(10.0), 101.0, 0.0)
    assert health.due == 111.0
    health.sent()
    health.adjust(Probing(), 112.0, 0.0)
    assert health.state is HealthState.UNKNOWN
    assert not health.outcome(408, 113.0)
    assert health.due is None
