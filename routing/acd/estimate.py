"""How long somebody will wait, as a band, and how well what was said came true.

While all agents are at work, one becomes free every S/n seconds on average, S being the time an agent spends on a
caller (talk and wrap-up) and n the number of agents, each counted by one over the number of their groups. Who is
p-th waits for p of these moments: a gamma distribution of shape p, whose ends are found with the cube of Wilson and
Hilferty. Callbacks are served from the same queue, so they are counted in p; those ahead who will hang up are not:
p = 1 + ahead * (1 - share that gives up). S and that share are exponentially weighted over the last calls.

Each end of the band is to be missed by a tenth of all waits. After every answer it is moved a little so that it is,
whatever the load and the distribution: a missed end goes outwards by nine parts, a kept one inwards by one.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

Band = tuple[float, float]
"""From and to, in seconds."""

SMOOTHING: Final = 0.05
"""The weight of the last call among all; about the last twenty count."""
LEAST_SERVED: Final = 3
"""Before as many have been served nothing is known."""
MISSED: Final = 0.1
"""The share of waits that may be shorter than the band's begin, and as many longer than its end."""
LEARNING: Final = 0.08
"""How far the ends of the band follow one answer."""
TRUSTED_AFTER: Final = 20
LEAST_WITHIN: Final = 0.5
"""With a smaller share of waits within their bands a group is better silent about them."""
MOST_Z: Final = 10.0
_TENTH: Final = 1.2816
"""The quantile of the normal distribution beyond which a tenth lies."""


class ServiceRate:
    """How long agents of a group spend on a caller, and how many give up, over the last calls."""

    __slots__ = ("abandoned", "seconds", "served")

    def __init__(self) -> None:
        self.served = 0
        self.seconds = 0.0
        self.abandoned = 0.0

    def note_served(self, seconds: float) -> None:
        """An agent is done with a caller, after talk and wrap-up of so many seconds."""
        self.served += 1
        # Until enough were served the plain mean is nearer than a smoothed one.
        self.seconds += (max(0.0, seconds) - self.seconds) * max(SMOOTHING, 1.0 / self.served)

    def note_left(self, *, gave_up: bool) -> None:
        """Somebody was answered, or gave up."""
        self.abandoned += (float(gave_up) - self.abandoned) * SMOOTHING


class Calibration:
    """What was said against what was real, of one group."""

    __slots__ = ("_recent", "above", "below", "error_seconds", "high", "low", "real_seconds", "said_seconds", "within")

    def __init__(self) -> None:
        self.within = 0
        """Waits that ended within their band."""
        self.below = 0
        """Shorter than said."""
        self.above = 0
        """Longer than said."""
        self.said_seconds = 0.0
        """The middles of all bands."""
        self.real_seconds = 0.0
        self.error_seconds = 0.0
        """Distances of the real waits from the middles."""
        self.low = -_TENTH
        self.high = _TENTH
        self._recent = 1.0

    def settle(self, said: Band, real: float) -> None:
        """Somebody to whom `said` was said was answered `real` seconds after that."""
        start, end = said
        middle = (start + end) / 2
        self.said_seconds += middle
        self.real_seconds += real
        self.error_seconds += abs(real - middle)
        below, above = real < start, real > end
        self.below += below
        self.above += above
        self.within += not (below or above)
        self._recent += (float(not (below or above)) - self._recent) * LEARNING
        self.low = max(-MOST_Z, min(0.0, self.low + LEARNING * (MISSED - below) * _TENTH))
        self.high = max(0.0, min(MOST_Z, self.high - LEARNING * (MISSED - above) * _TENTH))

    @property
    def settled(self) -> int:
        """How many waits have been compared."""
        return self.within + self.below + self.above

    @property
    def share_within(self) -> float:
        """The share of all waits that ended within their band; 1.0 before the first."""
        return self.within / self.settled if self.settled else 1.0

    @property
    def trusted(self) -> bool:
        """Whether bands may be said: of late at least half of the waits ended within them."""
        return self.settled < TRUSTED_AFTER or self._recent >= LEAST_WITHIN


class CalibrationCounts(msgspec.Struct, frozen=True):
    """A calibration as it is exported: counters that only grow, and two shares of now."""

    within: int
    below: int
    above: int
    said_seconds: float
    real_seconds: float
    error_seconds: float
    share_within: float
    trusted: bool


class Estimator:
    """The expected waits of one group."""

    __slots__ = ("calibration", "rate")

    def __init__(self) -> None:
        self.rate = ServiceRate()
        self.calibration = Calibration()

    def band(self, position: int, agents: float, *, free: bool = False) -> Band | None:
        """How long the one at `position` (1 is next) will wait from now; None when nothing is known.

        `agents` counts those who work or are idle, each by one over the number of their groups; `free` means that
        somebody who fits is idle.
        """
        if free:
            return 0.0, 0.0
        if self.rate.served < LEAST_SERVED or agents <= 0.0 or self.rate.seconds <= 0.0:
            return None
        shape = 1.0 + max(0, position - 1) * (1.0 - self.rate.abandoned)
        step = self.rate.seconds / agents
        return step * _gamma(shape, self.calibration.low), step * _gamma(shape, self.calibration.high)

    def counts(self) -> CalibrationCounts:
        """The calibration for metrics."""
        own = self.calibration
        return CalibrationCounts(
            own.within,
            own.below,
            own.above,
            own.said_seconds,
            own.real_seconds,
            own.error_seconds,
            own.share_within,
            own.trusted,
        )


def _gamma(shape: float, z: float) -> float:
    """The value of a gamma distribution of that shape and scale 1 that a standard normal puts at z."""
    return float(shape * max(0.0, 1.0 - 1.0 / (9.0 * shape) + z / (3.0 * math.sqrt(shape))) ** 3)
