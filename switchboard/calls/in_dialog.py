"""Requests within a dialog: ACK, BYE, re-INVITE, UPDATE, INFO, CANCEL."""

from __future__ import annotations

import re
from typing import Final

from ivr_flows.events import Digit
from media.sdp import SdpError
from switchboard.calls.answering import ALLOW, SUPPORTED
from switchboard.calls.anteroom import Waiting
from switchboard.calls.call import Call, Phase
from switchboard.calls.causes import NO_ACK, NOT_ACCEPTABLE, Cause, cause_of_cancel, cause_of_hangup
from switchboard.calls.cdr import write_snapshot
from switchboard.calls.control.digits import hearers_of
from switchboard.calls.control.hold import hold_changed
from switchboard.calls.control.leaving import party_left, party_lost
from switchboard.calls.ending import end_call, leg_over, note_hold, part_from_agent
from switchboard.calls.exchange import Exchange
from switchboard.calls.flow import agent_left, begin_flow, flow_event
from switchboard.calls.inbound import refuse, unsupported
from switchboard.calls.keys import comes_by_media, is_echo, is_ours, key_taken, keys_go_on, send_keys
from switchboard.calls.leg import Leg, LegInput
from switchboard.calls.negotiation import open_media, renegotiate, reoffer, take_answer
from switchboard.calls.prack import prack_received
from switchboard.calls.refer import refer
from switchboard.calls.serving import key_pressed
from switchboard.calls.session_timers import accept_session, too_brief
from switchboard.calls.steps import tell
from switchboard.calls.subscribe import notified, subscribe_again
from switchboard.calls.wiring import control_of, rewire
from switchboard.sip.dialog import Dialog
from switchboard.sip.message import Request
from switchboard.sip.parts import SDP, take_description
from switchboard.sip.transaction.server import ServerTransaction
from switchboard.sip.validate import KNOWN_METHODS

_SIGNAL: Final = re.compile(rb"(?im)^\s*Signal\s*=\s*([0-9A-D*#])\s*$")
_DURATION: Final = re.compile(rb"(?im)^\s*Duration\s*=\s*([0-9]{1,6})\s*$")
_BARE: Final = re.compile(rb"\A\s*([0-9A-D*#])\s*\Z", re.IGNORECASE)


_EARLY: Final = frozenset(("BYE", "INVITE", "UPDATE", "INFO", "OPTIONS", "PRACK"))
"""What an early dialog takes; of BYE, that of the caller alone (RFC 3261 §15)."""


_REQUIRES_ANYTHING: Final = frozenset(("BYE", "REFER"))
"""Who hangs up is not kept; what a REFER may require it tells itself."""


def ack_received(x: Exchange, request: Request, tx: ServerTransaction | None, now: float) -> Call | None:
    """The ACK of our 2xx (RFC 3261 §13.2.2.4); its call, where it brings the answer since the 2xx carried our offer."""
    leg = tx.context if tx is not None else x.dialogs.get((request.call_id, request.to_tag or ""))
    if not isinstance(leg, Leg):
        return None
    if tx is None and not _is_of_latest(leg, request):
        return None
    leg.move(LegInput.ACK)
    call = x.call_of(leg)
    if call is None or not leg.talking:
        return None
    if leg is call.caller:
        x.invites_in.pop(leg.id, None)
    if not leg.offered or not leg.offer_pending:
        return None
    _late_answer(x, call, leg, request, now)
    return call


def _is_of_latest(leg: Leg, request: Request) -> bool:
    """Whether an ACK whose transaction is forgotten can be that of the latest INVITE (RFC 3261 §13.2.2.4)."""
    dialog = leg.dialog
    return dialog is not None and (dialog.remote_tag, dialog.remote_seq) == (request.from_tag or "", request.cseq)


