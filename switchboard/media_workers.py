"""The media workers of the running switch: how they do, one more, one less; each number for whoever measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Final

from media.events import WorkerStats
from media.plane import WorkerPlane
from switchboard.ops.control import Command, CommandError
from switchboard.ops.metrics import Metrics

MOST: Final = 64
"""As many as the configuration allows."""
_COUNTERS: Final[dict[str, str]] = {
    "relayed": "RTP packets relayed.",
    "played": "RTP packets played.",
    "mixed": "RTP packets mixed.",
    "strangers": "Packets from hosts other than the peer.",
    "dropped": "Packets dropped.",
    "digits": "Keys recognised.",
}


def worker_commands(plane: WorkerPlane, add: Callable[[], None]) -> dict[str, Command]:
    """`workers`, `add-worker` and `drain-worker`; `add` asks for a process, which tells of itself when it is there."""

    def listing(request: Mapping[str, object]) -> list[dict[str, object]]:
        return [
            {
                "worker": number,
                "state": "draining" if one.draining else "up" if one.up else "starting",
                "legs": one.leased,
                "free": one.free,
                "cpu_seconds": round(one.stats.cpu_seconds, 2) if one.stats is not None else None,
                "late_ms": round(one.stats.late_max_ms, 1) if one.stats is not None else None,
            }
            for number, one in sorted(plane.states().items())
        ]

    def another(request: Mapping[str, object]) -> bool:
        if len(plane.states()) >= MOST:
            raise CommandError(f"there are {MOST} media workers already, the most there can be")
        add()
        return True

    def drain(request: Mapping[str, object]) -> int:
        """How many legs it still has."""
        number = request.get("worker")
        if not isinstance(number, int):
            raise CommandError("worker: is missing")
        try:
            plane.drain(number)
        except ValueError as error:
            raise CommandError(str(error)) from None
        return plane.states()[number].leased

    return {"workers": listing, "add-worker": another, "drain-worker": drain}


def measure_workers(metrics: Metrics, plane: WorkerPlane) -> None:
    """Numbers of each worker, by its number."""

    def of_each(read: Callable[[WorkerStats], float]) -> Callable[[], dict[str, float]]:
        return lambda: {str(number): read(stats) for number, stats in plane.worker_stats().items()}

    for name, text in _COUNTERS.items():
        metrics.readings.counter(f"switchboard_media_{name}_total", text, of_each(attrgetter(name)), ("worker",))
    metrics.readings.counter(
        "switchboard_media_cpu_seconds_total", "CPU time.", of_each(lambda stats: stats.cpu_seconds), ("worker",)
    )
    metrics.readings.gauge(
        "switchboard_media_late_seconds", "The latest that anything was sent.",
        of_each(lambda stats: stats.late_max_ms / 1000), ("worker",),
    )  # fmt: skip
    metrics.readings.gauge(
        "switchboard_media_legs", "Legs carried.",
        lambda: {str(number): one.leased for number, one in plane.states().items()}, ("worker",),
    )  # fmt: skip
