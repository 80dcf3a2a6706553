"""Puts the parts together: the only module that knows everybody."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from config.loader import config_error, suggestion
from config.schema import Config
from ivr_flows.loader import LIBRARY, load_library
from ivr_flows.model import Flow
from media.plane import WorkerPlane
from routing.masks.binding import Difference
from routing.masks.table import MaskTable
from routing.trunks import Trunks
from switchboard.accounts import Accounts
from switchboard.calls.engine import CallEngine
from switchboard.calls.exchange import Exchange, Settings, Trunk
from switchboard.directory import Directory, build_plan
from switchboard.net.driver import Driver
from switchboard.ops.control import Command
from switchboard.ops.health import Health
from switchboard.ops.log import get_logger, lines_dropped
from switchboard.ops.loop_lag import LoopLag
from switchboard.ops.metrics import Metrics
from switchboard.sip.core import SipCore
from switchboard.sip.registrar import Registrar
from switchboard.sip.timers import Timers
from switchboard.store.records import new_id
from switchboard.store.store import Store
from switchboard.tokens import TokenPool

# Rest of the reloading thread every few hundred bindings, so that the loop is never kept waiting for long.
MASK_REST: Final = 0.001


def load_flows(config: Config, file: Path | None = None) -> dict[str, Flow]:
    """The packaged flows and those of the configuration, which `file` holds; raises FlowError and ConfigError."""
    flows = load_library([LIBRARY, *(Path(path) for path in config.flows)])
    for index, entry in enumerate(config.numbers):
        if entry.flow is not None and entry.flow not in flows:
            hint = suggestion(entry.flow, list(flows)) or f"known here: {', '.join(sorted(flows))}"
            raise config_error(file, f"numbers[{index}].flow", f"no flow is called '{entry.flow}'", hint)
    return flows


def utc_clock() -> Callable[[float], int]:
    """A function from monotonic seconds to UTC microseconds."""
    offset = time.time() - time.monotonic()
    return lambda now: int((now + offset) * 1e6)


class Switch:
    """The signalling process: one core, its calls, the media plane and the store."""

    def __init__(
        self, config: Config, sock: socket.socket, workers: list[str], store: Store, flows: dict[str, Flow]
    ) -> None:
        self.config = config
        self.store = store
        self.flows = flows
        self.log = get_logger()
        self.metrics = Metrics()
        token = TokenPool()
        host, port = sock.getsockname()[:2]
        listen = config.sip.listen[0]
        base = config.sip.timers
        timers = Timers(base.t1, base.t2, base.t4, base.d)
        self.core = SipCore(local=(host, port), timers=timers, random_token=token, user_agent=config.sip.user_agent)
        self.plane = WorkerPlane(workers, self._on_media)
        self.directory = Directory(
            build_plan(config),
            Trunks({trunk.name: trunk.from_ for trunk in config.trunks}),
            store.load_masks(config.masks),
        )
        domain = config.sip.domain.lower()
        self.exchange = Exchange(
            settings=Settings(
                local=(host, port),
                domain=domain,
                domains=frozenset({domain, host, listen.host, "localhost"}),
                codecs=config.media.codecs,
                max_calls=config.limits.calls,
                ring_timeout=config.limits.ring_timeout,
                call_duration=config.limits.call_duration,
            ),
            core=self.core,
            media=self.plane,
            routing=self.directory,
            trunks={trunk.name: Trunk(trunk.name, _address(trunk.to), trunk.nat) for trunk in config.trunks},
            flows=self.flows,
            registrar=Registrar(),
            authenticator=Accounts(
                domain,
                ((account.user, account.password.reveal("H(A1)")) for account in config.accounts),
                os.urandom(32),
                token,
            ),
            journal=store.journal,
            secrets=store.vault,
            meter=self.metrics,
            token=token,
            new_id=new_id,
            utc_us=utc_clock(),
            log=self._log_call if config.log.level in ("debug", "info") else _log_nothing,
        )
        self.engine = CallEngine(self.exchange)
        self.driver = Driver(sock, self.core, self.engine, self._on_error)
        self.health = Health()
        self.lag = LoopLag()
        self._measure()

    def counts(self) -> dict[str, int]:
        """Everything that calls hold; read at each scrape, and by tests that look for what is left behind."""
        counts = {
            **self.exchange.counts(),
            **self.core.counts(),
            "registrations": len(self.exchange.registrar),
        }
        for name, value in self.plane.counts().items():
            counts[f"media_ports_{name}" if name != "workers" else "media_workers"] = value
        return counts

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to take calls."""
        self.driver.start(loop)
        self.lag.start(loop)

    def stop(self) -> None:
        """Close the SIP socket."""
        self.lag.stop()
        self.driver.close()

    def drain(self) -> None:
        """Take no new calls."""
        self.engine.drain()
        self.health.draining = True

    def commands(self) -> dict[str, Command]:
        """What the control socket understands."""
        return {
            "reload-masks": self._reload_masks,
            "counts": lambda request: self.counts(),
            "status": lambda request: self.health.report(),
        }

    async def _reload_masks(self, request: object) -> dict[str, int]:
        """Build a whole new table in a thread, then swap it in; calls never see half of it."""
        table, difference = await asyncio.to_thread(self._new_masks)
        old, self.directory.masks = self.directory.masks, table
        # All at once, the loop would stand still while 200,000 bindings are given back.
        await asyncio.to_thread(old.dissolve, _rest)
        self.log.info("masks.reloaded", bindings=len(table), added=difference.added, removed=difference.removed)
        return {"bindings": len(table)}

    def _new_masks(self) -> tuple[MaskTable, Difference]:
        table = self.store.load_masks(self.config.masks, _rest)
        return table, self.directory.masks.compare(table)

    def _measure(self) -> None:
        metrics, transport, journal = self.metrics, self.driver.transport, self.store.journal
        metrics.state(self.counts)
        metrics.readings.counter(
            "switchboard_sip_messages_total",
            "SIP messages by direction and by method or class of status.",
            self.driver.messages.read,
            ("direction", "kind"),
        )
        for name, text, read in (
            ("sip_datagrams_received", "SIP datagrams read.", lambda: transport.received),
            ("sip_datagrams_sent", "SIP datagrams sent.", lambda: transport.sent),
            ("sip_datagrams_dropped", "SIP datagrams lost here, the send queue being full.", lambda: transport.dropped),
            ("calls_started", "Calls taken.", lambda: self.exchange.started),
            ("journal_records", "Records appended to the journal.", lambda: journal.counts()["appended"]),
            ("journal_failures", "Records that could not be written at once.", lambda: journal.counts()["failed"]),
            ("log_lines_dropped", "Log lines lost, the log's target being slow.", lines_dropped),
        ):
            metrics.counter(f"switchboard_{name}_total", text, read)
        metrics.gauge("switchboard_loop_lag_seconds", "Longest delay of the loop since the last scrape.", self.lag.take)
        metrics.gauge("switchboard_tasks", "Tasks of the event loop.", lambda: len(asyncio.all_tasks()))
        metrics.gauge("switchboard_mask_bindings", "Masked extensions known.", lambda: len(self.directory.masks))
        metrics.gauge(
            "switchboard_longest_datagram_seconds",
            "Longest time one datagram took.",
            lambda: self.driver.longest_callback,
        )
        self.health.check("media", self._media_fault)
        self.health.check("journal", lambda: "records cannot be written" if journal.failing else None)
        self.health.fact("calls", lambda: len(self.exchange.calls))
        self.health.fact("media", self.plane.counts)

    def _media_fault(self) -> str | None:
        missing = self.config.media.workers - self.plane.counts()["workers"]
        return f"{missing} of {self.config.media.workers} workers do not answer" if missing else None

    def _on_media(self, event: Any) -> None:
        self.driver.run(lambda now: self.engine.on_media(event, now))

    def _on_error(self, where: str, error: Exception) -> None:
        self.metrics.error(where)
        self.log.error("switch.error", where=where, exc_info=error)

    def _log_call(self, event: str, **values: object) -> None:
        self.log.info(event, **values)


def _log_nothing(event: str, **values: object) -> None:
    """What a call says of itself below the level that is wanted."""


def _rest() -> None:
    time.sleep(MASK_REST)


def _address(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
