"""Legs beside the caller's and the agent's: their INVITEs, what comes back, and how one of them becomes the agent.

What an answer or a failure means depends on why somebody was called: one row a purpose in `Exchange.attempts`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from media.sdp import SdpError
from routing.masks.target import Target
from switchboard.calls.answering import answer_caller
from switchboard.calls.call import Call, Phase
from switchboard.calls.calling_out import call_leg, find_port
from switchboard.calls.carriers.credentials import ack_of
from switchboard.calls.causes import (
    CONGESTION,
    NO_ANSWER,
    NOT_ACCEPTABLE,
    TIMEOUT,
    UNREACHABLE,
    Cause,
    cause_of_response,
)
from switchboard.calls.cdr import add_leg, open_segment, write_snapshot
from switchboard.calls.connecting import (
    answer_in,
    join,
    leg_to,
    limit_talk,
    plan_of,
    refuse_late_answer,
    take_dialog,
)
from switchboard.calls.ending import agent_began, agent_over, come_back, end_leg, forget_lease, leg_over
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg, LegInput, LegState, Purpose
from switchboard.calls.masked import note_put_through
from switchboard.calls.negotiation import lease_media, release_media, take_answer
from switchboard.calls.recording import talk_begins
from switchboard.calls.steps import tell, tell_ringing
from switchboard.calls.wiring import settle, unwire
from switchboard.sip.message import Response
from switchboard.sip.parts import SDP, take_description
from switchboard.sip.transaction.client import ClientTransaction
from switchboard.store.records import EndedBy

Answered = Callable[[Exchange, Call, Leg, float], "Cause | None"]
"""The party talks, the ACK is still to be sent; a cause when nothing comes of it: the leg is hung up, and failed."""

Failed = Callable[[Exchange, Call, Leg, Cause, float], None]
"""The attempt is over; the leg is none of the call's any more."""

Rings = Callable[[Exchange, Call, Leg, float], None]
"""The phone rings; with `leg.agreement` there is something to be heard already."""


class Attempt(NamedTuple):
    """What is done with the outcomes of calling somebody for one purpose."""

    answered: Answered
    failed: Failed
    rings: Rings | None = None


def invite_leg(
    x: Exchange,
    call: Call,
    target: Target,
    *,
    purpose: Purpose,
    ring_timeout: float,
    now: float,
    agent_id: str = "",
    group: str = "",
    headers: tuple[str, ...] = (),
    shown: str = "",
) -> Leg | Cause:
    """Call one more party, who joins `call.others`; a cause when that is not possible.

    `headers` are lines for the INVITE, `shown` is what is shown there in place of the call's own number. What comes
    of it goes to the row of `purpose` in `Exchange.attempts`.
    """
    plan = plan_of(x, call, target, now, shown)
    if isinstance(plan, Cause):
        return plan
    leg = leg_to(x, call, plan, now, agent_id)
    leg.purpose, leg.group = purpose, group
    if not find_port(x, call, leg, call.caller):
        return CONGESTION
    call.others.append(leg)
    if purpose not in ("offer", "callback"):
        agent_began(x, leg, now)
    call.attempts += 1
    add_leg(call, leg.record)
    call_leg(x, call, leg, plan, ring_timeout, now, headers)
    return leg


def abandon_leg(x: Exchange, call: Call, leg: Leg, cause: Cause, now: float) -> None:
    """Take one of `call.others` out: CANCEL while it rings, BYE when it talks. Its purpose hears nothing of it."""
    if leg.record.answered_us is None:
        tell(x, call, "ring_ended", now, leg, cause.word)
    end_leg(x, leg, cause, now)
    _remove(call, leg)
    if leg.purpose != "offer":
        agent_over(x, leg, now)
    if release_media(x, leg) and leg.record.answered_us is None:
        # Its counters are of no interest: nobody talked on it.
        forget_lease(x, leg)


def _remove(call: Call, leg: Leg) -> None:
    leg.ring_due = None
    call.others[:] = [other for other in call.others if other is not leg]


def promote(x: Exchange, call: Call, leg: Leg, now: float) -> Cause | None:
    """One of `call.others` has answered and becomes the agent: both talk. A cause when there is no port for the caller.

    Whatever the caller hears ends; a caller who was not answered yet is.
    """
    if not lease_media(x, call.caller, leg):
        return CONGESTION
    first = call.phase is not Phase.PARKED and call.phase is not Phase.TALKING
    if call.control is not None:
        unwire(x, call)
    take_place(x, call, leg, now)
    join(x, call, leg, now)
    call.ring_due = None
    call.enter(Phase.TALKING)
    begin_talk(x, call, leg, now)
    if first:
        note_put_through(x, call, now)
    settle(x, call)
    if call.caller.talking:
        write_snapshot(x, call)
    answer_caller(x, call, now)
    return None


def take_place(x: Exchange, call: Call, leg: Leg, now: float) -> None:
    """One of `call.others` who talks is the call's agent from now on."""
    _remove(call, leg)
    call.agent = leg
    come_back(x, leg, now)


def take_over(x: Exchange, call: Call, leg: Leg, now: float) -> None:
    """One of `call.others` who talks already takes the place of the agent, who has left."""
    take_place(x, call, leg, now)
    call.record.agent = leg.agent_id or call.record.agent
    limit_talk(call, now)


