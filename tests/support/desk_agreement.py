"""Whether desk and calls say the same: who talks, who is rung, who waits, who is to be called back; and the records."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from routing.acd.agents import AgentStatus
from switchboard.calls.call import Call, Phase
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg, LegState
from switchboard.store.records import CallRecord
from tests.support.exchange import World

_OVER = (Phase.ENDING, Phase.ENDED)
_RINGS = (LegState.INVITED, LegState.EARLY)
_CREDITED = ("talk", "hold", "consult", "conference")


def disagreements(world: World) -> list[str]:
    """What does not fit together whenever the network is still, each a short sentence."""
    x = world.exchange
    found: list[str] = []
    for agent in world.queues.agents.values():
        found += _of_agent(x, agent)
    for call in x.calls.values():
        if call.phase not in _OVER:
            for leg in call.legs:
                found += _of_leg(world, call, leg)
            found += _of_waiting(world, call)
    found += _of_entries(world)
    return found


def _of_agent(x: Exchange, agent: AgentStatus) -> Iterator[str]:
    for entry in agent.talks:
        call = x.call_waiting_as(entry)
        if not any(leg.talking for leg in _queue_legs(call, agent.id)):
            yield f"{agent.id} is said to talk to {entry}, and does not"
    for own in agent.own_calls:
        call = x.calls.get(own)
        if call is None or call.phase in _OVER or not any(leg.engaged for leg in _legs(call, agent.id)):
            yield f"{agent.id} is said to be in {own}, and is not"
    if agent.offer is not None:
        call = x.call_waiting_as(agent.offer.id)
        rung = any(leg.state in _RINGS for leg in _queue_legs(call, agent.id))
        kept = call is not None and call.kept_agent is not None and call.kept_agent[0] == agent.id
        if not rung and not (kept and call is not None and call.phase not in _OVER):
            yield f"{agent.id} is said to be rung for {agent.offer.id}, and is not"


def _of_leg(world: World, call: Call, leg: Leg) -> Iterator[str]:
    """What a leg of an agent means for the desk."""
    agent = world.queues.agents.get(leg.agent_id)
    if not leg.agent_id or leg.state in (LegState.CANCELLING, LegState.ENDED):
        return
    name = f"{leg.agent_id}'s leg in {call.id} ({leg.purpose}, {leg.state.name})"
    if agent is None:
        yield f"{name}: nobody knows the agent"
        return
    if leg.engaged:
        key = call.id
        known = call.id in agent.own_calls
    else:
        key = call.entry_id
        rung = agent.offer is not None and agent.offer.id == key
        known = leg.purpose in ("offer", "callback") and (key in agent.talks if leg.talking else rung)
    if not known:
        yield f"{name}: the desk says {agent.state}, {agent.calls}, offered {agent.offered!r}"
    elif leg.talking and call.phase is Phase.TALKING and not _twice(call, leg) and leg.holds != (key in agent.held):
        yield f"{name}: holds {leg.holds}, the desk says {agent.held}"


def _of_waiting(world: World, call: Call) -> Iterator[str]:
    entry = world.queues.entries.get(call.entry_id)
    if (call.wait is not None) != (call.phase is Phase.QUEUED):
        yield f"{call.id} is {call.phase.name}, but its waiting is {call.wait}"
    if call.wait is not None and (entry is None or entry.callback is not None):
        yield f"{call.id} waits, and nobody knows"
    if call.wait is not None and entry is not None and entry.group.name != call.wait.group:
        yield f"{call.id} waits for {call.wait.group}, the queue says {entry.group.name}"


def _of_entries(world: World) -> Iterator[str]:
    callbacks = set()
    for entry in world.queues.entries.values():
        call = world.exchange.call_waiting_as(entry.id)
        live = call is not None and call.phase not in _OVER
        if entry.callback is not None:
            callbacks.add(entry.id)
            if (entry.offers or entry.callback.agent is not None) and not live:
                yield f"callback {entry.id} is under way, but there is no call"
        elif not live or call is None or call.wait is None:
            yield f"the queue says that {entry.id} waits, who does not"
    if callbacks != set(world.callbacks.open):
        yield f"callbacks {callbacks} are known, but {set(world.callbacks.open)} are kept"


def _legs(call: Call, agent: str) -> list[Leg]:
    return [leg for leg in call.legs if leg.agent_id == agent]


def _queue_legs(call: Call | None, agent: str) -> list[Leg]:
    if call is None or call.phase in _OVER:
        return []
    return [leg for leg in _legs(call, agent) if not leg.engaged and leg.purpose in ("offer", "callback")]


def _twice(call: Call, leg: Leg) -> bool:
    return len(_legs(call, leg.agent_id)) > 1


class Witness:
    """Sees now and then who talks in which call, to be asked whether the records say the same."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.seen: dict[str, dict[int, str | None]] = {}

    def look(self) -> None:
        """Note whose talk each call is from this instant on, None where there is none."""
        at_us = self.world.exchange.utc_us(self.world.now)
        for call in self.world.exchange.calls.values():
            agent = None
            if call.phase is Phase.TALKING and call.agent is not None and not (call.control and call.control.target):
                agent = call.agent.agent_id
            self.seen.setdefault(call.id, {})[at_us] = agent

    def faults(self, record: CallRecord) -> Iterator[str]:
        """What is wrong with a record: gaps, legs left open, or another agent credited than the one who talked."""
        segments = record.segments
        for one, following in itertools.pairwise(segments):
            if one.ended_us != following.started_us:
                yield f"{record.id}: a gap after {one}"
        if segments and segments[-1].ended_us != record.ended_us:
            yield f"{record.id}: ends at {record.ended_us}, its last segment is {segments[-1]}"
        yield from (f"{record.id}: the leg {leg} is open" for leg in record.legs if leg.ended_us is None)
        for at_us, agent in self.seen.get(record.id, {}).items():
            part = next((one for one in segments if one.started_us <= at_us < (one.ended_us or 0)), None)
            if part is None:
                continue
            credited = part.agent if part.kind in _CREDITED else None
            if part.kind != "ring" and credited != agent:
                yield f"{record.id}: {agent} talked at {at_us}, the record has {part}"
