"""An offer's life: made, then accepted, failed, withdrawn, or lost when nobody answers for it in time."""

from __future__ import annotations

from math import inf

from routing.acd import callbacks, presence, strategies
from routing.acd.actions import Alert, Offer, Withdraw
from routing.acd.agents import AgentStatus, Talk, WrapUp
from routing.acd.entries import Entry
from routing.acd.events import OfferAccepted, OfferFailed, TalkEnded
from routing.acd.floor import CALLING_LIMIT, LEAST_PAUSE, OFFER_SLACK, Floor
from routing.acd.groups import GroupStatus
from routing.acd.model import OfferFailure
from routing.acd.presence import choose, hung_up, refresh, served, unring, withdraw
from routing.acd.queueing import end, hide, look, more_rings, no_more_rings, note_waiting


def offer(x: Floor, entry: Entry, agent: AgentStatus, now: float) -> None:
    """Ring the agent for this one."""
    group = entry.group
    hide(entry)
    timeout = agent.agent.ring_timeout
    if timeout is None:
        timeout = group.group.ring_timeout
    caller_first = False
    if entry.callback is not None:
        if not entry.offers:
            entry.callback.caller_first = group.group.callbacks.first == "caller"
        caller_first = entry.callback.caller_first
    entry.offers[agent.id] = agent
    agent.offer = entry
    agent.offer_until = now + timeout + OFFER_SLACK + (CALLING_LIMIT if caller_first else 0.0)
    group.asked = (agent.order, agent.id)
    x.out.append(Offer(entry.id, agent.id, group.name, timeout, entry.callback is not None, caller_first))
    refresh(x, agent, now, "call")
    _besides(entry, now, caller_first)
    x.arm(entry)


def _besides(entry: Entry, now: float, caller_first: bool) -> None:
    """Let more phones ring for the same one, where the strategy says so."""
    rules = entry.group.group
    if caller_first or entry.single or len(entry.offers) >= strategies.MOST_AT_ONCE:
        entry.steps = inf
        no_more_rings(entry)
    elif rules.strategy == "ring_all":
        more_rings(entry)
    elif rules.strategy == "progressive":
        entry.owed = max(0, entry.owed - 1)
        if not entry.owed:
            no_more_rings(entry)
        if entry.steps == inf:
            entry.steps = now + max(rules.progressive_step, LEAST_PAUSE)


def one_more(x: Floor, entry: Entry, now: float) -> None:
    """With `progressive`: nobody has answered, another phone is to ring besides."""
    entry.steps = now + max(entry.group.group.progressive_step, LEAST_PAUSE)
    entry.owed += 1
    more_rings(entry)
    x.seeking[entry] = None


def accepted(x: Floor, event: OfferAccepted, now: float) -> None:
    """The agent has answered; all others stop ringing. One who was not offered any more is hung up."""
    agent = x.agents.get(event.agent)
    entry = agent.offer if agent is not None else None
    if agent is None or entry is None or entry.id != event.entry:
        x.out.append(Withdraw(event.entry, event.agent))
        return
    group = entry.group
    wrap_up = agent.agent.wrap_up
    agent.unanswered = 0
    served(x, agent, now)
    agent.talks[entry.id] = Talk(group.name, now, group.group.wrap_up if wrap_up is None else wrap_up)
    withdraw(x, entry, now, but=agent)
    refresh(x, agent, now, "call")
    if callbacks.agent_ready(x, entry, agent, now):
        return
    agent.taken += 1
    _settle(entry, group, now)
    group.note_served(now - entry.since)
    end(x, entry, "answered")


def _settle(entry: Entry, group: GroupStatus, now: float) -> None:
    group.estimator.rate.note_left(gave_up=False)
    if entry.said is not None:
        band, at = entry.said
        group.estimator.calibration.settle(band, now - at)


def failed(x: Floor, event: OfferFailed, now: float) -> None:
    """The agent has not taken it, and rests for a while; who was offered goes to somebody else."""
    agent = x.agents.get(event.agent)
    if agent is not None and agent.offer is not None and agent.offer.id == event.entry:
        _fail(x, agent, agent.offer, event.why, now)


def lost(x: Floor, agent: AgentStatus, now: float) -> None:
    """Nobody has told what became of the offer."""
    entry = agent.offer
    if entry is None:
        return
    x.out.append(Withdraw(entry.id, agent.id))
    x.out.append(Alert("offer_lost", agent.id, entry.id))
    if entry.callback is not None and entry.callback.caller_first:
        callbacks.not_reached(x, entry, now)
        return
    _fail(x, agent, entry, "unreachable", now)


def _fail(x: Floor, agent: AgentStatus, entry: Entry, why: OfferFailure, now: float) -> None:
    rules = entry.group.group
    unring(agent)
    agent.idle_since = now
    by = "call"
    agent.rests_until = now + max(rules.refuse_pause, LEAST_PAUSE)
    if why == "no_answer":
        agent.unanswered += 1
        if agent.unanswered >= rules.no_answer_limit and rules.no_answer_state != "idle" and agent.chosen == "idle":
            agent.unanswered, agent.rests_until, by = 0, inf, "rule"
            choose(agent, rules.no_answer_state, by=by, reason=why)
    refresh(x, agent, now, by, why)
    if not entry.offers:
        entry.alone = None
        if entry.callback is None and min(entry.overflows, entry.leaves) <= now:
            # Patience ended while the phone rang: whoever is next would only ring on and on.
            x.arm(entry)
        else:
            note_waiting(entry, now)
            look(x, entry)
        if not entry.group.present:
            x.emptied[entry.group] = None


def talk_ended(x: Floor, event: TalkEnded, now: float) -> None:
    """The agent's part is over: talk time is theirs, and the work after it begins."""
    agent = x.agents.get(event.agent)
    talk = agent.talks.pop(event.entry, None) if agent is not None else None
    if agent is None or talk is None:
        return
    agent.held.discard(event.entry)
    if agent.clearing == event.entry:
        agent.clearing, agent.cleared_by = "", inf
    if talk.counts:
        talked = max(0.0, now - talk.began)
        agent.talked += talked
        served(x, agent, now)
        agent.wrap_up = WrapUp(talk.group, talk.wrap_up, talked)
        if talk.wrap_up <= 0.0 or not agent.signed_in:
            served(x, agent, now)
    hung_up(x, agent, now)
    callbacks.agent_hung_up(x, event.entry, agent, now)


def past_due(x: Floor, agent: AgentStatus, now: float) -> None:
    """Time has changed something for the agent."""
    if agent.offer_until <= now:
        lost(x, agent, now)
    presence.past_due(x, agent, now)
