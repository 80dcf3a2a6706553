"""What every operation on a call needs: the core, the media plane, routing, the journal, the calls themselves."""

from __future__ import annotations

import math
import zlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from secrets import SystemRandom, token_bytes
from typing import TYPE_CHECKING, Final, Literal, Protocol

import msgspec

from media.control import KeyForm
from media.sdes import Policy
from switchboard.calls.carriers.description import Trunk as Trunk
from switchboard.calls.carriers.live import Carriers
from switchboard.calls.causes import Cause
from switchboard.calls.flow_shelf import FlowShelf
from switchboard.calls.keep_alive import KeepAlive
from switchboard.calls.news import NO_FEED, Feed
from switchboard.calls.phones import PhoneSources
from switchboard.calls.reliable import Mode, invite_lines
from switchboard.calls.returning import Absences
from switchboard.calls.session_timers import offer_lines
from switchboard.calls.subscriptions import Subscriptions
from switchboard.net.locator import Locator, without_dns
from switchboard.net.sources import Door, OpenDoor
from switchboard.sip.pace import Pace
from switchboard.sip.render import host_port
from switchboard.sip.timers import DeadlineHeap
from switchboard.sip.transaction.table import Input

if TYPE_CHECKING:
    from ivr_flows.actions import Http
    from ivr_flows.clock import Clock
    from ivr_flows.events import Event, HttpDone
    from media.interface import Edge
    from media.plane import MediaPlane
    from routing.acd.events import Event as AcdEvent
    from routing.acd.model import Group as AcdGroup
    from routing.dialplan import Route
    from routing.masks.binding import Resolution
    from routing.masks.secret import Party, RealNumber, Sealed
    from switchboard.calls.after import Afterlife
    from switchboard.calls.attempts import Attempt
    from switchboard.calls.branches import Branches
    from switchboard.calls.call import Call
    from switchboard.calls.keys import KeysToSend
    from switchboard.calls.leg import Leg, Purpose
    from switchboard.calls.reinvite import Reinvite
    from switchboard.calls.sounds import Prepared
    from switchboard.sip.core import SipCore
    from switchboard.sip.message import Response
    from switchboard.sip.outgoing import OutgoingRequest
    from switchboard.sip.registrar import Registrar
    from switchboard.sip.transaction.client import ClientTransaction
    from switchboard.sip.transaction.server import ServerTransaction
    from switchboard.store.records import CallbackRecord, CallbackState, MediaRecord, MessageRecord, MessageState

Address = tuple[str, int]

MOST_SOURCES: Final = 20_000
"""Hosts whose REGISTERs are counted."""
PAST_DIALOGS: Final = 1000
"""So many that have ended are told from those that never were (RFC 3891 §3)."""
PHONES: Final = "phones"
"""The context of calls from registered softphones, in place of a trunk."""


class Service(msgspec.Struct, frozen=True):
    """What a published number brings to its calls beside the place where they go."""

    variables: dict[str, str | int] = {}
    failed: str = ""
    """The flow that takes a call which found nobody."""
    record: bool = False


NO_SERVICE: Final = Service()


class Services(Protocol):
    """Services by the number that was called, in its one form."""

    def get(self, number: str, default: Service, /) -> Service:
        """The service of a number."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of the configuration that calls read. Times in seconds."""

    local: Address
    domain: str
    domains: frozenset[str]
    codecs: tuple[str, ...] = ("PCMA", "PCMU")
    srtp: Policy = "off"
    """Whether media is secured (RFC 4568)."""
    srtp_accounts: Mapping[str, Policy] = {}
    """The same by account, for those that differ."""
    max_calls: int = 5000
    ring_timeout: float = 30.0
    call_duration: float = 4 * 3600.0
    release_wait: float = 2.0
    recordings: str = "var/recordings"
    """Where recordings are written."""
    outbound: tuple[str, str] | None = None
    """The trunk by which flows dial public numbers, and the number shown there."""
    services: Services = {}
    """By published number."""
    hold_music: str = "music/hold"
    auto_answer: tuple[str, ...] = ()
    """Header lines that make a desk phone answer by itself, for calls its owner has asked for."""
    park_slots: int = 20
    """Calls are parked in the slots "1" to this."""
    park_timeout: float = 120.0
    survey: str = "survey"
    """The flow that asks callers how it was."""
    session_expires: int = 0
    """The session interval that is offered, and after half of which silent peers are asked; 0: neither."""
    min_se: int = 90
    """The least interval that is taken from others."""
    dead_media: Literal["either", "both", "off"] = "either"
    """Whose silence, of audio and RTCP, ends a talk."""
    keys: Mapping[str, KeyForm] = {}
    """How keys go to the phones of an account, by its user; "auto" where it is not named."""
    reliable: Mode = "off"
    """Whether provisional responses are acknowledged (RFC 3262)."""
    rung: int = 5
    """So many phones of one account are rung by a call."""
    patience: float = 15.0
    """So long those that an account prefers ring alone."""
    source_rate: float = math.inf
    """REGISTERs a second that are taken from one host on average."""
    source_burst: float = 50_000.0
    """So many of them may come at once."""
    keep_alive: float = 0.0
    """How often phones behind a NAT are asked whether they are there; 0: never."""
    unanswered: int = 3
    """So many of these questions a phone may leave without an answer."""
    away: float = 15.0
    """So long a browser whose WebSocket has ended in a call may take to come back."""
    stun: bool = False
    """Whether STUN binding requests are answered where SIP is received by UDP (RFC 5626 §4.4.2)."""


