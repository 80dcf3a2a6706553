"""What every operation on a call needs: the core, the media plane, routing, the journal, the calls themselves."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from switchboard.calls.anteroom import Anteroom
from switchboard.calls.carriers.live import Carriers
from switchboard.calls.keep_alive import KeepAlive
from switchboard.calls.phones import PhoneSources
from switchboard.calls.reliable import invite_lines
from switchboard.calls.returning import Absences
from switchboard.calls.session_timers import offer_lines
from switchboard.calls.subscriptions import Subscriptions
from switchboard.calls.surroundings import Surroundings
from switchboard.net.sources import Door, OpenDoor
from switchboard.sip.errors import SipError
from switchboard.sip.pace import Pace
from switchboard.sip.render import host_port
from switchboard.sip.timers import DeadlineHeap
from switchboard.sip.transaction.table import Input
from switchboard.sip.uri import parse_uri

if TYPE_CHECKING:
    from ivr_flows.events import Event
    from switchboard.calls.after import Afterlife
    from switchboard.calls.attempts import Attempt
    from switchboard.calls.branches import Branches
    from switchboard.calls.call import Call
    from switchboard.calls.carriers.description import Trunk
    from switchboard.calls.keys import KeysToSend
    from switchboard.calls.leg import Leg, Purpose
    from switchboard.calls.neighbours import Gateways
    from switchboard.calls.reinvite import Reinvite
    from switchboard.calls.sounds import Prepared
    from switchboard.sip.outgoing import Address
    from switchboard.sip.transaction.client import ClientTransaction
    from switchboard.sip.transaction.server import ServerTransaction

MOST_SOURCES: Final = 20_000
"""Hosts whose REGISTERs are counted."""
PAST_DIALOGS: Final = 1000
"""So many that have ended are told from those that never were (RFC 3891 §3)."""
PHONES: Final = "phones"
"""The context of calls from registered softphones, in place of a trunk."""


def _latest() -> deque[tuple[str, str]]:
    return deque(maxlen=PAST_DIALOGS)


def _note_nothing(call: str, call_id: str) -> None:
    """Nobody keeps messages."""


def _deliver_nothing(call: Call, outcome: Event | Prepared) -> None:
    """Until the engine is there."""


@dataclass(slots=True, kw_only=True, eq=False)
class Exchange(Surroundings):
    """Shared state of all calls. Operations live in the sibling modules; each takes this first.

    All that calls hold is in `counts`.
    """

    # --- calls, their legs and dialogs ---
    calls: dict[str, Call] = field(default_factory=dict, init=False)
    heap: DeadlineHeap[Call] = field(default_factory=DeadlineHeap, init=False)
    dialogs: dict[tuple[str, str], Leg] = field(default_factory=dict, init=False)
    past_dialogs: deque[tuple[str, str]] = field(default_factory=_latest, init=False)
    hung_up: deque[tuple[str, str]] = field(default_factory=_latest, init=False)
    """The latest dialogs, by Call-ID and our tag, that we have sent BYE in."""
    media_legs: dict[tuple[int, int], Leg] = field(default_factory=dict, init=False)
    web_legs: dict[int, Leg] = field(default_factory=dict, init=False)
    """By number of its endpoint, each leg that has one at the WebRTC edge."""
    anteroom: Anteroom = field(default_factory=Anteroom, init=False)
    absences: Absences = field(default_factory=Absences, init=False)
    """Browsers in calls whose WebSocket has ended."""
    slots: dict[str, str] = field(default_factory=dict, init=False)
    """The calls that are parked."""

    # --- requests under way ---
    invites_in: dict[str, ServerTransaction] = field(default_factory=dict, init=False)
    invites_out: dict[str, ClientTransaction] = field(default_factory=dict, init=False)
    branches: dict[str, Branches] = field(default_factory=dict, init=False)
    """The INVITEs of legs that have several, by leg."""
    branch_heap: DeadlineHeap[Branches] = field(default_factory=DeadlineHeap, init=False)
    reinvites: DeadlineHeap[Reinvite] = field(default_factory=DeadlineHeap, init=False)
    keys_out: dict[str, KeysToSend] = field(default_factory=dict, init=False)
    """INFO under way, by leg."""
    subscriptions: Subscriptions = field(default_factory=Subscriptions, init=False)

    # --- what outlasts a call ---
    afterlives: dict[str, Afterlife] = field(default_factory=dict, init=False)
    after_heap: DeadlineHeap[Afterlife] = field(default_factory=DeadlineHeap, init=False)
    called_back: dict[str, str] = field(default_factory=dict, init=False)
    """By callback, the call that is the attempt at it."""
    lengths: dict[str, float] = field(default_factory=dict, init=False)
    """Seconds of recordings as their calls were told, until they are ready."""
    started: int = field(default=0, init=False)
    ended: int = field(default=0, init=False)
    draining: bool = field(default=False, init=False)

    # --- set by the engine and the application ---
    deliver: Callable[[Call, Event | Prepared], None] = field(default=_deliver_nothing, init=False)
    """Brings an outcome for the flow of a call into the loop's one order of events."""
    attempts: Mapping[Purpose, Attempt] = field(default_factory=dict, init=False)
    """What becomes of a leg that was called, by its purpose."""
    door: Door = field(default_factory=OpenDoor, init=False)
    """Who of those that are neither trunk nor phone may ask for anything."""
    note_dialog: Callable[[str, str], None] = field(default=_note_nothing, init=False)
    """Told the Call-ID of each dialog that belongs to a call, with the id of the call."""

    # --- what follows from the surroundings ---
    phones: PhoneSources = field(init=False)
    source_pace: Pace = field(init=False)
    """REGISTERs of each host."""
    keep_alive: KeepAlive = field(init=False)
    carriers: Carriers = field(init=False)
    gateways: Gateways = field(init=False)
    contact: str = field(init=False)
    extensions: tuple[str, ...] = field(init=False)
    invite_lines: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        self.phones = PhoneSources(self.registrar)
        self.source_pace = Pace(settings.source_rate, settings.source_burst, MOST_SOURCES)
        self.keep_alive = KeepAlive(settings.keep_alive, settings.unanswered)
        self.gateways = self.carriers = Carriers(
            core=self.core,
            locator=self.locator,
            token=self.token,
            random=self.random,
            local=self.clock.local,
            log=self.log,
        )
        self.core.locate = self.where
        self.contact = f"Contact: <sip:{host_port(settings.local)}>"
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
