"""Calls that are up and calls that were, as the API shows them."""

# ruff: noqa: RUF012 - msgspec makes a new value of an empty default each time
from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from switchboard.api.types.common import LegStateName, Moment, Phase, Region, View
from switchboard.store.records import ConsentGiven, Direction, EndedBy, IdentityStatus, RecordingKind


class MediaView(View, frozen=True, kw_only=True):
    """What came and went on a leg, in RTP packets, and how good it was."""

    received: int
    sent: int
    lost: int
    jitter_ms: float
    peer_lost: int | None = None
    """What the peer told by RTCP of the stream it got; null where it told nothing."""
    peer_jitter_ms: float | None = None
    round_trip_ms: float | None = None
    mos_in: float | None = None
    """The opinion score, 1 to 4.5, of what the peer said, `mos_out` of what it heard: by ITU-T G.107 with G.711, by
    G.107.2 with Opus, none with other codecs.
    """
    mos_out: float | None = None
    silent: bool = False
    """Nothing came from it though it talked with somebody."""


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
    secured: str = ""
    """The suite of SRTP, or DTLS-SRTP; "" where the audio is in clear."""
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
    """A file of audio: `there` is False once the file is gone, `deleted` when that was on purpose."""

    id: str
    call: str
    kind: RecordingKind
    started: Moment
    seconds: float
    there: bool = True
    deleted: Moment | None = None


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
    held: float = 0.0
    consulted: float = 0.0
    transfers: int = 0
    """How often the caller was handed on."""


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
