"""What has to hold after every event, worked out anew from the plain facts and not from what is kept sorted.

The promises are in the docstring of `routing.acd.engine`. Looking at all of it takes time in proportion to agents
and waiting ones, so it is for tests, debug builds, and a metric that is looked at now and then.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf, isclose

from routing.acd.agents import PRESENT, AgentStatus, derive
from routing.acd.due import SPARE
from routing.acd.entries import Entry
from routing.acd.floor import Floor
from routing.acd.groups import GroupStatus


def violations(x: Floor, now: float) -> Iterator[str]:
    """What does not hold at `now`, when everything that was due has been handled; each a short sentence."""
    for agent in x.agents.values():
        yield from _agent(x, agent, now)
    for entry in x.entries.values():
        yield from _entry(x, entry, now)
    for group in x.groups.values():
        yield from _group(x, group)
        yield from _idle_waiting(x, group, now)
    if x.joined != len(x.entries) + x.outcomes:
        yield f"{x.joined} came, {len(x.entries)} wait, but {x.outcomes} have ended"
    if x.due.kept > 2 * len(x.due) + SPARE:
        yield f"{x.due.kept} deadlines are kept for {len(x.due)}"
    if x.freed or x.seeking or x.emptied or x.out:
        yield "something is not settled"


def _agent(x: Floor, agent: AgentStatus, now: float) -> Iterator[str]:
    name = f"agent {agent.id}"
    if agent.state != derive(agent):
        yield f"{name} is {agent.state}, but should be {derive(agent)}"
    offers = [entry.id for entry in x.entries.values() if agent.id in entry.offers]
    if offers != ([agent.offer.id] if agent.offer is not None else []):
        yield f"{name} holds {agent.offered or 'no offer'}, but is rung for {offers}"
    if agent.offer is not None and agent.calls:
        yield f"{name} is rung for {agent.offer.id} in a call"
    if agent.deadline != agent.armed:
        yield f"{name} is due at {agent.deadline}, but armed for {agent.armed}"
    if agent.deadline <= now:
        yield f"{name} is overdue"
    if agent.state == "ringing" and agent.offer_until == inf:
        yield f"{name} rings without end"
    if agent.state == "wrap_up" and (agent.wrap_up is None or agent.wrap_up.until == inf):
        yield f"{name} is in wrap-up without end"
    if agent.state == agent.chosen != "idle" and agent.chosen_lasts is not None and agent.chosen_until == inf:
        yield f"{name} is in {agent.state} without end, which was to last {agent.chosen_lasts}"
    if agent.free != (agent.state == "idle" and agent.rests_until == inf):
        yield f"{name} is {agent.state}, and free: {agent.free}"
    if agent.removed and not agent.calls:
        yield f"{name} is removed and has no call"
    calling = [e.id for e in x.entries.values() if e.callback is not None and e.callback.agent is agent]
    silent = [call for call, talk in agent.talks.items() if not talk.counts and call != agent.clearing]
    if sorted(calling) != sorted(silent):
        yield f"{name} is on the phone for the callbacks {silent}, but {calling} are being called"


def _entry(x: Floor, entry: Entry, now: float) -> Iterator[str]:
    name = f"entry {entry.id}"
    if entry.deadline != entry.armed:
        yield f"{name} is due at {entry.deadline}, but armed for {entry.armed}"
    if entry.deadline <= now:
        yield f"{name} is overdue"
    if x.groups.get(entry.group.name) is not entry.group:
        yield f"{name} waits in a group that is no more"
    if entry.place[2] != entry.id:
        yield f"{name} has the place of {entry.place[2]}"
    callback = entry.callback
    outside = callback is not None and (callback.rests_until < inf or callback.agent is not None)
    if entry.queued == outside:
        yield f"{name} is {'in' if entry.queued else 'out of'} the queue"
    if entry.shown != (entry.queued and not entry.offers):
        yield f"{name} looks for an agent: {entry.shown}, rung for by {list(entry.offers)}"
    if entry.alone is not None and entry.shown:
        if entry.patient_until == inf or entry.alone.state not in PRESENT or not entry.alone.signed_in:
            yield f"{name} waits for {entry.alone.id} alone, who is {entry.alone.state}"
        if entry.place not in entry.alone.wanted:
            yield f"{name} waits for {entry.alone.id}, who does not know"
    if callback is not None:
        if entry.group.callbacks.get(entry.caller) is not entry:
            yield f"{name} is a callback that the group does not know"
        if callback.agent is not None and (callback.calling_until == inf or entry.id not in callback.agent.talks):
            yield f"{name} is being called without end or agent"


def _group(x: Floor, group: GroupStatus) -> Iterator[str]:
    name = f"group {group.name}"
    members = [agent for agent in x.agents.values() if group.name in agent.agent.groups and not agent.removed]
    if {agent.id for agent in members} != set(group.seats):
        yield f"{name} has other members than it should"
    entries = [entry for entry in x.entries.values() if entry.group is group]
    if group.line != sorted(entry.place for entry in entries if entry.queued):
        yield f"{name} has another line than those who wait"
    if group.callers != sum(entry.queued and entry.callback is None for entry in entries):
        yield f"{name} counts {group.callers} callers"
    looking = sorted(entry.place for entry in entries if entry.shown and entry.alone is None)
    if looking != sorted(place for bucket in group.buckets.values() for place in bucket.places):
        yield f"{name} has others in its buckets than those who look"
    if group.looking != len(looking):
        yield f"{name} counts {group.looking} who look, but it is {len(looking)}"
    if group.rings != sorted(entry.place for entry in entries if entry.rings_on):
        yield f"{name} has others for whom more phones may ring"
    free = sorted(agent.id for agent in members if agent.free)
    if free != sorted(seat.id for seat in group.idle) or group.idle.ranks != sorted(group.idle.ranks):
        yield f"{name} has other idle agents, or in another order"
    for bucket in group.buckets.values():
        row = bucket.row
        if (row is not None) != (bucket in group.rowed):
            yield f"{name} keeps another row than it knows of"
        elif row is not None and {seat.id for seat in row} != {s.id for s in group.idle if bucket.step.met(s.skills)}:
            yield f"{name} has a row of others than those idle who fit"
    present = sum(agent.signed_in and agent.state in PRESENT for agent in members)
    signed_in = sum(agent.signed_in and agent.state != "offline" for agent in members)
    if (group.present, group.signed_in) != (present, signed_in):
        yield f"{name} counts {group.present} present, {group.signed_in} signed in; it is {present}, {signed_in}"
    shares = sum(1.0 / len(a.seats) for a in members if a.signed_in and a.state in PRESENT)
    if not isclose(group.capacity, shares, abs_tol=1e-6):
        yield f"{name} has a capacity of {group.capacity}, not {shares}"
    if group.joined != len(entries) + sum(group.outcomes.values()):
        yield f"{name}: {group.joined} came, {len(entries)} wait, {group.outcomes} ended"


def _idle_waiting(x: Floor, group: GroupStatus, now: float) -> Iterator[str]:
    """Nobody waits while an agent who fits is free and no rule holds it back."""
    idle = [agent for agent in x.agents.values() if agent.free and group.name in agent.agent.groups]
    for place in group.line:
        entry = x.entries[place[2]]
        if not entry.shown:
            continue
        if entry.alone is not None:
            if entry.alone.free:
                yield f"entry {entry.id} waits, and {entry.alone.id}, whom it waits for, is free"
            continue
        for agent in idle:
            if entry.requirement.met(agent.agent.skills, entry.waited):
                yield f"entry {entry.id} waits, and {agent.id} is free"
                break
