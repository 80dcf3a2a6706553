"""Puts the parts together: the only module that knows everybody."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import msgspec

from config.loader import load_config
from config.schema import BOTH_DIGESTS, Config, Trace
from ivr_flows.model import Flow
from media.edge_plane import EdgePlane, PeerEvent
from media.plane import MediaEvent, WorkerPlane
from media.speech import EspeakSynthesiser, NoSynthesiser, SpeechCache
from media.supply import supply
from routing.dialplan import DialPlan
from routing.trunks import Trunks
from switchboard.accounts import Accounts
from switchboard.archive.announcing import Announcer
from switchboard.archive.retention import Kept, Retention
from switchboard.backends import Backends
from switchboard.calendar import Calendar
from switchboard.call_settings import call_settings, recordings_of, registrar_bounds
from switchboard.calls.engine import CallEngine
from switchboard.calls.exchange import Exchange
from switchboard.calls.flow_shelf import FlowShelf
from switchboard.calls.mailbox import Pins
from switchboard.calls.recording import recording_ready
from switchboard.directory import Directory, build_plan
from switchboard.flow_files import flow_paths, load_flows
from switchboard.flow_reload import FlowReload
from switchboard.lamps import Lamps
from switchboard.locating import configured_places, open_locator
from switchboard.mask_reload import MaskReload, group_members
from switchboard.net.backlog import Backlog
from switchboard.net.driver import Driver
from switchboard.net.message_ring import MessageRing
from switchboard.ops.control import Command, CommandError
from switchboard.ops.health import Health
from switchboard.ops.log import get_logger
from switchboard.ops.loop_lag import PERIOD, LoopLag
from switchboard.ops.metrics import Metrics
from switchboard.ops.overload import Overload
from switchboard.planes import let_wait, open_plane
from switchboard.queues import VIOLATED, open_desk, staff
from switchboard.region_file import RegionFileError
from switchboard.regions import Regions
from switchboard.registration_control import registration_commands
from switchboard.registrations import KeptRegistrations
from switchboard.sip.core import SipCore
from switchboard.sip.registrar import Registrar
from switchboard.sip.timers import Timers
from switchboard.source_control import source_commands, source_guard, trunk_sources
from switchboard.store.keys import KeyFileError
from switchboard.store.recordings import RecordingRepository
from switchboard.store.records import new_id
from switchboard.store.store import Store
from switchboard.streams import Sockets, Streams, six_places, sort_sockets, stream_places
from switchboard.switch_metrics import check_switch, measure_switch
from switchboard.tokens import token_pool
from switchboard.trunk_config import sources_of, trunks_of
from switchboard.trunk_control import TrunkControl
from switchboard.voice import CachedVoice

if TYPE_CHECKING:
    from litestar import Litestar, Router

    from switchboard.api.serving import SwitchApi

MADE: Final = "prompts"
"""Below the store's directory: prompts made because their files are missing."""

EDGE: Final = "edge.sock"
"""The same of the socket of the WebRTC edge."""

FINISHED: Final = "finished"
"""The same of the directory by which the recorder tells of complete files."""

TOGETHER: Final = 0.1
"""Seconds between the moments at which transactions that only linger end."""

FAULTS: Final = frozenset({"queue.failed", VIOLATED, "recording.failed", "voicemail.failed"})
"""What a call tells of itself that is an error, and logged whatever the level."""


def utc_clock() -> Callable[[float], int]:
    """A function from monotonic seconds to UTC microseconds."""
    offset = time.time() - time.monotonic()
    return lambda now: int((now + offset) * 1e6)


