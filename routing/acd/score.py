"""The one score by which those who wait are ordered: age, priority and VIP rank in seconds.

    score(now) = (now - since) + 60 * priority + 120 * vip

So one step of priority is worth a minute of waiting and one VIP rank two: who is more important goes first, and yet
nobody waits for ever, since all ages grow alike. For that same reason the order of two never changes while they
wait: `key` holds the part that does not depend on `now`, and is worked out once. Equal scores go by arrival.
The weight of groups comes before the score: an agent of several groups serves the heavier one first.
"""

from __future__ import annotations

from typing import Final

PRIORITY_SECONDS: Final = 60.0
VIP_SECONDS: Final = 120.0

Key = tuple[float, int]
"""Smaller is served first. The second part, the number of arrival, makes it unique."""


def key(since: float, priority: int, vip: int, arrival: int) -> Key:
    """The sort key of one who waits since `since` and was the `arrival`-th to come."""
    return since - PRIORITY_SECONDS * priority - VIP_SECONDS * vip, arrival


def score(since: float, priority: int, vip: int, now: float) -> float:
    """The score in seconds at `now`; larger is served first."""
    return now - key(since, priority, vip, 0)[0]
