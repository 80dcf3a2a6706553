"""The web application behind /metrics and /health; imported late, for it takes long to load."""

from __future__ import annotations

from litestar import Litestar, MediaType, Response, get

from switchboard.ops.health import Health, Report
from switchboard.ops.metrics import CONTENT_TYPE, Metrics


def build_app(metrics: Metrics, health: Health) -> Litestar:
    """An ASGI application with two pages."""

    @get("/metrics", sync_to_thread=False)
    def show_metrics() -> Response[bytes]:
        """Everything measured, for Prometheus."""
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    @get("/health", sync_to_thread=False)
    def show_health() -> Response[Report]:
        """Whether the switch does its work: 200, or 503 with reasons."""
        report = health.report()
        return Response(report, status_code=report.http_status, media_type=MediaType.JSON)

    return Litestar([show_metrics, show_health], openapi_config=None, logging_config=None)
