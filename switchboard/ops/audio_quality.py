"""How good the audio of ended legs was, by trunk: distributions that cost a call next to nothing."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Literal

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from switchboard.store.records import MediaRecord

Measure = Literal["mos", "loss_ratio", "jitter_seconds", "round_trip_seconds"]

_JITTER: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2)
BOUNDS: Final[dict[Measure, tuple[float, ...]]] = {
    "mos": (1.5, 2.0, 2.5, 2.6, 3.1, 3.6, 4.0, 4.2, 4.3, 4.5),
    "loss_ratio": (0.0, 0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5),
    "jitter_seconds": _JITTER,
    "round_trip_seconds": (*_JITTER, 0.3, 0.5, 1.0),
}
_TEXTS: Final[dict[Measure, str]] = {
    "mos": "MOS by ITU-T G.107 (G.711) or G.107.2 (Opus) of what ended legs said (in) and heard (out).",
    "loss_ratio": "Packets lost of those sent, from the peer (in) and, as it told by RTCP, to it (out).",
    "jitter_seconds": "Interarrival jitter (RFC 3550) at the end of the leg, here (in) and at the peer (out).",
    "round_trip_seconds": "Mean time to the peer of a leg and back, as measured by RTCP.",
}


class AudioQuality(Collector):
    """Counts legs; `most` trunks are told apart, further ones are ``other``."""

    def __init__(self, most: int) -> None:
        self._most = most
        # By measure, then by trunk and direction: legs by bucket, the last above all bounds; and the sum.
        self._counts: dict[Measure, dict[tuple[str, str], list[float]]] = {measure: {} for measure in BOUNDS}
        self._silent: dict[str, int] = {}

    def leg(self, trunk: str, media: MediaRecord) -> None:
        """Count an ended leg; what was not measured of it is left out."""
        if media.silent:
            self._count_silent(trunk)
        if media.received:
            self._observe("loss_ratio", trunk, "in", max(0, media.lost) / (max(0, media.lost) + media.received))
            self._observe("jitter_seconds", trunk, "in", media.jitter_ms / 1000.0)
        if media.mos_in is not None:
            self._observe("mos", trunk, "in", media.mos_in)
        if media.peer_lost is not None:
            self._observe("loss_ratio", trunk, "out", min(1.0, media.peer_lost / max(1, media.sent)))
        if media.peer_jitter_ms is not None:
            self._observe("jitter_seconds", trunk, "out", media.peer_jitter_ms / 1000.0)
        if media.mos_out is not None:
            self._observe("mos", trunk, "out", media.mos_out)
        if media.round_trip_ms is not None:
            self._observe("round_trip_seconds", trunk, "both", media.round_trip_ms / 1000.0)

    def _count_silent(self, trunk: str) -> None:
        trunk = trunk if trunk in self._silent or len(self._silent) < self._most else "other"
        self._silent[trunk] = self._silent.get(trunk, 0) + 1

    def _observe(self, measure: Measure, trunk: str, direction: str, value: float) -> None:
        bounds = BOUNDS[measure]
        known = self._counts[measure]
        counts = known.get((trunk, direction))
        if counts is None:
            if len(known) >= 2 * self._most:
                trunk = "other"
            counts = known.setdefault((trunk, direction), [0.0] * (len(bounds) + 2))
        counts[bisect_left(bounds, value)] += 1
        counts[-1] += value

    def describe(self) -> Iterator[Metric]:
        """Nothing: the names are known."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """All distributions, and the legs that were silent."""
        for measure, known in self._counts.items():
            labels = ("trunk", "direction")
            family = HistogramMetricFamily(f"switchboard_leg_{measure}", _TEXTS[measure], labels=labels)
            names = [*(str(float(bound)) for bound in BOUNDS[measure]), "+Inf"]
            for key, counts in known.items():
                family.add_metric(key, list(zip(names, accumulate(counts[:-1]), strict=True)), counts[-1])
            yield family
        silent = CounterMetricFamily(
            "switchboard_legs_silent_total",
            "Legs in a talk that sent no audio, or stopped sending it.",
            labels=("trunk",),
        )
        for trunk, count in self._silent.items():
            silent.add_metric((trunk,), count)
        yield silent
