"""Everything the API shows, shared by the server and its clients. Commands of calls are in `calls.commands`.

Moments are RFC 3339 in UTC, lengths of time seconds. Numbers of people stand here masked (`139****1234`); `contact`
is the fingerprint of such a number in hexadecimal: the same person has the same one, and nobody is told by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Generic, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from routing.acd.model import Agent, Group, State
from switchboard.store.records import (
    CallbackState,
    ConsentGiven,
    Direction,
    EndedBy,
    IdentityStatus,
    MessageState,
    RecordingKind,
)

T = TypeVar("T")

Moment: TypeAlias = Annotated[datetime, Meta(tz=True)]
"""RFC 3339 in UTC."""

Role: TypeAlias = Literal["agent", "supervisor", "admin", "auditor"]
Phase: TypeAlias = Literal["routing", "flow", "queued", "connecting", "talking", "parked", "ending", "ended"]
LegStateName: TypeAlias = Literal["invited", "early", "answered", "confirmed", "cancelling", "ended"]


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what is shown."""


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Some of a list; `next` is the cursor of the next page, None at the end."""

    items: list[T]
    next: str | None = None


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One wrong value: where it stands, by a JSON pointer (RFC 6901) into the body or the name of a parameter."""

    pointer: str | None = None
    parameter: str | None = None
    detail: str = ""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457: what went wrong, as `application/problem+json`."""

    type: str = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""
    instance: str = ""
    errors: list[Fault] = []


class Region(View, frozen=True, kw_only=True):
    """归属地 of a number, from data that age; empty texts where it is not known."""

    province: str = ""
    city: str = ""
    carrier: str = ""


class Band(View, frozen=True, kw_only=True):
    """How long a wait may be, in seconds."""

    at_least: float
    at_most: float


class EventView(View, frozen=True, kw_only=True):
    """One message of the event stream; `seq` grows by one from event to event, also over those one may not see.

    `type` is `snapshot`, `idle`, `call.STEP`, `agent.state`, `queue.STEP` or `alert`.
    """

    seq: int
    at: Moment
    type: str
    data: object


# --- accounts ---


class TokenView(View, frozen=True, kw_only=True):
    """What proves who asks: the access token for `expires_in` seconds, the refresh token once, for the next pair."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - names a scheme
    expires_in: float
    role: Role
    agent: str = ""
    must_change: bool = False

    def __repr__(self) -> str:
        return "TokenView(****)"


class TotpView(View, frozen=True, kw_only=True):
    """The secret of a second factor, and as an `otpauth:` URI for a QR code."""

    secret: str
    uri: str

    def __repr__(self) -> str:
        return "TotpView(****)"


class Me(View, frozen=True, kw_only=True):
    """The account of a token, which `expires`."""

    id: str
    name: str
    role: Role
    agent: str = ""
    must_change: bool = False
    totp: bool = False
    expires: Moment


# --- agents and groups ---


class AgentView(View, frozen=True, kw_only=True):
    """An agent now. `calls` are the ids of the calls their phone is in, `by` is who or what set the state."""

    id: str
    name: str
    state: State
    since: Moment | None = None
    reason: str = ""
    by: str = ""
    signed_in: bool = False
    phone_up: bool = False
    phone: str = ""
    calls: list[str] = []
    groups: Mapping[str, int] = {}
    skills: Mapping[str, int] = {}


class AgentSettings(View, frozen=True, kw_only=True):
    """How an agent is set up; `origin` tells whether the configuration file or the API says so."""

    agent: Agent
    version: int
    origin: Literal["configuration", "stored"] = "configuration"


class GroupView(View, frozen=True, kw_only=True):
    """A skill group now; `longest_wait` is the age of who waits longest, in seconds."""

    name: str
    strategy: str
    waiting: int = 0
    callbacks: int = 0
    longest_wait: float | None = None
    estimate: Band | None = None
    agents: int = 0
    """Who belongs to it."""
    signed_in: int = 0
    idle: int = 0
    states: Mapping[str, int] = {}
    answered: int = 0
    abandoned: int = 0
    service_level: float | None = None
    """Of those answered or lost, the share answered within the group's time, 0 to 1; None before the first."""
    service_level_seconds: float = 20.0
    open: bool = True


class GroupSettings(View, frozen=True, kw_only=True):
    """How a group is set up."""

    group: Group
    version: int
    origin: Literal["configuration", "stored"] = "configuration"


class SkillView(View, frozen=True, kw_only=True):
    """A skill: who has it, with levels 1 to 10."""

    name: str
    agents: Mapping[str, int]


