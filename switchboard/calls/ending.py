"""How calls end: each leg gets the message it is owed, media is given back, one record is written."""

from __future__ import annotations

from media.events import StreamStats
from routing.acd.events import CallbackEnded, OfferFailed
from switchboard.calls.after import caller_gone
from switchboard.calls.audio_quality import keep_media
from switchboard.calls.branches import cancel_invites, forget_branches
from switchboard.calls.call import Call, Phase
from switchboard.calls.callback_request import caller_cleared
from switchboard.calls.carriers.credentials import unwatched
from switchboard.calls.causes import CANCELLED, ELSEWHERE, MEDIA_LOST, REASON_PHRASES, TAKEN_ELSEWHERE, Cause
from switchboard.calls.cdr import close_segment, note_flow, write_ended, write_ending
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg, LegInput, LegState
from switchboard.calls.negotiation import release_media
from switchboard.calls.news import CallNews
from switchboard.calls.queueing import leave_queue
from switchboard.calls.subscriptions import referral_over
from switchboard.calls.webrtc import release_endpoint
from switchboard.calls.wiring import unwire
from switchboard.store.records import EndedBy


def end_call(x: Exchange, call: Call, cause: Cause, by: EndedBy, now: float) -> None:
    """End a call, whatever it is doing: tell both sides, give media back, and close its record.

    `by` is who ended it: caller, agent or switch. Repeated calls do nothing.
    """
    if not call.enter(Phase.ENDING):
        return
    call.record.cause, call.record.q850, call.record.ended_by = cause.word, cause.q850, by
    call.record.ended_us = x.utc_us(now)
    close_segment(call, call.record.ended_us)
    note_flow(x, call)
    if call.caller.id in x.invites_in and not call.caller.talking:
        call.record.sip_status = cause.status
    write_ending(x, call)
    call.ring_due = None
    leave_queue(x, call, now)
    if call.entry:
        _attempt_over(x, call, now)
    if call.control is not None:
        call.control.park_due = None
        if x.slots.get(call.control.slot) == call.id:
            del x.slots[call.control.slot]
    position, call.position = call.position, None
    x.backends.cancel(call.id)
    if call.id in x.subscriptions.about:
        referral_over(x, call.id, now)
    for leg in call.legs:
        leg.ring_due = None
        end_leg(x, leg, cause, now)
        agent_over(x, leg, now)
    awaited = 0
    for leg in call.legs:
        if release_media(x, leg):
            awaited += 1
    call.awaiting_release = awaited
    call.end_due = now + x.settings.release_wait
    if call.awaiting_release == 0:
        finish(x, call, now)
    else:
        x.arm(call)
    if position is not None and by == "caller":
        caller_gone(x, call.id, x.flows.version(call.flow, call.flow_version), position, now)


def _attempt_over(x: Exchange, call: Call, now: float) -> None:
    """A callback's attempt ends with its call: its agent is not kept for it, nor rung."""
    if call.kept_agent is not None:
        call.kept_agent = None
        x.desk.tell(CallbackEnded(call.entry, reached=False), now)
    for leg in call.others:
        if leg.purpose == "callback" and not leg.talking:
            x.desk.tell(OfferFailed(call.entry, leg.agent_id, "unreachable"), now)


def end_leg(x: Exchange, leg: Leg, cause: Cause, now: float, *, elsewhere: bool = False) -> None:
    """Send what ends a leg in its state: a final response, CANCEL, or BYE; nothing when it is over.

    With `elsewhere` the CANCEL says that somebody has answered at another phone; else it gives a caller's own reason.
    """
    state = leg.state
    if state in (LegState.CANCELLING, LegState.ENDED):
        return
    leg.record.ended_us = x.utc_us(now)
    leg.record.cause = leg.record.cause or cause.word
    if state in (LegState.ANSWERED, LegState.CONFIRMED):
        send_bye(x, leg, cause, now)
        leg_over(x, leg)
    elif leg.id in x.invites_out:
        leg.move(LegInput.CANCEL)
        taken = elsewhere or cause is TAKEN_ELSEWHERE
        given = cause if cause.word == CANCELLED.word else CANCELLED
        cancel_invites(x, leg, now, ELSEWHERE if taken else given.reason_header)
    else:
        refuse_invite(x, leg, cause, now)
        leg_over(x, leg)


def refuse_invite(x: Exchange, leg: Leg, cause: Cause, now: float) -> None:
    """The final response of a caller's pending INVITE, with the cause in Reason (RFC 6432)."""
    transaction = x.invites_in.get(leg.id)
    if transaction is None:
        return
    headers: tuple[str, ...] = (cause.reason_header,)
    if cause.status == 503:
        headers = (*headers, "Retry-After: 5")
    leg.record.sip_status = cause.status
    x.core.respond(
        transaction,
        cause.status,
        REASON_PHRASES.get(cause.status, "Error"),
        to_tag=leg.local_tag,
        headers=headers,
        now=now,
    )


def send_bye(x: Exchange, leg: Leg, cause: Cause, now: float) -> None:
    """BYE with the cause in Reason (RFC 3326)."""
    assert leg.dialog is not None
    x.hung_up.append((leg.dialog.call_id, leg.local_tag))
    context = unwatched(leg.gateway, leg.dialog)
    x.core.request(leg.dialog.next_request("BYE", (cause.reason_header,)), now, context=context)


