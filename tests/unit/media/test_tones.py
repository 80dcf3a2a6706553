"""Tones synthesised by name."""

from __future__ import annotations

import math
from array import array
from itertools import pairwise

import pytest

from media.tones import CADENCES, RATE, SIGNALS, ToneError, is_tone, synthesise


def samples(name: str) -> list[int]:
    """Return a tone as numbers."""
    return array("h", synthesise(name)).tolist()


def strength(found: list[int], frequency: float) -> float:
    """Return the amplitude of one frequency (Goertzel)."""
    step = 2 * math.pi * frequency / RATE
    real = sum(sample * math.cos(step * n) for n, sample in enumerate(found))
    imaginary = sum(sample * math.sin(step * n) for n, sample in enumerate(found))
    return 2 * math.hypot(real, imaginary) / len(found)


@pytest.mark.parametrize(
    ("name", "on", "off"),
    [
        ("ringback", 1.0, 4.0),
        ("busy", 0.35, 0.35),
        ("congestion", 0.7, 0.7),
        ("dial", 1.0, 0.0),
        ("waiting", 0.4, 4.0),
    ],
)
def test_progress_tones_are_the_chinese_ones(name: str, on: float, off: float) -> None:
    """450 Hz at -10 dBm0 in the cadence of GB/T 3380, one whole period."""
    found = samples(f"tone:{name}")
    assert len(found) == round((on + off) * RATE)
    sounding = found[: round(on * RATE)]
    assert strength(sounding[80:-80], 450) == pytest.approx(7216, rel=0.02)
    assert strength(sounding[80:-80], 900) < 100
    assert not any(found[round(on * RATE) :])


def test_every_cadence_is_tested() -> None:
    """The table above has all names there are."""
    assert set(CADENCES) == {"ringback", "busy", "congestion", "dial", "waiting"}


@pytest.mark.parametrize(("name", "frequency", "seconds"), [("tone:1000:2.0", 1000, 2.0), ("tone:425:.5", 425, 0.5)])
def test_plain_tones_have_the_frequency_and_length_asked(name: str, frequency: int, seconds: float) -> None:
    """A tone of any audible whole frequency can be had, also longer than the second it is computed from."""
    found = samples(name)
    assert len(found) == seconds * RATE
    assert strength(found[80:-80], frequency) == pytest.approx(7216, rel=0.02)


def test_the_beep_is_short_and_high() -> None:
    """It tells a caller to speak, and is sounded once."""
    found = samples("tone:beep")
    assert set(SIGNALS) == {"beep"}
    assert len(found) == 0.4 * RATE
    assert strength(found[80:-80], 1000) == pytest.approx(7216, rel=0.02)


@pytest.mark.parametrize("name", ["tone:beep", "tone:busy", "tone:1000:0.1", "tone:333:1.7"])
def test_tones_begin_and_end_softly(name: str) -> None:
    """No step at an edge is larger than the tone's own."""
    found = samples(name)
    sounding = found[: max(n for n, sample in enumerate(found) if sample) + 1]
    assert max(map(abs, sounding[:4] + sounding[-4:])) < 200


def test_a_continuous_tone_repeats_without_a_step() -> None:
    """The dial tone is whole cycles long and has no ramp, so its loop cannot be heard."""
    found = samples("tone:dial")
    step = max(abs(b - a) for a, b in pairwise(found))
    assert abs(found[0] - found[-1]) <= step


def test_silence_is_silent() -> None:
    """All samples are zero, for as long as asked."""
    assert synthesise("silence:1.5") == bytes(2 * 12000)


def test_the_shortest_tone_is_one() -> None:
    """The shortest tone, of one frame, still rises and falls."""
    assert len(samples("tone:1000:0.02")) == 160
    assert max(samples("tone:1000:0.02")) > 5000


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("tone:", "is no tone; there are tone:ringback, tone:busy"),
        ("tone:nothing", "is no tone"),
        ("tone:450:1:1", "is no tone"),
        ("silence", "is no tone"),
        ("silence:1:2", "is no tone"),
        ("beep:1", "is no tone"),
        ("tone:19:1", "frequency"),
        ("tone:3801:1", "frequency"),
        ("tone:-450:1", "frequency"),
        ("tone:45.5:1", "frequency"),
        ("tone:" + "9" * 5000 + ":1", "frequency"),
        ("tone:450:0", "duration"),
        ("tone:450:0.019", "duration"),
        ("tone:450:-1", "duration"),
        ("tone:450:nan", "duration"),
        ("tone:450:inf", "duration"),
        ("tone:450:long", "duration"),
        ("silence:61", "duration must be from 0.02 to 60 seconds"),
    ],
)
def test_other_names_are_refused(name: str, reason: str) -> None:
    """The reason says what there is, and is short whatever the name is."""
    with pytest.raises(ToneError, match=reason) as caught:
        synthesise(name)
    assert len(str(caught.value)) < 250


def test_names_of_tones_are_told_from_files() -> None:
    """A colon after one of two words makes a tone."""
    assert is_tone("tone:busy")
    assert is_tone("silence:1")
    assert not is_tone("zh/welcome")
    assert not is_tone("tones/busy")
