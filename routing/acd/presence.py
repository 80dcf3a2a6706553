"""What agents do: signing in and out, choosing a state, calls of their own, work after calls.

Every change comes down to `refresh`, the only place where a state is derived, told, and counted by the groups.
"""

from __future__ import annotations

from math import inf
from typing import Final

from routing.acd.actions import AgentChanged, Alert, Withdraw
from routing.acd.agents import PRESENT, AgentStatus, derive
from routing.acd.entries import Entry
from routing.acd.events import (
    CallBegan,
    CallOver,
    HoldChanged,
    PhoneChanged,
    SignedIn,
    SignedOut,
    StateSet,
    WrapUpDone,
)
from routing.acd.floor import Floor
from routing.acd.model import ChosenState, State
from routing.acd.queueing import look, release

AWAY: Final[frozenset[State]] = frozenset({"busy", "break", "meeting"})


def refresh(x: Floor, agent: AgentStatus, now: float, by: str, reason: str = "") -> None:
    """Let everything follow from what is known of the agent now."""
    wrap_up = agent.wrap_up
    if wrap_up is not None and wrap_up.until == inf and not agent.talks and not agent.own_calls:
        wrap_up.began, wrap_up.until = now, now + wrap_up.seconds
    state, before = derive(agent), agent.state
    if state in AWAY:
        if agent.chosen_anew:
            _take_effect(agent, now)
        reason, by = agent.chosen_reason, agent.chosen_by
    if state != before or (state in AWAY and reason != agent.reason):
        if state == "idle" and before != "ringing":
            agent.idle_since = now
        if state != before:
            agent.since = now
        agent.state, agent.reason, agent.by = state, reason, by
        x.out.append(AgentChanged(agent.id, state, before, reason, by, now))
    if agent.wanted and not (agent.signed_in and state in PRESENT):
        for place in tuple(agent.wanted):
            release(x, x.entries[place[2]])
    _count(x, agent)
    free = state == "idle" and agent.rests_until == inf
    if free != agent.free:
        set_free(x, agent, free)
    x.arm(agent)


def set_free(x: Floor, agent: AgentStatus, free: bool) -> None:
    """Put the agent among the idle of all groups, or take them out."""
    agent.free = free
    for seat in agent.heaviest:
        if free:
            seat.group.sit(seat)
        else:
            seat.group.rise(seat)
    if free:
        x.freed[agent] = None
    else:
        x.freed.pop(agent, None)


def uncount(agent: AgentStatus) -> None:
    """Take the agent out of the figures of the groups, before the seats change."""
    _add(agent, (False, False))


def take_back(x: Floor, agent: AgentStatus) -> None:
    """Stop ringing the agent; who was offered looks for another. The state is refreshed by who asks for this."""
    entry = agent.offer
    if entry is None:
        return
    x.out.append(Withdraw(entry.id, agent.id))
    unring(agent)
    if not entry.offers:
        entry.alone = None
        look(x, entry)


def withdraw(x: Floor, entry: Entry, now: float, *, but: AgentStatus | None = None) -> None:
    """Stop ringing everybody for this one, who looks no more."""
    for agent in tuple(entry.offers.values()):
        unring(agent)
        if agent is not but:
            x.out.append(Withdraw(entry.id, agent.id))
            refresh(x, agent, now, "call")


def unring(agent: AgentStatus) -> None:
    """The offer is over."""
    if agent.offer is not None:
        agent.offer.offers.pop(agent.id, None)
        agent.offer = None
        agent.offer_until = inf


def served(x: Floor, agent: AgentStatus, now: float) -> None:
    """The work after a call is done."""
    wrap_up = agent.wrap_up
    if wrap_up is None:
        return
    agent.wrap_up = None
    if (group := x.groups.get(wrap_up.group)) is not None:
        worked = now - wrap_up.began if wrap_up.until < inf else 0.0
        group.estimator.rate.note_served(wrap_up.talked + worked)


def choose(agent: AgentStatus, state: ChosenState, *, by: str, reason: str = "", lasts: float | None = None) -> None:
    """The state that the agent is in from now on, as far as there is no call."""
    agent.chosen, agent.chosen_reason, agent.chosen_by, agent.chosen_lasts = state, reason, by, lasts
    agent.chosen_until = agent.break_until = inf
    agent.chosen_anew = state != "idle"


def sign_in(x: Floor, event: SignedIn, now: float) -> None:
    """An agent begins to work: idle, with figures that begin anew."""
    agent = x.agents.get(event.agent)
    if agent is not None and not agent.signed_in and not agent.removed:
        _begin(agent)
        refresh(x, agent, now, event.by or agent.id)


def sign_out(x: Floor, event: SignedOut, now: float) -> None:
    """An agent goes home; the caller who rings goes to somebody else."""
    agent = x.agents.get(event.agent)
    if agent is not None and agent.signed_in:
        leave(x, agent, now, by=event.by or agent.id, why=event.why)


def leave(x: Floor, agent: AgentStatus, now: float, *, by: str, why: str = "") -> None:
    """Sign the agent out, with all that goes with it."""
    agent.signed_in = False
    agent.rests_until = inf
    served(x, agent, now)
    take_back(x, agent)
    choose(agent, "idle", by=by)
    refresh(x, agent, now, by, why)