class Routing(Protocol):
    """Where a call goes; all answers come from memory."""

    def identify(self, host: str, port: int) -> str | None:
        """Name of the trunk that sends from this address."""

    def route(self, context: str, called: str) -> Route:
        """What a called number does in the context of a trunk or of `phones`."""

    def resolve(self, number: str, extension: str, now: float) -> Resolution:
        """What stands behind an extension of a number."""

    def resolve_call(self, x: str, caller: bytes | None, now: float) -> Resolution:
        """Who is reached by calling an X number; `caller` is the fingerprint of the calling number."""

    def touch(self, binding: str, now: float, way: str, caller: Party | None) -> None:
        """A call through a binding was put through."""

    def refuse(self, customer: bytes, withdrawn: bool) -> None:
        """A customer, by fingerprint, wants no calls back any more, or takes that back."""


class Journal(Protocol):
    """Where durable transitions are written before a peer learns of them."""

    def append(self, kind: int, call_id: str, payload: bytes) -> None:
        """Write one record; never raises."""


class Secrets(Protocol):
    """Seals real numbers for records and opens those of bindings."""

    def seal(self, number: RealNumber) -> Sealed:
        """Encrypt."""

    def open(self, sealed: Sealed) -> RealNumber:
        """Decrypt."""

    def fingerprint(self, number: RealNumber) -> bytes:
        """Keyed hash for look-up."""

    def seal_state(self, clear: bytes) -> bytes:
        """Encrypt a call's state."""


class Meter(Protocol):
    """What is measured as it happens; totals are read from `Exchange.counts`."""

    def call_ended(self, cause: str) -> None:
        """One call has its record."""

    def post_dial_delay(self, seconds: float) -> None:
        """From the caller's INVITE to the first 180, 183 or 200; the processing of that last event is not in it."""

    def transfer_latency(self, seconds: float) -> None:
        """From the last digit's packet to the event that sends the INVITE; its processing is not in it."""

    def rtp(self, received: int, lost: int) -> None:
        """Counters of a stream that was released."""

    def leg(self, trunk: str, media: MediaRecord) -> None:
        """How good the audio of a leg was, by its trunk."""


class Backends(Protocol):
    """Asks the company's own systems; each answer comes back as an event."""

    def request(self, http: Http, done: Callable[[HttpDone], None], call_id: str) -> None:
        """Begin a request; `done` is called once, later, unless it is cancelled."""

    def cancel(self, call_id: str) -> None:
        """Give up the requests of a call."""


class Voice(Protocol):
    """Turns texts into sounds that the media plane can play."""

    def ready(self, text: str, language: str) -> str | None:
        """The name of the sound if it is there already."""

    def prepare(self, texts: Sequence[tuple[str, str]], done: Callable[[], None]) -> None:
        """Make the sounds of (text, language) pairs; `done` is called once, later, whatever became of it."""


class Mailboxes(Protocol):
    """Voice mail boxes; a message added is durable."""

    def has_room(self, box: str) -> bool:
        """False when the box is full."""

    def add(self, message: MessageRecord) -> tuple[int, int]:
        """Keep a message; the new and the heard ones of its box."""

    def waiting(self, box: str) -> tuple[int, int]:
        """The new and the heard ones of a box."""

    def listed(self, box: str) -> Mapping[str, MessageState]:
        """The messages of a box by id, and whether they were heard."""

    def mark(self, message_id: str, state: MessageState, at_us: int, by: str = "") -> bool:
        """A message was heard or is deleted; False when it is so already, or not there."""


class MailboxPins(Protocol):
    """The PINs of mailboxes."""

    def opens(self, box: str, pin: str, now: float) -> bool:
        """Whether the PIN is that of the box."""


class _NoPins:
    def opens(self, box: str, pin: str, now: float) -> bool:
        return False


_NO_PINS: Final = _NoPins()


class CallbackRequest(Protocol):
    """One who wants to be called back, as it is stored."""

    @property
    def record(self) -> CallbackRecord:
        """What was asked for."""

    @property
    def attempts(self) -> int:
        """How often it was tried."""

    @property
    def since_us(self) -> int:
        """Since when the person waits, UTC microseconds."""


class CallbackRequests(Protocol):
    """Who wants to be called back; a request added is durable, as is what becomes of it."""

    def get(self, request_id: str) -> CallbackRequest | None:
        """An open request."""

    def mark(
        self,
        request_id: str,
        state: CallbackState,
        at_us: int,
        by: str = "",
        *,
        reason: str = "",
        attempts: int | None = None,
        call_id: str = "",
    ) -> bool:
        """A request went on; False when it is over, or not known."""

    def add(self, request: CallbackRecord) -> Literal["new", "known", "full"]:
        """Keep a request; one a number and group."""


