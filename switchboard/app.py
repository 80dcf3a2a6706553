"""Puts the parts together: the only module that knows everybody."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import msgspec

from config.loader import config_error, load_config, suggestion
from config.queue_checks import flows_named
from config.schema import BOTH_DIGESTS, Config, Trace
from ivr_flows.checks.prompts import check_prompts
from ivr_flows.errors import FlowError
from ivr_flows.loader import LIBRARY, load_library, read_flow
from ivr_flows.model import Flow
from media.edge_plane import EdgePlane, PeerEvent
from media.plane import MediaEvent
from media.shared_plane import SharedPlane
from media.speech import EspeakSynthesiser, NoSynthesiser, SpeechCache
from media.supply import supply
from routing.masks.binding import Difference
from routing.masks.check_digit import Check
from routing.masks.secret import RealNumber
from routing.masks.table import MaskTable
from routing.trunks import Trunks
from switchboard.accounts import Accounts
from switchboard.archive.announcing import Announcer
from switchboard.archive.retention import Kept, Retention
from switchboard.backends import Backends
from switchboard.calendar import Calendar
from switchboard.calls.auto_answer import auto_answer_lines
from switchboard.calls.engine import CallEngine
from switchboard.calls.exchange import Exchange
from switchboard.calls.flow_shelf import FlowShelf
from switchboard.calls.mailbox import Pins
from switchboard.calls.message_waiting import tell_waiting
from switchboard.calls.settings import Settings
from switchboard.directory import Directory, Services, build_plan
from switchboard.edge_metrics import measure_edge
from switchboard.flow_reload import FlowReload
from switchboard.locating import configured_places, open_locator
from switchboard.net.backlog import Backlog
from switchboard.net.driver import Driver
from switchboard.net.message_ring import MessageRing
from switchboard.ops.control import Command
from switchboard.ops.health import Health
from switchboard.ops.log import get_logger, lines_dropped
from switchboard.ops.loop_lag import PERIOD, LoopLag
from switchboard.ops.metrics import Metrics
from switchboard.ops.overload import Overload
from switchboard.planes import open_plane
from switchboard.prompt_names import PromptNames
from switchboard.queue_metrics import measure_queues
from switchboard.queues import open_desk, staff
from switchboard.region_file import RegionFileError
from switchboard.regions import Regions
from switchboard.registration_control import registration_commands
from switchboard.registrations import KeptRegistrations
from switchboard.sip.core import SipCore
from switchboard.sip.registrar import Bounds, Registrar
from switchboard.sip.timers import Timers
from switchboard.source_control import source_commands, source_guard, trunk_sources
from switchboard.store.masks import MOST_IDS, apply_changes
from switchboard.store.recordings import RecordingRepository
from switchboard.store.records import MessageState, new_id
from switchboard.store.store import Store
from switchboard.store.voicemail import Message
from switchboard.streams import Streams, six_places, sort_sockets, stream_places
from switchboard.tokens import TokenPool
from switchboard.trunk_config import sources_of, trunks_of, way_out
from switchboard.trunk_control import TrunkControl
from switchboard.trunk_metrics import measure_trunks
from switchboard.voice import CachedVoice

# Rest of the reloading thread every few hundred bindings, so that the loop is never kept waiting for long.
if TYPE_CHECKING:
    from litestar import Litestar, Router

    from switchboard.api.serving import SwitchApi

MASK_REST: Final = 0.001
MADE: Final = "prompts"
"""Below the store's directory: prompts made because their files are missing."""

EDGE: Final = "edge.sock"
"""The same of the socket of the WebRTC edge."""

FINISHED: Final = "finished"
"""The same of the directory by which the recorder tells of complete files."""

FAULTS: Final = frozenset({"recording.failed", "voicemail.failed"})
"""What a call tells of itself that is an error, and logged whatever the level."""


