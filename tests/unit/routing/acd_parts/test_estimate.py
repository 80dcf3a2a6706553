"""Expected waits: what they follow, and that they come true as often as they say."""

from __future__ import annotations

import heapq
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.acd.estimate import Band, Calibration, Estimator, ServiceRate


def served(estimator: Estimator, count: int, seconds: float) -> Estimator:
    """After as many calls of that length."""
    for _ in range(count):
        estimator.rate.note_served(seconds)
    return estimator


def test_nothing_is_known_at_first() -> None:
    """Before three calls, and without agents, there is no estimate; a free agent needs none."""
    assert served(Estimator(), 2, 100.0).band(1, 5.0) is None
    assert served(Estimator(), 3, 100.0).band(1, 0.0) is None
    assert Estimator().band(1, 0.0, free=True) == (0.0, 0.0)
    assert served(Estimator(), 3, 100.0).band(1, 5.0) is not None


@pytest.mark.parametrize(
    ("position", "agents", "low", "high"),
    [
        (1, 10.0, 1.0, 23.0),  # gamma of shape 1: tenths at 0.105 and 2.30 of the mean
        (1, 5.0, 2.0, 46.0),
        (10, 10.0, 62.0, 142.0),  # shape 10: 6.22 and 14.2
        (10, 2.5, 249.0, 568.0),
        (100, 10.0, 874.0, 1130.0),
    ],
)
def test_bands_are_the_tenths_of_a_gamma(position: int, agents: float, low: float, high: float) -> None:
    """With calls of 100 s: the position-th departure of a Poisson stream, within 2 % of exact tables."""
    band = served(Estimator(), 30, 100.0).band(position, agents)
    assert band is not None
    assert band == pytest.approx((low, high), rel=0.02, abs=0.2)


def test_recent_calls_count_most() -> None:
    """The plain mean of the first twenty, then the last ones outweigh those before."""
    rate = ServiceRate()
    for seconds in (100.0, 200.0, 300.0):
        rate.note_served(seconds)
    assert rate.seconds == pytest.approx(200.0)
    for _ in range(100):
        rate.note_served(50.0)
    assert rate.seconds == pytest.approx(50.0, rel=0.02)


def test_those_who_give_up_shorten_the_wait_of_others() -> None:
    """Half of those ahead are gone before their turn; the one next is not affected."""
    patient, hasty = served(Estimator(), 30, 100.0), served(Estimator(), 30, 100.0)
    for index in range(400):
        hasty.rate.note_left(gave_up=index % 2 == 0)
        patient.rate.note_left(gave_up=False)
    one, other = patient.band(21, 10.0), hasty.band(21, 10.0)
    assert one is not None
    assert other is not None
    assert sum(other) / sum(one) == pytest.approx(11 / 21, rel=0.05)
    assert patient.band(1, 10.0) == hasty.band(1, 10.0)


@given(st.integers(1, 500), st.integers(1, 400).map(lambda n: n / 8), st.floats(1, 1000))
def test_bands_are_in_order(position: int, agents: float, seconds: float) -> None:
    """From is not above to; who stands further back waits no less, more agents make it no longer."""
    estimator = served(Estimator(), 5, seconds)
    band, behind, helped = (
        estimator.band(*q) for q in ((position, agents), (position + 1, agents), (position, agents + 1))
    )
    assert band is not None
    assert behind is not None
    assert helped is not None
    assert 0.0 <= band[0] <= band[1]
    assert behind[0] >= band[0]
    assert behind[1] >= band[1]
    assert helped[1] <= band[1]


def test_counters_of_a_calibration() -> None:
    """Within, below and above their bands, and by how much."""
    estimator = Estimator()
    for real in (5.0, 15.0, 15.0, 40.0):
        estimator.calibration.settle((10.0, 20.0), real)
    counts = estimator.counts()
    assert (counts.below, counts.within, counts.above) == (1, 2, 1)
    assert (counts.said_seconds, counts.real_seconds, counts.error_seconds) == (60.0, 75.0, 35.0)
    assert counts.share_within == 0.5
    assert counts.trusted


def test_a_group_whose_bands_fail_is_not_trusted_until_they_hold_again() -> None:
    """More than half of late outside: be silent; the same share within again: speak."""
    calibration = Calibration()
    for _ in range(40):
        calibration.settle((10.0, 20.0), 500.0)
    assert not calibration.trusted
    for _ in range(40):
        calibration.settle((10.0, 20.0), 15.0)
    assert calibration.trusted


@pytest.mark.parametrize(
    ("name", "shape"), [("exponential", 1.0), ("regular", 16.0), ("erratic", 0.25)], ids=lambda value: str(value)
)
def test_eight_of_ten_waits_end_within_their_band(name: str, shape: float) -> None:
    """In a simulated hour of load with ten agents, whatever the distribution of call lengths."""
    draw = random.Random(5)
    estimator = Estimator()
    free, now = [0.0] * 10, 0.0
    waiting: list[tuple[float, float, Band | None]] = []
    talking: list[tuple[float, float]] = []
    for _ in range(4000):
        now += draw.expovariate(10 / 130.0)
        while talking and talking[0][0] <= now:
            estimator.rate.note_served(heapq.heappop(talking)[1])
        while waiting and waiting[0][0] <= now:
            answered, joined, said = heapq.heappop(waiting)
            if said is not None:
                estimator.calibration.settle(said, answered - joined)
        answered, length = max(now, free[0]), draw.gammavariate(shape, 120.0 / shape)
        if answered > now:
            heapq.heappush(waiting, (answered, now, estimator.band(len(waiting) + 1, 10.0)))
        heapq.heappush(talking, (answered + length, length))
        heapq.heapreplace(free, answered + length)
    assert estimator.calibration.settled > 1000, name
    assert estimator.calibration.share_within == pytest.approx(0.8, abs=0.07)