class Authenticator(Protocol):
    """Digest of the accounts, RFC 3261 §22."""

    def challenge(self, now: float, *, stale: bool = False) -> tuple[str, ...]:
        """Values of WWW-Authenticate or Proxy-Authenticate."""

    def user(self, authorization: str, method: str, uri: str, now: float) -> tuple[str | None, bool]:
        """The account that the credentials prove, or None; and whether only the nonce was stale."""

    def knows(self, user: str) -> bool:
        """Whether there is such an account."""


class Gateways(Protocol):
    """The gateways of carriers, by name; nothing raises."""

    def has_room(self, gateway: str, now: float) -> bool:
        """Whether there is a channel for one more call."""

    def began(self, gateway: str, now: float) -> None:
        """A call takes a channel."""

    def over(self, gateway: str) -> None:
        """It takes it no more."""

    def outcome(self, gateway: str, status: int, now: float, response: Response | None = None) -> None:
        """The final status of an INVITE; without a response 408 is silence, 503 a transport that failed."""

    def retry(self, gateway: str, response: Response, sent: OutgoingRequest) -> tuple[str, ...] | None:
        """All header lines of the request that answers a challenge; None when it cannot be answered."""


class Desk(Protocol):
    """Where the agents are, and who learns what their phones are doing. `call` is a call's id; nothing raises."""

    def phone_of(self, agent: str) -> str | None:
        """The target of an agent's phone, `aor:…` or `sip:…`; None for nobody of ours."""

    def agent_at(self, phone: str) -> str:
        """The one agent whose phone this target is, or ""."""

    def group(self, name: str) -> AcdGroup | None:
        """A skill group."""

    def tell(self, event: AcdEvent, now: float) -> None:
        """Something happened to the queue engine; what it wants is done at once."""

    def phones_changed(self, now: float) -> None:
        """Phones may have registered, or be registered no more."""

    def next_due(self) -> float | None:
        """When the queue engine wants to be told that time has passed."""

    def free_agent(self, group: str, now: float) -> str:
        """An agent of the group who could be rung now, or ""."""

    def offered(self, entry: str, agent: str, now: float) -> bool:
        """Whether the agent may still take this one: time may have passed unnoticed."""

    def call_began(self, agent: str, call: str, now: float) -> None:
        """The agent is in a call that did not come from a queue: dialled, transferred, consulted."""

    def call_over(self, agent: str, call: str, now: float) -> None:
        """That call is over for the agent."""

    def held(self, agent: str, call: str, held: bool, now: float) -> None:
        """The agent holds the other party, or has come back."""

    def talk_ended(self, entry: str, agent: str, now: float) -> None:
        """The agent's part in the talk with one from a queue is over; `entry` is the call's id."""


class NoDesk:
    """There are no agents."""

    def phone_of(self, agent: str) -> str | None:
        """Nobody's."""
        return None

    def agent_at(self, phone: str) -> str:
        """Nobody."""
        return ""

    def group(self, name: str) -> AcdGroup | None:
        """None."""
        return None

    def tell(self, event: AcdEvent, now: float) -> None:
        """Nobody is told."""

    def phones_changed(self, now: float) -> None:
        """Nobody is told."""

    def next_due(self) -> float | None:
        """Never."""
        return None

    def free_agent(self, group: str, now: float) -> str:
        """Nobody."""
        return ""

    def offered(self, entry: str, agent: str, now: float) -> bool:
        """Nobody else could be."""
        return True

    def call_began(self, agent: str, call: str, now: float) -> None:
        """Nobody is told."""

    def call_over(self, agent: str, call: str, now: float) -> None:
        """Nobody is told."""

    def held(self, agent: str, call: str, held: bool, now: float) -> None:
        """Nobody is told."""

    def talk_ended(self, entry: str, agent: str, now: float) -> None:
        """Nobody is told."""


NO_DESK: Final = NoDesk()

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
        pins: MailboxPins = _NO_PINS,
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
        if call.armed is not None:
            self.heap.cancel(call)
        call.armed = due
        if due is not None:
            self.heap.schedule(due, call, Input.TIMER_B)

    def disarm(self, call: Call) -> None:
        """Forget the timer of a call."""
        if call.armed is not None:
            self.heap.cancel(call)
            call.armed = None

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
            "absences": len(self.absences),
            "slots": len(self.slots),
        }


def _note_nothing(call: str, call_id: str) -> None:
    """Nobody keeps messages."""


def _deliver_nothing(call: Call, outcome: Event | Prepared) -> None:
    """Until the engine is there."""


class Refusal(Exception):  # noqa: N818 - a decision, not a fault
    """A call that is not taken: the cause owed to the caller, with extra header lines."""

    def __init__(self, cause: Cause, *headers: str) -> None:
        super().__init__(cause.word)
        self.cause = cause
        self.headers = headers
