"""Calls, records and messages as the API shows them. Pure: nothing here opens a sealed number.

A person's number is in a view only in the masked form that its record has; `contact` is the fingerprint in hexadecimal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias, cast

from media.recording_files import find
from switchboard.api.types import (
    CallbackView,
    CallSummary,
    CallView,
    IdentityView,
    LastCallView,
    LegStateName,
    LegView,
    MediaView,
    MessageView,
    Phase,
    RecordingView,
    RecordRow,
    RecordView,
    Region,
    RemarkView,
    RingView,
    SegmentView,
    TrailView,
)
from switchboard.archive.deleting import deleted_at
from switchboard.calls.call import Call, Control
from switchboard.calls.leg import Leg
from switchboard.store.call_history import LastCall
from switchboard.store.callbacks import Request
from switchboard.store.records import CallRecord, IdentityRecord, LegRecord, RecordingRecord, SegmentRecord, TrailRecord
from switchboard.store.remarks import Remark
from switchboard.store.voicemail import Message

RegionOf: TypeAlias = Callable[[bytes, bytes], Region | None]
"""The region of a number, by fingerprint and sealed number; None when none is known or wanted."""

TALK: Final = frozenset({"talk", "conference"})
QUEUE: Final = frozenset({"queue"})
NO_CONTROL: Final = Control()


def region_view(record: CallRecord) -> Region | None:
    """Where the caller's number is from, as it was looked up when the call came in; None for unknown."""
    if not (record.province or record.city or record.carrier):
        return None
    return Region(province=record.province, city=record.city, carrier=record.carrier)


def no_region(fingerprint: bytes, sealed: bytes) -> Region | None:
    """Regions are not looked up."""
    return None


def moment(time_us: int | None) -> datetime | None:
    """UTC microseconds as a moment."""
    return None if time_us is None else datetime.fromtimestamp(time_us / 1e6, UTC)


