"""Agents, groups and those who wait, as the API shows them; read from the queue engine in the order of events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from ivr_flows.clock import Clock
from routing.acd.agents import AgentStatus
from routing.acd.engine import Engine
from routing.acd.entries import Entry
from routing.acd.estimate import Band as Seconds
from routing.acd.groups import GroupStatus
from switchboard.api.types import AgentView, Band, GroupView, QueueEntryView, SkillView
from switchboard.api.views import RegionOf, contact_of, region_view, when
from switchboard.store.records import CallbackRecord, CallRecord

UtcOf = Callable[[float], int]
"""UTC microseconds of a monotonic moment."""

SERVED: Final = ("answered", "reached")
ABANDONED: Final = ("gone", "timeout")
"""Outcomes of those who came to be served, and were, or were not."""


def agent_view(status: AgentStatus, utc_of: UtcOf, *, full: bool) -> AgentView:
    """An agent now; the phone and who set the state only in `full`."""
    agent = status.agent
    return AgentView(
        id=agent.id,
        name=agent.name or agent.id,
        state=status.state,
        since=when(utc_of(status.since)),
        reason=status.reason,
        by=status.by if full else "",
        signed_in=status.signed_in,
        phone_up=status.phone_up,
        phone=agent.phone if full else "",
        calls=list(status.calls) if full else [],
        groups=agent.groups,
        skills=agent.skills,
    )


def group_view(status: GroupStatus, engine: Engine, clock: Clock, now: float) -> GroupView:
    """A group now."""
    entries = engine.queue(status.name)
    states: Counter[str] = Counter(seat.agent.state for seat in status.seats.values())
    outcomes: Mapping[str, int] = {str(name): count for name, count in status.outcomes.items()}
    answered, abandoned = _sum(outcomes, SERVED), _sum(outcomes, ABANDONED)
    ended = answered + abandoned
    return GroupView(
        name=status.name,
        strategy=status.group.strategy,
        waiting=status.callers,
        callbacks=len(status.callbacks),
        longest_wait=max((now - entry.since for entry in entries if entry.callback is None), default=None),
        estimate=band(status.band(len(entries) + 1, free=bool(status.idle) and not entries)),
        agents=len(status.seats),
        signed_in=status.signed_in,
        idle=states["idle"],
        states=dict(states),
        answered=answered,
        abandoned=abandoned,
        service_level=round(status.in_time / ended, 4) if ended else None,
        service_level_seconds=status.group.service_level,
        open=status.is_open(clock.local, now),
    )


def entry_view(
    entry: Entry,
    position: int,
    engine: Engine,
    record: CallRecord | CallbackRecord | None,
    now: float,
    utc_of: UtcOf,
    region_of: RegionOf,
) -> QueueEntryView:
    """Somebody who waits; `record` is that of the call, or of the request to be called back."""
    caller, fingerprint, region = "", entry.caller, None
    if isinstance(record, CallRecord):
        caller, fingerprint, region = record.caller_masked, record.caller_fingerprint, region_view(record)
    elif record is not None:
        caller, fingerprint = record.number_masked, record.number_fingerprint
        region = region_of(record.number_fingerprint, record.number_sealed)
    return QueueEntryView(
        id=entry.id,
        group=entry.group.name,
        kind="call" if entry.callback is None else "callback",
        position=position,
        since=when(utc_of(entry.since)),
        waited=round(max(now - entry.since, 0.0), 3),
        priority=entry.priority,
        vip=entry.vip,
        caller=caller,
        contact=contact_of(fingerprint),
        region=region,
        preferred=entry.preferred,
        attempts=0 if entry.callback is None else entry.callback.attempts,
        offered_to=sorted(entry.offers),
        estimate=band(engine.estimate(entry.id)),
    )


def skill_views(agents: Iterable[AgentStatus]) -> list[SkillView]:
    """Every skill that anybody has."""
    skills: dict[str, dict[str, int]] = {}
    for status in agents:
        for skill, level in status.agent.skills.items():
            skills.setdefault(skill, {})[status.id] = level
    return [SkillView(name=name, agents=dict(sorted(skills[name].items()))) for name in sorted(skills)]


def band(seconds: Seconds | None) -> Band | None:
    """How long a wait may be."""
    return None if seconds is None else Band(at_least=round(seconds[0], 1), at_most=round(seconds[1], 1))


def _sum(outcomes: Mapping[str, int], names: Iterable[str]) -> int:
    return sum(outcomes.get(name, 0) for name in names)
