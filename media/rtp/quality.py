"""How good a conversation is expected to be: the E-model of ITU-T G.107 and G.107.2 with its default values.

What differs from call to call are loss, its burstiness and delay; noise, loudness and echo loss are the defaults.
Each codec is rated on the scale that its figures were published for: G.711 on that of G.107, where a call without
any impairment rates 93.2, Opus on the fullband scale of G.107.2, where it rates 148. The opinions run to 4.5 on both,
but each is of people who compare with the best of their own band: 4.3 of a fullband call sounds better than 4.3 of
a telephone's.

G.722 has no score. ITU-T G.113 Appendix IV has what the codec takes, 13 on the scale of G.107.1, and nothing about
its robustness to loss; scores of loss-free calls alone would make every trunk look well.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import msgspec

JITTER_BUFFER_MS: Final = 60.0
"""What the receiver's jitter buffer is taken to add to the delay."""


class Impairment(msgspec.Struct, frozen=True, gc=False):
    """What a codec takes from the rating: `ie` always, `bpl` is its robustness to loss (ITU-T G.113).

    `fullband`: on the scale of G.107.2.
    """

    ie: float
    bpl: float
    fullband: bool = False


G711: Final = Impairment(0.0, 25.1)
"""G.711 whose losses are concealed (G.711 Appendix I)."""
OPUS: Final = Impairment(16.83, 10.44, fullband=True)
"""Opus in super-wideband at a variable 31 kbit/s, near what browsers and we send, by ITU-T P.863: Alahmadi, Pocta and
Melvin, ACM TOMM 17(4), 2021. G.113 has no values; their Ie goes from 38 at 14 kbit/s to 11 at 40 kbit/s.
"""
IMPAIRMENTS: Final = {"PCMU": G711, "PCMA": G711, "opus": OPUS}
"""By the codec's name; others have no published values, and no rating."""

FULLBAND: Final = 148.0
"""R of a fullband call without impairments (G.107.2 §7.7)."""
_FULLBAND_LOSS: Final = 132.0
_WIDER: Final = 1.48
"""How much longer the fullband scale is than that of G.107."""

# Defaults of G.107 Table 3: room and circuit noise together, loudness, echo.
_NOISE: Final = -61.18
_SLR: Final = 8.0
_RLR: Final = 2.0
_TELR: Final = 65.0
_WEPL: Final = 110.0
_SIMULTANEOUS: Final = 1.4136
"""Is, the impairments that come with the voice."""
_BASIC: Final = 15.0 - 1.5 * (_SLR + _NOISE)
"""Ro, the signal-to-noise ratio."""
_LISTENER: Final = -1.5 * (_NOISE - _RLR)


def loss_impairment(codec: Impairment, loss: float, burst_ratio: float = 1.0) -> float:
    """Ie-eff (G.107 and G.107.2 §7.5): `loss` as a fraction; `burst_ratio` is 1 for random loss, more in bursts."""
    if loss <= 0.0:
        return codec.ie
    percent = min(loss, 1.0) * 100.0
    most = _FULLBAND_LOSS if codec.fullband else 95.0
    return codec.ie + (most - codec.ie) * percent / (percent / max(burst_ratio, 1.0) + codec.bpl)


# To a millisecond the delays of all calls are few.
@lru_cache(maxsize=1024)
def delay_impairment(one_way_ms: float) -> float:
    """Id (G.107 §7.4): talker's echo, listener's echo and the delay itself; `one_way_ms` from mouth to ear."""
    delay = max(one_way_ms, 0.0)
    terv = (
        _TELR - 40.0 * math.log10((1.0 + delay / 10.0) / (1.0 + delay / 150.0)) + 6.0 * math.exp(-0.3 * delay * delay)
    )
    echo = 80.0 + 2.5 * (terv - 14.0)
    talker = ((_LISTENER - echo) / 2.0 + math.sqrt((_LISTENER - echo) ** 2 / 4.0 + 100.0) - 1.0) * (
        1.0 - math.exp(-delay)
    )
    returned = 10.5 * (_WEPL + 7.0) * math.pow(2.0 * delay + 1.0, -0.25)
    listener = (_BASIC - returned) / 2.0 + math.sqrt((_BASIC - returned) ** 2 / 4.0 + 169.0)
    return talker + listener + _absolute(delay)


def _absolute(delay: float) -> float:
    if delay <= 100.0:
        return 0.0
    x = math.log2(delay / 100.0)
    return 25.0 * (math.pow(1.0 + x**6, 1 / 6) - 3.0 * math.pow(1.0 + (x / 3.0) ** 6, 1 / 6) + 2.0)


def rating(codec: Impairment, loss: float, one_way_ms: float, burst_ratio: float = 1.0) -> float:
    """The transmission rating R, 0 to 93.2, or to 148 on the fullband scale, which knows no echo (G.107.2 §7.4)."""
    if codec.fullband:
        found = FULLBAND - _WIDER * _absolute(one_way_ms) - loss_impairment(codec, loss, burst_ratio)
        return max(0.0, found)
    found = _BASIC - _SIMULTANEOUS - delay_impairment(one_way_ms) - loss_impairment(codec, loss, burst_ratio)
    return max(0.0, found)


def opinion(r: float) -> float:
    """The mean opinion score of a rating of G.107, 1 to 4.5 (Annex B); one of G.107.2 is divided by 1.48 before."""
    if r <= 0.0:
        return 1.0
    if r >= 100.0:
        return 4.5
    # Below 6.5 the curve would dip under 1.
    return max(1.0, 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6)


def burst_ratio(lost: int, bursts: int, loss: float) -> float:
    """How much longer the bursts of loss were than random loss would make them, at least 1 (G.107 §7.5)."""
    if lost <= 0 or bursts <= 0:
        return 1.0
    return max(1.0, lost / bursts * (1.0 - min(loss, 1.0)))


def score(codec: str, loss: float, round_trip_ms: float | None, burst: float = 1.0) -> float | None:
    """The MOS of one direction of a leg, to two places; None where the codec has no values.

    The delay is half the round trip, where that is known, and the jitter buffer.
    """
    impairment = IMPAIRMENTS.get(codec)
    if impairment is None:
        return None
    delay = float(round((round_trip_ms or 0.0) / 2.0 + JITTER_BUFFER_MS))
    found = rating(impairment, loss, delay, burst)
    return round(opinion(found / _WIDER if impairment.fullband else found), 2)
