"""A stored call in words and as an object for programs; neither holds a number in clear or anything sealed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from media.recording_files import find
from switchboard.command_line import columns, local_time
from switchboard.store.records import CallRecord, LegRecord, MediaRecord, RecordingRecord

_SEALED: Final = ("caller_sealed", "caller_fingerprint")
_LENGTHS: Final = frozenset({"took", "post_dial_delay", "transfer_latency", "queued", "hold", "consult"})
_PATH_WIDTH: Final = 100


class Found(NamedTuple):
    """A call, the directory of its recordings, and its mask in words."""

    record: CallRecord
    recordings: Path
    mask: str = ""


def about(found: Found) -> dict[str, Any]:
    """The call as an object; times are ISO 8601 in UTC, lengths of time in seconds."""
    record = found.record
    result: dict[str, Any] = _object(record)
    for name in _SEALED:
        del result[name]
    result["mask"] = found.mask
    for recording, described in zip(record.recordings, result["recordings"], strict=True):
        path = found.recordings / recording.path
        described |= {"file": str(find(path) or path), "there": find(path) is not None, "sidecar": _sidecar(path)}
    return result


def describe(found: Found) -> Iterator[str]:
    """The call in lines."""
    record = found.record
    yield f"call {record.id}"
    yield from columns([(name, text) for name, text in _facts(found) if text], "  ")
    yield "legs"
    yield from columns([_leg(record, leg) for leg in record.legs] or [("none",)], "  ")
    yield "stretches"
    rows = [
        (
            segment.kind,
            _since(record, segment.started_us),
            _lasted(segment.started_us, segment.ended_us),
            segment.detail,
            f"by {segment.agent}" if segment.agent else "",
            f"for {segment.group}" if segment.group else "",
        )
        for segment in record.segments
    ]
    yield from columns(rows or [("none",)], "  ")
    if record.trail:
        yield "keys"
        yield from columns(
            [(_since(record, key.at_us), f"{key.flow}/{key.node}", key.key) for key in record.trail], "  "
        )
    if record.path:
        yield "path"
        yield from _path(record.path)
    if record.recordings:
        yield "recordings"
        yield from columns([_recording(found, recording) for recording in record.recordings], "  ")


def _facts(found: Found) -> Iterator[tuple[str, str]]:
    record = found.record
    yield "called", f"{record.called} extension {record.extension}" if record.extension else record.called
    yield "caller", record.caller_masked
    yield "region", " ".join(filter(None, (record.province, record.city, record.carrier)))
    yield "trunk", record.trunk and f"{record.trunk} ({record.direction})"
    yield "flow", f"{record.flow} version {record.flow_version}" if record.flow_version else record.flow
    yield "began", local_time(record.started_us)
    yield "answered", "no" if record.answered_us is None else _since(record, record.answered_us)
    yield "ended", _ending(record)
    yield "group", f"{record.group}, waited {record.queued_us / 1e6:.1f} s" if record.group else ""
    yield "agent", _agent(record)
    if record.post_dial_delay_us is not None:
        yield "post-dial delay", f"{record.post_dial_delay_us / 1e3:.1f} ms"
    if record.transfer_latency_us is not None:
        yield "transfer latency", f"{record.transfer_latency_us / 1e3:.2f} ms"
    yield "mask", f"{record.binding}, which leads to {found.mask}" if found.mask else record.binding
    yield "identity", _identity(record)
    yield "consent", record.consent
    yield "survey", ", ".join(f"{question} {answer}" for question, answer in record.survey.items())


def _ending(record: CallRecord) -> str:
    if record.ended_us is None:
        return "not yet"
    codes = [f"SIP {record.sip_status}"] if record.sip_status is not None else []
    codes += [f"Q.850 {record.q850}"] if record.q850 is not None else []
    told = f" ({', '.join(codes)})" if codes else ""
    who = f" by {record.ended_by}" if record.ended_by else ""
    return f"{_since(record, record.ended_us)}{who}: {record.cause}{told}"


def _agent(record: CallRecord) -> str:
    words = [record.agent] if record.agent else []
    words += [f"held {record.hold_us / 1e6:.1f} s"] if record.hold_us else []
    words += [f"consulted {record.consult_us / 1e6:.1f} s"] if record.consult_us else []
    words += [f"transferred {record.transfers} time{'s' if record.transfers > 1 else ''}"] if record.transfers else []
    return ", ".join(words)


def _identity(record: CallRecord) -> str:
    identity = record.identity
    if identity is None:
        return ""
    words: list[str] = [identity.status]
    words += [f"by {identity.method}"] if identity.method else []
    words += [f"subject {identity.subject}"] if identity.subject else []
    if identity.attempts:
        words.append(f"{identity.attempts} attempt{'s' if identity.attempts > 1 else ''}")
    if identity.asked_us is not None:
        words.append(f"asked {_since(record, identity.asked_us)}, took {identity.took_us / 1e6:.1f} s")
    return ", ".join(words)


def _leg(record: CallRecord, leg: LegRecord) -> tuple[str, ...]:
    status = "" if leg.sip_status is None else str(leg.sip_status)
    media = ""
    if leg.media is not None:
        media = _media(leg.media)
    return (
        leg.mode or leg.role,
        leg.peer or "-",
        f"invited {_since(record, leg.invited_us)}",
        f"answered {_since(record, leg.answered_us)}" if leg.answered_us is not None else "not answered",
        f"ended {_since(record, leg.ended_us)}" if leg.ended_us is not None else "",
        status,
        leg.cause,
        f"{leg.codec} {leg.secured}".rstrip(),
        media,
    )


def _media(told: MediaRecord) -> str:
    words = [f"received {told.received}", f"sent {told.sent}", f"lost {told.lost}", f"jitter {told.jitter_ms:.1f} ms"]
    words += [f"MOS {told.mos_in:.2f}"] if told.mos_in is not None else []
    if told.peer_lost is not None:
        words.append(f"the peer lost {told.peer_lost}")
        words += [f"its jitter {told.peer_jitter_ms:.1f} ms"] if told.peer_jitter_ms is not None else []
        words += [f"its MOS {told.mos_out:.2f}"] if told.mos_out is not None else []
    words += [f"round trip {told.round_trip_ms:.0f} ms"] if told.round_trip_ms is not None else []
    words += ["silent in the talk"] if told.silent else []
    return ", ".join(words)


def _recording(found: Found, recording: RecordingRecord) -> tuple[str, ...]:
    path = found.recordings / recording.path
    sidecar = _sidecar(path)
    seconds = sidecar.get("seconds") if sidecar else None
    length = seconds if isinstance(seconds, int | float) and not recording.seconds else recording.seconds
    gaps = sidecar.get("gaps") if sidecar else None
    number = len(gaps) if isinstance(gaps, list) else gaps
    told = f"{number} gap{'s' if number != 1 else ''}" if number else ""
    file = find(path)
    there = "" if file else "file is gone"
    began = _since(found.record, recording.started_us)
    return recording.kind, began, f"{length:.1f} s", str(file or path), told, there


def _sidecar(path: Path) -> dict[str, Any] | None:
    """What is written beside an audio file; None when nothing readable is."""
    try:
        return msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.MsgspecError):
        return None


def _path(nodes: list[str]) -> Iterator[str]:
    line = ""
    for place, node in enumerate(nodes):
        piece = node if place == 0 else f" → {node}"
        if line and len(line) + len(piece) > _PATH_WIDTH:
            yield f"  {line}"
            line = piece.lstrip()
        else:
            line += piece
    yield f"  {line}"


def _since(record: CallRecord, at_us: int | None) -> str:
    return "" if at_us is None else f"+{(at_us - record.started_us) / 1e6:.1f} s"


def _lasted(began_us: int, ended_us: int | None) -> str:
    return "goes on" if ended_us is None else f"{(ended_us - began_us) / 1e6:.1f} s"


def _object(value: Any) -> Any:
    """A record with the names of its fields, times and lengths of time as programs read them."""
    if isinstance(value, msgspec.Struct):
        return dict(_field(name, getattr(value, name)) for name in value.__struct_fields__)
    if isinstance(value, list):
        return [_object(item) for item in value]
    return value


def _field(name: str, value: Any) -> tuple[str, Any]:
    if not name.endswith("_us"):
        return name, _object(value)
    name = name.removesuffix("_us")
    if value is None:
        return name, None
    if name in _LENGTHS:
        return name, value / 1e6
    return name, datetime.fromtimestamp(value / 1e6, UTC).isoformat()
