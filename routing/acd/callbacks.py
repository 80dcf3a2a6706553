"""Callbacks: who waits may hang up, and keeps the place.

A callback takes its turn in the queue like any caller, so that no more callers are called back than agents are free.
It is outside of the queue, with the same place, while it rests: after it was asked for until CallerCleared says that
the caller has hung up, for CALLBACK_REST at most; between attempts; and out of hours. With `first: agent` the agent is
rung, and talks to nobody until CallbackEnded or TalkEnded says how calling the caller went, whichever comes first; with
`first: caller` the agent is kept, and CallbackEnded comes before the agent is rung: a caller who was reached then waits
like any other, and `reached` has ended the callback.

A number has one callback in a group: who asks again, from another call, has the older one's place, and an attempt that
is under way for that one ends, since whom it would call is on the line here.
"""

from __future__ import annotations

from math import inf
from typing import Final

from routing.acd.actions import Alert, CallbackOver, CallbackTaken, Leave, Withdraw
from routing.acd.agents import AgentStatus
from routing.acd.entries import Callback, CallbackOutcome, Entry
from routing.acd.events import CallbackAsked, CallbackEnded, CallbackRestored, CallerCleared
from routing.acd.floor import CALLBACK_REST, CALLING_LIMIT, CLEARING_LIMIT, OFFER_SLACK, Floor
from routing.acd.groups import GroupStatus
from routing.acd.presence import hung_up, refresh, unring, withdraw
from routing.acd.queueing import delist, end, enlist, register, require, set_limits
from routing.acd.requirement import Requirement, RequirementError, parse_requirement
from routing.acd.score import key

LONGEST_SLEEP: Final = 3600.0
"""Hours are looked at that often at least: clocks are set."""


def asked(x: Floor, event: CallbackAsked, now: float) -> None:
    """A caller would rather be called back."""
    entry = x.entries.get(event.entry)
    if entry is None or entry.callback is not None:
        x.out.append(CallbackTaken(event.entry, event.callback, "", False, reason="unknown"))
    elif refused := take(x, entry, entry.group, event.callback, event.caller, now):
        x.out.append(CallbackTaken(entry.id, event.callback, entry.group.name, False, reason=refused))


def take(x: Floor, entry: Entry, group: GroupStatus, callback: str, caller: bytes, now: float) -> str:
    """Keep the caller's place under another id; why not, or an empty text when it is kept."""
    older = group.callbacks.get(caller)
    if refused := _refusal(x, entry, group, callback, caller):
        return refused
    since, place = entry.since, entry.place
    if older is not None:
        since, place = min(since, older.since), min(place, older.place)
        over(x, older, "replaced", now)
    withdraw(x, entry, now)
    end(x, entry, "callback")
    kept = Entry(
        id=callback,
        place=(place[0], place[1], callback),
        since=since,
        group=group,
        joined=now,
        priority=entry.priority,
        vip=entry.vip,
        own_requirement=entry.own_requirement,
        caller=caller,
        callback=Callback(expires=since + group.group.callbacks.expire),
    )
    replaced = older.id if older is not None else ""
    x.out.append(CallbackTaken(entry.id, callback, group.name, True, replaced, since=since))
    x.out.append(Leave(entry.id, group.name, "callback"))
    _open(x, kept, now, rests_until=now + CALLBACK_REST)
    return ""


def _refusal(x: Floor, entry: Entry, group: GroupStatus, callback: str, caller: bytes) -> str:
    if not caller:
        return "withheld"
    if callback in x.entries and callback != entry.id:
        return "known"
    full = caller not in group.callbacks and len(group.callbacks) >= group.group.callbacks.max_open
    return "full" if full else ""


def restored(x: Floor, event: CallbackRestored, now: float) -> None:
    """A callback from before a restart has its place again."""
    group = x.groups.get(event.group)
    if event.callback in x.entries:
        return
    if group is None or not event.caller:
        x.out.append(CallbackOver(event.callback, event.group, "failed"))
        return
    if event.caller in group.callbacks:
        x.out.append(CallbackOver(event.callback, event.group, "withdrawn"))
        return
    x.arrivals += 1
    kept = Entry(
        id=event.callback,
        place=(*key(event.since, event.priority, event.vip, x.arrivals), event.callback),
        since=event.since,
        group=group,
        joined=now,
        priority=event.priority,
        vip=event.vip,
        own_requirement=own_requirement(x, event.callback, event.requirement),
        caller=event.caller,
        callback=Callback(event.attempts, expires=event.since + group.group.callbacks.expire),
    )
    _open(x, kept, now, rests_until=now + event.rest)


def own_requirement(x: Floor, entry: str, text: str) -> Requirement | None:
    """What somebody requires themselves; a text that is none is told, and the group's holds."""
    try:
        return parse_requirement(text) if text else None
    except RequirementError as error:
        x.out.append(Alert("bad_requirement", entry, str(error)))
        return None


def _open(x: Floor, kept: Entry, now: float, *, rests_until: float) -> None:
    register(x, kept)
    kept.group.callbacks[kept.caller] = kept
    require(kept, kept.group, now)
    _rest(x, kept, rests_until, clearing=True)


def _rest(x: Floor, entry: Entry, until: float, *, clearing: bool = False) -> None:
    delist(entry)
    callback = entry.callback
    assert callback is not None
    callback.rests_until, callback.agent, callback.calling_until = until, None, inf
    callback.clearing = clearing
    x.arm(entry)


