"""What every operation on a call needs: the core, the media plane, routing, the journal, the calls themselves."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Mapping
from secrets import SystemRandom, token_bytes
from typing import TYPE_CHECKING, Final

from switchboard.calls.anteroom import Anteroom
from switchboard.calls.carriers.live import Carriers
from switchboard.calls.flow_shelf import FlowShelf
from switchboard.calls.keep_alive import KeepAlive
from switchboard.calls.neighbours import NO_DESK, NO_PINS
from switchboard.calls.news import NO_FEED, Feed
from switchboard.calls.phones import PhoneSources
from switchboard.calls.reliable import invite_lines
from switchboard.calls.returning import Absences
from switchboard.calls.session_timers import offer_lines
from switchboard.calls.subscriptions import Subscriptions
from switchboard.net.locator import Locator, without_dns
from switchboard.net.sources import Door, OpenDoor
from switchboard.sip.errors import SipError
from switchboard.sip.pace import Pace
from switchboard.sip.render import host_port
from switchboard.sip.timers import DeadlineHeap
from switchboard.sip.transaction.table import Input
from switchboard.sip.uri import parse_uri

if TYPE_CHECKING:
    from ivr_flows.clock import Clock
    from ivr_flows.events import Event
    from media.interface import Edge
    from media.plane import MediaPlane
    from switchboard.calls.after import Afterlife
    from switchboard.calls.attempts import Attempt
    from switchboard.calls.branches import Branches
    from switchboard.calls.call import Call
    from switchboard.calls.carriers.description import Trunk
    from switchboard.calls.keys import KeysToSend
    from switchboard.calls.leg import Leg, Purpose
    from switchboard.calls.neighbours import (
        Authenticator,
        Backends,
        CallbackRequests,
        Desk,
        Gateways,
        Journal,
        Mailboxes,
        MailboxPins,
        Meter,
        Routing,
        Secrets,
        Voice,
    )
    from switchboard.calls.reinvite import Reinvite
    from switchboard.calls.settings import Settings
    from switchboard.calls.sounds import Prepared
    from switchboard.sip.core import SipCore
    from switchboard.sip.outgoing import Address
    from switchboard.sip.registrar import Registrar
    from switchboard.sip.transaction.client import ClientTransaction
    from switchboard.sip.transaction.server import ServerTransaction

MOST_SOURCES: Final = 20_000
"""Hosts whose REGISTERs are counted."""
PAST_DIALOGS: Final = 1000
"""So many that have ended are told from those that never were (RFC 3891 §3)."""
PHONES: Final = "phones"
"""The context of calls from registered softphones, in place of a trunk."""

Log = Callable[..., None]


class Exchange:
    """Shared state of all calls. Operations live in the sibling modules; each takes this first."""

    def __init__(
        self,
        *,
        settings: Settings,
        core: SipCore,
        media: MediaPlane,
        routing: Routing,
        trunks: Mapping[str, Trunk],
        flows: FlowShelf,
        registrar: Registrar,
        authenticator: Authenticator,
        journal: Journal,
        secrets: Secrets,
        meter: Meter,
        token: Callable[[], str],
        new_id: Callable[[], str],
        utc_us: Callable[[float], int],
        log: Log,
        run: Callable[[Callable[[float], None]], None],
        clock: Clock,
        backends: Backends,
        voice: Voice,
        mailboxes: Mailboxes,
        callbacks: CallbackRequests,
        region_of: Callable[[str], tuple[str, str, str]] | None = None,
        feed: Feed = NO_FEED,
        desk: Desk = NO_DESK,
        pins: MailboxPins = NO_PINS,
        edge: Edge | None = None,
        locator: Locator | None = None,
        secret: Callable[[int], bytes] = token_bytes,
        random: Callable[[], float] | None = None,
    ) -> None:
        """`run` brings what comes from outside into the loop's one order of events, with the time.

        `deliver`, set by the engine, does so with an outcome for the flow of a call; `attempts`, set by the engine too,
        says what becomes of a leg that was called, by its purpose. `slots` are the calls that are parked. `secret`
        gives so many octets for a key of SRTP.
        """
        self.settings = settings
        self.core = core
        self.media = media
        self.routing = routing
        self.flows = flows
        self.registrar = registrar
        self.phones = PhoneSources(registrar)
        self.source_pace = Pace(settings.source_rate, settings.source_burst, MOST_SOURCES)
        """REGISTERs of each host."""
        self.keep_alive = KeepAlive(settings.keep_alive, settings.unanswered)
        self.subscriptions = Subscriptions()
        self.reinvites: DeadlineHeap[Reinvite] = DeadlineHeap()
        self.branches: dict[str, Branches] = {}
        """The INVITEs of legs that have several, by leg."""
        self.branch_heap: DeadlineHeap[Branches] = DeadlineHeap()
        self.authenticator = authenticator
        self.journal = journal
        self.secrets = secrets
        self.meter = meter
        self.token = token
        self.secret = secret
        self.new_id = new_id
        self.utc_us = utc_us
        self.log = log
        self.run = run
        self.deliver: Callable[[Call, Event | Prepared], None] = _deliver_nothing
        self.clock = clock
        self.backends = backends
        self.voice = voice
        self.mailboxes = mailboxes
        self.callbacks = callbacks
        self.region_of = region_of
        self.feed = feed
        self.desk = desk
        self.pins = pins
        self.locator = locator or without_dns()
        """Where names lead; asking it never waits."""
        core.locate = self.where
        self.carriers = Carriers(
            core=core,
            locator=self.locator,
            token=token,
            random=random or SystemRandom().random,
            local=clock.local,
            log=log,
        )
        self.carriers.change(trunks, 0.0)
        self.gateways: Gateways = self.carriers
        self.attempts: Mapping[Purpose, Attempt] = {}
        self.slots: dict[str, str] = {}
        self.door: Door = OpenDoor()
        """Who of those that are neither trunk nor phone may ask for anything."""
        self.note_dialog: Callable[[str, str], None] = _note_nothing
        """Told the Call-ID of each dialog that belongs to a call, with the id of the call."""
        self.draining = False
        self.started = 0
        self.ended = 0
        self.calls: dict[str, Call] = {}
        self.dialogs: dict[tuple[str, str], Leg] = {}
        self.past_dialogs: deque[tuple[str, str]] = deque(maxlen=PAST_DIALOGS)
        self.hung_up: deque[tuple[str, str]] = deque(maxlen=PAST_DIALOGS)
        """The latest dialogs, by Call-ID and our tag, that we have sent BYE in."""
        self.media_legs: dict[tuple[int, int], Leg] = {}
        self.lengths: dict[str, float] = {}
        """Seconds of recordings as their calls were told, until they are ready."""
        self.invites_in: dict[str, ServerTransaction] = {}
        self.invites_out: dict[str, ClientTransaction] = {}
        self.keys_out: dict[str, KeysToSend] = {}
        """INFO under way, by leg."""
        self.heap: DeadlineHeap[Call] = DeadlineHeap()
        self.afterlives: dict[str, Afterlife] = {}
        self.called_back: dict[str, str] = {}
        """By callback, the call that is the attempt at it."""
        self.after_heap: DeadlineHeap[Afterlife] = DeadlineHeap()
        self.contact = f"Contact: <sip:{host_port(settings.local)}>"
        self.edge = edge
        self.web_legs: dict[int, Leg] = {}
        """By number of its endpoint, each leg that has one at the WebRTC edge."""
        self.anteroom = Anteroom()
        self.absences = Absences()
        """Browsers in calls whose WebSocket has ended."""
        self.extensions = ("Supported: 100rel",) if settings.reliable != "off" else ()
        self.invite_lines = offer_lines(settings.session_expires, settings.min_se) + invite_lines(settings.reliable)

    @property
    def trunks(self) -> Mapping[str, Trunk]:
        """The carriers, by name."""
        return self.carriers.trunks

    def call_waiting_as(self, entry: str) -> Call | None:
        """The call that the queue engine knows by this name: its own id, or that of its callback."""
        return self.calls.get(entry) or self.calls.get(self.called_back.get(entry, ""))

    def where(self, uri: str, now: float) -> tuple[Address, ...]:
        """Where a URI with a name leads; nothing until DNS, which is asked in the background, has said so."""
        try:
            return self.locator.targets_of(parse_uri(uri), now)
        except SipError:
            return ()

    def call_of(self, leg: Leg) -> Call | None:
        """The live call of a leg."""
        return self.calls.get(leg.call_id)

    def session_id(self) -> int:
        """A numeric session id for an SDP origin (RFC 8866 §5.2); it tells nothing of the call."""
        return zlib.crc32(self.token().encode())

    def arm(self, call: Call) -> None:
        """Make the one timer of a call fit its earliest deadline."""
        due = call.deadline
        if due == call.armed:
            return
        call.armed = due
        if due is None:
            self.heap.cancel(call)
        else:
            self.heap.schedule(due, call, Input.TIMER_B)

    def disarm(self, call: Call) -> None:
        """Forget the timer of a call."""
        if call.armed is not None:
            self.heap.cancel(call)
            call.armed = None

    @property
    def ports_owed(self) -> int:
        """As many ports as the calls there are may still need for their two parties, but those that wait to begin."""
        return max(0, 2 * (len(self.calls) - self.anteroom.beginning) - len(self.media_legs))

    def counts(self) -> dict[str, int]:
        """Sizes of everything that calls hold; all zero when no call is up."""
        return {
            "calls": len(self.calls),
            "dialogs": len(self.dialogs),
            "media_legs": len(self.media_legs),
            "web_legs": len(self.web_legs),
            "invites_in": len(self.invites_in),
            "invites_out": len(self.invites_out),
            "call_timers": len(self.heap),
            "afterlives": len(self.afterlives),
            "called_back": len(self.called_back),
            "subscriptions": len(self.subscriptions),
            "reinvites": len(self.reinvites),
            "branches": len(self.branches),
            "trunk_calls": self.carriers.table.calls,
            "anteroom": len(self.anteroom),
            "absences": len(self.absences),
            "slots": len(self.slots),
        }


def _note_nothing(call: str, call_id: str) -> None:
    """Nobody keeps messages."""


def _deliver_nothing(call: Call, outcome: Event | Prepared) -> None:
    """Until the engine is there."""
