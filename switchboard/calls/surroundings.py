"""What calls are given: the parts of the switch beside them, the clock, and what is told apart by chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import SystemRandom, token_bytes
from typing import TYPE_CHECKING

from switchboard.calls.neighbours import NO_DESK, NO_PINS
from switchboard.calls.news import NO_FEED, Feed
from switchboard.net.locator import Locator, without_dns

if TYPE_CHECKING:
    from ivr_flows.clock import Clock
    from media.interface import Edge
    from media.plane import MediaPlane
    from switchboard.calls.flow_shelf import FlowShelf
    from switchboard.calls.neighbours import (
        Authenticator,
        Backends,
        CallbackRequests,
        Desk,
        Journal,
        Mailboxes,
        MailboxPins,
        Meter,
        Routing,
        Secrets,
        Voice,
    )
    from switchboard.calls.settings import Settings
    from switchboard.sip.core import SipCore
    from switchboard.sip.registrar import Registrar

Log = Callable[..., None]


def _chance() -> Callable[[], float]:
    return SystemRandom().random


@dataclass(slots=True, kw_only=True, eq=False)
class Surroundings:
    """All that an exchange is made with."""

    settings: Settings

    # --- signalling and audio ---
    core: SipCore
    registrar: Registrar
    authenticator: Authenticator
    locator: Locator = field(default_factory=without_dns)
    """Where names lead; asking it never waits."""
    media: MediaPlane
    edge: Edge | None = None

    # --- where calls lead, and what is said to them ---
    routing: Routing
    region_of: Callable[[str], tuple[str, str, str]] | None = None
    flows: FlowShelf
    backends: Backends
    voice: Voice
    mailboxes: Mailboxes
    pins: MailboxPins = NO_PINS
    callbacks: CallbackRequests
    desk: Desk = NO_DESK

    # --- what is written and told ---
    journal: Journal
    secrets: Secrets
    meter: Meter
    log: Log
    feed: Feed = NO_FEED

    # --- time and chance ---
    clock: Clock
    utc_us: Callable[[float], int]
    run: Callable[[Callable[[float], None]], None]
    """Brings what comes from outside into the loop's one order of events, with the time."""
    token: Callable[[], str]
    new_id: Callable[[], str]
    secret: Callable[[int], bytes] = token_bytes
    """Gives so many octets for a key of SRTP."""
    random: Callable[[], float] = field(default_factory=_chance)