def microseconds(at: datetime | None) -> int | None:
    """A moment that somebody has named as UTC microseconds; without an offset it is UTC, as all answers are."""
    if at is None:
        return None
    return round((at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp() * 1e6)


def when(time_us: int) -> datetime:
    """UTC microseconds that are there as a moment."""
    return datetime.fromtimestamp(time_us / 1e6, UTC)


def contact_of(fingerprint: bytes) -> str:
    """A fingerprint as the API names it."""
    return fingerprint.hex()


def seconds(began_us: int, ended_us: int | None) -> float:
    """The length of a stretch; 0 while it goes on."""
    return 0.0 if ended_us is None else max(ended_us - began_us, 0) / 1e6


def call_view(call: Call, now_us: int, viewer: str | None = None) -> CallView:
    """A call that is up, as an agent sees it, or with None as those do who see all: who listens is not for agents."""
    record, control = call.record, call.control or NO_CONTROL
    here = {leg.id for leg in call.legs}
    legs = [leg for leg in call.legs if leg.mode != "listen" or viewer in (None, leg.agent_id)]
    gone = [leg_record_view(leg) for leg in _shown(record.legs, viewer) if leg.id not in here]
    return CallView(
        id=call.id,
        direction=record.direction,
        trunk=record.trunk,
        called=record.called,
        extension=record.extension,
        caller=record.caller_masked,
        contact=contact_of(record.caller_fingerprint),
        region=region_view(record),
        flow=call.flow or record.flow,
        group=record.group,
        agent=call.agent.agent_id if call.agent is not None else "",
        started=when(record.started_us),
        answered=moment(record.answered_us),
        identity=identity_view(record.identity),
        binding=record.binding,
        phase=cast("Phase", call.phase.name.lower()),
        seconds=max(now_us - record.started_us, 0) / 1e6,
        agents=sorted({leg.agent_id for leg in legs if leg.agent_id}),
        consulted=control.consulted,
        transfer_to=control.target,
        mixed=control.mixed,
        slot=control.slot,
        legs=[*(leg_view(leg) for leg in legs), *gone],
        segments=segment_views(record.segments),
        trail=trail_views(record.trail),
    )


def ring_view(call: Call, now_us: int, history: list[RecordRow], remarks: list[RemarkView]) -> RingView:
    """A call whose agent's phone rings; nothing is in it of other legs."""
    view = call_view(call, now_us)
    shared = {name: getattr(view, name) for name in CallSummary.__struct_fields__}
    waited = sum(
        (segment.ended_us or now_us) - segment.started_us for segment in call.record.segments if segment.kind in QUEUE
    )
    return RingView(**shared, trail=view.trail, waited=waited / 1e6, history=history, remarks=remarks)


def _shown(legs: Iterable[LegRecord], viewer: str | None) -> list[LegRecord]:
    return [leg for leg in legs if leg.mode != "listen" or viewer in (None, leg.agent)]


def leg_view(leg: Leg) -> LegView:
    """A leg that is up."""
    record = leg.record
    return LegView(
        id=leg.id,
        role=leg.role,
        peer=record.peer,
        purpose="" if leg.role == "caller" else leg.purpose,
        agent=leg.agent_id,
        state=cast("LegStateName", leg.state.name.lower()),
        held=leg.holds,
        muted=leg.muted,
        mode=leg.mode,
        invited=moment(record.invited_us),
        ringing=moment(record.ringing_us),
        answered=moment(record.answered_us),
        ended=moment(record.ended_us),
        sip_status=record.sip_status,
        cause=record.cause,
        codec=record.codec,
        secured=record.secured,
    )


def leg_record_view(leg: LegRecord) -> LegView:
    """A leg that has ended."""
    media = leg.media
    return LegView(
        id=leg.id,
        role=leg.role,
        peer=leg.peer,
        agent=leg.agent,
        state="ended",
        purpose="supervise" if leg.mode else "",
        mode=leg.mode,
        invited=moment(leg.invited_us),
        ringing=moment(leg.ringing_us),
        answered=moment(leg.answered_us),
        ended=moment(leg.ended_us),
        sip_status=leg.sip_status,
        cause=leg.cause,
        codec=leg.codec,
        secured=leg.secured,
        media=None if media is None else MediaView(
            received=media.received, sent=media.sent, lost=media.lost, jitter_ms=media.jitter_ms,
            peer_lost=media.peer_lost, peer_jitter_ms=media.peer_jitter_ms, round_trip_ms=media.round_trip_ms,
            mos_in=media.mos_in, mos_out=media.mos_out, silent=media.silent,
        ),
    )  # fmt: skip


def record_row(record: CallRecord) -> RecordRow:
    """A stored call as a line of a list."""
    return RecordRow(
        id=record.id,
        direction=record.direction,
        trunk=record.trunk,
        called=record.called,
        extension=record.extension,
        caller=record.caller_masked,
        contact=contact_of(record.caller_fingerprint),
        region=region_view(record),
        flow=record.flow,
        group=record.group,
        agent=record.agent,
        started=when(record.started_us),
        answered=moment(record.answered_us),
        identity=identity_view(record.identity),
        binding=record.binding,
        ended=moment(record.ended_us),
        ended_by=record.ended_by,
        cause=record.cause,
        seconds=seconds(record.started_us, record.ended_us),
        talked=spent(record.segments, TALK),
        queued=record.queued_us / 1e6,
        held=record.hold_us / 1e6,
        consulted=record.consult_us / 1e6,
        transfers=record.transfers,
    )


def record_view(record: CallRecord, recordings: Path | None = None, viewer: str | None = None) -> RecordView:
    """All that is kept of a call; with the directory of `recordings` each tells whether its file is there.

    `viewer` is the agent who looks, to whom it is not told who has listened; None for those who see all.
    """
    row = record_row(record)
    return RecordView(
        **{name: getattr(row, name) for name in row.__struct_fields__},
        sip_status=record.sip_status,
        q850=record.q850,
        flow_version=record.flow_version,
        consent=record.consent,
        post_dial_delay=_microseconds(record.post_dial_delay_us),
        transfer_latency=_microseconds(record.transfer_latency_us),
        legs=[leg_record_view(leg) for leg in _shown(record.legs, viewer)],
        segments=segment_views(record.segments),
        trail=trail_views(record.trail),
        path=record.path,
        survey=record.survey,
        recordings=[recording_view(record.id, recording, recordings) for recording in record.recordings],
    )


def last_call_view(call: LastCall) -> LastCallView:
    """A call as one of an agent's last ten."""
    record = call.record
    return LastCallView(
        call=record.id,
        number=record.caller_masked,
        contact=contact_of(record.caller_fingerprint),
        answered=when(call.answered_us),
        seconds=call.talk_us / 1e6,
        region=region_view(record),
        group=call.group,
        trail=trail_views(record.trail),
        remark=call.remarks[-1].text if call.remarks else "",
    )


def remark_view(remark: Remark) -> RemarkView:
    """A remark."""
    return RemarkView(id=remark.id, call=remark.call_id, text=remark.text, by=remark.who, at=when(remark.at_us))


def recording_view(call: str, recording: RecordingRecord, directory: Path | None = None) -> RecordingView:
    """A recording of a call."""
    there = directory is None or find(directory / recording.path) is not None
    return RecordingView(
        id=recording.id,
        call=call,
        kind=recording.kind,
        started=when(recording.started_us),
        seconds=recording.seconds,
        there=there,
        deleted=None if there or directory is None else deleted_at(directory / recording.path),
    )


def segment_views(segments: Iterable[SegmentRecord]) -> list[SegmentView]:
    """The stretches of a call."""
    return [
        SegmentView(
            kind=segment.kind,
            started=when(segment.started_us),
            ended=moment(segment.ended_us),
            seconds=None if segment.ended_us is None else seconds(segment.started_us, segment.ended_us),
            detail=segment.detail,
            agent=segment.agent,
            group=segment.group,
        )
        for segment in segments
    ]


def trail_views(trail: Iterable[TrailRecord]) -> list[TrailView]:
    """The keys of a caller."""
    return [TrailView(flow=one.flow, node=one.node, key=one.key, at=when(one.at_us)) for one in trail]


def identity_view(identity: IdentityRecord | None) -> IdentityView | None:
    """What came of an identity check."""
    if identity is None:
        return None
    return IdentityView(
        status=identity.status, method=identity.method, subject=identity.subject, attempts=identity.attempts
    )


def callback_view(request: Request) -> CallbackView:
    """A request to be called back."""
    record = request.record
    return CallbackView(
        id=record.id,
        group=record.group,
        number=record.number_masked,
        contact=contact_of(record.number_fingerprint),
        asked=when(record.asked_us),
        state=request.state,
        call=record.call_id,
        attempts=request.attempts,
        changed=moment(request.changed_us),
        changed_by=request.changed_by,
    )


def message_view(message: Message) -> MessageView:
    """A voice message."""
    record = message.record
    return MessageView(
        id=record.id,
        box=record.box,
        left=when(record.left_us),
        seconds=record.seconds,
        caller=record.caller_masked,
        contact=contact_of(record.caller_fingerprint),
        call=record.call_id,
        state=message.state,
    )


def spent(segments: Iterable[SegmentRecord], kinds: Iterable[str]) -> float:
    """Seconds in stretches of these kinds."""
    wanted = frozenset(kinds)
    return sum(seconds(segment.started_us, segment.ended_us) for segment in segments if segment.kind in wanted)


def _microseconds(length_us: int | None) -> float | None:
    return None if length_us is None else length_us / 1e6
