"""What the WebRTC edge counts, as metrics; it tells every second, and begins anew when it was started again."""

from __future__ import annotations

from media.edge_control import EdgeStats
from media.edge_plane import EdgePlane
from switchboard.ops.metrics import Metrics

_NONE = EdgeStats(0, 0, 0, 0, 0, 0, 0, 0.0)


def measure_edge(metrics: Metrics, edge: EdgePlane) -> None:
    """Adds its metrics to those of the switch."""

    def stats() -> EdgeStats:
        return edge.stats or _NONE

    for name, text, read in (
        ("connected", "Browsers that were connected.", lambda: stats().connected),
        ("failed", "Browsers that could not be connected, or were lost.", lambda: stats().failed),
        ("packets_received", "Packets from browsers passed to media workers.", lambda: stats().received),
        ("packets_sent", "Packets passed to browsers.", lambda: stats().sent),
        ("packets_refused", "Packets that were not authentic.", lambda: stats().refused),
    ):
        metrics.counter(f"switchboard_webrtc_{name}_total", text, read)
    metrics.gauge("switchboard_webrtc_cpu_seconds", "CPU time of the edge.", lambda: stats().cpu_seconds)