def leg_over(x: Exchange, leg: Leg) -> None:
    """Forget a leg's dialog and transactions."""
    leg.move(LegInput.END)
    leg.session_due = None
    if leg.web is not None:
        release_endpoint(x, leg)
    x.invites_in.pop(leg.id, None)
    x.invites_out.pop(leg.id, None)
    if x.branches:
        forget_branches(x, leg)
    if leg.gateway:
        x.gateways.over(leg.gateway)
        leg.gateway = ""
    if leg.dialog is not None and x.dialogs.pop((leg.dialog.call_id, leg.local_tag), None) is not None:
        x.past_dialogs.append((leg.dialog.call_id, leg.local_tag))


def drop_agent(x: Exchange, call: Call, cause: Cause, now: float) -> None:
    """Give up the attempt to reach an agent; the caller stays."""
    leg = call.agent
    if leg is None:
        return
    end_leg(x, leg, cause, now)
    agent_over(x, leg, now)
    if release_media(x, leg):
        # Its counters are of no interest: nobody talked on it.
        forget_lease(x, leg)
    call.agent = None
    call.ring_due = None


def part_from_agent(x: Exchange, call: Call, now: float) -> None:
    """The agent has hung up and the caller stays; the counters of the agent's stream are still to come."""
    leg = call.agent
    if leg is None:
        return
    if call.control is not None:
        unwire(x, call)
    elif call.caller.lease is not None:
        x.media.unbridge(call.caller.lease)
    release_media(x, leg)
    agent_over(x, leg, now)
    call.agent = None
    call.talk_due = call.warn_due = None


def agent_began(x: Exchange, leg: Leg, now: float) -> None:
    """An agent is in a call that did not come from a queue: no other is offered meanwhile."""
    if leg.agent_id and not leg.engaged:
        leg.engaged = True
        x.desk.call_began(leg.agent_id, leg.call_id, now)
        if leg.holds:
            note_hold(x, leg, now)


def note_hold(x: Exchange, leg: Leg, now: float) -> None:
    """The desk learns whether an agent holds the others now."""
    if leg.agent_id:
        call = x.call_of(leg)
        entry = leg.call_id if leg.engaged or call is None else call.entry_id
        x.desk.held(leg.agent_id, entry, leg.holds, now)


def come_back(x: Exchange, leg: Leg, now: float) -> None:
    """A hold by command ends, since the call goes on otherwise."""
    if leg.holding:
        leg.holding = False
        note_hold(x, leg, now)


def agent_over(x: Exchange, leg: Leg, now: float) -> None:
    """The part of an agent in a call is over; whose phone only rang for one from a queue had none."""
    if not leg.agent_id:
        return
    if leg.engaged:
        leg.engaged = False
        x.desk.call_over(leg.agent_id, leg.call_id, now)
    elif leg.purpose in ("offer", "callback") and leg.record.answered_us is not None:
        call = x.call_of(leg)
        x.desk.talk_ended(call.entry_id if call is not None else leg.call_id, leg.agent_id, now)


def forget_lease(x: Exchange, leg: Leg) -> None:
    """The leg's port is no longer the leg's."""
    if leg.lease is not None:
        x.media_legs.pop((leg.lease.port, leg.lease.gen), None)
        leg.lease = None


def media_released(x: Exchange, leg: Leg, stats: StreamStats, now: float) -> None:
    """Take the counters of a leg whose port is free again."""
    keep_media(x, leg, stats, now)
    x.meter.rtp(stats.received, stats.lost)
    forget_lease(x, leg)
    call = x.call_of(leg)
    if call is not None and call.phase is Phase.ENDING and call.owns(leg):
        call.awaiting_release -= 1
        if call.awaiting_release <= 0:
            finish(x, call, now)


def media_lost(x: Exchange, leg: Leg, now: float) -> None:
    """The worker that carried a leg died: its call cannot go on."""
    forget_lease(x, leg)
    call = x.call_of(leg)
    if call is None or not call.owns(leg):
        return
    if call.phase is Phase.ENDING:
        call.awaiting_release -= 1
        if call.awaiting_release <= 0:
            finish(x, call, now)
        return
    end_call(x, call, MEDIA_LOST, "switch", now)


def finish(x: Exchange, call: Call, now: float) -> None:
    """Write the call's one record and forget it."""
    if not call.enter(Phase.ENDED):
        return
    for leg in call.legs:
        forget_lease(x, leg)
        if leg is not call.caller and leg.state is not LegState.CANCELLING and leg.state is not LegState.ENDED:
            leg_over(x, leg)
    x.disarm(call)
    write_ended(x, call)
    del x.calls[call.id]
    if call.entry and x.called_back.get(call.entry) == call.id:
        del x.called_back[call.entry]
    x.ended += 1
    x.meter.call_ended(call.record.cause)
    x.log("call.ended", call_id=call.id, cause=call.record.cause, ended_by=call.record.ended_by)
    if x.feed.listening:
        record = call.record
        at_us = record.ended_us or x.utc_us(now)
        x.feed.publish(CallNews(step="ended", call=call.id, at_us=at_us, group=record.group, detail=record.cause))
    if call.asked_back:
        caller_cleared(x, call, now)
