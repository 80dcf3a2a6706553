"""When one who waits is told what.

After `first` seconds, then every `every` (0: only once): the position and the wait as far as the group says them,
and the next of the periodic texts, together. After `callback_offer` seconds, then every second time as often, the
offer to be called back. Between two of them there are at least ten seconds of music.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec

from routing.acd.model import Announcements

GAP: Final = 10.0
"""Seconds of music between two announcements."""

Kind = Literal["position", "periodic", "callback_offer"]


class Saying(msgspec.Struct, frozen=True):
    """What is to be said now; the position and the wait are for the caller of this module to fill in."""

    kind: Kind
    position: bool = False
    wait: bool = False
    prompts: tuple[str, ...] = ()


class Announcer:
    """The announcements of one who waits; what it knows is when the next ones are due."""

    __slots__ = ("_offer", "_round", "_status")

    def __init__(self, rules: Announcements, now: float) -> None:
        speaks = rules.position or rules.wait or bool(rules.periodic)
        self._status = now + rules.first if speaks else math.inf
        self._offer = now + rules.callback_offer if rules.callback_offer is not None else math.inf
        self._round = 0

    @property
    def due(self) -> float:
        """When something is to be said next; infinite when nothing is."""
        return min(self._status, self._offer)

    def say(self, rules: Announcements, now: float) -> Saying | None:
        """What is to be said now, None when nothing is due yet."""
        if now < self.due:
            return None
        if self._offer <= now:
            self._offer = now + max(2 * rules.every, 3 * GAP) if rules.every > 0 else math.inf
            self._status = max(self._status, now + GAP)
            return Saying("callback_offer")
        self._status = now + max(rules.every, GAP) if rules.every > 0 else math.inf
        self._offer = max(self._offer, now + GAP)
        prompts = (rules.periodic[self._round % len(rules.periodic)],) if rules.periodic else ()
        self._round += 1
        if rules.position or rules.wait:
            return Saying("position", rules.position, rules.wait, prompts)
        return Saying("periodic", prompts=prompts) if prompts else None


def spoken(band: tuple[float, float]) -> tuple[float, float]:
    """A band of waiting as people say it: outwards to whole minutes, below two of them to half ones."""
    start = _unit(band[0]) * math.floor(band[0] / _unit(band[0]))
    end = _unit(band[1]) * math.ceil(band[1] / _unit(band[1]))
    return start, max(end, 30.0)


def _unit(seconds: float) -> float:
    return 30.0 if seconds < 120.0 else 60.0
