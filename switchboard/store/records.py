"""What is kept of a call: one record for the call, one for each leg and each segment of it.

Times are UTC microseconds, ids UUIDv7. The other side's number stands here masked, sealed and as a
fingerprint, never in clear. On disk a record is a msgpack array: new fields go to the end, with a default,
and raise `VERSION`.
"""

from __future__ import annotations

import time
from typing import Final, Literal

import msgspec

from switchboard.tokens import token_pool

VERSION: Final = 4
"""1: the call, its legs and segments; 2: what happened in the flow, recordings, mask binding; 3: agents and groups;
4: how good the audio was."""

Direction = Literal["in", "out", "internal"]
EndedBy = Literal["", "caller", "agent", "switch"]
SupervisorMode = Literal["", "listen", "whisper", "barge"]
Role = Literal["caller", "agent"]
SegmentKind = Literal["ivr", "ring", "talk", "hold", "queue", "notice", "consult", "conference", "park"]
IdentityStatus = Literal["not_asked", "own_number", "verified", "failed", "skipped", "unavailable"]
ConsentGiven = Literal["", "given", "declined"]
RecordingKind = Literal["call", "voicemail"]
MessageState = Literal["new", "heard", "deleted"]
CallbackState = Literal["open", "calling", "done", "failed", "cancelled"]


class MediaRecord(msgspec.Struct, array_like=True, gc=False):
    """What a leg's RTP stream did, as the switch saw it; jitter is RFC 3550 §6.4.1 in milliseconds.

    `peer_lost` and `peer_jitter_ms` are what the peer told by RTCP of the stream it got, `round_trip_ms` what was
    measured by it; None where it told nothing. The MOS (`media.rtp.quality`) is `mos_in` for what the peer said,
    `mos_out` for what it heard. `silent`: nothing came from it though it talked with somebody.
    """

    received: int = 0
    sent: int = 0
    lost: int = 0
    jitter_ms: float = 0.0
    strangers: int = 0
    peer_lost: int | None = None
    peer_jitter_ms: float | None = None
    round_trip_ms: float | None = None
    mos_in: float | None = None
    mos_out: float | None = None
    silent: bool = False


class LegRecord(msgspec.Struct, array_like=True, kw_only=True):
    """One leg: the dialog with one peer, answered or not. `peer` is masked, or the account of a softphone."""

    id: str
    role: Role
    peer: str = ""
    invited_us: int = 0
    ringing_us: int | None = None
    answered_us: int | None = None
    ended_us: int | None = None
    sip_status: int | None = None
    cause: str = ""
    codec: str = ""
    media: MediaRecord | None = None
    agent: str = ""
    secured: str = ""
    """The suite of SRTP, or DTLS-SRTP; "" where the audio was in clear."""
    mode: SupervisorMode = ""
    """How far a supervisor took part, whose leg it is."""


