"""The caller's side before anybody talks: 18x, early media, 200."""

from __future__ import annotations

from typing import Final

from switchboard.calls.call import Call
from switchboard.calls.causes import CONGESTION, NOT_ACCEPTABLE, REASON_PHRASES, Cause
from switchboard.calls.cdr import write_snapshot
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg, LegInput, LegState
from switchboard.calls.negotiation import can_speak, lease_media, make_answer, make_offer, open_media
from switchboard.calls.reliable import reliable_lines, waits
from switchboard.calls.session_timers import accept_session
from switchboard.sip.dialog import Dialog
from switchboard.sip.transaction.server import ServerTransaction

ALLOW: Final = "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, PRACK, REFER, SUBSCRIBE, NOTIFY"
SUPPORTED: Final = "Supported: replaces, norefersub, timer"
"""RFC 3891, REFER without the subscription (RFC 4488), session timers (RFC 4028)."""


def progress(x: Exchange, call: Call, status: int, now: float) -> None:
    """Tell the caller that something happens; 183 carries our description where one is agreed."""
    caller = call.caller
    transaction = x.invites_in.get(caller.id)
    if transaction is None or caller.state not in (LegState.INVITED, LegState.EARLY):
        return
    if waits(caller, status):
        return
    caller.move(LegInput.PROVISIONAL)
    _note_progress(x, call, now)
    body = caller.local_sdp if caller.agreement is not None and status == 183 else b""
    lines = reliable_lines(x, caller, transaction, bool(body))
    if lines is None:
        return
    _begin_dialog(x, caller, transaction)
    x.core.respond(
        transaction,
        status,
        REASON_PHRASES[status],
        to_tag=caller.local_tag,
        headers=(x.contact, *lines, ALLOW) if lines else (x.contact,),
        body=body,
        acknowledged=bool(lines),
        now=now,
    )


def unheard(x: Exchange, call: Call) -> Cause:
    """Why a caller can have no audio of ours: it has no codec that we have, or there is no media port."""
    return CONGESTION if can_speak(x, call.caller) else NOT_ACCEPTABLE


def early_media(x: Exchange, call: Call, now: float) -> bool:
    """Open audio towards a caller that is not answered yet (183); False when that cannot be: see `unheard`."""
    caller = call.caller
    if caller.media_open or caller.remote is None:
        return caller.media_open
    if not can_speak(x, caller) or not lease_media(x, caller):
        return False
    make_answer(x, caller)
    open_media(x, caller)
    progress(x, call, 183, now)
    return True


def answer_caller(x: Exchange, call: Call, now: float) -> bool:
    """Send the caller its 200, once; False when it can have no audio of ours: see `unheard`.

    It waits for the PRACK of a provisional response that has our answer in it, while everything else goes on.
    A caller that offered nothing gets our offer here and answers in its ACK (RFC 3261 §13.2.1).
    """
    caller = call.caller
    transaction = x.invites_in.get(caller.id)
    if transaction is None or caller.state not in (LegState.INVITED, LegState.EARLY):
        return True
    if waits(caller, 200):
        return True
    if (caller.agreement is None and not can_speak(x, caller)) or not lease_media(x, caller):
        return False
    if caller.remote is None:
        body = make_offer(x, caller, call.agent)
        caller.offer_pending = True
    elif caller.agreement is None:
        body = make_answer(x, caller)
        open_media(x, caller)
    else:
        body = caller.local_sdp
    caller.move(LegInput.ANSWER)
    dialog = _begin_dialog(x, caller, transaction)
    if dialog.named:
        # Asked now, it is known once something is to be sent there.
        x.where(dialog.named, now)
    timer = accept_session(x, caller, transaction.request, now)
    _note_progress(x, call, now)
    call.record.answered_us = caller.record.answered_us = x.utc_us(now)
    caller.record.sip_status = call.record.sip_status = 200
    write_snapshot(x, call)
    headers = (x.contact, ALLOW, SUPPORTED, *timer)
    x.core.respond(transaction, 200, "OK", to_tag=caller.local_tag, headers=headers, body=body, now=now)
    return True


def _begin_dialog(x: Exchange, caller: Leg, transaction: ServerTransaction) -> Dialog:
    """The caller's dialog, begun by our first response with a tag: BYE, UPDATE and INFO may come in an early one."""
    dialog = caller.dialog
    if dialog is None:
        request = transaction.request
        dialog = caller.dialog = Dialog.as_server(request, caller.local_tag, transaction.source, nat=caller.nat)
        x.dialogs[dialog.call_id, caller.local_tag] = caller
    return dialog


def _note_progress(x: Exchange, call: Call, now: float) -> None:
    if call.record.post_dial_delay_us is None:
        delay = now - call.invited_at
        call.record.post_dial_delay_us = int(delay * 1e6)
        x.meter.post_dial_delay(delay)
