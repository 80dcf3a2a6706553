"""Who gets whom. Each event is settled at once: after it nobody looks for an agent who is free.

Two questions are enough, since before the event nobody who looked had an agent:

* An agent who has become free takes, over all groups, the one of the heaviest group, and there the one with the best
  place. Only if nobody looks, a phone is added to those that ring already (`ring_all`, `progressive`).
* One who has come, or for whom more agents will do than before, takes the agent whom the strategy names.

When several agents are free at once the strategy has its say among them, yet nobody is taken from one better.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, takewhile
from math import inf

from routing.acd import callbacks, leaving, strategies
from routing.acd.agents import AgentStatus, Seat
from routing.acd.entries import Entry, Place
from routing.acd.floor import Floor
from routing.acd.offering import offer


def settle(x: Floor, now: float) -> None:
    """Bring together whom the event has made free and who looks; nobody is left who could be served."""
    while x.freed or x.seeking or x.emptied:
        while x.freed:
            _serve(x, next(iter(x.freed)), now)
        seeking = sorted(x.seeking, key=_urgency) if len(x.seeking) > 1 else list(x.seeking)
        x.seeking.clear()
        for entry in seeking:
            if entry.shown:
                if _in_hours(x, entry, now):
                    _seek(x, entry, now)
                    if entry.shown:
                        leaving.begin_to_wait(x, entry, now)
            elif entry.rings_on:
                _seek(x, entry, now)
        groups, x.emptied = x.emptied, {}
        for group in groups:
            leaving.emptied(x, group, now)


def _urgency(entry: Entry) -> tuple[int, Place]:
    return -entry.group.group.weight, entry.place


def _serve(x: Floor, agent: AgentStatus, now: float) -> None:
    """Let a free agent take somebody."""
    entry = best_for(x, agent)
    if entry is None:
        entry = ringing_for(x, agent)
        if entry is None:
            del x.freed[agent]
        else:
            offer(x, entry, agent, now)
    elif _in_hours(x, entry, now):
        x.seeking.pop(entry, None)
        _seek(x, entry, now)


def _in_hours(x: Floor, entry: Entry, now: float) -> bool:
    if entry.callback is None or entry.group.calls_back(x.clock, now):
        return True
    callbacks.close(x, entry, now)
    return False


def best_for(x: Floor, agent: AgentStatus) -> Entry | None:
    """Whom a free agent takes of those who look."""
    best: Place | None = None
    weight = 0
    for seat in agent.heaviest:
        group = seat.group
        if best is not None and group.group.weight < weight:
            break
        if not group.looking:
            continue
        for bucket in group.buckets.values():
            places = bucket.places
            if places and (best is None or places[0] < best) and bucket.fits(seat):
                best, weight = places[0], group.group.weight
    for place in agent.wanted:
        wanting = x.entries[place[2]].group.group.weight
        if best is None or (-wanting, place) < (-weight, best):
            best, weight = place, wanting
    return x.entries[best[2]] if best is not None else None


def ringing_for(x: Floor, agent: AgentStatus) -> Entry | None:
    """For whom the agent's phone rings beside others."""
    for seat in agent.heaviest:
        for place in seat.group.rings:
            entry = x.entries[place[2]]
            if _rings_beside(entry, seat):
                return entry
    return None


def _rings_beside(entry: Entry, seat: Seat) -> bool:
    if entry.bucket is None or not entry.bucket.fits(seat):
        return False
    return entry.group.group.strategy != "ring_all" or seat.level <= _level_rung(entry)


def _level_rung(entry: Entry) -> float:
    """The best level of those whose phones ring for one; whoever is no member any more does not count."""
    name = entry.group.name
    return min((seat.level for agent in entry.offers.values() if (seat := agent.seats.get(name))), default=inf)


def _seek(x: Floor, entry: Entry, now: float) -> None:
    """Let one who looks take an agent, or as many as ring at once."""
    if entry.alone is not None:
        if entry.alone.free:
            offer(x, entry, entry.alone, now)
        return
    group = entry.group
    bucket = entry.bucket
    if bucket is None or not group.idle:
        return
    row = group.row(bucket)
    fitting: Iterator[Seat] = (seat for seat in row.in_turn(group.asked, x.random) if _for_it(x, seat.agent, entry))
    if row.strategy == "ring_all" and not (entry.callback is not None and group.group.callbacks.first == "caller"):
        if entry.offers:
            level = _level_rung(entry)
            fitting = takewhile(lambda seat: seat.level <= level, fitting)
        chosen = strategies.together(fitting, len(entry.offers))
    else:
        chosen = list(islice(fitting, 1))
    for seat in chosen:
        offer(x, entry, seat.agent, now)


def _for_it(x: Floor, agent: AgentStatus, entry: Entry) -> bool:
    """Whether a free agent has nobody better to take than this one."""
    return agent not in x.freed or entry.rings_on or best_for(x, agent) is entry