class QueueEntryView(View, frozen=True, kw_only=True):
    """Somebody who waits for an agent: a call, or a place kept for a callback."""

    id: str
    group: str
    kind: Literal["call", "callback"] = "call"
    position: int
    since: Moment
    waited: float
    priority: int = 0
    vip: int = 0
    caller: str = ""
    contact: str = ""
    region: Region | None = None
    preferred: str = ""
    attempts: int = 0
    """Of a callback."""
    offered_to: list[str] = []
    estimate: Band | None = None


# --- calls, live and stored ---


class MediaView(View, frozen=True, kw_only=True):
    """What came and went on a leg, in RTP packets."""

    received: int
    sent: int
    lost: int
    jitter_ms: float


class LegView(View, frozen=True, kw_only=True):
    """One side of a call: a dialog with one phone or trunk."""

    id: str
    role: Literal["caller", "agent"]
    peer: str = ""
    purpose: str = ""
    agent: str = ""
    state: LegStateName | None = None
    held: bool = False
    """This party has put the others on hold."""
    muted: bool = False
    mode: Literal["", "listen", "whisper", "barge"] = ""
    """How a supervisor takes part."""
    invited: Moment | None = None
    ringing: Moment | None = None
    answered: Moment | None = None
    ended: Moment | None = None
    sip_status: int | None = None
    cause: str = ""
    codec: str = ""
    media: MediaView | None = None


class SegmentView(View, frozen=True, kw_only=True):
    """One stretch of a call."""

    kind: str
    started: Moment
    ended: Moment | None = None
    seconds: float | None = None
    detail: str = ""
    agent: str = ""
    group: str = ""


class TrailView(View, frozen=True, kw_only=True):
    """One key of the caller; secret digits are only counted."""

    flow: str
    node: str
    key: str
    at: Moment


class IdentityView(View, frozen=True, kw_only=True):
    """What came of the identity check; `subject` is the backend's id of the person."""

    status: IdentityStatus
    method: str = ""
    subject: str = ""
    attempts: int = 0


class RecordingView(View, frozen=True, kw_only=True):
    """A file of audio: `there` is False once the file is gone."""

    id: str
    call: str
    kind: RecordingKind
    started: Moment
    seconds: float
    there: bool = True


class CallSummary(View, frozen=True, kw_only=True):
    """What a live call and a stored one have in common."""

    id: str
    direction: Direction
    trunk: str = ""
    called: str = ""
    extension: str = ""
    caller: str = ""
    contact: str = ""
    region: Region | None = None
    flow: str = ""
    group: str = ""
    agent: str = ""
    started: Moment
    answered: Moment | None = None
    identity: IdentityView | None = None
    binding: str = ""


class CallView(CallSummary, frozen=True, kw_only=True):
    """A call that is up."""

    phase: Phase
    seconds: float
    agents: list[str] = []
    """Everybody whose phone is in it."""
    consulted: str = ""
    """The leg of the party consulted, ringing or talking."""
    transfer_to: str = ""
    """The leg of a transfer's target while it rings."""
    mixed: bool = False
    """All parties hear each other: a conference."""
    slot: str = ""
    """Where it is parked."""
    legs: list[LegView] = []
    segments: list[SegmentView] = []
    trail: list[TrailView] = []


class RecordRow(CallSummary, frozen=True, kw_only=True):
    """One line of a list of calls that have ended."""

    ended: Moment | None = None
    ended_by: EndedBy = ""
    cause: str = ""
    seconds: float = 0.0
    talked: float = 0.0
    queued: float = 0.0


class RecordView(RecordRow, frozen=True, kw_only=True):
    """All that is kept of a call (CDR)."""

    sip_status: int | None = None
    q850: int | None = None
    flow_version: str = ""
    consent: ConsentGiven = ""
    post_dial_delay: float | None = None
    transfer_latency: float | None = None
    legs: list[LegView] = []
    segments: list[SegmentView] = []
    trail: list[TrailView] = []
    path: list[str] = []
    survey: Mapping[str, str] = {}
    recordings: list[RecordingView] = []


class RingView(CallSummary, frozen=True, kw_only=True):
    """What an agent is told whose phone rings: who calls, what they keyed, and their last ten calls."""

    trail: list[TrailView] = []
    waited: float = 0.0
    history: list[RecordRow] = []
    remarks: list[RemarkView] = []


class SnapshotView(View, frozen=True, kw_only=True):
    """How things are, as far as who asks may see them: where an event stream begins."""

    agents: list[AgentView]
    groups: list[GroupView]
    calls: list[CallView]
    queues: Mapping[str, list[QueueEntryView]]
    """By group, the first hundred of those who wait."""


class Revealed(View, frozen=True, kw_only=True):
    """A number in clear; that it was shown, to whom and why stands in the audit log."""

    number: str


class RemarkView(View, frozen=True, kw_only=True):
    """What somebody wrote about a call."""

    id: int
    call: str
    text: str
    by: str
    at: Moment


