"""Keys that are pressed for the switch and sound in the audio: they are taken out of what is recorded.

A key may be a secret before anybody knows: typed ahead, one too many, or told by RFC 4733 or INFO by a gateway that
lets its tone through. So all are treated as telephone-events are, which no recording holds.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from media.recorder.track import MAX_DRIFT, RATE
from media.rtp.inband import HOP, WINDOW, measure

AROUND: Final = RATE * 30 // 1000
"""Samples before and after the windows of a key that may still belong to it."""
CONTEXT: Final = 2 * (WINDOW + AROUND)
"""Samples before and after a piece that tell whether a key reaches into it."""

# Whatever might be taken for a key is one here, well beyond the bounds within which keys are recognised (ITU-T Q.24).
_FAINTEST: Final = 160.0**2
_TWIST: Final = 10 ** (12 / 10)
_OTHERS: Final = 10 ** (4 / 10)
_PURITY: Final = 0.65
_IN_A_ROW: Final = 2

Run = tuple[int, int]
Pcm = NDArray[np.int16]


def runs_of_keys(samples: Pcm) -> list[Run]:
    """Where keys sound: first sample and the one behind the last, with AROUND on either side."""
    if len(samples) < WINDOW or not samples.any():
        return []
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP].astype(np.float32)
    seen = measure(windows)
    found = (
        (np.minimum(seen.low, seen.high) >= _FAINTEST)
        & (seen.high <= seen.low * _TWIST)
        & (seen.low <= seen.high * _TWIST)
        & (seen.low >= seen.next_low * _OTHERS)
        & (seen.high >= seen.next_high * _OTHERS)
        & (seen.energy >= _PURITY * seen.whole)
    )
    runs: list[Run] = []
    begun = count = 0
    for place, (is_key, key) in enumerate(zip(found.tolist(), seen.key.tolist(), strict=True)):
        if not is_key or (count and key != seen.key[begun]):
            count = 0
        if not is_key:
            continue
        begun = place if not count else begun
        count += 1
        if count >= _IN_A_ROW:
            _add(runs, begun * HOP - AROUND, place * HOP + WINDOW + AROUND)
    return runs


def _add(runs: list[Run], start: int, end: int) -> None:
    if runs and start <= runs[-1][1]:
        start = runs.pop()[0]
    runs.append((start, end))


class KeyTones:
    """Of one side, piece by piece as it is written; positions are samples since the recording's beginning."""

    __slots__ = ("_before", "_goes_on", "_spans")

    def __init__(self) -> None:
        self._spans: list[list[float]] = []  # in which keys are pressed for the switch
        self._before: Pcm = np.zeros(0, np.int16)  # what was last written, as it came
        self._goes_on = False  # with a key that was taken out at its end

    def pressed_for_us(self, at: int, on: bool) -> None:
        """From `at` on keys are for the switch, or no more; arrival tells no better than MAX_DRIFT."""
        spans = self._spans
        if spans and spans[-1][1] == float("inf"):
            if not on:
                spans[-1][1] = at + MAX_DRIFT
        elif on:
            spans.append([at - MAX_DRIFT, float("inf")])

    def heeded(self, base: int) -> bool:
        """Whether keys are to be looked for in what begins at `base`; if not, it is no context of what follows."""
        spans = self._spans = [span for span in self._spans if span[1] > base - CONTEXT]
        if spans or self._goes_on:
            return True
        self._before = self._before[:0]
        return False

    def take_out(self, base: int, samples: Pcm, count: int) -> list[Run]:
        """Silences keys in the first `count` of `samples`, which belong at `base`; where that was."""
        if not self.heeded(base):
            return []
        spans, before = self._spans, self._before
        heard = np.concatenate([before, samples[: count + CONTEXT]])
        self._before = heard[: len(before) + count][-CONTEXT:]
        taken: list[Run] = []
        first, end = base - len(before), base + count
        goes_on, self._goes_on = self._goes_on, False
        for start, stop in ((start + first, stop + first) for start, stop in runs_of_keys(heard)):
            ours = (goes_on and start <= base) or any(start < span[1] and span[0] < stop for span in spans)
            if ours and start < end and base < stop:
                taken.append((max(start, base), min(stop, end)))
                samples[taken[-1][0] - base : taken[-1][1] - base] = 0
                self._goes_on = stop >= end
        return taken
