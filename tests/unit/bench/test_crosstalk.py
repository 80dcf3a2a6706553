"""Who has heard a call of others."""

from __future__ import annotations

import pytest

from bench.crosstalk import Ear, crosstalk

PROMPT = 99
"""A stream of the switch's own."""


def ear(ssrc: int, *heard: int) -> Ear:
    """One end, and what it has heard."""
    return Ear(ssrc, frozenset(heard))


@pytest.mark.parametrize(
    ("callers", "desks", "told"),
    [
        ([], [], []),
        ([ear(1, PROMPT, 11), ear(2, 12)], [ear(11, 1), ear(12, 2, PROMPT)], []),
        # Handed on from one desk to another, of which the first has heard nothing yet.
        ([ear(1, 11, 12)], [ear(11), ear(12, 1)], []),
        ([ear(1), ear(2, 12)], [ear(11, 1, 2), ear(12, 2)], ["a desk heard 2 callers in one call"]),
        ([ear(1, 12), ear(2)], [ear(11), ear(12, 2)], ["a caller heard a desk that was talking to another caller"]),
        ([ear(1, 2), ear(2)], [], ["a caller heard a caller"]),
        ([ear(1, 1)], [], ["a caller heard a caller"]),
        ([], [ear(11, 12), ear(12)], ["a desk heard a desk"]),
    ],
)
def test_what_is_heard_of_others_is_told(callers: list[Ear], desks: list[Ear], told: list[str]) -> None:
    """By the SSRCs of who spoke."""
    assert crosstalk(callers, desks) == told
