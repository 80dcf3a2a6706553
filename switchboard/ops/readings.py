"""Numbers that are read when they are asked for: a scrape costs, a call does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Labels = tuple[str, ...]
Values = float | Mapping[str, float] | Mapping[Labels, float]


class _Reading(NamedTuple):
    kind: Literal["gauge", "counter", "gauges"]
    name: str
    text: str
    labels: Labels
    read: Callable[[], Values]


class Readings(Collector):
    """A collector of callables; one that fails is left out of the scrape and counted in ``failures``."""

    def __init__(self) -> None:
        self.failures = 0
        self._readings: dict[str, _Reading] = {}

    def gauge(self, name: str, text: str, read: Callable[[], Values], labels: Labels = ()) -> None:
        """A value that goes up and down; with labels ``read`` returns a mapping."""
        self._readings[name] = _Reading("gauge", name, text, labels, read)

    def counter(self, name: str, text: str, read: Callable[[], Values], labels: Labels = ()) -> None:
        """A value that only grows; ``name`` ends in ``_total``."""
        self._readings[name] = _Reading("counter", name, text, labels, read)

    def gauges(self, prefix: str, text: str, read: Callable[[], Mapping[str, float]]) -> None:
        """One gauge for each entry of a mapping, named after its key."""
        self._readings[prefix] = _Reading("gauges", prefix, text, (), read)

    def describe(self) -> Iterator[Metric]:
        """Nothing: names are known, values are not read at registration."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Read everything now."""
        for reading in self._readings.values():
            try:
                families = list(_families(reading))
            except Exception:  # noqa: BLE001  # whatever is wrong with one number, the others are wanted
                self.failures += 1
                continue
            yield from families


def _families(reading: _Reading) -> Iterator[Metric]:
    values = reading.read()
    if reading.kind == "gauges":
        assert isinstance(values, Mapping)
        for key, value in values.items():
            yield GaugeMetricFamily(f"{reading.name}_{key}", reading.text, value=float(value))
        return
    kind = CounterMetricFamily if reading.kind == "counter" else GaugeMetricFamily
    family = kind(reading.name, reading.text, labels=reading.labels)
    if isinstance(values, Mapping):
        for key, value in values.items():
            family.add_metric([key] if isinstance(key, str) else list(key), float(value))
    else:
        family.add_metric([], float(values))
    yield family
