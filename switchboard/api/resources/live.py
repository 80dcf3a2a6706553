"""What the event stream asks for: how things are at its begin, and what belongs to a call that rings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from switchboard.api.desk_views import agent_view, entry_view, group_view
from switchboard.api.principal import Principal
from switchboard.api.resources.calls import may_see, viewer_of
from switchboard.api.resources.groups import record_of, sees_group
from switchboard.api.resources.parts import Parts
from switchboard.api.types import AgentView, CallView, GroupView, QueueEntryView, RingView, SnapshotView
from switchboard.api.views import call_view, record_row, remark_view, ring_view
from switchboard.calls.news import CallNews
from switchboard.store.call_history import Contact

T = TypeVar("T")

PIECE: Final = 25
"""Views made before the loop goes on with calls."""
QUEUE_SHOWN: Final = 100
HISTORY: Final = 10
HISTORY_SECONDS: Final = 0.2
"""So long a ringing call's event waits for the caller's call before."""


class Live:
    """Bound to the parts of one switch; `snapshot` and `ring` are called in the loop."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def snapshot(self, principal: Principal) -> SnapshotView:
        """Agents, groups, calls and queues, as far as a principal may see them.

        It is read in pieces, so it may be newer than the moment at which it was asked for, in parts.
        """
        parts = self._parts
        queues: dict[str, list[QueueEntryView]] = {}
        for name in [name for name in sorted(parts.engine.groups) if sees_group(parts, principal, name)]:
            if entries := self._queue(name):
                queues[name] = entries
            await asyncio.sleep(0)
        return SnapshotView(
            agents=await _pieces(sorted(parts.engine.agents), lambda agent: self._agent(agent, principal)),
            groups=await _pieces(sorted(parts.engine.groups), self._group),
            calls=await _pieces(sorted(parts.exchange.calls), lambda call: self._call(call, principal)),
            queues=queues,
        )

    async def ring(self, news: CallNews, principal: Principal) -> RingView | None:
        """Who calls, with their last calls and what was written about them; None once the call is over."""
        parts = self._parts
        call = parts.exchange.calls.get(news.call)
        if call is None or not may_see(parts, principal, call):
            return None
        fingerprint = call.record.caller_fingerprint
        known = None
        if fingerprint:
            known = await asyncio.to_thread(_last_calls, parts, fingerprint)
        history = [] if known is None else [record_row(record) for record in known.calls]
        remarks = [] if known is None else [remark_view(one) for of_call in known.remarks.values() for one in of_call]
        now_us = round(parts.services.utc() * 1e6)
        return ring_view(call, now_us, history, remarks)

    def _agent(self, agent: str, principal: Principal) -> AgentView | None:
        status = self._parts.engine.agents.get(agent)
        if status is None or status.removed:
            return None
        full = principal.role != "agent" or principal.agent == agent
        return agent_view(status, self._parts.exchange.utc_us, full=full)

    def _group(self, group: str) -> GroupView | None:
        parts = self._parts
        status = parts.engine.groups.get(group)
        if status is None:
            return None
        return group_view(status, parts.engine, parts.exchange.clock, parts.services.clock())

    def _call(self, call: str, principal: Principal) -> CallView | None:
        parts = self._parts
        found = parts.exchange.calls.get(call)
        if found is None or not may_see(parts, principal, found):
            return None
        return call_view(found, round(parts.services.utc() * 1e6), viewer_of(principal))

    def _queue(self, group: str) -> list[QueueEntryView]:
        parts, now = self._parts, self._parts.services.clock()
        x = parts.exchange
        return [
            entry_view(entry, place, parts.engine, record_of(parts, entry.id), now, x.utc_us, parts.region_of)
            for place, entry in enumerate(parts.engine.queue(group)[:QUEUE_SHOWN], 1)
        ]


def _last_calls(parts: Parts, fingerprint: bytes) -> Contact:
    # Who calls again at once hung up a moment ago; nobody does so within a fifth of a second.
    parts.store.loader.catch_up(HISTORY_SECONDS, age=HISTORY_SECONDS)
    return parts.store.history.contact(fingerprint, HISTORY)


async def _pieces(names: Iterable[str], view: Callable[[str], T | None]) -> list[T]:
    found: list[T] = []
    for place, name in enumerate(names, 1):
        if (shown := view(name)) is not None:
            found.append(shown)
        if place % PIECE == 0:
            await asyncio.sleep(0)
    return found
