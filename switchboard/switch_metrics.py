"""The switch in numbers, and whether it is well."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from switchboard.edge_metrics import measure_edge
from switchboard.ops.log import lines_dropped
from switchboard.queue_metrics import measure_queues
from switchboard.trunk_metrics import measure_trunks

if TYPE_CHECKING:
    from switchboard.app import Switch


_Counters: TypeAlias = tuple[tuple[str, str, Callable[[], float]], ...]
"""Name without its prefix and `_total`, what it counts, and how it is read."""


def measure_switch(switch: Switch) -> None:
    """Let each scrape read them."""
    metrics = switch.metrics
    metrics.state(switch.counts)
    metrics.readings.counter(
        "switchboard_sip_messages_total",
        "SIP messages by direction and by method or class of status.",
        switch.driver.messages.read,
        ("direction", "kind"),
    )
    for name, text, read in (*_of_sockets(switch), *_of_calls(switch), *_of_records(switch)):
        metrics.counter(f"switchboard_{name}_total", text, read)
    _measure_state(switch)
    measure_queues(metrics, switch.desk.engine)
    measure_trunks(metrics, switch.exchange.carriers)
    if switch.edge is not None:
        measure_edge(metrics, switch.edge)


def _of_sockets(switch: Switch) -> _Counters:
    transport, connections, driver = switch.driver.transport, switch.streams.connections, switch.driver
    return (
        ("sip_datagrams_received", "SIP datagrams read.", lambda: transport.received),
        ("sip_datagrams_sent", "SIP datagrams sent.", lambda: transport.sent),
        ("sip_datagrams_dropped", "SIP datagrams dropped, the send queue being full.", lambda: transport.dropped),
        ("sip_datagrams_lost", "SIP datagrams dropped by the kernel, unread.", lambda: switch.backlog.lost),
        (
            "sip_datagrams_dropped_aside",
            "Requests of phones dropped, too many being queued.",
            lambda: driver.aside.dropped,
        ),
        ("sip_connections_opened", "Connections opened to carriers and phones.", lambda: connections.opened),
        (
            "sip_connections_turned_away",
            "Connections refused because there were too many.",
            lambda: connections.turned_away,
        ),
        ("dns_lookups", "DNS queries.", lambda: switch.locator.lookups),
        ("dns_failures", "DNS queries that no server answered.", lambda: switch.locator.failures),
    )


def _of_calls(switch: Switch) -> _Counters:
    sources, workers = switch.sources, switch.plane.worker_stats
    return (
        ("calls_started", "Calls accepted.", lambda: switch.exchange.started),
        ("calls_refused_overload", "Calls refused because of overload.", lambda: switch.core.refusals.made),
        ("overloads", "Times that overload began.", lambda: switch.overload.times),
        ("sip_requests_turned_away", "Requests of strangers ignored.", lambda: sources.turned_away),
        ("sip_datagrams_blocked", "SIP datagrams of blocked sources.", lambda: sources.dropped),
        ("sources_silenced", "Times that a source was silenced.", lambda: sources.silenced),
        (
            "media_unauthentic",
            "Datagrams of secured legs refused: wrong key, replay, media in clear.",
            lambda: sum(stats.unauthentic for stats in workers().values()),
        ),
    )


def _of_records(switch: Switch) -> _Counters:
    journal, loader = switch.store.journal, switch.store.loader
    return (
        ("registrations_not_kept", "Batches of registrations lost.", lambda: switch.registrations.failures),
        ("journal_records", "Records appended to the journal.", lambda: journal.counts()["appended"]),
        ("journal_failures", "Records that could not be written at once.", lambda: journal.counts()["failed"]),
        (
            "loader_failures",
            "Times that records could not be brought into the database; the journal keeps them.",
            lambda: loader.counts()["failed"],
        ),
        ("flow_reloads_refused", "Changed flows that were refused.", lambda: switch.flow_reload.refused),
        ("log_lines_dropped", "Log lines dropped, the log's target being slow.", lines_dropped),
    )


def _measure_state(switch: Switch) -> None:
    """Gauges of the signalling process."""
    for name, text, read in (
        ("loop_lag_seconds", "Longest delay of the loop since the last scrape.", switch.lag.take),
        ("tasks", "Tasks of the event loop.", lambda: len(asyncio.all_tasks())),
        ("allocated_blocks", "Blocks of memory in use by Python's allocator.", sys.getallocatedblocks),
        ("mask_bindings", "Masked bindings in memory.", lambda: len(switch.directory.masks)),
        ("longest_datagram_seconds", "Longest time one datagram took.", lambda: switch.driver.longest_callback),
        ("overload_share", "Share of new calls refused.", switch.overload.share),
        ("signalling_delay_seconds", "How late signalling is at the moment.", lambda: switch.overload.delay),
    ):
        switch.metrics.gauge(f"switchboard_{name}", text, read)


def check_switch(switch: Switch) -> None:
    """Let its health be asked for."""
    health, journal, loader = switch.health, switch.store.journal, switch.store.loader
    health.check("media", lambda: _media_fault(switch))
    edge = switch.edge
    if edge is not None:
        health.check("webrtc", lambda: None if edge.counts()["up"] else "no answer: browsers have no audio")
    health.check("journal", lambda: "records cannot be written" if journal.failing else None)
    health.check("database", lambda: f"records cannot be loaded ({loader.fault})" if loader.fault else None)
    health.fact("calls", lambda: len(switch.exchange.calls))
    health.fact("media", switch.plane.counts)


def _media_fault(switch: Switch) -> str | None:
    states = switch.workers.states().values()
    missing = sum(not one.up for one in states)
    if missing:
        return f"{missing} of {len(states)} workers do not answer"
    return "rtpengine does not answer" if switch.plane.counts().get("rtpengine") == 0 else None
