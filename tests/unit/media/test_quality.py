"""The E-model (ITU-T G.107, G.107.2): ratings and opinions of known conditions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.rtp.quality import (
    G711,
    OPUS,
    Impairment,
    burst_ratio,
    delay_impairment,
    loss_impairment,
    opinion,
    rating,
    score,
)


@pytest.mark.parametrize(
    ("r", "mos"),
    [(93.2, 4.41), (90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58), (0.0, 1.0), (-5.0, 1.0),
     (100.0, 4.5), (120.0, 4.5)],
)  # fmt: skip
def test_the_opinion_of_a_rating(r: float, mos: float) -> None:
    """The pairs of G.107 Table B.1 and G.109 Table 1, and the ends."""
    assert opinion(r) == pytest.approx(mos, abs=0.01)


def test_all_defaults_rate_93_2() -> None:
    """As G.107 §7.7 says of its Table 3."""
    assert rating(G711, 0.0, 0.0) == pytest.approx(93.2, abs=0.05)


@pytest.mark.parametrize("delay", [0, 25, 50, 100, 150, 177, 200, 250, 300])
def test_delay_takes_what_its_straight_lines_take(delay: float) -> None:
    """0.024 d + 0.11 (d - 177.3) above 177.3 ms is the known approximation of Id for echo loss of 65 dB."""
    lines = 0.024 * delay + (0.11 * (delay - 177.3) if delay > 177.3 else 0.0)
    assert delay_impairment(delay) == pytest.approx(lines, abs=1.1)


@pytest.mark.parametrize(
    ("codec", "percent", "ratio", "ie_eff"),
    [
        (G711, 0.0, 1.0, 0.0),
        (G711, 1.0, 1.0, 3.64),
        (G711, 5.0, 1.0, 15.78),
        (Impairment(0.0, 4.3), 1.0, 1.0, 17.92),
        (Impairment(11.0, 19.0), 2.0, 1.0, 19.0),
        (Impairment(11.0, 19.0), 2.0, 2.0, 19.4),
        (G711, 10.0, 4.0, 34.42),
        (OPUS, 0.0, 1.0, 16.83),
        (OPUS, 2.0, 1.0, 35.35),
        (Impairment(10.2, 4.3, fullband=True), 1.0, 1.0, 33.18),
        (Impairment(10.2, 4.3, fullband=True), 100.0, 1.0, 126.98),
    ],
)
def test_loss_takes_the_more_the_burstier_it_is(codec: Impairment, percent: float, ratio: float, ie_eff: float) -> None:
    """Ie-eff = Ie + (95 - Ie) Ppl / (Ppl / BurstR + Bpl), equation 7-29 of G.107, worked out by hand.

    In G.107.2 132 takes the place of 95.
    """
    assert loss_impairment(codec, percent / 100.0, ratio) == pytest.approx(ie_eff, abs=0.01)


EVS = Impairment(7.2, 11.4, fullband=True)
"""EVS in super-wideband at 24.4 kbit/s, by G.113 Appendix V."""


@pytest.mark.parametrize(
    ("codec", "percent", "delay", "r"),
    [
        (Impairment(0.0, 10.0, fullband=True), 0.0, 0.0, 148.0),
        (EVS, 0.0, 100.0, 140.8),
        (EVS, 0.0, 300.0, 118.96),
        (EVS, 1.0, 300.0, 108.89),
        (EVS, 100.0, 1000.0, 0.0),
    ],
)
def test_the_rating_of_a_fullband_call(codec: Impairment, percent: float, delay: float, r: float) -> None:
    """G.107.2 worked out by hand: 148 less Ie-eff and 1.48 times what the delay takes in G.107; never below 0."""
    assert rating(codec, percent / 100.0, delay) == pytest.approx(r, abs=0.01)


@pytest.mark.parametrize(
    ("lost", "bursts", "loss", "ratio"),
    [(0, 0, 0.0, 1.0), (10, 10, 0.1, 1.0), (10, 2, 0.1, 4.5), (1, 8, 0.01, 1.0), (100, 1, 1.0, 1.0), (3, 0, 0.1, 1.0)],
)
def test_the_burst_ratio(lost: int, bursts: int, loss: float, ratio: float) -> None:
    """The mean burst over that of random loss of the same amount; reordering does not bring it under 1."""
    assert burst_ratio(lost, bursts, loss) == pytest.approx(ratio)


@given(st.sampled_from(["PCMA", "opus"]), st.floats(0, 1), st.floats(0, 30_000), st.floats(0, 1000))
def test_a_score_is_always_one(codec: str, loss: float, trip: float, burst: float) -> None:
    """Whatever is measured, it is between 1 and what the defaults give."""
    found = score(codec, loss, trip, burst)
    assert found is not None
    assert 1.0 <= found <= 4.41


def test_what_makes_it_worse() -> None:
    """Loss, bursts and a longer way lower the score; an unknown way counts as none, an unknown codec has no score."""
    assert score("PCMU", 0.0, None) == score("PCMU", 0.0, 0.0) == 4.37
    assert score("PCMU", 0.0, 200.0) == 4.32
    assert score("PCMU", 0.02, 200.0) == 4.1
    assert score("PCMU", 0.02, 200.0, 4.0) == 4.09
    assert score("PCMU", 0.02, 600.0) == 3.05
    assert score("opus", 0.0, None) == 4.3
    assert score("opus", 0.02, None) == 3.87
    assert score("opus", 0.02, 600.0) == 2.86
    assert score("G722", 0.0, None) is None
