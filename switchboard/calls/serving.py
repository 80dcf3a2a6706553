"""What the queue engine wants done, done on the calls of those who wait: phones ring, callers hear, waiting ends."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final, cast

from routing.acd.actions import Action, Announce, Leave, Moved, Offer, Withdraw
from routing.acd.events import CallbackAsked, OfferAccepted, OfferFailed
from routing.acd.model import LeaveReason, OfferFailure
from routing.masks.target import Target, TargetError, parse_open_target
from switchboard.calls.answering import progress
from switchboard.calls.attempts import Attempt, abandon_leg, invite_leg, promote
from switchboard.calls.call import Call, Phase
from switchboard.calls.causes import CANCELLED, CONGESTION, NO_ANSWER, NORMAL, UNKNOWN, UNREGISTERED, Cause
from switchboard.calls.cdr import open_segment
from switchboard.calls.ending import end_call, note_hold
from switchboard.calls.exchange import Exchange
from switchboard.calls.flow import back_to_flow, nobody, start_flow
from switchboard.calls.leg import Leg
from switchboard.calls.queue_sounds import announce, refuse_callback, silence
from switchboard.calls.queueing import outcome_for

_FAILURES: Final[dict[str, OfferFailure]] = {
    "busy": "busy",
    "declined": "refused",
    "no_answer": "no_answer",
    "timeout": "no_answer",
    "cancelled": "no_answer",
}
_CAUSES: Final[dict[LeaveReason, Cause]] = {
    "full": CONGESTION,
    "empty": UNREGISTERED,
    "closed": UNREGISTERED,
    "estimate": CONGESTION,
    "timeout": NO_ANSWER,
    "overflow": NO_ANSWER,
    "callback": NORMAL,
}


def offer(x: Exchange, action: Offer, now: float) -> None:
    """Ring an agent for one who waits."""
    call = x.call_waiting_as(action.entry)
    if call is None or call.phase is not Phase.QUEUED:
        x.desk.tell(OfferFailed(action.entry, action.agent, "unreachable"), now)
    else:
        ring_agent(x, call, action, now)


def ring_agent(x: Exchange, call: Call, action: Offer, now: float) -> None:
    """Call the agent of an offer; the engine learns at once when that is not possible."""
    target = phone_target(x, action.agent)
    found: Leg | Cause = UNKNOWN
    if target is not None:
        found = invite_leg(
            x,
            call,
            target,
            purpose="offer",
            ring_timeout=action.timeout,
            now=now,
            agent_id=action.agent,
            group=action.group,
        )
    if isinstance(found, Cause):
        x.desk.tell(OfferFailed(action.entry, action.agent, offer_failure(found)), now)
        return
    open_segment(call, "ring", x.utc_us(now), agent=action.agent, group=action.group)
    x.arm(call)


def phone_target(x: Exchange, agent: str) -> Target | None:
    """The phone of an agent as something that can be called."""
    return _target_of(x.desk.phone_of(agent) or "")


@lru_cache(maxsize=4096)
def _target_of(phone: str) -> Target | None:
    try:
        return parse_open_target(phone)
    except TargetError:
        return None


def offer_failure(cause: Cause) -> OfferFailure:
    """Why an agent did not take a call, in the engine's words."""
    return _FAILURES.get(cause.word, "unreachable")


def _rings(x: Exchange, call: Call, leg: Leg, now: float) -> None:
    """A caller who is not answered yet hears that somebody's phone rings."""
    if not call.caller.talking:
        progress(x, call, 180, now)


def _answered(x: Exchange, call: Call, leg: Leg, now: float) -> Cause | None:
    if not x.desk.offered(call.entry_id, leg.agent_id, now) or call.phase is not Phase.QUEUED or call.wait is None:
        return CANCELLED
    silence(x, call)
    failure = promote(x, call, leg, now)
    if failure is None:
        call.wait = None
        x.desk.tell(OfferAccepted(call.entry_id, leg.agent_id), now)
        if leg.holds:
            note_hold(x, leg, now)
    return failure


def _failed(x: Exchange, call: Call, leg: Leg, cause: Cause, now: float) -> None:
    _wait_on(x, call, now)
    x.desk.tell(OfferFailed(call.entry_id, leg.agent_id, offer_failure(cause)), now)


OFFER: Final = Attempt(_answered, _failed, _rings)