def _late_answer(x: Exchange, call: Call, leg: Leg, request: Request, now: float) -> None:
    leg.offer_pending = False
    held = leg.holds
    take_description(request)
    if not request.body and leg.agreement is not None:
        # All stays as it was before the offer, which asked for nothing new (RFC 3264 §4).
        x.log("call.offer_unanswered", call_id=call.id, leg=leg.id)
        return
    try:
        take_answer(leg, request.body)
    except SdpError:
        party_lost(x, call, leg, NOT_ACCEPTABLE, now)
        return
    open_media(x, leg)
    if call.phase is Phase.FLOW and call.position is None:
        begin_flow(x, call, now)
        return
    if call.control is not None or leg.holds is not held:
        _described_anew(x, call, leg, held, now)
        return
    other = call.agent if leg is call.caller else call.caller
    if call.phase is Phase.TALKING and other is not None and other.lease is not None and leg.lease is not None:
        x.media.bridge(leg.lease, other.lease)


def ack_missing(x: Exchange, tx: ServerTransaction, now: float) -> Call | None:
    """Nobody acknowledged our 2xx in 64·T1: that party is hung up (RFC 3261 §13.3.1.4); the call where it goes on.

    One who has left meanwhile owes nothing any more, and whoever stays is not disturbed.
    """
    leg = tx.context
    call = x.call_of(leg) if isinstance(leg, Leg) else None
    if call is None or not isinstance(leg, Leg) or not leg.talking or not call.owns(leg):
        return None
    party_lost(x, call, leg, NO_ACK, now)
    return call


def cancelled(x: Exchange, tx: ServerTransaction, request: Request, now: float) -> None:
    """The caller gave up before an answer by this CANCEL; its INVITE gets 487 (RFC 3261 §9.2)."""
    leg = tx.context
    if isinstance(leg, Waiting) and x.anteroom.leave(leg):
        refuse(x, tx, 487, now)
        return
    call = x.call_of(leg) if isinstance(leg, Leg) else None
    if call is not None and not call.caller.talking:
        end_call(x, call, cause_of_cancel(request.headers.getall("reason")), "caller", now)


def request_in_dialog(x: Exchange, tx: ServerTransaction, request: Request, now: float) -> None:
    """Any request with a To tag; 481 when the dialog is not ours (RFC 3261 §12.2.2)."""
    if request.method == "SUBSCRIBE":
        subscribe_again(x, tx, request, now)
        return
    leg = x.dialogs.get((request.call_id, request.to_tag or ""))
    call = x.call_of(leg) if leg is not None else None
    dialog = _dialog_with(leg, request.from_tag or "") if leg is not None else None
    if leg is None or call is None or dialog is None:
        if request.method == "BYE" and (request.call_id, request.to_tag or "") in x.hung_up:
            # It has crossed ours (RFC 5407 §3.2.1).
            x.core.respond(tx, 200, "OK", now=now)
            return
        refuse(x, tx, 481, now)
        return
    if not dialog.accept(request, tx.source):
        refuse(x, tx, 500, now, "Retry-After: 1", reason="CSeq Out Of Order")
        return
    if "require" in request.headers.first and (unknown := _not_known(request)):
        # RFC 3261 §8.2.2.3, §12.2.2.
        refuse(x, tx, 420, now, f"Unsupported: {', '.join(unknown)}")
        return
    tx.context = leg
    if not leg.talking and (request.method not in _EARLY or (request.method == "BYE" and leg is not call.caller)):
        refuse(x, tx, 403, now)
        return
    handler = _HANDLERS.get(request.method)
    if handler is None:
        status = 405 if request.method in KNOWN_METHODS else 501
        refuse(x, tx, status, now, ALLOW)
        return
    handler(x, call, leg, tx, request, now)
    if call.phase is not Phase.ENDED and call.phase is not Phase.ENDING:
        x.arm(call)


def _dialog_with(leg: Leg, tag: str) -> Dialog | None:
    """The dialog that a leg has with the one of this tag: before the 2xx of whoever answers there may be several."""
    if leg.early and not leg.talking:
        early = leg.early.get(tag)
        return early.dialog if early is not None else None
    return leg.dialog if leg.dialog is not None and leg.dialog.remote_tag == tag else None


