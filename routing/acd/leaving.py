"""Coming to a group and leaving it without an agent: the rules to join, the overflow chain, and the ends of patience.

A limit of waiting and an overflow count the time in the group; what is required of agents and the score count all of
the waiting. One whom no group of a chain takes is put out of the queue with the reason of the last; only an
overflow by time leaves everything as it is when its target refuses. No group takes anybody back within a second.
"""

from __future__ import annotations

from math import inf
from typing import Final

from routing.acd import callbacks
from routing.acd.actions import Alert, Announce, Leave, Moved
from routing.acd.agents import PRESENT
from routing.acd.announcing import Announcer, spoken
from routing.acd.entries import Entry
from routing.acd.events import CallerGone, CallerJoined
from routing.acd.floor import Floor
from routing.acd.groups import GroupStatus
from routing.acd.joining import destination, dismissal, overflow_on, refusal
from routing.acd.model import LeaveReason
from routing.acd.offering import one_more
from routing.acd.presence import withdraw
from routing.acd.queueing import (
    delist,
    end,
    enlist,
    look,
    next_overflow,
    note_waiting,
    register,
    release,
    require,
    set_limits,
)
from routing.acd.score import key

BACK_AFTER: Final = 1.0
"""A group does not take somebody back who left it less than this ago."""


def joined(x: Floor, event: CallerJoined, now: float) -> None:
    """Somebody wants an agent. One who waits already goes on waiting."""
    if event.entry in x.entries:
        return
    group = x.groups.get(event.group)
    if group is None:
        x.joined += 1
        x.outcomes += 1
        x.out.append(Leave(event.entry, event.group, "failed"))
        return
    since = min(now, event.since) if event.since is not None else now
    x.arrivals += 1
    entry = Entry(
        id=event.entry,
        place=(*key(since, event.priority, event.vip, x.arrivals), event.entry),
        since=since,
        group=group,
        joined=now,
        priority=event.priority,
        vip=event.vip,
        own_requirement=callbacks.own_requirement(x, event.entry, event.requirement),
        preferred=event.preferred,
        caller=event.caller,
        max_wait=event.max_wait,
    )
    register(x, entry)
    reason = may_join(x, entry, group, now)
    if reason is None:
        settle_in(x, entry, now)
    else:
        dismiss(x, entry, reason, now)


def may_join(x: Floor, entry: Entry, group: GroupStatus, now: float) -> LeaveReason | None:
    """Why the group does not take this one; a limit of length or wait refuses nobody for whom an agent is free."""
    rules = group.group
    band = group.band(group.position(entry)) if rules.max_estimate is not None else None
    reason = refusal(rules, group.census(group.is_open(x.clock, now), band))
    if reason in ("full", "estimate") and _somebody_fits(entry, group, now):
        return None
    return reason


def _somebody_fits(entry: Entry, group: GroupStatus, now: float) -> bool:
    needed = entry.own_requirement if entry.own_requirement is not None else group.requirement
    step = needed.at(now - entry.since)
    bucket = group.buckets.get(id(step))
    return bool(group.row(bucket)) if bucket is not None else any(step.met(seat.skills) for seat in group.idle)


def settle_in(x: Floor, entry: Entry, now: float) -> None:
    """Begin to wait in the entry's group."""
    group, rules = entry.group, entry.group.group
    entry.joined = now
    set_limits(entry)
    preferred = x.agents.get(entry.preferred) if entry.preferred else None
    if preferred is not None and rules.preferred_patience > 0 and preferred.signed_in and preferred.state in PRESENT:
        entry.alone, entry.patient_until = preferred, now + rules.preferred_patience
    entry.preferred = ""
    require(entry, group, now)
    enlist(x, entry)


def begin_to_wait(x: Floor, entry: Entry, now: float) -> None:
    """Nobody was free: from now on it is said how long it takes."""
    group = entry.group
    if entry.callback is None and not group.present and not group.alerted:
        group.alerted = True
        x.out.append(Alert("no_agent", group.name))
    if entry.callback is None and entry.announcer is None:
        entry.announcer = Announcer(group.group.announcements, entry.joined)
        if entry.said is None and (band := group.band(entry.position)) is not None:
            entry.said = band, now
    x.arm(entry)


def dismiss(x: Floor, entry: Entry, reason: LeaveReason, now: float) -> None:
    """Somebody has to leave the group, or may not join: to where the rules say for that reason."""
    group, seen = entry.group, {entry.group.name}
    while True:
        to = overflow_on(group.group, reason)
        kind, name = destination(to)
        if kind == "callback":
            if not callbacks.take(x, entry, group, entry.id, entry.caller, now):
                return
            to = ""
        target = x.groups.get(name) if kind == "group" else None
        if target is None or name in seen or _lately(entry, name, now):
            withdraw(x, entry, now)
            x.out.append(Leave(entry.id, entry.group.name, reason, to if kind != "group" else ""))
            end(x, entry, reason)
            return
        seen.add(name)
        refused = may_join(x, entry, target, now)
        if refused is None:
            move(x, entry, target, now)
            return
        group, reason = target, refused