def load_flows(config: Config, file: Path | None = None) -> dict[str, Flow]:
    """The packaged flows and those of the configuration, which `file` holds; raises FlowError and ConfigError."""
    flows = load_library(flow_paths(config))
    prompts = PromptNames([Path(path) for path in config.media.prompts])
    for flow in flows.values():
        _, source = read_flow(Path(flow.file), checked=False)
        faults = sorted(check_prompts(flow, source, prompts), key=lambda fault: (fault.line, fault.column))
        if faults:
            first = faults[0]
            raise FlowError(
                first.file, first.line, first.column, first.message, first.suggestion, others=tuple(faults[1:])
            )
    for path, name in flows_named(config):
        if name not in flows:
            hint = suggestion(name, list(flows)) or f"known here: {', '.join(sorted(flows))}"
            raise config_error(file, path, f"no flow is called '{name}'", hint)
    return flows


def flow_paths(config: Config) -> tuple[Path, ...]:
    """Where flows are read from: the packaged ones first, so that the operator's own replace them."""
    return (LIBRARY, *(Path(path) for path in config.flows))


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
        utc_us = utc_clock()
        self.log = get_logger()
        self.metrics = Metrics()
        token = TokenPool()
        sockets = sort_sockets(config, (sock, *streams))
        host, port = sockets.udp.getsockname()[:2]
        base = config.sip.timers
        timers = Timers(base.t1, base.t2, base.t4, base.d)
        self.core = SipCore(
            local=(host, port),
            timers=timers,
            random_token=token,
            user_agent=config.sip.user_agent,
            streams=stream_places(config),
            six=six_places(config),
        )
        self.plane = open_plane(config.media, workers, self._on_media)
        self.workers = self.plane.real if isinstance(self.plane, SharedPlane) else self.plane
        browsers = config.webrtc.wanted(config.sip.listen)
        self.edge = EdgePlane(str(store.directory / EDGE), self._on_edge) if browsers else None
        self.backends = Backends(observe=self.metrics.backend)
        synthesiser = EspeakSynthesiser() if config.speech.engine == "espeak" else NoSynthesiser()
        self.speech = SpeechCache(store.directory / "speech", synthesiser, cache_bytes=config.speech.megabytes << 20)
        self.voice = CachedVoice(self.speech)
        plan = build_plan(config)
        self.directory = Directory(
            plan,
            sources_of(config),
            store.load_masks(config.masks),
        )
        self._set_pools(*store.read_pools())
        self.directory.masks.lines.set_groups(_members(config, store))
        domain = config.sip.domain.lower()
        calendar = Calendar(config.calendar.zone, utc_us, config.calendar.holidays, frozenset(config.calendar.workdays))
        self.regions = Regions(Path(config.regions.overrides) if config.regions.overrides else None)
        self._patterns = self.directory.masks.sip_patterns()
        self.locator = open_locator(config, self._patterns, self.log.warning)
        self.exchange = Exchange(
            settings=Settings(
                local=(host, port),
                domain=domain,
                domains=frozenset({domain, "localhost", *_hosts(config)}),
                codecs=config.media.codecs,
                srtp=config.media.srtp,
                srtp_accounts={one.user: one.srtp for one in config.accounts if one.srtp is not None},
                dead_media=config.limits.dead_media,
                keys={account.user: account.dtmf for account in config.accounts if account.dtmf != "auto"},
                max_calls=config.limits.calls,
                ring_timeout=config.limits.ring_timeout,
                auto_answer=auto_answer_lines(config.sip.auto_answer, domain),
                call_duration=config.limits.call_duration,
                session_expires=int(config.sip.session_expires),
                min_se=int(config.sip.min_se),
                reliable=config.sip.reliable_provisional,
                stun=True,
                rung=config.registrations.rung,
                patience=config.registrations.patience,
                source_rate=config.registrations.source_rate,
                source_burst=float(config.registrations.source_burst),
                keep_alive=config.registrations.keep_alive,
                unanswered=config.registrations.unanswered,
                away=float(config.webrtc.away),
                recordings=str(_recordings(config)),
                services=Services(config, plan),
                outbound=way_out(config),
            ),
            core=self.core,
            media=self.plane,
            routing=self.directory,
            trunks=trunks_of(config),
            flows=FlowShelf(flows),
            registrar=Registrar(_bounds(config)),
            authenticator=Accounts(
                domain,
                ((account.user, account.password.reveal("H(A1)")) for account in config.accounts),
                os.urandom(32),
                token,
                {one.user: tuple(map(str.upper, one.digest)) for one in config.accounts if one.digest != BOTH_DIGESTS},
            ),
            journal=store.journal,
            secrets=store.vault,
            meter=self.metrics,
            token=token,
            new_id=new_id,
            utc_us=utc_us,
            log=self._log_call if config.log.level in ("debug", "info") else self._log_fault,
            run=lambda work: self.driver.run(work),
            clock=calendar,
            backends=self.backends,
            voice=self.voice,
            mailboxes=store.voicemail,
            callbacks=store.callbacks,
            edge=self.edge,
            region_of=self.regions.lookup,
            pins=Pins({one.user: one.pin.reveal("its hash is kept") for one in config.accounts if one.pin is not None}),
            locator=self.locator,
        )
        self.announcer = Announcer(
            store.directory / FINISHED,
            RecordingRepository(store.database),
            self.exchange,
            lambda: utc_us(time.monotonic()),
            self._log_call if config.log.level in ("debug", "info") else self._log_fault,
        )
        self.retention = Retention(
            _recordings(config),
            Kept(config.recording.keep, config.recording.keep_messages),
            store.voicemail.messages.older,
            self._forget_message,
            ZoneInfo(config.calendar.zone),
        )
        self.desk = open_desk(config, self.exchange, calendar.local)
        self.engine = CallEngine(self.exchange)
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
            self.exchange, store.registrations, time.time() - time.monotonic(), self.log.error
        )
        if known := self.registrations.restore(time.monotonic()):
            self.log.info("registrations.restored", accounts=known)
        self.ring = message_ring(config.trace)
        if self.ring is not None:
            self.exchange.note_dialog = self.ring.note
        ledgers = (store.journal, self.plane)
        self.driver = Driver(
            sockets.udp, self.core, self.engine, self._on_error, ledgers=ledgers, ring=self.ring, six=sockets.six
        )
        self.streams = Streams(config, sockets.streams, self.driver, self.locator.certificate_names)
        self.sources.enforce = self._screen
        self._screen(self.sources.active)
        self.api: SwitchApi | None = None
        self.health = Health()
        self.core.retry_after = round(config.overload.retry_after)
        self.backlog = Backlog(sockets.udp, lambda: self.driver.transport.received)
        self.overload = Overload(
            delay=config.overload.delay,
            memory=config.overload.megabytes << 20,
            set_level=self._shed,
            tell=self.log.warning,
        )
        self.lag = LoopLag(self._look)
        self._load_flows = lambda: load_flows(config, file)
        self._measure()

    def build_api(self, pages: Router) -> Litestar:
        """The REST and WebSocket API with the pages for machines; takes a second, so in a thread."""
        from switchboard.api_parts import build_switch_api

        self.api = build_switch_api(
            self,
            recordings=_recordings(self.config),
            load_flows=self._load_flows,
            apply_masks=self._apply_masks,
            light_lamp=self._light_lamp,
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
            "reload-masks": self._reload_masks,
            "masks-changed": self._change_masks,
            "voicemail-changed": self._change_voicemail,
            "users-changed": self._change_users,
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
        self.locator.keep(configured_places(config, self._patterns))
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

    async def _reload_masks(self, request: object) -> dict[str, int]:
        """Build a whole new table in a thread, then take it over; calls never see half of it."""
        table, difference = await asyncio.to_thread(self._new_masks)
        pools = await asyncio.to_thread(self.store.read_pools)
        self.directory.masks.swap(table)
        self._set_pools(*pools)
        self._keep_names()
        # All at once, the loop would stand still while 200,000 old bindings are given back.
        await asyncio.to_thread(table.dissolve, _rest)
        self.log.info(
            "masks.reloaded", bindings=len(self.directory.masks), added=difference.added, removed=difference.removed
        )
        return {"bindings": len(self.directory.masks)}

    async def _apply_masks(self, bindings: Sequence[str]) -> None:
        """Bring bindings up to date: some, all anew when they are many, and the pools when none is named."""
        if len(bindings) > MOST_IDS:
            await self._reload_masks(None)
        else:
            await self._change_masks({"bindings": bindings, "pools": not bindings})

    async def _change_masks(self, request: Mapping[str, object]) -> dict[str, int]:
        """Bring a few bindings up to date, and with `pools` what is given out."""
        wanted = msgspec.convert(request.get("bindings", []), list[str])
        changes = await asyncio.to_thread(self.store.read_mask_changes, wanted, self.config.masks)
        count = apply_changes(self.directory.masks, changes)
        self._keep_names()
        if request.get("pools") is True:
            self._set_pools(*await asyncio.to_thread(self.store.read_pools))
        self.log.info("masks.changed", changed=len(wanted), bindings=count)
        return {"bindings": count}

    def _keep_names(self) -> None:
        """Look up ahead what the targets of the configuration and of masks call by name."""
        patterns = self.directory.masks.sip_patterns()
        if patterns != self._patterns:
            self._patterns = patterns
            self.locator.keep(configured_places(self.config, patterns))

    def _set_pools(self, numbers: Sequence[str], checks: Mapping[str, Check]) -> None:
        for fault in self.directory.set_pools(numbers, checks):
            self.log.error("masks.no_check_digit", reason=fault)

    def _change_voicemail(self, request: Mapping[str, object]) -> dict[str, int]:
        """Messages were heard or deleted: their owners' lamps are told."""
        states = msgspec.convert(request.get("messages", {}), dict[str, MessageState])
        boxes = self.store.voicemail.apply(states)
        for box in boxes:
            self._light_lamp(box)
        return {"boxes": len(boxes)}

    def _change_users(self, request: Mapping[str, object]) -> dict[str, int]:
        """Accounts were changed or removed: their tokens are good no more."""
        users = msgspec.convert(request.get("users", []), list[str])
        if self.api is not None:
            for user in users:
                self.api.parts.services.tokens.withdraw(user)
        return {"users": len(users)}

    def _forget_message(self, message: Message) -> None:
        """A message has been kept long enough."""
        record, voicemail = message.record, self.store.voicemail

        def forget(now: float) -> None:
            voicemail.mark(record.id, "deleted", time.time_ns() // 1000, "retention")

        self.driver.run(forget)
        self._light_lamp(record.box)

    def _light_lamp(self, box: str) -> None:
        waiting = self.store.voicemail.waiting(box)
        self.driver.run(lambda now: tell_waiting(self.exchange, box, waiting, now))

    def _new_masks(self) -> tuple[MaskTable, Difference]:
        table = self.store.load_masks(self.config.masks, _rest)
        return table, self.directory.masks.compare(table)

    def _measure(self) -> None:
        metrics, transport, journal = self.metrics, self.driver.transport, self.store.journal
        connections = self.streams.connections
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
            ("sip_datagrams_lost", "SIP datagrams lost in the kernel, nobody reading.", lambda: self.backlog.lost),
            (
                "sip_datagrams_dropped_aside",
                "Requests of phones lost because too many waited.",
                lambda: self.driver.aside.dropped,
            ),
            ("calls_started", "Calls taken.", lambda: self.exchange.started),
            ("calls_refused_overload", "Calls refused because of overload.", lambda: self.core.refused),
            ("sip_requests_turned_away", "Requests of strangers passed over.", lambda: self.sources.turned_away),
            ("sip_datagrams_blocked", "SIP datagrams of blocked sources.", lambda: self.sources.dropped),
            ("sources_silenced", "Times that a source was silenced.", lambda: self.sources.silenced),
            ("overloads", "Times that calls began to be refused.", lambda: self.overload.times),
            ("sip_connections_opened", "Connections to carriers and phones made by us.", lambda: connections.opened),
            (
                "sip_connections_turned_away",
                "Connections refused because there were too many.",
                lambda: connections.turned_away,
            ),
            ("dns_lookups", "Questions put to DNS.", lambda: self.locator.lookups),
            ("dns_failures", "Questions that no DNS server answered.", lambda: self.locator.failures),
            (
                "media_unauthentic",
                "Datagrams from peers of secured legs that were refused: a wrong key, a replay, media in clear.",
                lambda: sum(stats.unauthentic for stats in self.plane.worker_stats().values()),
            ),
            ("registrations_not_kept", "Batches of registrations lost.", lambda: self.registrations.failures),
            ("journal_records", "Records appended to the journal.", lambda: journal.counts()["appended"]),
            ("journal_failures", "Records that could not be written at once.", lambda: journal.counts()["failed"]),
            ("flow_reloads_refused", "Changed flows that were refused.", lambda: self.flow_reload.refused),
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
        metrics.gauge("switchboard_overload_share", "Part of new calls that is refused.", self.overload.share)
        metrics.gauge(
            "switchboard_signalling_delay_seconds", "What signalling waits at the moment.", lambda: self.overload.delay
        )
        measure_queues(metrics, self.desk.engine)
        measure_trunks(metrics, self.exchange.carriers)
        self.health.check("media", self._media_fault)
        if self.edge is not None:
            self.health.check("webrtc", self._edge_fault)
            measure_edge(metrics, self.edge)
        self.health.check("journal", lambda: "records cannot be written" if journal.failing else None)
        self.health.fact("calls", lambda: len(self.exchange.calls))
        self.health.fact("media", self.plane.counts)

    def _screen(self, active: bool) -> None:
        self.driver.screen = self.sources.screen if active else None

    def _shed(self, level: int) -> None:
        self.core.shed = level

    def _look(self, lag: float) -> None:
        self.overload.look(lag + self.backlog.delay(PERIOD + lag))
        self.sources.sweep(time.monotonic())

    def _edge_fault(self) -> str | None:
        return "no answer: browsers have no audio" if self.edge is not None and not self.edge.counts()["up"] else None

    def _media_fault(self) -> str | None:
        states = self.workers.states().values()
        missing = sum(not one.up for one in states)
        return f"{missing} of {len(states)} workers do not answer" if missing else None

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


def _hosts(config: Config) -> Iterator[str]:
    """What the host of a URI may be that means us."""
    for listen in config.sip.listen:
        yield f"[{listen.host}]" if ":" in listen.host else listen.host


def _rest() -> None:
    time.sleep(MASK_REST)


def _members(config: Config, store: Store) -> dict[str, list[bytes]]:
    """By group, the fingerprints of the numbers from which its members call."""
    return {
        group.name: [store.vault.fingerprint(RealNumber(number.reveal("fingerprint"))) for number in group.numbers]
        for group in config.groups
    }


def _bounds(config: Config) -> Bounds:
    settings = config.registrations
    return Bounds(
        min_expires=int(settings.min_expires),
        max_expires=int(settings.max_expires),
        default_expires=int(settings.default_expires),
        contacts=settings.contacts,
        most=settings.most,
        rate=settings.rate,
        burst=float(settings.burst),
        flow_timer=int(settings.flow_timer),
    )


def _recordings(config: Config) -> Path:
    directory = config.recording.directory
    return Path(directory).absolute() if directory else Path(config.store.directory, "recordings").absolute()


def message_ring(settings: Trace) -> MessageRing | None:
    """Where messages are kept for ladders; None when the configuration leaves no room for them."""
    if not settings.megabytes:
        return None
    return MessageRing(octets=settings.megabytes << 20, calls=settings.calls)
