"""Groups and agents come, change and go while calls are up."""

from __future__ import annotations

from math import inf

from routing.acd import callbacks
from routing.acd.actions import Leave
from routing.acd.agents import AgentStatus, Seat
from routing.acd.entries import Entry
from routing.acd.events import AgentRemoved, AgentSet, GroupRemoved, GroupSet, SignedIn
from routing.acd.floor import Floor
from routing.acd.groups import GroupStatus
from routing.acd.presence import forget_removed, leave, refresh, set_free, sign_in, uncount, withdraw
from routing.acd.queueing import end, look, next_overflow, no_more_rings, require, set_limits


def set_group(x: Floor, event: GroupSet, now: float) -> None:
    """Take over a group's rules; those who wait keep their places, and their time in the group.

    RequirementError and HoursError say what cannot be read; then everything stays as it is.
    """
    group = x.groups.get(event.group.name)
    if group is None:
        group = GroupStatus(event.group)
        group.configure(event.group)
        x.groups[event.group.name] = group
        members = [agent for agent in x.agents.values() if event.group.name in agent.agent.groups and not agent.removed]
    else:
        group.configure(event.group)
        members = [seat.agent for seat in group.seats.values()]
    for agent in members:
        _stand_up(x, agent)
    for agent in members:
        _sit_down(x, agent, now)
    for entry in _of_group(x, group):
        require(entry, group, now)
        if entry.callback is None:
            set_limits(entry)
            while entry.overflows <= now:
                next_overflow(entry)
        if entry.offers and event.group.strategy not in ("ring_all", "progressive"):
            no_more_rings(entry)
            entry.owed, entry.steps = 0, inf
        if entry.shown:
            look(x, entry)
        elif entry.callback is not None and entry.callback.closed:
            entry.callback.rests_until = now
        x.arm(entry)


def remove_group(x: Floor, event: GroupRemoved, now: float) -> None:
    """Those who wait leave; talks go on."""
    group = x.groups.get(event.group)
    if group is None:
        return
    for entry in _of_group(x, group):
        if entry.callback is not None:
            callbacks.over(x, entry, "failed", now)
        else:
            withdraw(x, entry, now)
            x.out.append(Leave(entry.id, event.group, "failed"))
            end(x, entry, "failed")
    members = [seat.agent for seat in group.seats.values()]
    for agent in members:
        _stand_up(x, agent)
    del x.groups[event.group]
    x.emptied.pop(group, None)
    for agent in members:
        _sit_down(x, agent, now)


def set_agent(x: Floor, event: AgentSet, now: float) -> None:
    """Take over an agent, who is offline when new, or what has changed of one."""
    agent = x.agents.get(event.agent.id)
    if agent is None:
        x.numbers += 1
        agent = x.agents[event.agent.id] = AgentStatus(event.agent, x.numbers, since=now)
    else:
        _stand_up(x, agent)
    newly_always = event.agent.always and (agent.removed or not agent.agent.always)
    agent.agent, agent.removed = event.agent, False
    _sit_down(x, agent, now)
    if newly_always and agent.phone_up:
        sign_in(x, SignedIn(agent.id, by="rule"), now)


def remove_agent(x: Floor, event: AgentRemoved, now: float) -> None:
    """An agent is no more, or not any more when the call that is up has ended."""
    agent = x.agents.get(event.agent)
    if agent is None or agent.removed:
        return
    leave(x, agent, now, by="rule", why="removed")
    _stand_up(x, agent)
    agent.removed = True
    forget_removed(x, agent)


def _stand_up(x: Floor, agent: AgentStatus) -> None:
    """Take the agent out of all groups."""
    if agent.free:
        set_free(x, agent, False)
    uncount(agent)
    for seat in agent.heaviest:
        del seat.group.seats[agent.id]
        seat.group.forget(agent.id)
    agent.seats, agent.heaviest = {}, []


def _sit_down(x: Floor, agent: AgentStatus, now: float) -> None:
    """Put the agent into the groups, and among the idle if that is so."""
    for name, level in agent.agent.groups.items():
        if (group := x.groups.get(name)) is not None:
            seat = Seat(agent.id, agent, group, level, agent.order, agent.agent.skills)
            agent.seats[name] = group.seats[agent.id] = seat
            group.forget(agent.id)
    agent.heaviest = sorted(agent.seats.values(), key=_lightness)
    refresh(x, agent, now, "rule")


def _lightness(seat: Seat) -> tuple[int, str]:
    return -seat.group.group.weight, seat.group.name


def _of_group(x: Floor, group: GroupStatus) -> list[Entry]:
    return [entry for entry in x.entries.values() if entry.group is group]
