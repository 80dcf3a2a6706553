"""The whole API of one switch: accounts, resources and the event stream over the same parts."""

from __future__ import annotations

from collections.abc import Iterable

from litestar import Litestar, Router

from switchboard.api.app import build_api
from switchboard.api.auth import auth_router
from switchboard.api.events import events_router
from switchboard.api.resources import Parts, resource_router
from switchboard.api.resources.calls import agents_of
from switchboard.api.resources.live import Live
from switchboard.api.sign_in import WRONG_SECONDS, SignIn
from switchboard.api.stream import EventStream
from switchboard.api.telling import Teller
from switchboard.ops.metrics import Metrics


class SwitchApi:
    """Ties the stream to the calls and puts the application together; made in a thread, for it takes a second."""

    def __init__(self, parts: Parts, wrong_seconds: float = WRONG_SECONDS) -> None:
        services = parts.services
        self.parts = parts
        self.stream = EventStream(lambda: int(services.utc() * 1e6), self._groups_of, self._parties_of)
        self.sign_in = SignIn(services, parts.trail, wrong_seconds)
        self._live = Live(parts)

    def build(self, pages: Router) -> Litestar:
        """The application, with the pages for machines beside it. From here on calls tell the stream what happens."""
        services = self.parts.services
        routers = [
            auth_router(self.sign_in),
            events_router(services, self.stream, Teller(self._live.ring), self._live.snapshot),
        ]
        app = build_api(services, routers, beside=[pages, resource_router(self.parts)])
        self.parts.exchange.feed = self.stream
        return app

    def measure(self, metrics: Metrics) -> None:
        """Show in the metrics what is asked and told."""
        services, stream = self.parts.services, self.stream
        metrics.readings.counter(
            "switchboard_api_requests_total",
            "Answers of the API by status.",
            lambda: dict(services.answers),
            ("status",),
        )
        metrics.counter(
            "switchboard_api_paced_total", "Requests refused for coming too often.", lambda: services.pace.refused
        )
        metrics.counter(
            "switchboard_stream_dropped_total",
            "Clients of the event stream that were too slow.",
            lambda: stream.dropped,
        )
        metrics.readings.gauges("switchboard_api", "Held by the API at the moment.", self._counts)

    def _counts(self) -> dict[str, int]:
        return {
            **self.stream.counts(),
            "paced_clients": len(self.parts.services.pace),
            "lockout_entries": len(self.parts.services.lockout),
            "idempotency_keys": len(self.parts.once),
        }

    def _groups_of(self, agent: str) -> Iterable[str]:
        known = self.parts.desk.agents.get(agent)
        return known.groups if known is not None else ()

    def _parties_of(self, call: str) -> Iterable[str]:
        known = self.parts.exchange.calls.get(call)
        return agents_of(known) if known is not None else ()
