"""What is said when to one who waits."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.acd.announcing import GAP, Announcer, Saying, spoken
from routing.acd.model import Announcements


def said(rules: Announcements, until: float) -> list[tuple[float, Saying]]:
    """All that is said up to a time, asked exactly when it is due."""
    announcer, found = Announcer(rules, 0.0), []
    while announcer.due <= until:
        now = announcer.due
        saying = announcer.say(rules, now)
        assert saying is not None
        found.append((now, saying))
    return found


POSITION = Saying("position", position=True)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (Announcements(), []),
        (Announcements(position=True), [(10, POSITION), (55, POSITION), (100, POSITION)]),
        (Announcements(position=True, every=0), [(10, POSITION)]),
        (Announcements(position=True, first=40, every=1), [(40 + 10 * n, POSITION) for n in range(7)]),
        (Announcements(wait=True, every=0), [(10, Saying("position", wait=True))]),
        (
            Announcements(periodic=("a", "b"), every=30),
            [(10 + 30 * n, Saying("periodic", prompts=("abab"[n],))) for n in range(4)],
        ),
        (
            Announcements(position=True, wait=True, periodic=("a",), every=90),
            [(10 + 90 * n, Saying("position", True, True, ("a",))) for n in range(2)],
        ),
        (Announcements(callback_offer=20, every=0), [(20, Saying("callback_offer"))]),
        (Announcements(callback_offer=5, every=45), [(5, Saying("callback_offer")), (95, Saying("callback_offer"))]),
        (
            Announcements(position=True, callback_offer=12, every=45),  # the offer keeps away from the position
            [(10, POSITION), (20, Saying("callback_offer")), (55, POSITION), (100, POSITION)],
        ),
        (
            Announcements(position=True, callback_offer=9, every=45),
            [(9, Saying("callback_offer")), (19, POSITION), (64, POSITION), (99, Saying("callback_offer"))],
        ),
    ],
)
def test_what_is_said_when(rules: Announcements, expected: list[tuple[float, Saying]]) -> None:
    """The first after `first`, more every `every`, periodic texts in turn, offers in between."""
    assert said(rules, 100.0) == expected


def test_nothing_before_it_is_due() -> None:
    """An early question says nothing and changes nothing."""
    rules = Announcements(position=True)
    announcer = Announcer(rules, 0.0)
    assert announcer.say(rules, 9.9) is None
    assert announcer.due == 10.0
    assert Announcer(Announcements(), 0.0).due == math.inf


@given(
    st.builds(
        Announcements,
        first=st.floats(0, 60),
        every=st.just(0.0) | st.floats(1, 90),
        position=st.booleans(),
        periodic=st.sampled_from([(), ("a", "b")]),
        callback_offer=st.none() | st.floats(0, 100),
    )
)
def test_music_between_any_two(rules: Announcements) -> None:
    """At least ten seconds, whatever the rules."""
    times = [now for now, _ in said(rules, 1000.0)]
    assert all(later - sooner >= GAP - 1e-6 for sooner, later in pairwise(times))


@pytest.mark.parametrize(
    ("band", "expected"),
    [
        ((0.0, 0.0), (0.0, 30.0)),
        ((10.0, 40.0), (0.0, 60.0)),
        ((31.0, 90.0), (30.0, 90.0)),
        ((119.0, 121.0), (90.0, 180.0)),
        ((130.0, 400.0), (120.0, 420.0)),
    ],
)
def test_bands_as_they_are_said(band: tuple[float, float], expected: tuple[float, float]) -> None:
    """Outwards to half minutes below two minutes, to whole ones above."""
    assert spoken(band) == expected