def cleared(x: Floor, event: CallerCleared, now: float) -> None:
    """The caller has hung up: the callback rests no longer for that."""
    entry = x.entries.get(event.callback)
    if entry is not None and entry.callback is not None and entry.callback.clearing:
        wake(x, entry, now)


def wake(x: Floor, entry: Entry, now: float) -> None:
    """It may be a callback's turn again: it takes its place, unless it is out of hours."""
    callback, group = entry.callback, entry.group
    assert callback is not None
    callback.rests_until, callback.closed, callback.clearing = inf, False, False
    if not group.calls_back(x.clock, now, afresh=True):
        close(x, entry, now)
        return
    require(entry, group, now)
    enlist(x, entry)
    x.arm(entry)


def close(x: Floor, entry: Entry, now: float) -> None:
    """Let a callback rest until the hours begin."""
    group = entry.group
    assert entry.callback is not None
    entry.callback.closed = True
    change: float | None = now
    if not group.calls_back(x.clock, now, afresh=True):
        change = group.callback_hours.next_change(x.clock, now)
    _rest(x, entry, min(max(now + 1.0, change if change is not None else inf), now + LONGEST_SLEEP))


def agent_ready(x: Floor, entry: Entry, agent: AgentStatus, now: float) -> bool:
    """The agent of a callback has answered; whether the caller is called now, and the callback goes on."""
    callback = entry.callback
    if callback is None:
        return False
    if callback.caller_first:
        _reached(x, entry, now)
        return False
    delist(entry)
    agent.talks[entry.id].counts = False
    callback.agent, callback.calling_until = agent, now + CALLING_LIMIT
    x.arm(entry)
    return True


def ended(x: Floor, event: CallbackEnded, now: float) -> None:
    """Calling the caller has come to an end, one way or the other."""
    entry = x.entries.get(event.callback)
    if entry is None or entry.callback is None:
        return
    agent = entry.callback.agent
    if agent is not None:
        if event.reached:
            talk = agent.talks[entry.id]
            talk.counts, talk.began = True, now
            agent.taken += 1
            entry.group.estimator.rate.note_left(gave_up=False)
            over(x, entry, "reached", now)
        else:
            agent.clearing, agent.cleared_by = entry.id, now + CLEARING_LIMIT
            x.arm(agent)
            _attempt_failed(x, entry, now)
    elif entry.offers and entry.callback.caller_first:
        if event.reached:
            _now_on_the_line(x, entry, now)
        else:
            not_reached(x, entry, now)
    elif event.reached:
        # Late, but true: nobody is called again who has been reached.
        over(x, entry, "reached", now)


def not_reached(x: Floor, entry: Entry, now: float) -> None:
    """With the caller first: the caller has not answered, and the agent who was kept was never rung."""
    for agent in tuple(entry.offers.values()):
        unring(agent)
        refresh(x, agent, now, "call")
    _attempt_failed(x, entry, now)


def _now_on_the_line(x: Floor, entry: Entry, now: float) -> None:
    _reached(x, entry, now)
    for agent in entry.offers.values():
        ring = agent.agent.ring_timeout
        agent.offer_until = now + OFFER_SLACK + (entry.group.group.ring_timeout if ring is None else ring)
        x.arm(agent)
    x.arm(entry)


def _reached(x: Floor, entry: Entry, now: float) -> None:
    """With the caller first: the caller has answered, and from now on waits like any other."""
    entry.callback, entry.joined = None, now
    set_limits(entry)
    entry.group.callers += 1
    entry.group.callbacks.pop(entry.caller, None)
    x.out.append(CallbackOver(entry.id, entry.group.name, "reached"))


def agent_hung_up(x: Floor, entry_id: str, agent: AgentStatus, now: float) -> None:
    """The agent has hung up; before the caller was reached that is nobody's attempt."""
    entry = x.entries.get(entry_id)
    if entry is not None and entry.callback is not None and entry.callback.agent is agent:
        _rest(x, entry, now + CALLBACK_REST)


def past_calling(x: Floor, entry: Entry, now: float) -> None:
    """Nobody has told what became of calling the caller: the agent is let go, and it counts as an attempt."""
    callback = entry.callback
    assert callback is not None
    agent = callback.agent
    if agent is not None:
        _let_go(x, entry, agent, now)
    x.out.append(Alert("callback_lost", entry.id))
    _attempt_failed(x, entry, now)


def _let_go(x: Floor, entry: Entry, agent: AgentStatus, now: float) -> None:
    x.out.append(Withdraw(entry.id, agent.id))
    agent.talks.pop(entry.id, None)
    agent.held.discard(entry.id)
    hung_up(x, agent, now)


def _attempt_failed(x: Floor, entry: Entry, now: float) -> None:
    callback, rules = entry.callback, entry.group.group.callbacks
    assert callback is not None
    callback.agent = None
    callback.attempts += 1
    if callback.attempts >= rules.attempts:
        over(x, entry, "attempts", now)
    else:
        _rest(x, entry, now + rules.retry_after)


def over(x: Floor, entry: Entry, outcome: CallbackOutcome, now: float) -> None:
    """The one end of a callback; an agent who is called for it is let go, one who talks to the caller is not."""
    callback = entry.callback
    assert callback is not None
    if callback.agent is not None and outcome != "reached":
        _let_go(x, entry, callback.agent, now)
    callback.agent = None
    withdraw(x, entry, now)
    entry.group.callbacks.pop(entry.caller, None)
    x.out.append(CallbackOver(entry.id, entry.group.name, outcome))
    if outcome == "reached":
        entry.group.note_served(now - entry.since)
    end(x, entry, outcome)