def move(x: Floor, entry: Entry, target: GroupStatus, now: float) -> None:
    """Wait in another group, as old as before."""
    before = entry.group
    withdraw(x, entry, now)
    delist(entry)
    entry.passed = {name: at for name, at in entry.passed.items() if at + BACK_AFTER > now}
    entry.passed[before.name] = now
    entry.alone, entry.patient_until = None, inf
    entry.announcer = entry.said = None
    entry.group = target
    before.outcomes["moved"] += 1
    target.joined += 1
    x.out.append(Moved(entry.id, target.name, before.name))
    settle_in(x, entry, now)


def _lately(entry: Entry, name: str, now: float) -> bool:
    left = entry.passed.get(name)
    return left is not None and left + BACK_AFTER > now


def overflow(x: Floor, entry: Entry, now: float) -> None:
    """An overflow rule's time has come; when its target does not take this one, nothing changes."""
    to = entry.group.overflow[entry.overflow_next].to
    kind, name = destination(to)
    next_overflow(entry)
    if kind == "group":
        target = x.groups.get(name)
        if target is None or target is entry.group or _lately(entry, name, now):
            return
        if may_join(x, entry, target, now) is None:
            move(x, entry, target, now)
    elif kind == "callback":
        callbacks.take(x, entry, entry.group, entry.id, entry.caller, now)
    else:
        x.out.append(Leave(entry.id, entry.group.name, "overflow", to))
        end(x, entry, "overflow")


def gone(x: Floor, event: CallerGone, now: float) -> None:
    """Somebody has left on their own, or was taken out; whose phone rings for them is free again."""
    entry = x.entries.get(event.entry)
    if entry is None:
        return
    if entry.callback is not None:
        callbacks.over(x, entry, "withdrawn", now)
        return
    if event.why in ("hung_up", "key"):
        entry.group.estimator.rate.note_left(gave_up=True)
    withdraw(x, entry, now)
    end(x, entry, "gone")


def emptied(x: Floor, group: GroupStatus, now: float) -> None:
    """The group has lost an agent, and nobody is at work any more."""
    if group.present or not group.line:
        return
    if not group.alerted:
        group.alerted = True
        x.out.append(Alert("no_agent", group.name))
    reason = dismissal(group.group, group.census(True, None))
    if reason is not None:
        for place in tuple(group.line):
            entry = x.entries[place[2]]
            if entry.callback is None and not entry.offers:
                dismiss(x, entry, reason, now)


def past_due(x: Floor, entry: Entry, now: float) -> None:
    """Time has changed something for one who waits and for whom no phone rings."""
    if entry.patient_until <= now:
        release(x, entry)
    if entry.relaxes <= now:
        relaxed = note_waiting(entry, now)
        if relaxed and entry.shown:
            look(x, entry)
    if min(entry.overflows, entry.leaves) <= now:
        if entry.shown and (x.freed or x.seeking):
            # Whoever is free may take one who looks first; it is due again after that.
            return
        if entry.overflows <= entry.leaves:
            overflow(x, entry, now)
            if x.entries.get(entry.id) is entry and not entry.shown and not entry.offers:
                look(x, entry)
        else:
            dismiss(x, entry, "timeout", now)
        return
    if entry.announcer is not None and entry.announcer.due <= now:
        announce(x, entry, entry.announcer, now)


def announce(x: Floor, entry: Entry, announcer: Announcer, now: float) -> None:
    """Say what is to be said; a band that was wrong too often is not."""
    group = entry.group
    saying = announcer.say(group.group.announcements, now)
    if saying is None:
        return
    position = entry.position
    band = group.band(position) if saying.wait else None
    if band is not None and not group.estimator.calibration.trusted:
        band = None
    shown = position if saying.position else 0
    if saying.kind == "position" and not shown and band is None:
        if saying.prompts:
            x.out.append(Announce(entry.id, "periodic", prompts=saying.prompts))
        return
    x.out.append(Announce(entry.id, saying.kind, shown, spoken(band) if band is not None else None, saying.prompts))


def entry_due(x: Floor, entry: Entry, now: float) -> None:
    """Time has changed something for one who waits, or for a callback."""
    callback = entry.callback
    if entry.offers:
        if entry.steps <= now:
            one_more(x, entry, now)
    elif callback is None:
        past_due(x, entry, now)
    elif callback.agent is not None:
        callbacks.past_calling(x, entry, now)
    elif callback.expires <= now:
        callbacks.over(x, entry, "expired", now)
    elif callback.rests_until <= now:
        callbacks.wake(x, entry, now)
    else:
        past_due(x, entry, now)
    if x.entries.get(entry.id) is entry:
        x.arm(entry)
