"""The switch in numbers, and whether it is well."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from switchboard.edge_metrics import measure_edge
from switchboard.ops.log import lines_dropped
from switchboard.queue_metrics import measure_queues
from switchboard.trunk_metrics import measure_trunks

if TYPE_CHECKING:
    from switchboard.app import Switch


def measure_switch(switch: Switch) -> None:
    """Let each scrape read them."""
    metrics, transport, journal = switch.metrics, switch.driver.transport, switch.store.journal
    connections = switch.streams.connections
    metrics.state(switch.counts)
    metrics.readings.counter(
        "switchboard_sip_messages_total",
        "SIP messages by direction and by method or class of status.",
        switch.driver.messages.read,
        ("direction", "kind"),
    )
    for name, text, read in (
        ("sip_datagrams_received", "SIP datagrams read.", lambda: transport.received),
        ("sip_datagrams_sent", "SIP datagrams sent.", lambda: transport.sent),
        ("sip_datagrams_dropped", "SIP datagrams dropped, the send queue being full.", lambda: transport.dropped),
        ("sip_datagrams_lost", "SIP datagrams dropped by the kernel, unread.", lambda: switch.backlog.lost),
        (
            "sip_datagrams_dropped_aside",
            "Requests of phones dropped, too many being queued.",
            lambda: switch.driver.aside.dropped,
        ),
        ("calls_started", "Calls accepted.", lambda: switch.exchange.started),
        ("calls_refused_overload", "Calls refused because of overload.", lambda: switch.core.refused),
        ("sip_requests_turned_away", "Requests of strangers ignored.", lambda: switch.sources.turned_away),
        ("sip_datagrams_blocked", "SIP datagrams of blocked sources.", lambda: switch.sources.dropped),
        ("sources_silenced", "Times that a source was silenced.", lambda: switch.sources.silenced),
        ("overloads", "Times that overload began.", lambda: switch.overload.times),
        ("sip_connections_opened", "Connections opened to carriers and phones.", lambda: connections.opened),
        (
            "sip_connections_turned_away",
            "Connections refused because there were too many.",
            lambda: connections.turned_away,
        ),
        ("dns_lookups", "DNS queries.", lambda: switch.locator.lookups),
        ("dns_failures", "DNS queries that no server answered.", lambda: switch.locator.failures),
        (
            "media_unauthentic",
            "Datagrams of secured legs refused: wrong key, replay, media in clear.",
            lambda: sum(stats.unauthentic for stats in switch.plane.worker_stats().values()),
        ),
        ("registrations_not_kept", "Batches of registrations lost.", lambda: switch.registrations.failures),
        ("journal_records", "Records appended to the journal.", lambda: journal.counts()["appended"]),
        ("journal_failures", "Records that could not be written at once.", lambda: journal.counts()["failed"]),
        ("flow_reloads_refused", "Changed flows that were refused.", lambda: switch.flow_reload.refused),
        ("log_lines_dropped", "Log lines dropped, the log's target being slow.", lines_dropped),
    ):
        metrics.counter(f"switchboard_{name}_total", text, read)
    metrics.gauge("switchboard_loop_lag_seconds", "Longest delay of the loop since the last scrape.", switch.lag.take)
    metrics.gauge("switchboard_tasks", "Tasks of the event loop.", lambda: len(asyncio.all_tasks()))
    metrics.gauge(
        "switchboard_allocated_blocks", "Blocks of memory in use by Python's allocator.", sys.getallocatedblocks
    )
    metrics.gauge("switchboard_mask_bindings", "Masked bindings in memory.", lambda: len(switch.directory.masks))
    metrics.gauge(
        "switchboard_longest_datagram_seconds",
        "Longest time one datagram took.",
        lambda: switch.driver.longest_callback,
    )
    metrics.gauge("switchboard_overload_share", "Share of new calls refused.", switch.overload.share)
    metrics.gauge(
        "switchboard_signalling_delay_seconds", "How late signalling is at the moment.", lambda: switch.overload.delay
    )
    measure_queues(metrics, switch.desk.engine)
    measure_trunks(metrics, switch.exchange.carriers)
    if switch.edge is not None:
        measure_edge(metrics, switch.edge)


def check_switch(switch: Switch) -> None:
    """Let its health be asked for."""
    health, journal = switch.health, switch.store.journal
    health.check("media", lambda: _media_fault(switch))
    edge = switch.edge
    if edge is not None:
        health.check("webrtc", lambda: None if edge.counts()["up"] else "no answer: browsers have no audio")
    health.check("journal", lambda: "records cannot be written" if journal.failing else None)
    health.fact("calls", lambda: len(switch.exchange.calls))
    health.fact("media", switch.plane.counts)


def _media_fault(switch: Switch) -> str | None:
    states = switch.workers.states().values()
    missing = sum(not one.up for one in states)
    if missing:
        return f"{missing} of {len(states)} workers do not answer"
    return "rtpengine does not answer" if switch.plane.counts().get("rtpengine") == 0 else None
