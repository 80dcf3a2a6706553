"""What the event stream sends."""

# ruff: noqa: RUF012 - msgspec makes a new value of an empty default each time
from __future__ import annotations

from collections.abc import Mapping

from switchboard.api.types.calls import CallSummary, CallView, RecordRow, TrailView
from switchboard.api.types.common import Moment, View
from switchboard.api.types.desk import AgentView, GroupView, QueueEntryView
from switchboard.api.types.history import RemarkView


class EventView(View, frozen=True, kw_only=True):
    """One message of the event stream; `seq` grows by one from event to event, also over those one may not see.

    `type` is `snapshot`, `idle`, `call.STEP`, `agent.state`, `queue.STEP`, `recording.ready` or `alert`.
    """

    seq: int
    at: Moment
    type: str
    data: object


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