def _wait_on(x: Exchange, call: Call, now: float) -> None:
    """The caller waits again, unless another phone still rings."""
    if call.wait is not None and not any(leg.purpose == "offer" for leg in call.others):
        open_segment(call, "queue", x.utc_us(now), call.wait.group, group=call.wait.group)


def withdraw(x: Exchange, action: Withdraw, now: float) -> None:
    """The phone of an agent rings no more for one who waits."""
    call = x.call_waiting_as(action.entry)
    for leg in list(call.others) if call is not None else ():
        if call is not None and leg.purpose == "offer" and leg.agent_id == action.agent:
            abandon_leg(x, call, leg, CANCELLED, now)
            _wait_on(x, call, now)
            x.arm(call)


def _leave(x: Exchange, action: Leave, now: float) -> None:
    """The waiting is over without an agent: on in the flow, or where the group's rule says."""
    call = x.call_waiting_as(action.entry)
    if call is None or call.wait is None:
        return
    silence(x, call)
    wait, call.wait = call.wait, None
    if action.reason == "callback":
        # A callback that was taken has left the queue before: this one could not be kept.
        action = Leave(action.entry, action.group, "failed")
    over = outcome_for(call, action.reason)
    if wait.joining and call.position is not None and not action.to:
        # Whoever let the caller join tells the flow.
        wait.over = over
        back_to_flow(x, call, None, now)
        return
    _go_on(x, call, action, now)
    if call.id in x.calls:
        x.arm(call)


def _go_on(x: Exchange, call: Call, action: Leave, now: float) -> None:
    kind, _, name = action.to.partition(":")
    variables: dict[str, str | int] = {
        "called": call.record.called,
        "trunk": call.record.trunk,
        "reason": action.reason,
    }
    if kind == "flow":
        start_flow(x, call, name, variables, now)
    elif kind == "voicemail":
        start_flow(x, call, "voicemail", {**variables, "box": name}, now)
    elif kind == "hangup":
        end_call(x, call, _CAUSES.get(action.reason, NORMAL), "switch", now)
    elif call.position is not None:
        back_to_flow(x, call, outcome_for(call, action.reason), now)
    else:
        nobody(x, call, action.reason, _CAUSES.get(action.reason, NORMAL), "switch", now)


def _moved(x: Exchange, action: Moved, now: float) -> None:
    call = x.call_waiting_as(action.entry)
    if call is None or call.wait is None:
        return
    call.wait.group = call.record.group = action.group
    open_segment(call, "queue", x.utc_us(now), action.group, group=action.group)


def _announce(x: Exchange, action: Announce, now: float) -> None:
    call = x.call_waiting_as(action.entry)
    if call is not None and call.wait is not None:
        announce(x, call, action, _language(call))


def _language(call: Call) -> str:
    known = call.position.variables.get("language") if call.position is not None else None
    return str(known or call.variables.get("language") or "zh")


def key_pressed(x: Exchange, call: Call, digit: str, now: float) -> None:
    """A key of one who waits: that for being called back is the only one that means anything."""
    wait = call.wait
    fingerprint = call.record.caller_fingerprint
    if wait is None or not digit or digit != wait.callback_key or wait.callback:
        return
    if not fingerprint or x.settings.outbound is None:
        x.log("callback.impossible", call_id=call.id, reason="no number" if not fingerprint else "no outbound trunk")
        no_callback(x, call)
        return
    wait.callback = x.new_id()
    x.desk.tell(CallbackAsked(call.entry_id, wait.callback, fingerprint), now)


def no_callback(x: Exchange, call: Call) -> None:
    """Nobody can be called back there now: whoever has asked hears so, and waits on."""
    refuse_callback(x, call, _language(call))


def taken_back(x: Exchange, call: Call, now: float) -> None:
    """The caller will be called back: on in the flow, or a good-bye."""
    silence(x, call)
    call.wait = None
    _go_on(x, call, Leave(call.id, call.record.group, "callback"), now)
    if call.id in x.calls:
        x.arm(call)


PERFORM: Final = cast(
    "dict[type[Action], Callable[[Exchange, Action, float], None]]",
    {
        Offer: offer,
        Withdraw: withdraw,
        Leave: _leave,
        Moved: _moved,
        Announce: _announce,
    },
)
"""What is done on calls; each function takes the very action its key names."""
