"""Calling back those who asked for it while they waited: when their turn comes, agent first or caller first.

A request is durable before the caller hears that it was taken, and each attempt is noted before its INVITE. The turn,
the pace and the number of attempts are the queue engine's; here is one call for one attempt.
"""

from __future__ import annotations

from typing import Final

from routing.acd.actions import CallbackOver, CallbackTaken, Offer, Withdraw
from routing.acd.events import CallbackEnded, CallerGone, OfferAccepted, OfferFailed
from routing.masks.secret import Sealed
from routing.masks.target import NumberTarget
from switchboard.calls.attempts import Attempt, abandon_leg, invite_leg, who_ended
from switchboard.calls.call import Call, Phase
from switchboard.calls.callback_request import keep_request
from switchboard.calls.calling_out import call_leg, find_port
from switchboard.calls.causes import CANCELLED, CONGESTION, Cause
from switchboard.calls.cdr import open_segment, write_snapshot
from switchboard.calls.control.dial import both_talk, call_other, new_call
from switchboard.calls.control.places import Party
from switchboard.calls.ending import end_call, note_hold
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg
from switchboard.calls.negotiation import open_media
from switchboard.calls.news import CallNews
from switchboard.calls.queue_sounds import begin_music
from switchboard.calls.serving import no_callback, offer_failure, phone_target, ring_agent, taken_back, withdraw
from switchboard.calls.wait import Wait
from switchboard.store.callbacks import OUTCOME_STATES

# --- asking, and being done ---


def taken(x: Exchange, action: CallbackTaken, now: float) -> None:
    """The place is kept, which is durable before the caller hears of it; or the caller waits on."""
    call = x.call_waiting_as(action.entry)
    if call is None or call.wait is None:
        # The caller has hung up meanwhile: nobody was told, so nobody expects a call.
        if action.accepted:
            x.desk.tell(CallerGone(action.callback, "withdrawn"), now)
    elif action.accepted and keep_request(x, call, action, now):
        taken_back(x, call, now)
    else:
        call.wait.callback = ""
        if not action.accepted:
            no_callback(x, call)


def over(x: Exchange, action: CallbackOver, now: float) -> None:
    """A callback has come to its one end."""
    x.callbacks.mark(action.callback, OUTCOME_STATES[action.outcome], x.utc_us(now), reason=action.outcome)
    x.log("callback.over", callback=action.callback, outcome=action.outcome)


def give_up(x: Exchange, action: Withdraw, now: float) -> None:
    """The engine lets an agent go: the attempt ends, or the phone of one who waits rings no more."""
    call = x.call_waiting_as(action.entry)
    if call is None or not call.entry or call.phase is not Phase.CONNECTING:
        withdraw(x, action, now)
        return
    leg = call.leg_of(action.agent)
    if leg is not None and leg is not call.agent and (call.agent is not None or len(_ringing(call)) > 1):
        abandon_leg(x, call, leg, CANCELLED, now)
        x.arm(call)
        return
    call.kept_agent = None
    end_call(x, call, CANCELLED, "switch", now)


# --- one attempt ---


def call_back(x: Exchange, action: Offer, now: float) -> None:
    """Begin an attempt: ring the agent, or with the caller first call the caller while the agent is kept.

    Where more phones than one ring for a callback, they ring for the one attempt.
    """
    under_way = x.call_waiting_as(action.entry)
    if under_way is not None and _ringing(under_way):
        _ring_besides(x, under_way, action, now)
        return
    request = x.callbacks.get(action.entry)
    outbound = x.settings.outbound
    if request is None or outbound is None:
        x.desk.tell(CallerGone(action.entry, "withdrawn"), now)
        return
    trunk, shown = outbound
    number = NumberTarget(Sealed(request.record.number_sealed), trunk, shown)
    call = new_call(x, Party(number), "", now)
    call.entry, call.record.group = action.entry, action.group
    x.calls[call.id] = call
    x.called_back[action.entry] = call.id
    x.started += 1
    attempts = request.attempts + 1 if action.caller_first else None
    x.callbacks.mark(action.entry, "calling", x.utc_us(now), by=action.agent, attempts=attempts, call_id=call.id)
    x.log("call.opened", call_id=call.id, trunk=call.record.trunk, called=call.record.called)
    if x.feed.listening:
        x.feed.publish(CallNews(step="opened", call=call.id, at_us=x.utc_us(now), detail="callback"))
    failure = _call_caller(x, call, action, now) if action.caller_first else _ring_agent(x, call, action, now)
    if failure is not None:
        _tell_failure(x, action.entry, action.agent, failure, now, caller=action.caller_first)
        end_call(x, call, failure, "switch", now)
    else:
        x.arm(call)


def _count_attempt(x: Exchange, call: Call, agent: str, now: float) -> None:
    """The person is called now; that an agent's phone rang for it is no attempt, here as in the engine."""
    request = x.callbacks.get(call.entry_id)
    if request is not None:
        attempts = request.attempts + 1
        x.callbacks.mark(call.entry_id, "calling", x.utc_us(now), by=agent, attempts=attempts, call_id=call.id)


