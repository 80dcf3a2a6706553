"""What calls and registrations read of the configuration, in their words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from config.schema import Config
from routing.dialplan import DialPlan
from switchboard.calls.auto_answer import auto_answer_lines
from switchboard.calls.settings import Address, Settings
from switchboard.directory import Services
from switchboard.sip.registrar import Bounds
from switchboard.trunk_config import way_out


def call_settings(config: Config, local: Address, plan: DialPlan) -> Settings:
    """The settings of calls; `local` is the address at which SIP is received by UDP."""
    domain = config.sip.domain.lower()
    return Settings(
        local=local,
        domain=domain,
        domains=frozenset({domain, "localhost", *_hosts(config)}),
        codecs=config.media.codecs,
        srtp=config.media.srtp,
        srtp_accounts={one.user: one.srtp for one in config.accounts if one.srtp is not None},
        dead_media=config.limits.dead_media,
        keys={account.user: account.dtmf for account in config.accounts if account.dtmf != "auto"},
        watches={account.user: frozenset(account.watches) for account in config.accounts if account.watches},
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
        recordings=str(recordings_of(config)),
        services=Services(config, plan),
        outbound=way_out(config),
        park_slots=config.parking.slots,
        park_timeout=config.parking.timeout,
        slots_dialled={code: slot for slot, code in config.parking.dialled()},
    )


def registrar_bounds(config: Config) -> Bounds:
    """What phones may ask for when they register."""
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


def recordings_of(config: Config) -> Path:
    """The directory where recordings are written."""
    directory = config.recording.directory
    return Path(directory).absolute() if directory else Path(config.store.directory, "recordings").absolute()


def _hosts(config: Config) -> Iterator[str]:
    """What the host of a URI may be that means us."""
    for listen in config.sip.listen:
        yield f"[{listen.host}]" if ":" in listen.host else listen.host
