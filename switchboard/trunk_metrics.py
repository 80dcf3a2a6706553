"""Carriers in numbers: each gateway's calls, what became of attempts, whether it is up and we are registered."""

from __future__ import annotations

from collections.abc import Callable

from routing.trunks.health import HealthState
from routing.trunks.table import LiveGateway
from switchboard.calls.carriers.live import Carriers
from switchboard.ops.metrics import Metrics

LABELS = ("trunk", "gateway")


def measure_trunks(metrics: Metrics, carriers: Carriers) -> None:
    """Let each scrape read them."""

    def of_each(read: Callable[[LiveGateway], float | None]) -> Callable[[], dict[tuple[str, ...], float]]:
        def found() -> dict[tuple[str, ...], float]:
            values = ((one, read(one)) for one in carriers.table)
            return {(one.trunk, one.gateway.name): value for one, value in values if value is not None}

        return found

    readings = metrics.readings
    for name, text, read in (
        ("up", "1 while the gateway answers OPTIONS, 0 while it does not; none where it is not asked.", _up),
        ("registered", "1 while we are registered there; none where we need not be.", _registered),
        ("calls", "Calls that are up, both ways.", lambda one: one.load.calls),
    ):
        readings.gauge(f"switchboard_gateway_{name}", text, of_each(read), LABELS)
    for name, text, read in (
        ("attempts", "Calls to it that were begun.", lambda one: one.load.attempts),
        ("answered", "Calls to it that were answered.", lambda one: one.load.answered),
        ("failures", "Calls to it that failed for a reason of its own.", lambda one: one.load.failures),
        ("received", "Calls that came from it.", lambda one: one.load.seen),
    ):
        readings.counter(f"switchboard_gateway_{name}_total", text, of_each(read), LABELS)


def _up(gateway: LiveGateway) -> float | None:
    state = gateway.health.state
    return None if state is HealthState.UNKNOWN else float(state is HealthState.UP)


def _registered(gateway: LiveGateway) -> float | None:
    return None if gateway.registered is None else float(gateway.registered)
