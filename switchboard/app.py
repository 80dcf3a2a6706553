"""Puts the parts together: the only module that knows everybody."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.schema import Config
from ivr_flows.loader import LIBRARY, load_library
from ivr_flows.model import Flow
from media.plane import WorkerPlane
from routing.masks.table import MaskTable
from routing.trunks import Trunks
from switchboard.accounts import Accounts
from switchboard.calls.engine import CallEngine
from switchboard.calls.exchange import Exchange, Settings, Trunk
from switchboard.directory import Directory, build_plan
from switchboard.net.driver import Driver
from switchboard.ops.log import get_logger
from switchboard.ops.metrics import Metrics
from switchboard.sip.core import SipCore
from switchboard.sip.registrar import Registrar
from switchboard.sip.timers import Timers
from switchboard.store.masks import bind_configured
from switchboard.store.records import new_id
from switchboard.store.store import Store
from switchboard.tokens import TokenPool


def load_flows(config: Config) -> dict[str, Flow]:
    """The packaged flows and those of the configuration; raises FlowError."""
    return load_library([LIBRARY, *(Path(path) for path in config.flows)])


def utc_clock() -> Callable[[float], int]:
    """A function from monotonic seconds to UTC microseconds."""
    offset = time.time() - time.monotonic()
    return lambda now: int((now + offset) * 1e6)


class Switch:
    """The signalling process: one core, its calls, the media plane and the store."""

    def __init__(self, config: Config, sock: socket.socket, workers: list[str], store: Store) -> None:
        self.config = config
        self.store = store
        self.flows = load_flows(config)
        self.log = get_logger()
        self.metrics = Metrics()
        token = TokenPool()
        host, port = sock.getsockname()[:2]
        listen = config.sip.listen[0]
        timers = Timers(config.sip.timers.t1, config.sip.timers.t2, config.sip.timers.t4)
        self.core = SipCore(local=(host, port), timers=timers, random_token=token, user_agent=config.sip.user_agent)
        self.plane = WorkerPlane(workers, self._on_media)
        self.directory = Directory(
            build_plan(config),
            Trunks({trunk.name: trunk.from_ for trunk in config.trunks}),
            self._build_masks(),
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
            log=self._log_call,
        )
        self.engine = CallEngine(self.exchange)
        self.driver = Driver(sock, self.core, self.engine, self._on_error)

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

    def reload_masks(self) -> int:
        """Take the bindings of the database anew; returns how many there are."""
        self.directory.masks = self._build_masks()
        return len(self.directory.masks)

    def _build_masks(self) -> MaskTable:
        """What the configuration binds, then what the database binds, which wins."""
        table = MaskTable()
        bind_configured(table, self.config.masks, self.store.vault)
        self.store.masks.fill(table)
        return table

    def _on_media(self, event: Any) -> None:
        self.driver.run(lambda now: self.engine.on_media(event, now))

    def _on_error(self, where: str, error: Exception) -> None:
        self.metrics.error(where)
        self.log.error("switch.error", where=where, exc_info=error)

    def _log_call(self, event: str, **values: object) -> None:
        self.log.info(event, **values)


def _address(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
