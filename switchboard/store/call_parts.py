"""The tables that hold what a call has several of, or may have: how records become rows and rows records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import Table

from switchboard.store.records import (
    CallRecord,
    IdentityRecord,
    LegRecord,
    MediaRecord,
    RecordingRecord,
    SegmentRecord,
    TrailRecord,
)
from switchboard.store.schema import call_identities, call_recordings, call_surveys, call_trail, legs, segments

Values = tuple[object, ...]

_leg_values: Final = attrgetter(*(name for name in LegRecord.__struct_fields__ if name != "media"))
_media_values: Final = attrgetter(*MediaRecord.__struct_fields__)
_segment_values: Final = attrgetter(*SegmentRecord.__struct_fields__)
_trail_values: Final = attrgetter(*TrailRecord.__struct_fields__)
_identity_values: Final = attrgetter(*IdentityRecord.__struct_fields__)
_recording_values: Final = attrgetter(*RecordingRecord.__struct_fields__)
_NO_MEDIA: Final = (None,) * len(MediaRecord.__struct_fields__)

# Kinds of stretches in which an agent and the caller are together, and in which they can hear each other.
_TOGETHER: Final = frozenset({"talk", "conference", "hold", "consult"})
_TALKING: Final = frozenset({"talk", "conference"})


class Part(NamedTuple):
    """A table of parts: the rows of a record, and how a row, without its keys, goes back into its record."""

    table: Table
    rows: Callable[[CallRecord], Iterable[Values]]
    take: Callable[[CallRecord, dict[str, Any]], None]


def talk_us(record: CallRecord) -> int:
    """How long the caller talked with people, all stretches together."""
    return sum(_length(record, segment) for segment in record.segments if segment.kind in _TALKING)


class AgentPart(NamedTuple):
    """What one agent had of a call: a row of `call_agents`. Times are UTC microseconds."""

    agent: str
    started_us: int
    call_id: str
    group: str
    answered_us: int
    talk_us: int
    hold_us: int


def agent_parts(record: CallRecord) -> list[AgentPart]:
    """The part of every agent who answered; a supervisor who was there beside them has none."""
    answered = {
        leg.agent: leg.answered_us for leg in reversed(record.legs) if leg.agent and leg.answered_us and not leg.mode
    }
    own: dict[str, list[SegmentRecord]] = {}
    for segment in record.segments:
        if segment.agent and segment.kind in _TOGETHER:
            own.setdefault(segment.agent, []).append(segment)
    found: list[AgentPart] = []
    for agent in answered | own:
        parts = own.get(agent, [])
        began = [segment.started_us for segment in parts]
        since = answered.get(agent)
        group = next((segment.group for segment in parts if segment.group), "")
        talked = sum(_length(record, segment) for segment in parts if segment.kind in _TALKING)
        held = sum(_length(record, segment) for segment in parts if segment.kind == "hold")
        first = min(began if since is None else [*began, since])
        found.append(AgentPart(agent, record.started_us, record.id, group, first, talked, held))
    return found


def _length(record: CallRecord, segment: SegmentRecord) -> int:
    end = segment.ended_us or record.ended_us or segment.started_us
    return max(0, end - segment.started_us)


def _leg_rows(record: CallRecord) -> Iterable[Values]:
    for place, leg in enumerate(record.legs):
        media = _NO_MEDIA if leg.media is None else _media_values(leg.media)
        yield record.id, place, *_leg_values(leg), *media


def _take_leg(record: CallRecord, values: dict[str, Any]) -> None:
    # Fields that came later are unknown of older calls, as they are in older records.
    media = {name: told for name in MediaRecord.__struct_fields__ if (told := values.pop(name)) is not None}
    record.legs.append(LegRecord(**values, media=MediaRecord(**media) if media else None))


def _segment_rows(record: CallRecord) -> Iterable[Values]:
    return [(record.id, place, *_segment_values(segment)) for place, segment in enumerate(record.segments)]


def _take_segment(record: CallRecord, values: dict[str, Any]) -> None:
    record.segments.append(SegmentRecord(group=values.pop("skill_group"), **values))


def _trail_rows(record: CallRecord) -> Iterable[Values]:
    return [(record.id, place, *_trail_values(entry)) for place, entry in enumerate(record.trail)]


def _take_trail(record: CallRecord, values: Mapping[str, Any]) -> None:
    record.trail.append(TrailRecord(**values))


def _identity_rows(record: CallRecord) -> Iterable[Values]:
    return () if record.identity is None else ((record.id, *_identity_values(record.identity)),)


def _take_identity(record: CallRecord, values: Mapping[str, Any]) -> None:
    record.identity = IdentityRecord(**values)


def _survey_rows(record: CallRecord) -> Iterable[Values]:
    return [(record.id, place, *answer) for place, answer in enumerate(record.survey.items())]


def _take_survey(record: CallRecord, values: Mapping[str, Any]) -> None:
    record.survey[values["question"]] = values["answer"]


def _recording_rows(record: CallRecord) -> Iterable[Values]:
    return [(record.id, place, *_recording_values(recording)) for place, recording in enumerate(record.recordings)]


def _take_recording(record: CallRecord, values: Mapping[str, Any]) -> None:
    record.recordings.append(RecordingRecord(**values))


PARTS: Final = (
    Part(legs, _leg_rows, _take_leg),
    Part(segments, _segment_rows, _take_segment),
    Part(call_trail, _trail_rows, _take_trail),
    Part(call_identities, _identity_rows, _take_identity),
    Part(call_surveys, _survey_rows, _take_survey),
    Part(call_recordings, _recording_rows, _take_recording),
)
