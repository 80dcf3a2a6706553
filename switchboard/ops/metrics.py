"""What a switch is measured by, in the Prometheus text format; no label ever carries what a peer sent."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from switchboard.ops.audio_quality import AudioQuality
from switchboard.ops.readings import Readings

if TYPE_CHECKING:
    from switchboard.store.records import MediaRecord

MOST_VALUES: Final = 64
"""Distinct values of one label; further ones are counted as ``other``."""

_TRANSFER: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
_POST_DIAL: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

Counts = Callable[[], Mapping[str, int]]


class Metrics:
    """The numbers of one signalling process; what happens is counted here, what is, is read at the scrape."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.readings = Readings()
        self._calls: Tally[str] = Tally()
        self._errors: Tally[str] = Tally()
        self._backends: Tally[str] = Tally()
        self._backend_seconds = 0.0
        self._rtp = [0, 0]
        self._audio = AudioQuality(MOST_VALUES)
        self._post_dial = Histogram(
            "switchboard_post_dial_delay_seconds",
            "From a caller's INVITE to the event that sends the first 180, 183 or 200, without its processing.",
            buckets=_POST_DIAL,
            registry=self.registry,
        )
        self._transfer = Histogram(
            "switchboard_transfer_latency_seconds",
            "From the last digit's first packet to the event that sends the agent's INVITE, without its processing.",
            buckets=_TRANSFER,
            registry=self.registry,
        )
        self.registry.register(self.readings)
        self.registry.register(self._audio)
        ProcessCollector(registry=self.registry)
        self._describe()

    # --- counted as it happens ---

    def call_ended(self, cause: str) -> None:
        """One call has its record."""
        self._count(self._calls, cause)

    def post_dial_delay(self, seconds: float) -> None:
        """From the caller's INVITE to the first 180, 183 or 200 sent back."""
        self._post_dial.observe(seconds)

    def transfer_latency(self, seconds: float) -> None:
        """From the last digit's first packet to the event that sends the agent's INVITE, without its processing."""
        self._transfer.observe(seconds)

    def rtp(self, received: int, lost: int) -> None:
        """Counters of a stream that was released."""
        self._rtp[0] += received
        self._rtp[1] += max(0, lost)

    def leg(self, trunk: str, media: MediaRecord) -> None:
        """How good the audio of a leg was."""
        self._audio.leg(trunk, media)

    def backend(self, server: str, outcome: str, seconds: float) -> None:
        """A flow's request to a backend is over; the server is in the log."""
        self._count(self._backends, outcome)
        self._backend_seconds += seconds

    def error(self, where: str) -> None:
        """An exception was caught at one of the boundaries."""
        self._count(self._errors, where)

    # --- read at the scrape ---

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A number read at each scrape."""
        self.readings.gauge(name, text, read)

    def counter(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A growing number read at each scrape; its name ends in ``_total``."""
        self.readings.counter(name, text, read)

    def state(self, read: Counts) -> None:
        """What the process holds by name (calls, legs, timers, free ports): one gauge each."""
        self.readings.gauges("switchboard", "Held by the signalling process now.", read)

    def render(self) -> bytes:
        """Everything in the text format of ``CONTENT_TYPE``."""
        return generate_latest(self.registry)

    def _describe(self) -> None:
        add = self.readings.counter
        add("switchboard_calls_total", "Ended calls by cause.", lambda: dict(self._calls), ("outcome",))
        add("switchboard_errors_total", "Exceptions caught, by place.", lambda: dict(self._errors), ("where",))
        add("switchboard_backend_requests_total", "Requests of flows.", lambda: dict(self._backends), ("outcome",))
        add("switchboard_backend_seconds_total", "Total time of these requests.", lambda: self._backend_seconds)
        add("switchboard_rtp_packets_total", "RTP packets of ended streams.", lambda: self._rtp[0])
        add("switchboard_rtp_lost_total", "RTP packets lost in streams that have ended.", lambda: self._rtp[1])
        add("switchboard_metrics_failures_total", "Values that could not be read.", self._failures)

    def _failures(self) -> float:
        return self.readings.failures

    @staticmethod
    def _count(tally: Tally[str], key: str) -> None:
        tally[key if key in tally or len(tally) < MOST_VALUES else "other"] += 1


CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
