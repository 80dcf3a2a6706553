"""What a leg's media counted, as its record keeps it; a leg that was not heard in a talk, or no more, is told of."""

from __future__ import annotations

from typing import Final

from media.events import StreamStats
from switchboard.calls.exchange import PHONES, Exchange
from switchboard.calls.leg import Leg
from switchboard.store.records import CallRecord, MediaRecord

SILENT_AFTER_US: Final = 3_000_000
"""A talk so long, in microseconds, in which not one packet came from a party is no talk."""
_TALKING: Final = frozenset({"talk", "conference"})


def keep_media(x: Exchange, leg: Leg, stats: StreamStats, now: float) -> None:
    """Put the counters of a released leg into its record, its trunk's figures and, if nobody heard it, the log."""
    call = x.call_of(leg)
    silent = bool(leg.unheard)
    if stats.received == 0 and call is not None:
        silent = silent or _was_silent(call.record, leg, stats, x.utc_us(now))
    media = MediaRecord(
        stats.received,
        stats.sent,
        stats.lost,
        _thousandths(stats.jitter_ms),
        stats.strangers,
        stats.peer_lost,
        None if stats.peer_jitter_ms is None else _thousandths(stats.peer_jitter_ms),
        None if stats.round_trip_ms is None else _thousandths(stats.round_trip_ms),
        stats.mos_in,
        stats.mos_out,
        silent,
    )
    leg.record.media = media
    trunk = x.routing.identify(*leg.source) or PHONES
    x.meter.leg(trunk, media)
    if silent:
        x.log("call.leg_silent", call_id=leg.call_id, leg=leg.id, role=leg.role, trunk=trunk, sent=stats.sent)


def _thousandths(value: float) -> float:
    """A figure that is not negative, to three places; `round` takes it to text and back."""
    return int(value * 1000 + 0.5) / 1000


def _was_silent(record: CallRecord, leg: Leg, stats: StreamStats, now_us: int) -> bool:
    """Whether nothing came from a party in a talk, where audio of it was agreed on and media was carried at all."""
    since, until = leg.record.answered_us, leg.record.ended_us or now_us
    if since is None or leg.agreement is None or not leg.agreement.receive or not (stats.sent or stats.rtcp_sent):
        return False
    talked = sum(
        max(0, min(segment.ended_us or until, until) - max(segment.started_us, since))
        for segment in record.segments
        if segment.kind in _TALKING
    )
    return talked >= SILENT_AFTER_US
