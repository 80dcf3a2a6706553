"""PRACK both ways (RFC 3262): of callers for what we have sent reliably, and ours for what called parties have."""

from __future__ import annotations

from media.sdp import SdpError
from switchboard.calls.answering import answer_caller, progress
from switchboard.calls.branches import Branch
from switchboard.calls.call import Call
from switchboard.calls.carriers.credentials import unwatched
from switchboard.calls.causes import NO_PRACK
from switchboard.calls.ending import end_call
from switchboard.calls.exchange import Exchange
from switchboard.calls.inbound import refuse
from switchboard.calls.leg import Leg, LegState
from switchboard.calls.negotiation import renegotiate
from switchboard.calls.reliable import MAX_EARLY, TAG, Early
from switchboard.sip.dialog import Dialog
from switchboard.sip.errors import ParseError
from switchboard.sip.message import Request, Response
from switchboard.sip.outgoing import Address
from switchboard.sip.parts import SDP, take_description
from switchboard.sip.reliable import RAck, parse_rack, parse_rseq
from switchboard.sip.session_timer import lists
from switchboard.sip.transaction.client import ClientTransaction
from switchboard.sip.transaction.server import ServerTransaction


def prack_received(x: Exchange, call: Call, leg: Leg, tx: ServerTransaction, request: Request, now: float) -> None:
    """The caller has our provisional response; what waited for that goes out now. A PRACK may bring an offer (§5)."""
    sent, invite = leg.reliable, x.invites_in.get(leg.id)
    try:
        rack = parse_rack(request.headers.first.get("rack", ""))
    except ParseError:
        refuse(x, tx, 400, now)
        return
    if sent is None or not sent.pending or rack != RAck(sent.rseq, sent.cseq, "INVITE"):
        refuse(x, tx, 481, now)
        return
    sent.pending = False
    if invite is not None:
        # Else the ACK of a 200 that did not wait for it has come first (RFC 3262 §3).
        x.core.pracked(invite, now)
    body = b""
    try:
        if request.body:
            if leg.agreement is None:
                raise SdpError("our answer is still to come", status=488)
            take_description(request)
            body = renegotiate(x, leg, request.body)
    except SdpError:
        refuse(x, tx, 488, now)
    else:
        x.core.respond(tx, 200, "OK", body=body, now=now)
    status, sent.queued = sent.queued, 0
    if sent.answer:
        sent.answer = False
        answer_caller(x, call, now)
    elif status:
        progress(x, call, status, now)


def prack_missing(x: Exchange, tx: ServerTransaction, now: float) -> None:
    """None has come in 64·T1: the caller hears nothing of us (RFC 3262 §3)."""
    leg = tx.context
    call = x.call_of(leg) if isinstance(leg, Leg) else None
    if call is not None:
        end_call(x, call, NO_PRACK, "switch", now)


def provisional_received(x: Exchange, leg: Leg, tx: ClientTransaction, response: Response, now: float) -> bool:
    """Begin the early dialog of a provisional response (RFC 3261 §12.1), and acknowledge one that is reliable.

    False when that came before, or out of order (RFC 3262 §4).
    """
    headers, tag = response.headers, response.to_tag or ""
    if "rseq" not in headers.first or x.settings.reliable == "off" or not lists(headers, "require", TAG):
        if tag and tag not in leg.early and leg.state in (LegState.INVITED, LegState.EARLY):
            _begin_early(x, leg, tx, response, reliable=False)
        return True
    try:
        rseq = parse_rseq(headers.first["rseq"])
    except ParseError:
        return False
    early = leg.early.get(tag) or _begin_early(x, leg, tx, response, reliable=True)
    if early is None or (early.rseq and rseq != early.rseq + 1):
        return False
    early.rseq = rseq
    early.dialog.refresh(response, _source(leg, tx)[0])
    # The same peer may have been asked before, without a password.
    early.dialog.local_seq = max(early.dialog.local_seq, tx.request.cseq)
    if response.body and (response.content_type == SDP or take_description(response)):
        early.answer = early.answer or response.body
    line = f"RAck: {rseq} {tx.request.cseq} INVITE"
    branch = tx.context
    gateway = branch.found.gateway if isinstance(branch, Branch) else leg.gateway
    x.core.request(early.dialog.next_request("PRACK", (line,)), now, context=unwatched(gateway, early.dialog))
    return True


def _begin_early(x: Exchange, leg: Leg, tx: ClientTransaction, response: Response, *, reliable: bool) -> Early | None:
    """The early dialog with who has sent a provisional response; None where there are too many of its kind."""
    tag = response.to_tag or ""
    if not tag or sum(bool(early.rseq) is reliable for early in leg.early.values()) >= MAX_EARLY:
        return None
    source, nat = _source(leg, tx)
    early = Early(Dialog.as_client(tx.request, response, source, nat=nat))
    leg.early = {**leg.early, tag: early}
    if leg.dialog is None:
        leg.dialog = early.dialog
        x.dialogs[early.dialog.call_id, leg.local_tag] = leg
    return early


def early_over(x: Exchange, leg: Leg, response: Response) -> None:
    """199 (RFC 6228 §4): one early dialog is over, and nobody hears it any more; who else may answer is not told of."""
    tag = response.to_tag or ""
    over = leg.early.get(tag)
    if over is not None:
        leg.early = {other: early for other, early in leg.early.items() if early is not over}
        if leg.dialog is over.dialog:
            leg.dialog = next((early.dialog for early in leg.early.values()), None)
            if leg.dialog is None:
                x.dialogs.pop((over.dialog.call_id, leg.local_tag), None)
    if tag and tag == leg.heard:
        if leg.media_open and leg.lease is not None:
            x.media.unbridge(leg.lease)
        leg.agreement, leg.media_open, leg.heard = None, False, ""


def _source(leg: Leg, tx: ClientTransaction) -> tuple[Address, bool]:
    """Where the one who responds is, and whether behind a NAT: of several who are called, this very one."""
    branch = tx.context
    return (branch.found.address, branch.found.nat) if isinstance(branch, Branch) else (leg.source, leg.nat)
