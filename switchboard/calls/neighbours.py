"""What calls ask of the rest of the switch: routing, the journal, backends, mailboxes, carriers, the agents' desk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from ivr_flows.actions import Http
    from ivr_flows.events import HttpDone
    from routing.acd.events import Event as AcdEvent
    from routing.acd.model import Group as AcdGroup
    from routing.dialplan import Route
    from routing.masks.binding import Resolution
    from routing.masks.callbacks import History
    from routing.masks.secret import Party, RealNumber, Sealed
    from switchboard.sip.message import Response
    from switchboard.sip.outgoing import OutgoingRequest
    from switchboard.store.records import CallbackRecord, CallbackState, MediaRecord, MessageRecord, MessageState


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

    def touch(self, binding: str, now: float, way: str, caller: Party | None) -> History | None:
        """A call through a binding was put through; the window of call-backs as it is now, where there is one."""

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


NO_PINS: Final = _NoPins()


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

    def challenge(self, now: float, user: str, *, stale: bool = False) -> tuple[str, ...]:
        """Values of WWW-Authenticate or Proxy-Authenticate for who says to be `user`."""

    def meant(self, values: Sequence[str]) -> str | None:
        """Of the credentials in a request those for our realm, or None (RFC 3261 §22.3)."""

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

    def is_at(self, gateway: str, address: tuple[str, int]) -> bool:
        """Whether the carrier of a gateway has one at the host of an address."""


class Desk(Protocol):
    """Where the agents are, and who learns what their phones are doing. `call` is a call's id; nothing raises."""

    def phone_of(self, agent: str) -> str | None:
        """The target of an agent's phone, `aor:…` or `sip:…`; None for nobody of ours."""

    def agent_at(self, phone: str) -> str:
        """The one agent whose phone this target is, `aor:…` or `sip:…`, or ""."""

    def colleagues(self, one: str, other: str) -> bool:
        """Whether the agents of two phones, addresses-of-record, belong to one group."""

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

    def serves(self, agent: str, group: str) -> bool:
        """Whether an agent belongs to a group."""

    def refuses(self, group: str, now: float) -> str:
        """Why nobody may join a group now, in the word of how waiting ends; "" when they may."""

    def in_call(self, agent: str, besides: Collection[str]) -> bool:
        """Whether the agent is in a call, or rung for one, that is none of those `besides`."""

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

    def colleagues(self, one: str, other: str) -> bool:
        """They are nobody's."""
        return False

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

    def serves(self, agent: str, group: str) -> bool:
        """Nobody does."""
        return False

    def refuses(self, group: str, now: float) -> str:
        """There is none."""
        return "failed"

    def in_call(self, agent: str, besides: Collection[str]) -> bool:
        """Nobody is."""
        return False

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
