"""Filling a call's record as it goes, and writing what a restart must know."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from switchboard.calls.call import Call
from switchboard.calls.exchange import Exchange
from switchboard.calls.identity import Caller
from switchboard.calls.leg import KeysHeard
from switchboard.store.records import (
    IdentityRecord,
    LegRecord,
    SegmentKind,
    SegmentRecord,
    TrailRecord,
    encode_record,
    encode_snapshot,
    end_segment,
)
from switchboard.store.segments import Kind

# Octets that are no UTF-8, kept as surrogates by the parser, become private-use characters, which can be written.
_WRITABLE: Final = {code: code + 0x100000 for code in range(0xDC80, 0xDD00)}

MAX_LEGS: Final = 50
"""Legs that a record tells of, the caller's and the latest: a group that is always busy is rung for a long time."""

MAX_SEGMENTS: Final = 100
"""Segments of a record before the rounds of a search are told as one."""


def _unwritten(value: object) -> None:
    """What stands for `value` in a snapshot: keys that were heard may be of a secret."""
    if not isinstance(value, KeysHeard):
        raise TypeError(f"{type(value).__name__} cannot be written")


_encoder = msgspec.msgpack.Encoder(enc_hook=_unwritten)


def leg_record(x: Exchange, role: Literal["caller", "agent"], peer: str, now: float, agent_id: str = "") -> LegRecord:
    """The record of a leg that begins; `peer` is masked or an account, never a number."""
    return LegRecord(id=x.new_id(), role=role, peer=peer, invited_us=x.utc_us(now), agent=agent_id)


def add_leg(call: Call, leg: LegRecord) -> None:
    """Tell of one more attempt; the oldest gives way when there are too many."""
    legs = call.record.legs
    if len(legs) >= MAX_LEGS:
        del legs[1]
    legs.append(leg)


def open_segment(
    call: Call, kind: SegmentKind, at_us: int, detail: str = "", *, agent: str = "", group: str = ""
) -> None:
    """Begin a stretch of the call; the one before ends. `agent` and `group` are credited with it."""
    close_segment(call, at_us)
    segments = call.record.segments
    if len(segments) >= MAX_SEGMENTS:
        _fold_search(segments)
    segments.append(SegmentRecord(kind=kind, started_us=at_us, detail=detail, agent=agent, group=group))


def _fold_search(segments: list[SegmentRecord]) -> None:
    """Make the oldest rounds of a search one stretch of waiting: queue, ring, queue become queue."""
    kinds = [segment.kind for segment in segments]
    for index in range(len(kinds) - 2):
        if kinds[index : index + 3] == ["queue", "ring", "queue"]:
            segments[index].ended_us = segments[index + 2].ended_us
            del segments[index + 1 : index + 3]
            return


def close_segment(call: Call, at_us: int) -> None:
    """End the current stretch, if one is open, and add it to what the record sums up."""
    segments = call.record.segments
    if segments and segments[-1].ended_us is None:
        end_segment(call.record, at_us)


def record_caller(x: Exchange, call: Call, who: Caller) -> None:
    """Keep who called: masked for people, sealed for those entitled, hashed for look-ups.

    Of a number that is withheld people are told nothing, also not where it is from.
    """
    call.record.caller_masked = who.shown
    number = who.number
    if number is None:
        return
    call.record.caller_sealed = x.secrets.seal(number)
    call.record.caller_fingerprint = x.secrets.fingerprint(number)
    if x.region_of is not None and not who.withheld:
        region = x.region_of(number.reveal("region"))
        call.record.province, call.record.city, call.record.carrier = region


def note_flow(x: Exchange, call: Call) -> None:
    """Keep what the flow has learned so far: keys, way, identity, survey; never what was keyed as a secret."""
    position, record = call.position, call.record
    if position is None:
        return
    record.path = list(position.path)
    record.trail = [
        TrailRecord(flow=entry.flow, node=entry.node, key=entry.key, at_us=x.utc_us(entry.at))
        for entry in position.trail
    ]
    record.survey = dict(position.survey)
    identity = position.identity
    if identity.status != "not_asked":
        record.identity = IdentityRecord(
            status=identity.status,
            method=identity.method,
            subject=identity.subject,
            attempts=identity.attempts,
            asked_us=x.utc_us(identity.asked_at) if identity.asked_at is not None else None,
            took_us=int(identity.took * 1e6),
        )


def write_snapshot(x: Exchange, call: Call) -> None:
    """A durable transition, with all of the call's state; written before the message that reveals it.

    Until the caller is answered there is only the record: what rings cannot be taken up by another process, as the
    INVITE transactions end with this one.
    """
    # Dialogs and targets hold both sides' real numbers, so the state is sealed as they are.
    note_flow(x, call)
    state = x.secrets.seal_state(_encode_call(call)) if call.caller.talking else b""
    _append(x, call, state)


def _encode_call(call: Call) -> bytes:
    if call.position is not None:
        # Sealed or not, what was keyed as a secret is never written down.
        call = msgspec.structs.replace(call, position=call.position.redacted())
    try:
        return _encoder.encode(call)
    except UnicodeEncodeError:
        # A peer's display name in GBK, say. Rare enough to pay for the detour only then.
        return _encoder.encode(_writable(msgspec.to_builtins(call, builtin_types=(bytes,), enc_hook=_unwritten)))


def _writable(value: object) -> object:
    if isinstance(value, str):
        return value.translate(_WRITABLE)
    if isinstance(value, list):
        return [_writable(item) for item in value]
    if isinstance(value, dict):
        return {_writable(key): _writable(item) for key, item in value.items()}
    return value


def write_ending(x: Exchange, call: Call) -> None:
    """The call is over but for its media counters; there is no state left to take up again."""
    _append(x, call, b"")


def _append(x: Exchange, call: Call, state: bytes) -> None:
    kind = Kind.CHANGED if call.journalled else Kind.OPENED
    call.journalled = True
    x.journal.append(kind, call.id, encode_snapshot(call.record, state))


def write_ended(x: Exchange, call: Call) -> None:
    """The call's one final record."""
    x.journal.append(Kind.ENDED, call.id, encode_record(call.record))
