"""The pages for machines, /metrics and /health; imported late, for Litestar takes long to load."""

from __future__ import annotations

import hmac
import ipaddress
from typing import Any

from litestar import Litestar, MediaType, Request, Response, Router, get
from litestar.exceptions import PermissionDeniedException

from switchboard.ops.health import Health, Report
from switchboard.ops.metrics import CONTENT_TYPE, Metrics


def build_pages(metrics: Metrics, health: Health, token: str = "") -> Router:
    """Both pages. Metrics are for this host alone, and from elsewhere for who brings `token`, if it is set."""

    @get("/metrics", sync_to_thread=False, include_in_schema=False)
    def show_metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Everything measured, for Prometheus."""
        if not _local(request) and not _has(request, token):
            raise PermissionDeniedException
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    @get("/health", sync_to_thread=False, include_in_schema=False)
    def show_health() -> Response[Report]:
        """Whether the switch does its work: 200, or 503 with reasons."""
        report = health.report()
        return Response(report, status_code=report.http_status, media_type=MediaType.JSON)

    return Router("/", route_handlers=[show_metrics, show_health])


def build_app(metrics: Metrics, health: Health, token: str = "") -> Litestar:
    """An application of these pages alone."""
    return Litestar([build_pages(metrics, health, token)], openapi_config=None, logging_config=None)


def _local(request: Request[Any, Any, Any]) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def _has(request: Request[Any, Any, Any], token: str) -> bool:
    given = request.headers.get("authorization", "")
    return bool(token) and hmac.compare_digest(given.encode(), f"Bearer {token}".encode())