class SegmentRecord(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """One stretch of a call: what the caller went through, one after another.

    `agent` is the one agent it is credited to, `group` the group for which that agent took the caller.
    """

    kind: SegmentKind
    started_us: int
    ended_us: int | None = None
    detail: str = ""
    agent: str = ""
    group: str = ""


class TrailRecord(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """One key of the caller: where in the flow, and which; of collected digits only how many there were."""

    flow: str
    node: str
    key: str
    at_us: int


class IdentityRecord(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """What came of an identity check; `subject` is the backend's id of the person, never what was keyed."""

    status: IdentityStatus = "not_asked"
    method: str = ""
    subject: str = ""
    attempts: int = 0
    asked_us: int | None = None
    took_us: int = 0


class RecordingRecord(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """One file of audio of the call; `path` is relative to the directory of recordings."""

    id: str
    path: str
    started_us: int
    seconds: float = 0.0
    kind: RecordingKind = "call"


class RecordingLength(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """How long a recording is, of which its call's record could not tell: it was completed after the call."""

    id: str
    seconds: float


class CallRecord(msgspec.Struct, array_like=True, kw_only=True):
    """One call. `called` is the dialled service number, which is public; `cause` is the switch's own word."""

    id: str
    version: int = VERSION
    trunk: str = ""
    direction: Direction = "in"
    called: str = ""
    extension: str = ""
    flow: str = ""
    caller_masked: str = ""
    caller_sealed: bytes = b""
    caller_fingerprint: bytes = b""
    started_us: int = 0
    answered_us: int | None = None
    ended_us: int | None = None
    ended_by: EndedBy = ""
    cause: str = ""
    sip_status: int | None = None
    q850: int | None = None
    post_dial_delay_us: int | None = None
    transfer_latency_us: int | None = None
    legs: list[LegRecord] = msgspec.field(default_factory=list)
    segments: list[SegmentRecord] = msgspec.field(default_factory=list)
    trail: list[TrailRecord] = msgspec.field(default_factory=list)
    identity: IdentityRecord | None = None
    survey: dict[str, str] = msgspec.field(default_factory=dict)
    recordings: list[RecordingRecord] = msgspec.field(default_factory=list)
    binding: str = ""
    """The id of the mask binding the call went through."""
    flow_version: str = ""
    consent: ConsentGiven = ""
    path: list[str] = msgspec.field(default_factory=list)
    """The nodes of the flow that were visited, in order."""
    group: str = ""
    """The last group in whose queue the caller waited."""
    agent: str = ""
    """The last agent who talked."""
    queued_us: int = 0
    """How long the caller waited in queues, all together; `hold_us` and `consult_us` likewise."""
    hold_us: int = 0
    consult_us: int = 0
    transfers: int = 0
    """How often the caller was handed on."""
    province: str = ""
    """The region of the caller's number, which can be looked up only while it is in clear."""
    city: str = ""
    carrier: str = ""


class MessageRecord(msgspec.Struct, array_like=True, kw_only=True):
    """A message that a caller left in a voice mail box; `path` is relative to the directory of recordings."""

    id: str
    box: str
    path: str
    left_us: int
    seconds: float
    call_id: str = ""
    caller_masked: str = ""
    caller_sealed: bytes = b""
    caller_fingerprint: bytes = b""


class MessageStateRecord(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """A message was heard or is deleted."""

    id: str
    state: MessageState
    at_us: int
    by: str = ""


class CallbackRecord(msgspec.Struct, array_like=True, kw_only=True):
    """A caller wants to be called back at a number, by a group; a number has one open request in a group."""

    id: str
    group: str
    asked_us: int
    number_masked: str
    number_sealed: bytes
    number_fingerprint: bytes
    call_id: str = ""
    since_us: int = 0
    """When the waiting began, which gives the place in the queue; 0: when it was asked for."""
    priority: int = 0
    vip: int = 0
    requirement: str = ""


class CallbackStateRecord(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """A request went on: it is being called, done, given up, or the caller wants it no more."""

    id: str
    state: CallbackState
    at_us: int
    by: str = ""
    reason: str = ""
    attempts: int | None = None
    """How many attempts there were, this one too; None leaves it as it was."""
    call_id: str = ""
    """The call that was made for it; empty leaves it as it was."""


class RefusalRecord(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """A customer refuses calls of an agent (empty: of anybody) for good or until a time, or takes that back."""

    customer: bytes
    """A fingerprint, as is `agent`."""
    at_us: int
    agent: bytes = b""
    until_us: int | None = None
    call_id: str = ""
    withdrawn: bool = False


class WindowRecord(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """Since when the window of call-backs through a binding is open, and how many were put through in it."""

    binding: str
    since_us: int
    times: int


class Snapshot(msgspec.Struct, array_like=True):
    """An open call in the journal: its record so far, and sealed all that is needed to take it up again."""

    record: CallRecord
    state: bytes = b""


_TOTALS: Final = {"queue": "queued_us", "hold": "hold_us", "consult": "consult_us"}
_random: Final = token_pool()
# The digit with the two bits that RFC 9562 asks for, by a random digit.
_VARIANTS: Final = {digit: "89ab"[place & 3] for place, digit in enumerate("0123456789abcdef")}
_ENCODER: Final = msgspec.msgpack.Encoder()
_CALLS: Final = msgspec.msgpack.Decoder(CallRecord)
_SNAPSHOTS: Final = msgspec.msgpack.Decoder(Snapshot)
_MESSAGES: Final = msgspec.msgpack.Decoder(MessageRecord)
_MESSAGE_STATES: Final = msgspec.msgpack.Decoder(MessageStateRecord)
_CALLBACKS: Final = msgspec.msgpack.Decoder(CallbackRecord)
_CALLBACK_STATES: Final = msgspec.msgpack.Decoder(CallbackStateRecord)
_REFUSALS: Final = msgspec.msgpack.Decoder(RefusalRecord)
_LENGTHS: Final = msgspec.msgpack.Decoder(RecordingLength)
_WINDOWS: Final = msgspec.msgpack.Decoder(WindowRecord)


def end_segment(record: CallRecord, at_us: int) -> None:
    """End the current stretch, and add it to what the record sums up."""
    last = record.segments[-1]
    last.ended_us = at_us
    total = _TOTALS.get(last.kind)
    if total is not None:
        setattr(record, total, getattr(record, total) + at_us - last.started_us)


def encode_snapshot(record: CallRecord, state: bytes) -> bytes:
    """An open call as msgpack, for the journal; `state` is sealed already."""
    return _ENCODER.encode(Snapshot(record, state))


def decode_snapshot(data: bytes) -> Snapshot:
    """The snapshot in `data`; raises `msgspec.DecodeError` when it is none."""
    return _SNAPSHOTS.decode(data)


def encode_record(record: CallRecord) -> bytes:
    """A call record as msgpack, for the journal."""
    return _ENCODER.encode(record)


def decode_record(data: bytes) -> CallRecord:
    """The call record in `data`; raises `msgspec.DecodeError` when it is none."""
    return _CALLS.decode(data)


def encode_message(message: MessageRecord | MessageStateRecord) -> bytes:
    """A message (`Kind.MESSAGE`) or a change of it (`Kind.MESSAGE_STATE`), for the journal."""
    return _ENCODER.encode(message)


def decode_message(data: bytes) -> MessageRecord:
    """The message in `data`; raises `msgspec.DecodeError` when it is none."""
    return _MESSAGES.decode(data)


def decode_message_state(data: bytes) -> MessageStateRecord:
    """The change of a message in `data`; raises `msgspec.DecodeError` when it is none."""
    return _MESSAGE_STATES.decode(data)


def encode_callback(request: CallbackRecord | CallbackStateRecord) -> bytes:
    """A request to be called back (`Kind.CALLBACK`) or a change of it (`Kind.CALLBACK_STATE`), for the journal."""
    return _ENCODER.encode(request)


def decode_callback(data: bytes) -> CallbackRecord:
    """The request in `data`; raises `msgspec.DecodeError` when it is none."""
    return _CALLBACKS.decode(data)


def decode_callback_state(data: bytes) -> CallbackStateRecord:
    """The change of a request in `data`; raises `msgspec.DecodeError` when it is none."""
    return _CALLBACK_STATES.decode(data)


def encode_refusal(refusal: RefusalRecord) -> bytes:
    """A refusal (`Kind.REFUSAL`), for the journal."""
    return _ENCODER.encode(refusal)


def decode_refusal(data: bytes) -> RefusalRecord:
    """The refusal in `data`; raises `msgspec.DecodeError` when it is none."""
    return _REFUSALS.decode(data)


def encode_window(window: WindowRecord) -> bytes:
    """A window (`Kind.WINDOW`), for the journal."""
    return _ENCODER.encode(window)


def decode_window(data: bytes) -> WindowRecord:
    """The window in `data`; raises `msgspec.DecodeError` when it is none."""
    return _WINDOWS.decode(data)


def encode_length(length: RecordingLength) -> bytes:
    """The length of a recording (`Kind.RECORDING`), for the journal."""
    return _ENCODER.encode(length)


def decode_length(data: bytes) -> RecordingLength:
    """The length in `data`; raises `msgspec.DecodeError` when it is none."""
    return _LENGTHS.decode(data)


def utc_us() -> int:
    """Now in UTC microseconds."""
    return time.time_ns() // 1000


def new_id() -> str:
    """A UUIDv7 (RFC 9562 §5.7): its first 48 bits are the UTC millisecond, so that ids sort by time."""
    high = (time.time_ns() // 1_000_000).to_bytes(6, "big").hex()
    low = _random()
    return f"{high[:8]}-{high[8:]}-7{low[:3]}-{_VARIANTS[low[3]]}{low[4:7]}-{low[7:19]}"
