"""Whether anybody has heard a call of others, told by SSRCs, which a translator passes on (RFC 3550 section 7.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Ear(NamedTuple):
    """One end of a call: its own SSRC, and those it has heard."""

    ssrc: int
    heard: frozenset[int]


def crosstalk(callers: Sequence[Ear], desks: Sequence[Ear]) -> list[str]:
    """What was heard by whom it was not for, a line each.

    A caller may talk to several desks, one after the other; a call at a desk is one caller's.
    """
    calling = frozenset(ear.ssrc for ear in callers)
    callers_of = {ear.ssrc: ear.heard & calling for ear in desks}
    told = []
    for ear in desks:
        if len(callers_of[ear.ssrc]) > 1:
            told.append(f"a desk heard {len(callers_of[ear.ssrc])} callers in one call")
        if ear.heard & callers_of.keys():
            told.append("a desk heard a desk")
    for ear in callers:
        if ear.heard & calling:
            told.append("a caller heard a caller")
        if any(callers_of[desk] - {ear.ssrc} for desk in ear.heard & callers_of.keys()):
            told.append("a caller heard a desk that was talking to another caller")
    return told