def set_state(x: Floor, event: StateSet, now: float) -> None:
    """A state is chosen: it ends the work after a call, and counts after a call that is still up."""
    agent = x.agents.get(event.agent)
    if agent is None or not agent.signed_in:
        return
    by = event.by or agent.id
    if agent.chosen != "idle" and event.state == "idle":
        agent.idle_since = now
    if agent.wrap_up is not None and agent.wrap_up.until < inf and not agent.calls:
        served(x, agent, now)
    if event.state == "idle":
        agent.rests_until, agent.unanswered = inf, 0
    choose(agent, event.state, by=by, reason=event.reason, lasts=event.lasts)
    refresh(x, agent, now, by, event.reason)


def wrap_up_done(x: Floor, event: WrapUpDone, now: float) -> None:
    """The agent is done with the call."""
    agent = x.agents.get(event.agent)
    if agent is not None and agent.wrap_up is not None:
        served(x, agent, now)
        refresh(x, agent, now, event.by or agent.id)


def phone_changed(x: Floor, event: PhoneChanged, now: float) -> None:
    """The phone has come or gone; without it nobody is rung, and calls end by their own events."""
    agent = x.agents.get(event.agent)
    if agent is None or agent.phone_up == event.up:
        return
    agent.phone_up = event.up
    if event.up and agent.agent.always and not agent.signed_in and not agent.removed:
        _begin(agent)
    if event.up:
        refresh(x, agent, now, "phone")
    elif agent.agent.always:
        leave(x, agent, now, by="phone", why="phone")
    else:
        take_back(x, agent)
        refresh(x, agent, now, "phone", "phone")


def call_began(x: Floor, event: CallBegan, now: float) -> None:
    """The agent is in a call of their own: who rang for them goes to somebody else."""
    agent = x.agents.get(event.agent)
    if agent is not None and event.call not in agent.own_calls:
        agent.own_calls[event.call] = now
        take_back(x, agent)
        refresh(x, agent, now, "call")


def call_over(x: Floor, event: CallOver, now: float) -> None:
    """A call of the agent's own is over."""
    agent = x.agents.get(event.agent)
    if agent is not None and agent.own_calls.pop(event.call, None) is not None:
        agent.held.discard(event.call)
        hung_up(x, agent, now)


def hold_changed(x: Floor, event: HoldChanged, now: float) -> None:
    """The agent holds somebody, or has come back."""
    agent = x.agents.get(event.agent)
    if agent is None or event.call not in agent.calls:
        return
    if event.held:
        agent.held.add(event.call)
    else:
        agent.held.discard(event.call)
    refresh(x, agent, now, "call")


def hung_up(x: Floor, agent: AgentStatus, now: float) -> None:
    """One of the agent's calls is over."""
    refresh(x, agent, now, "call")
    forget_removed(x, agent)


def forget_removed(x: Floor, agent: AgentStatus) -> None:
    """An agent who has been removed is gone with the last call."""
    if agent.removed and not agent.calls:
        x.disarm(agent)
        x.freed.pop(agent, None)
        if x.agents.get(agent.id) is agent:
            del x.agents[agent.id]


def past_due(x: Floor, agent: AgentStatus, now: float) -> None:
    """Time has ended something of the agent's own: rest, wrap-up, or a chosen state; or a break is too long."""
    by = "time"
    if agent.rests_until <= now:
        agent.rests_until = inf
    if agent.wrap_up is not None and agent.wrap_up.until <= now:
        served(x, agent, now)
    if agent.chosen_until <= now:
        choose(agent, "idle", by=by)
    if agent.break_until <= now:
        agent.break_until = inf
        if agent.state == "break":
            x.out.append(Alert("break_limit", agent.id, agent.chosen_reason))
    if agent.cleared_by <= now:
        x.out.append(Withdraw(agent.clearing, agent.id))
        agent.talks.pop(agent.clearing, None)
        agent.held.discard(agent.clearing)
        agent.clearing, agent.cleared_by = "", inf
    refresh(x, agent, now, by)
    forget_removed(x, agent)


def _begin(agent: AgentStatus) -> None:
    agent.signed_in = True
    agent.taken, agent.talked, agent.unanswered = 0, 0.0, 0
    agent.rests_until = inf
    choose(agent, "idle", by=agent.id)


def _take_effect(agent: AgentStatus, now: float) -> None:
    agent.chosen_anew = False
    if agent.chosen_lasts is not None:
        agent.chosen_until = now + agent.chosen_lasts
    if agent.chosen == "break":
        agent.break_until = now + min(agent.limits(), default=inf)


def _count(x: Floor, agent: AgentStatus) -> None:
    counted = (agent.signed_in and agent.state in PRESENT, agent.signed_in and agent.state != "offline")
    if counted != agent.counted:
        lost = agent.counted[0] > counted[0] or agent.counted[1] > counted[1]
        _add(agent, counted)
        for seat in agent.heaviest:
            if seat.group.present:
                seat.group.alerted = False
            elif lost:
                x.emptied[seat.group] = None


def _add(agent: AgentStatus, counted: tuple[bool, bool]) -> None:
    present, signed_in = counted[0] - agent.counted[0], counted[1] - agent.counted[1]
    agent.counted = counted
    share = 1.0 / len(agent.heaviest) if agent.heaviest else 0.0
    for seat in agent.heaviest:
        group = seat.group
        group.present += present
        group.signed_in += signed_in
        # Shares that come and go do not add up to zero by themselves.
        group.capacity = group.capacity + present * share if group.present else 0.0