def _ring_besides(x: Exchange, call: Call, action: Offer, now: float) -> None:
    failure = CANCELLED if action.caller_first else _ring_agent(x, call, action, now)
    if failure is not None:
        _tell_failure(x, action.entry, action.agent, failure, now, caller=False)
    else:
        x.arm(call)


def _ringing(call: Call) -> list[Leg]:
    """The agents' phones that ring for a callback, while none has answered."""
    if call.phase is not Phase.CONNECTING or call.agent is not None:
        return []
    return [leg for leg in call.others if leg.purpose == "callback"]


def _ring_agent(x: Exchange, call: Call, action: Offer, now: float) -> Cause | None:
    target = phone_target(x, action.agent)
    if target is None:
        return CANCELLED
    leg = invite_leg(
        x,
        call,
        target,
        purpose="callback",
        ring_timeout=action.timeout,
        now=now,
        agent_id=action.agent,
        group=action.group,
        shown=call.record.called,
    )
    if isinstance(leg, Cause):
        return leg
    open_segment(call, "ring", x.utc_us(now), agent=action.agent, group=action.group)
    return None


def _call_caller(x: Exchange, call: Call, action: Offer, now: float) -> Cause | None:
    caller, control = call.caller, call.control
    assert control is not None
    if not find_port(x, call, caller):
        return CONGESTION
    caller.purpose = "callback"
    call.kept_agent = (action.agent, action.group)
    open_segment(call, "ring", x.utc_us(now), "callback", group=action.group)
    call_leg(x, call, caller, control.plan, x.settings.ring_timeout, now)
    return None


def _answered(x: Exchange, call: Call, leg: Leg, now: float) -> Cause | None:
    if call.phase is not Phase.CONNECTING:
        return CANCELLED
    if leg is not call.caller:
        return _agent_answered(x, call, leg, now)
    open_media(x, leg)
    if call.kept_agent is not None:
        return _caller_waits(x, call, leg, now)
    failure = both_talk(x, call, leg, now)
    if failure is None:
        x.desk.tell(CallbackEnded(call.entry_id, reached=True), now)
    return failure


def _agent_answered(x: Exchange, call: Call, leg: Leg, now: float) -> Cause | None:
    if not x.desk.offered(call.entry_id, leg.agent_id, now):
        return CANCELLED
    open_media(x, leg)
    call.caller.purpose = "callback"
    failure = call_other(x, call, leg, now)
    if failure is None:
        _count_attempt(x, call, leg.agent_id, now)
        x.desk.tell(OfferAccepted(call.entry_id, leg.agent_id), now)
        if leg.holds:
            note_hold(x, leg, now)
    return failure


def _caller_waits(x: Exchange, call: Call, leg: Leg, now: float) -> Cause | None:
    """The caller is on the line: they wait like any other now, and the agent who was kept is rung."""
    assert call.kept_agent is not None
    agent, group = call.kept_agent
    known = x.desk.group(group)
    offered = x.desk.offered(call.entry_id, agent, now)
    if known is None or not offered or not call.enter(Phase.QUEUED):
        return CANCELLED
    call.wait = Wait(group=group, music=known.announcements.music, since_us=x.utc_us(now))
    call.kept_agent = None
    call.record.answered_us, call.record.sip_status = leg.record.answered_us, leg.record.sip_status
    write_snapshot(x, call)
    x.desk.tell(CallbackEnded(call.entry_id, reached=True), now)
    begin_music(x, call, now)
    if call.phase is Phase.QUEUED:
        ring_agent(x, call, Offer(call.entry_id, agent, group, known.ring_timeout), now)
    return None


def _failed(x: Exchange, call: Call, leg: Leg, cause: Cause, now: float) -> None:
    if leg is not call.caller and _ringing(call):
        x.desk.tell(OfferFailed(call.entry_id, leg.agent_id, offer_failure(cause)), now)
        return
    if leg is call.caller:
        call.record.sip_status = leg.record.sip_status
    by = who_ended(leg)
    # Told first that the caller was not reached, the engine knows why the agent is hung up.
    call.kept_agent = None
    _tell_failure(x, call.entry_id, leg.agent_id, cause, now, caller=leg is call.caller)
    end_call(x, call, cause, by, now)


def _tell_failure(x: Exchange, entry: str, agent: str, cause: Cause, now: float, *, caller: bool) -> None:
    if caller:
        x.desk.tell(CallbackEnded(entry, reached=False), now)
    else:
        x.desk.tell(OfferFailed(entry, agent, offer_failure(cause)), now)


def _rings(x: Exchange, call: Call, leg: Leg, now: float) -> None:
    """Ringing tells nothing new: nobody but the agent, who hears ringback already, is on the line."""


CALLBACK: Final = Attempt(_answered, _failed, _rings)
