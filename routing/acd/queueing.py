"""Being in a queue: the line in order of service, and the buckets in which agents look.

Who is in the line is either looking (`shown`) or rung for (`offers`), never both.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from math import inf

from routing.acd.entries import Entry, Outcome, Place
from routing.acd.floor import Floor
from routing.acd.groups import GroupStatus
from routing.acd.joining import longest_wait


def enlist(x: Floor, entry: Entry) -> None:
    """Take the place in the queue of the entry's group, and look for an agent."""
    group = entry.group
    insort(group.line, entry.place)
    group.callers += entry.callback is None
    entry.queued = True
    look(x, entry)


def delist(entry: Entry) -> None:
    """Leave the queue: nobody looks any more, and nobody else may ring."""
    hide(entry)
    no_more_rings(entry)
    if entry.queued:
        _take(entry.group.line, entry.place)
        entry.group.callers -= entry.callback is None
        entry.queued = False


def look(x: Floor, entry: Entry) -> None:
    """Look for an agent who can do what is required by now."""
    hide(entry)
    no_more_rings(entry)
    entry.owed, entry.steps, entry.single = 0, inf, False
    group = entry.group
    entry.bucket = group.bucket(entry.requirement.at(entry.waited))
    if entry.alone is not None:
        insort(entry.alone.wanted, entry.place)
    else:
        insort(entry.bucket.places, entry.place)
        group.looking += 1
    entry.shown = True
    x.seeking[entry] = None


def hide(entry: Entry) -> None:
    """Look no more."""
    if not entry.shown:
        return
    entry.shown = False
    if entry.alone is not None:
        _take(entry.alone.wanted, entry.place)
    elif entry.bucket is not None:
        entry.group.leave_bucket(entry.bucket, entry.place)


def more_rings(entry: Entry) -> None:
    """Another phone may ring besides, as soon as there is one."""
    if not entry.rings_on:
        entry.rings_on = True
        insort(entry.group.rings, entry.place)


def no_more_rings(entry: Entry) -> None:
    """The phones that ring are enough."""
    if entry.rings_on:
        entry.rings_on = False
        _take(entry.group.rings, entry.place)


def release(x: Floor, entry: Entry) -> None:
    """Who waited for the preferred agent alone takes any agent now."""
    shown = entry.shown
    hide(entry)
    entry.alone, entry.patient_until = None, inf
    if shown:
        look(x, entry)


def note_waiting(entry: Entry, now: float) -> bool:
    """Let the requirement relax as far as the waiting allows; whether another step holds now."""
    before = entry.waited
    while (after := entry.requirement.relaxes_after(entry.waited)) is not None and entry.since + after <= now:
        # The step's own time, not the clock's: sums of floats do not come out even.
        entry.waited = after
    entry.relaxes = inf if after is None else entry.since + after
    return entry.waited != before


def require(entry: Entry, group: GroupStatus, now: float) -> None:
    """Take the requirement that holds in a group: the entry's own, else the group's."""
    own = entry.own_requirement
    entry.requirement = own if own is not None else group.requirement
    entry.waited = 0.0
    note_waiting(entry, now)


def set_limits(entry: Entry) -> None:
    """Take the limits of the group, counted from when it was joined."""
    limit = longest_wait(entry.group.group, entry.max_wait)
    entry.leaves = entry.joined + limit if limit is not None else inf
    entry.overflow_next = -1
    next_overflow(entry)


def next_overflow(entry: Entry) -> None:
    """Arm the next of the overflow rules that hold after some waiting."""
    entry.overflow_next += 1
    rules = entry.group.overflow
    after = rules[entry.overflow_next].after if entry.overflow_next < len(rules) else None
    entry.overflows = entry.joined + after if after is not None else inf


def register(x: Floor, entry: Entry) -> None:
    """Somebody is new."""
    x.entries[entry.id] = entry
    x.joined += 1
    entry.group.joined += 1


def end(x: Floor, entry: Entry, outcome: Outcome) -> None:
    """The one end of the waiting; no phone rings any more."""
    delist(entry)
    x.disarm(entry)
    x.seeking.pop(entry, None)
    del x.entries[entry.id]
    x.outcomes += 1
    entry.group.outcomes[outcome] += 1


def _take(places: list[Place], place: Place) -> None:
    del places[bisect_left(places, place)]