def _unanswered(leg: Leg, tag: str) -> bool:
    """Whether the offer of our INVITE still has no answer from the one of this tag, or none that the leg goes by."""
    if leg.talking or not leg.early:
        return False
    early = leg.early.get(tag)
    return early is None or not early.answer or leg.heard != tag


def _owes_answer(leg: Leg) -> bool:
    """Whether the offer in a caller's INVITE still has no answer of ours that must arrive (RFC 3262 §5)."""
    if leg.talking or leg.early:
        return leg.agreement is None
    sent = leg.reliable
    return leg.agreement is None or sent is None or (sent.pending and sent.described)


def _not_known(request: Request) -> tuple[str, ...]:
    """What a request requires that we do not know; of some nothing."""
    return () if request.method in _REQUIRES_ANYTHING else unsupported(request)


def _bye(x: Exchange, call: Call, leg: Leg, tx: ServerTransaction, request: Request, now: float) -> None:
    if not leg.talking:
        # In an early dialog it is as good as CANCEL (RFC 3261 §15.1.2).
        x.core.respond(tx, 200, "OK", now=now)
        end_call(x, call, cause_of_cancel(request.headers.getall("reason")), "caller", now)
        return
    leg.record.ended_us = x.utc_us(now)
    cause = cause_of_hangup(request.headers.getall("reason"))
    leg.record.cause = cause.word
    leg_over(x, leg)
    if leg is not call.caller and (call.control is not None or leg is not call.agent):
        _party_hung_up(x, call, leg, cause, now)
        x.core.respond(tx, 200, "OK", now=now)
        return
    if leg is call.agent and call.phase is Phase.TALKING and call.position is not None:
        part_from_agent(x, call, now)
        tell(x, call, "agent_left", now, leg, cause.word)
        if agent_left(x, call, now):
            if call.id in x.calls:
                write_snapshot(x, call)
            x.core.respond(tx, 200, "OK", now=now)
            return
    # The record is journalled by the hang-up, before the 200 that tells the peer.
    end_call(x, call, cause, leg.role, now)
    x.core.respond(tx, 200, "OK", now=now)


def _party_hung_up(x: Exchange, call: Call, leg: Leg, cause: Cause, now: float) -> None:
    """One of many hangs up, or the agent of a call that the call bar has touched."""
    if leg is call.agent and call.phase is not Phase.TALKING:
        end_call(x, call, cause, "agent", now)
        return
    party_left(x, call, leg, cause, "agent", now)
    if call.id in x.calls and call.caller.talking:
        write_snapshot(x, call)


def _offer_in_dialog(x: Exchange, call: Call, leg: Leg, tx: ServerTransaction, request: Request, now: float) -> None:
    """Re-INVITE or UPDATE: answered by this leg alone; the other side hears nothing of it."""
    invite = request.method == "INVITE"
    if invite and not leg.talking:
        # RFC 3261 §14.2: the first one has no final response yet.
        refuse(x, tx, 500, now, "Retry-After: 1")
        return
    pending = leg.asked or leg.offer_pending or _unanswered(leg, request.from_tag or "")
    if pending and (invite or request.body):
        # RFC 3261 §14.2, RFC 3311 §5.2: one offer at a time.
        refuse(x, tx, 491, now)
        return
    owed = too_brief(x, request)
    if owed is not None:
        refuse(x, tx, owed[0], now, *owed[1])
        return
    if not request.body:
        body = b""
        if invite:
            body = reoffer(x, leg)
            leg.offer_pending = True
        headers = (x.contact, ALLOW, SUPPORTED, *_session(x, leg, request, now))
        x.core.respond(tx, 200, "OK", headers=headers, body=body, now=now)
        return
    if request.content_type != SDP and not take_description(request):
        refuse(x, tx, 415, now, "Accept: application/sdp")
        return
    if _owes_answer(leg):
        # RFC 3311 §5.2: the offer before it is not answered yet.
        refuse(x, tx, 500, now, "Retry-After: 1")
        return
    held = leg.holds
    try:
        answer = _answer_to(x, leg, request.body)
    except SdpError:
        refuse(x, tx, 488, now)
        return
    headers = (x.contact, ALLOW, SUPPORTED, *_session(x, leg, request, now))
    x.core.respond(tx, 200, "OK", headers=headers, body=answer, now=now)
    # RFC 3261 §14.1: an INVITE of ours that follows from it must not come before its 200.
    _described_anew(x, call, leg, held, now)