class LastCallView(View, frozen=True, kw_only=True):
    """One of an agent's last ten calls."""

    call: str
    number: str
    contact: str = ""
    answered: Moment
    seconds: float = 0.0
    region: Region | None = None
    group: str = ""
    trail: list[TrailView] = []
    remark: str = ""


class ContactView(View, frozen=True, kw_only=True):
    """What is known of a caller: masked number, earlier calls, newest first, and remarks."""

    contact: str
    number: str = ""
    region: Region | None = None
    calls: list[RecordRow] = []
    remarks: list[RemarkView] = []
    next: str | None = None


class ContactFound(View, frozen=True, kw_only=True):
    """The `contact` that stands for a telephone number."""

    contact: str
    number: str


class CallbackView(View, frozen=True, kw_only=True):
    """A request to be called back."""

    id: str
    group: str
    number: str
    contact: str
    asked: Moment
    state: CallbackState
    call: str = ""
    attempts: int = 0
    changed: Moment | None = None
    changed_by: str = ""


class MessageView(View, frozen=True, kw_only=True):
    """A voice message."""

    id: str
    box: str
    left: Moment
    seconds: float
    caller: str = ""
    contact: str = ""
    call: str = ""
    state: MessageState = "new"


# --- numbers, flows, trunks ---


class MaskView(View, frozen=True, kw_only=True):
    """Who stands behind an extension or an X number; `leads_to` in words, numbers masked."""

    id: str
    number: str
    extension: str = ""
    kind: str
    leads_to: str
    group: str = ""
    state: str
    expires: Moment | None = None
    label: str = ""
    policy: Mapping[str, object] = {}
    created: Moment | None = None
    updated: Moment | None = None


class MaskDone(View, frozen=True, kw_only=True):
    """What became of bindings; the running switch uses them already."""

    ids: list[str]
    added: int = 0
    replaced: int = 0
    unchanged: int = 0


class CityView(View, frozen=True, kw_only=True):
    """The numbers of a pool in one city."""

    city: str
    numbers: int
    free: int
    bindings: int


class PoolView(View, frozen=True, kw_only=True):
    """A pool of X numbers."""

    name: str
    pairs: int
    cool_down: float
    sticky: bool
    beyond: bool
    cities: list[CityView]


class ExtensionPoolView(View, frozen=True, kw_only=True):
    """Extensions of a main number that are given out."""

    number: str
    first: str
    last: str
    check: str
    cool_down: float
    total: int
    used: int


class PoolsView(View, frozen=True, kw_only=True):
    """All pools."""

    pools: list[PoolView]
    extensions: list[ExtensionPoolView]


class PoolNumberView(View, frozen=True, kw_only=True):
    """A number of a pool."""

    number: str
    city: str
    retired: bool
    bindings: int


class FlowView(View, frozen=True, kw_only=True):
    """A version of a flow; older ones are listed while calls are in them."""

    flow: str
    version: str
    file: str
    newest: bool
    calls: int


class FlowChange(View, frozen=True, kw_only=True):
    """What a check found or an activation did; with faults nothing was changed."""

    ok: bool
    added: list[str] = []
    changed: list[str] = []
    removed: list[str] = []
    faults: list[str] = []


class TrunkView(View, frozen=True, kw_only=True):
    """A carrier: where calls to it go, and the calls that are up."""

    name: str
    to: str = ""
    nat: bool = False
    landing: Mapping[str, str] = {}
    calls: int = 0


class RegistrationView(View, frozen=True, kw_only=True):
    """A phone that is registered."""

    aor: str
    contact: str
    source: str
    expires_in: float
    user_agent: str = ""
    agent: str = ""


# --- people who use the API ---


class UserView(View, frozen=True, kw_only=True):
    """An account of the API."""

    id: str
    name: str
    role: Role
    agent: str = ""
    locked: bool = False
    """By an administrator, until unlocked."""
    locked_until: Moment | None = None
    """By wrong passwords."""
    totp: bool = False
    must_change: bool = False
    """The password must be changed at the next sign-in."""
    signed_in: Moment | None = None
    version: int = 1


class NewUser(View, frozen=True, kw_only=True):
    """An account was made, or its password anew: the password is shown this once."""

    user: UserView
    password: str


class AuditView(View, frozen=True, kw_only=True):
    """One line of the audit log."""

    id: int
    at: Moment
    who: str
    role: str
    action: str
    subject: str = ""
    detail: str = ""
    outcome: str = ""
    address: str = ""


class StatusView(View, frozen=True, kw_only=True):
    """How the switch does."""

    status: Literal["ok", "draining", "degraded"]
    reasons: list[str]
    uptime: float
    calls: int
    waiting: int
    agents_signed_in: int
    facts: Mapping[str, object] = {}