def begin_talk(x: Exchange, call: Call, leg: Leg, now: float) -> None:
    """The record, limits and recording of a talk with the agent of `leg`; the world is told."""
    open_segment(call, "talk", x.utc_us(now), agent=leg.agent_id, group=leg.group)
    call.record.agent = leg.agent_id or call.record.agent
    limit_talk(call, now)
    talk_begins(x, call, now)
    tell(x, call, "answered", now, leg)


# --- what comes back ---


def leg_response(x: Exchange, tx: ClientTransaction, leg: Leg, response: Response, now: float) -> None:
    """A response to the INVITE of a leg that `invite_leg` called."""
    call = x.call_of(leg)
    awaited = call is not None and leg.state in (LegState.INVITED, LegState.EARLY) and call.owns(leg)
    status = response.status
    if status >= 300:
        cause = cause_of_response(status, response.headers.getall("reason"))
        _refused(x, call if awaited else None, leg, cause, status, now)
    elif call is None or not awaited:
        if status >= 200:
            refuse_late_answer(x, leg, tx, response, now)
    elif status < 200:
        _rings(x, call, leg, response, now)
    else:
        _answered(x, call, leg, tx, response, now)


def leg_unreached(x: Exchange, leg: Leg, now: float, *, unreachable: bool) -> None:
    """The INVITE found nobody: Timer B, or the transport failed (RFC 3261 §8.1.3.1: as 408 and 503)."""
    call = x.call_of(leg)
    awaited = call is not None and leg.state is not LegState.CANCELLING and call.owns(leg)
    cause, status = (UNREACHABLE, 503) if unreachable else (TIMEOUT, 408)
    _refused(x, call if awaited else None, leg, cause, status, now)


def leg_rang_out(x: Exchange, call: Call, leg: Leg, now: float) -> None:
    """Nobody has answered in time, or not even a port was found."""
    give_up(x, call, leg, NO_ANSWER if leg.lease is not None else CONGESTION, now)


def who_ended(leg: Leg) -> EndedBy:
    """Who has ended an attempt that failed: whoever was called, or the switch."""
    return leg.role if leg.state is LegState.ENDED and leg.record.sip_status is not None else "switch"


def _rings(x: Exchange, call: Call, leg: Leg, response: Response, now: float) -> None:
    leg.move(LegInput.PROVISIONAL)
    if response.status == 100:
        return
    first = leg.record.ringing_us is None
    if first:
        leg.record.ringing_us = x.utc_us(now)
    # Of several who describe media the first is gone by, until somebody answers.
    if response.body and leg.agreement is None and (response.content_type == SDP or take_description(response)):
        try:
            take_answer(leg, response.body)
            leg.heard = response.to_tag or ""
        except SdpError:
            leg.agreement = None
    rings = x.attempts[leg.purpose].rings
    if rings is not None:
        rings(x, call, leg, now)
    if first:
        tell_ringing(x, call, leg, now)


def picked_up(x: Exchange, call: Call, leg: Leg, by: Leg, now: float) -> Cause | None:
    """The phone of `by` has answered in place of one of `call.others` that rings; a cause when nothing comes of it."""
    leg.ring_due = None
    call.others[:] = [by if other is leg else other for other in call.others]
    if call.control is not None:
        control = call.control
        control.target = by.id if control.target == leg.id else control.target
        control.consulted = by.id if control.consulted == leg.id else control.consulted
    return x.attempts[by.purpose].answered(x, call, by, now)


def _answered(x: Exchange, call: Call, leg: Leg, tx: ClientTransaction, response: Response, now: float) -> None:
    ack = ack_of(x, leg.gateway, take_dialog(x, leg, tx, response, now), tx.request, now)
    leg.ring_due = None
    if leg.record.ringing_us is None:
        tell_ringing(x, call, leg, now)
    failure: Cause | None = None
    try:
        body = answer_in(leg, response)
        if body or leg.agreement is None:
            take_answer(leg, body)
    except SdpError:
        failure = NOT_ACCEPTABLE
    if failure is None:
        failure = x.attempts[leg.purpose].answered(x, call, leg, now)
    x.core.send_ack(ack, now)
    if failure is not None:
        give_up(x, call, leg, failure, now)


def _refused(x: Exchange, call: Call | None, leg: Leg, cause: Cause, status: int, now: float) -> None:
    """A final failure, also the 487 that follows our CANCEL; `call` is None when nobody waits for it."""
    leg_over(x, leg)
    leg.record.sip_status = status
    if call is None:
        return
    leg.record.ended_us = x.utc_us(now)
    leg.record.cause = cause.word
    give_up(x, call, leg, cause, now)


def give_up(x: Exchange, call: Call, leg: Leg, cause: Cause, now: float) -> None:
    """Nothing has come of calling one of `call.others`."""
    abandon_leg(x, call, leg, cause, now)
    if leg.record.answered_us is not None:
        # It has answered, and nothing came of it.
        tell(x, call, "ring_ended", now, leg, cause.word)
    x.attempts[leg.purpose].failed(x, call, leg, cause, now)