class Switch:
    """The signalling process: one core, its calls, the media plane and the store."""

    def __init__(
        self,
        config: Config,
        sock: socket.socket,
        workers: Mapping[int, str],
        store: Store,
        flows: dict[str, Flow],
        file: Path | None = None,
        *,
        streams: Sequence[socket.socket] = (),
    ) -> None:
        """`file` is where the configuration stands, for what is wrong with flows that change later.

        `sock` and `streams` are the sockets of sip.listen, in its order.
        """
        self.config = config
        self.store = store
        self.log = get_logger()
        self._log = self._log_call if config.log.level in ("debug", "info") else self._log_fault
        self.metrics = Metrics()
        sockets = sort_sockets(config, (sock, *streams))
        utc_us, token = utc_clock(), token_pool()
        calendar = Calendar(config.calendar.zone, utc_us, config.calendar.holidays, frozenset(config.calendar.workdays))
        plan = build_plan(config)
        self.core = self._open_core(sockets.udp.getsockname()[:2], token)
        self._open_media(workers)
        self._open_routing(plan)
        self.exchange = self._open_exchange(plan, flows, token, calendar, utc_us)
        self._open_calls(calendar, utc_us)
        self._open_controls(file)
        self._open_network(sockets)
        self._open_watch(sockets.udp)
        self.api: SwitchApi | None = None
        self._load_flows = lambda: load_flows(config, file)
        measure_switch(self)
        check_switch(self)

    def _open_core(self, local: tuple[str, int], token: Callable[[], str]) -> SipCore:
        """The protocol; `local` is the address of the UDP socket."""
        sip = self.config.sip
        core = SipCore(
            local=local,
            timers=Timers(sip.timers.t1, sip.timers.t2, sip.timers.t4, sip.timers.d, TOGETHER),
            random_token=token,
            user_agent=sip.user_agent,
            streams=stream_places(self.config),
            six=six_places(self.config),
        )
        core.refusals.retry_after = round(self.config.overload.retry_after)
        return core

    def _open_media(self, workers: Mapping[int, str]) -> None:
        """Where audio is carried, and what is spoken."""
        config, directory = self.config, self.store.directory
        self.plane = open_plane(config.media, workers, self._on_media, directory)
        self.workers = self.plane if isinstance(self.plane, WorkerPlane) else self.plane.real
        browsers = config.webrtc.wanted(config.sip.listen)
        self.edge = EdgePlane(str(directory / EDGE), self._on_edge) if browsers else None
        synthesiser = EspeakSynthesiser() if config.speech.engine == "espeak" else NoSynthesiser()
        self.speech = SpeechCache(directory / "speech", synthesiser, cache_bytes=config.speech.megabytes << 20)
        self.voice = CachedVoice(self.speech)

    def _open_routing(self, plan: DialPlan) -> None:
        """What numbers, names and backends lead to."""
        config, store = self.config, self.store
        self.backends = Backends(observe=self.metrics.backend)
        self.regions = Regions(Path(config.regions.overrides) if config.regions.overrides else None)
        self.directory = Directory(plan, sources_of(config), store.load_masks(config.masks))
        self.directory.masks.lines.set_groups(group_members(config, store))
        patterns = self.directory.masks.sip_patterns()
        self.locator = open_locator(config, patterns, self.log.warning)
        self.masks = MaskReload(config, store, self.directory, self.locator, patterns)
        self.masks.set_pools(*store.read_pools())

    def _open_exchange(
        self,
        plan: DialPlan,
        flows: dict[str, Flow],
        token: Callable[[], str],
        calendar: Calendar,
        utc_us: Callable[[float], int],
    ) -> Exchange:
        """What calls need."""
        config, store = self.config, self.store
        exchange = Exchange(
            settings=call_settings(config, self.core.local, plan),
            core=self.core,
            registrar=Registrar(registrar_bounds(config)),
            authenticator=accounts_of(config, token),
            locator=self.locator,
            media=self.plane,
            edge=self.edge,
            routing=self.directory,
            region_of=self.regions.lookup,
            flows=FlowShelf(flows),
            backends=self.backends,
            voice=self.voice,
            mailboxes=store.voicemail,
            pins=Pins({one.user: one.pin.reveal("its hash is kept") for one in config.accounts if one.pin is not None}),
            callbacks=store.callbacks,
            journal=store.journal,
            secrets=store.vault,
            meter=self.metrics,
            log=self._log,
            clock=calendar,
            utc_us=utc_us,
            run=lambda work: self.driver.run(work),
            token=token,
            new_id=new_id,
        )
        exchange.carriers.change(trunks_of(config), 0.0)
        return exchange

    def _open_calls(self, calendar: Calendar, utc_us: Callable[[float], int]) -> None:
        """What is done with calls, and what they leave behind."""
        store = self.store
        self.lamps = Lamps(self.exchange, store.voicemail, lambda work: self.driver.run(work))
        self.announcer = Announcer(
            store.directory / FINISHED,
            RecordingRepository(store.database),
            self.exchange,
            lambda: utc_us(time.monotonic()),
            self._log,
            lambda news: recording_ready(self.exchange, news),
        )
        self.retention = self._open_retention()
        self.desk = open_desk(self.config, self.exchange, calendar.local)
        self.engine = CallEngine(self.exchange)
        let_wait(self.plane, self.engine.ports_short, self.exchange.anteroom)

    def _open_controls(self, file: Path | None) -> None:
        """What changes while calls go on: trunks, flows, who is let in, who is registered."""
        config = self.config
        self._trunk_hosts: set[str] = set()
        self.exchange.carriers.learn = self._learn_trunks
        self.trunks = TrunkControl(
            self.exchange,
            config,
            lambda: load_config(file),
            self._look_up_trunks,
            self._take_trunks,
            lambda step: self.driver.run(step),
        )
        self.flow_reload = FlowReload(self.exchange, lambda: load_flows(config, file), flow_paths(config))
        self.sources = self.exchange.door = source_guard(config, self.log.warning)
        self.registrations = KeptRegistrations(
            self.exchange, self.store.registrations, time.time() - time.monotonic(), self.log.error
        )
        if known := self.registrations.restore(time.monotonic()):
            self.log.info("registrations.restored", accounts=known)

    def _open_network(self, sockets: Sockets) -> None:
        """What feeds the core."""
        config = self.config
        self.ring = message_ring(config.trace)
        if self.ring is not None:
            self.exchange.note_dialog = self.ring.note
        self.driver = Driver(
            sockets.udp,
            self.core,
            self.engine,
            self._on_error,
            ledgers=(self.store.journal, self.plane),
            ring=self.ring,
            six=sockets.six,
            collect=config.sip.collect,
        )
        self.streams = Streams(config, sockets.streams, self.driver, self.locator.certificate_names)
        self.sources.enforce = self._screen
        self._screen(self.sources.active)

    def _open_watch(self, udp: socket.socket) -> None:
        """How it fares: health, and when it has too much to do."""
        limits = self.config.overload
        self.health = Health()
        self.backlog = Backlog(udp, lambda: self.driver.transport.received)
        self.overload = Overload(
            delay=limits.delay,
            memory=limits.megabytes << 20,
            set_level=self._shed,
            tell=self.log.warning,
        )
        self.lag = LoopLag(self._look)

    def _open_retention(self) -> Retention:
        """Recordings and messages are kept as long as the configuration says."""
        config = self.config
        return Retention(
            recordings_of(config),
            Kept(config.recording.keep, config.recording.keep_messages),
            self.store.voicemail.messages.older,
            self.lamps.forget,
            ZoneInfo(config.calendar.zone),
        )

    def build_api(self, pages: Router) -> Litestar:
        """The REST and WebSocket API with the pages for machines; takes a second, so in a thread."""
        from switchboard.api_parts import build_switch_api

        self.api = build_switch_api(
            self,
            recordings=recordings_of(self.config),
            load_flows=self._load_flows,
            apply_masks=self.masks.apply,
            light_lamp=self.lamps.light,
        )
        return self.api.build(pages)

    def counts(self) -> dict[str, int]:
        """Everything that calls hold; read at each scrape, and by tests that look for what is left behind."""
        counts = {
            **self.exchange.counts(),
            **self.core.counts(),
            **self.sources.counts(),
            **self.streams.connections.counts(),
            **self.locator.counts(),
            **self.exchange.carriers.counts(),
            "registrations": len(self.exchange.registrar),
            "sip_datagrams_aside": len(self.driver.aside),
            "registered_contacts": self.exchange.registrar.total,
        }
        for name, value in self.plane.counts().items():
            counts[f"media_ports_{name}" if name != "workers" else "media_workers"] = value
        for name, value in self.edge.counts().items() if self.edge is not None else ():
            counts[f"webrtc_endpoints_{name}" if name != "up" else "webrtc_edges"] = value
        return counts

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to take calls."""
        self.driver.start(loop)
        self.streams.connections.start(loop)
        self.lag.start(loop)
        self.driver.run(lambda now: staff(self.desk, self.config, self.store, now))
        self.driver.run(self.exchange.carriers.start)

    async def make_ready(self) -> None:
        """What need not be there for the first call, but is better there soon: HTTP client, voice, missing prompts."""
        await self.backends.open()
        await self._load_regions()
        await self.speech.prepare()
        if self.config.media.plane == "none":
            self.log.warning("media.not_carried", carried=self.config.media.carried)
        if missing := self.speech.unavailable():
            self.log.warning("speech.unavailable", reason=missing)
        directories = [Path(path) for path in self.config.media.prompts]
        made = await supply(directories, self.store.directory / MADE, self.speech)
        for notice in made.notices:
            self.log.warning("prompts.notice", notice=notice)
        if made.spoken or made.toned:
            self.log.info("prompts.made", spoken=len(made.spoken), toned=len(made.toned))

    async def _load_regions(self) -> None:
        try:
            await asyncio.to_thread(self.regions.load)
        except RegionFileError as error:
            self.log.error("regions.refused", reason=str(error))
        for fault in self.regions.faults:
            self.log.warning("regions.incomplete", reason=fault)

    def stop(self) -> None:
        """Close the SIP sockets."""
        self.lag.stop()
        self.streams.connections.close()
        self.driver.close()

    def drain(self) -> None:
        """Take no new calls."""
        self.engine.drain()
        self.health.draining = True

    def commands(self) -> dict[str, Command]:
        """What the control socket understands."""
        return {
            "reload-masks": self.masks.reload,
            "masks-changed": self.masks.change,
            "voicemail-changed": self.lamps.change,
            "users-changed": self._change_users,
            "keys-changed": self._change_keys,
            "counts": lambda request: self.counts(),
            "status": lambda request: self.health.report(),
            "flows": lambda request: self.flow_reload.listing(),
            "reload-certificates": lambda request: self.streams.reload(),
            "reload-flows": lambda request: self.flow_reload.reload(),
            **source_commands(self.sources, time.monotonic),
            **registration_commands(self.exchange, self.driver.run, time.monotonic),
            **self.trunks.commands(),
        }

    async def _look_up_trunks(self, config: Config) -> None:
        """Where the names of a configuration lead; it takes no longer than DNS may."""
        self.locator.keep(configured_places(config, self.masks.patterns))
        await self.locator.prepare(float(config.dns.timeout))

    def _learn_trunks(self, addresses: Mapping[tuple[str, int], str]) -> None:
        """Where the names of carriers lead now: calls from there are theirs, and they are never blocked."""
        self.directory.learn(addresses)
        hosts = {host for host, _ in addresses}
        if hosts != self._trunk_hosts:
            self._trunk_hosts = hosts
            self.sources.set_trunks([*trunk_sources(self.trunks.config), *sorted(hosts)])

    def _take_trunks(self, config: Config, sources: Trunks) -> None:
        """The trunks have changed: whose packets are whose, who is trusted, which certificates are asked for."""
        self.directory.set_trunks(sources)
        self.sources.set_trunks([*trunk_sources(config), *sorted(self._trunk_hosts)])
        self.streams.name_certificates(config)

    def _change_users(self, request: Mapping[str, object]) -> dict[str, int]:
        """Accounts were changed or removed: their tokens are void; the wrong passwords of some are forgotten."""
        users = msgspec.convert(request.get("users", []), list[str])
        pardoned = msgspec.convert(request.get("pardoned", []), list[str])
        if self.api is not None:
            services = self.api.parts.services
            for user in users:
                services.tokens.withdraw(user)
            for name in pardoned:
                services.lockout.pardon(name)
        return {"users": len(users)}

    async def _change_keys(self, request: Mapping[str, object]) -> dict[str, int]:
        """A key was added: it seals from now on."""
        try:
            await asyncio.to_thread(self.store.reload_keys)
        except KeyFileError as error:
            raise CommandError(str(error)) from None
        return {"key": self.store.vault.active_key}

    def _screen(self, active: bool) -> None:
        self.driver.screen = self.sources.screen if active else None

    def _shed(self, level: int) -> None:
        self.core.refusals.shed = level

    def _look(self, lag: float) -> None:
        self.overload.look(lag + self.backlog.delay(PERIOD + lag))
        self.sources.sweep(time.monotonic())

    def _on_media(self, events: Sequence[MediaEvent]) -> None:
        self.driver.serve(self.engine.on_media, events)

    def _on_edge(self, events: Sequence[PeerEvent]) -> None:
        self.driver.serve(self.engine.on_edge, events)

    def _on_error(self, where: str, error: Exception) -> None:
        self.metrics.error(where)
        self.log.error("switch.error", where=where, exc_info=error)

    def _log_call(self, event: str, **values: object) -> None:
        if event in FAULTS:
            self.log.error(event, **values)
        else:
            self.log.info(event, **values)

    def _log_fault(self, event: str, **values: object) -> None:
        if event in FAULTS:
            self.log.error(event, **values)


def accounts_of(config: Config, token: Callable[[], str]) -> Accounts:
    """Who may register, and by which digests."""
    return Accounts(
        config.sip.domain.lower(),
        ((account.user, account.password.reveal("H(A1)")) for account in config.accounts),
        os.urandom(32),
        token,
        {one.user: tuple(map(str.upper, one.digest)) for one in config.accounts if one.digest != BOTH_DIGESTS},
    )


def message_ring(settings: Trace) -> MessageRing | None:
    """Where messages are kept for ladders; None when the configuration leaves no room for them."""
    if not settings.megabytes:
        return None
    return MessageRing(octets=settings.megabytes << 20, calls=settings.calls)