def _answer_to(x: Exchange, leg: Leg, offer: bytes) -> bytes:
    """Answer an offer; before the 2xx somebody else may still answer what our INVITE has offered."""
    offered = leg.offered, leg.offered_event_pt, leg.offered_also
    answer = renegotiate(x, leg, offer)
    if leg.early and not leg.talking:
        leg.offered, leg.offered_event_pt, leg.offered_also = offered
    return answer


def _session(x: Exchange, leg: Leg, request: Request, now: float) -> tuple[str, ...]:
    """The lines of a 2xx about the session timer, which runs from the answer to the INVITE on (RFC 4028 §7.2)."""
    return accept_session(x, leg, request, now) if leg.talking else ()


def _described_anew(x: Exchange, call: Call, leg: Leg, held: bool, now: float) -> None:
    """A phone that holds gives the other party music."""
    if leg.holds is held:
        rewire(x, call)
        return
    if call.phase is Phase.TALKING:
        control_of(call)
        hold_changed(x, call, leg, now)
    else:
        note_hold(x, leg, now)


def _info(x: Exchange, call: Call, leg: Leg, tx: ServerTransaction, request: Request, now: float) -> None:
    """Keys by INFO, as application/dtmf-relay or application/dtmf; to flow or queue, or on to the other side."""
    found = None
    if request.content_type == "application/dtmf-relay":
        found = _SIGNAL.search(request.body)
    elif request.content_type == "application/dtmf":
        found = _BARE.search(request.body)
    elif "info-package" in request.headers.first:
        # RFC 6086 §4.2.2: no package is announced.
        refuse(x, tx, 469, now, "Recv-Info:", reason="Bad Info Package")
        return
    elif request.body:
        refuse(x, tx, 415, now, "Accept: application/dtmf-relay, application/dtmf")
        return
    x.core.respond(tx, 200, "OK", now=now)
    if found is None:
        return
    digit = found.group(1).decode().upper()
    duration = _DURATION.search(request.body)
    held = int(duration[1]) / 1000 if duration is not None else 0.0
    if is_echo(leg, digit, "info", now, held):
        return
    if leg is call.caller and leg.digits:
        call.digit_at = now
        keys_go_on(leg, now)
        key_taken(x, leg)
        if call.phase is Phase.QUEUED:
            key_pressed(x, call, digit, now)
        else:
            flow_event(x, call, Digit(digit), now)
    elif is_ours(leg, now, held):
        key_taken(x, leg)
    elif call.phase is Phase.TALKING and not (comes_by_media(leg) and call.control is None):
        for other in hearers_of(call, leg):
            send_keys(x, other, digit, now)


def _notify(x: Exchange, call: Call, leg: Leg, tx: ServerTransaction, request: Request, now: float) -> None:
    notified(x, tx, request, now)


def _options(x: Exchange, call: Call, leg: Leg, tx: ServerTransaction, request: Request, now: float) -> None:
    x.core.respond(tx, 200, "OK", headers=(ALLOW, SUPPORTED, "Accept: application/sdp"), now=now)


_HANDLERS: Final = {
    "BYE": _bye,
    "INVITE": _offer_in_dialog,
    "UPDATE": _offer_in_dialog,
    "INFO": _info,
    "PRACK": prack_received,
    "OPTIONS": _options,
    "NOTIFY": _notify,
    "REFER": refer,
}
