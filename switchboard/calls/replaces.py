"""INVITE with Replaces: a phone takes over a call from another phone of the same account (RFC 3891 §3).

Whoever knows the dialog may not have it for that: it must be the same account, proved by digest. So nobody picks up
what a queue has offered to another agent. A call that rings at a phone is picked up by the same rule (RFC 5359 §2.14):
we have begun that early dialog. One that a phone has begun, and that we have not answered, is replaced by nobody.
"""

from __future__ import annotations

from media.sdp import SdpError
from switchboard.calls.answering import ALLOW, SUPPORTED
from switchboard.calls.attempts import give_up, picked_up
from switchboard.calls.attended import Declined, replaced
from switchboard.calls.call import Call, Phase
from switchboard.calls.causes import CANCELLED, NORMAL
from switchboard.calls.cdr import add_leg, leg_record, write_snapshot
from switchboard.calls.connecting import put_through
from switchboard.calls.ending import end_leg, forget_lease, note_hold
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg, LegInput, LegState
from switchboard.calls.negotiation import can_speak, lease_media, make_answer, open_media, read_offer, release_media
from switchboard.calls.owners import account_of
from switchboard.calls.reaching import by_proxy
from switchboard.calls.recording import command_recording, start_recording
from switchboard.calls.session_timers import accept_session
from switchboard.calls.wiring import control_of, rewire, unwire
from switchboard.sip.dialog import Dialog
from switchboard.sip.errors import ParseError
from switchboard.sip.message import Request
from switchboard.sip.replaces import Replaces, parse_replaces
from switchboard.sip.transaction.server import ServerTransaction


def replace_leg(x: Exchange, tx: ServerTransaction, request: Request, account: str, now: float) -> None:
    """Answer with 200 in place of the leg that is named, which is hung up; raises Declined, and nothing has changed.

    `account` has proved itself; "" for a trunk, which replaces nobody.
    """
    if not account:
        raise Declined(403)
    if "join" in request.headers:
        raise Declined(400)
    try:
        replaces = parse_replaces(request.headers.get("replaces") or "")
    except ParseError as error:
        raise Declined(error.status or 400) from error
    leg, call = _ringing(x, replaces) or replaced(x, replaces)
    if account_of(x, call, leg, now) != f"{account}@{x.settings.domain}":
        raise Declined(403)
    if not request.body:
        # An offer of ours would be answered in its ACK, when the old phone is gone already.
        raise Declined(488)
    if not leg.talking:
        _pick_up(x, tx, request, call, leg, now)
        return
    other = call.agent if leg is call.caller else call.caller
    if call.phase is not Phase.TALKING or leg.state is not LegState.CONFIRMED or other is None or leg in call.others:
        raise Declined(491)
    new = _leg_in_place_of(x, tx, request, leg, now)
    answer_at_once(x, tx, request, new, other)
    _take_place(x, call, leg, new, now)
    respond_at_once(x, tx, request, new, now)
    end_leg(x, leg, NORMAL, now)
    x.arm(call)


def _ringing(x: Exchange, replaces: Replaces) -> tuple[Leg, Call] | None:
    """The leg that we have called and that rings in the dialog named, and its call; None when there is none."""
    leg = x.dialogs.get((replaces.call_id, replaces.to_tag))
    if leg is None or leg.state is not LegState.EARLY or leg.id not in x.invites_out:
        return None
    call = x.call_of(leg)
    if call is None or not call.owns(leg) or replaces.from_tag not in leg.early:
        return None
    return leg, call


def _pick_up(x: Exchange, tx: ServerTransaction, request: Request, call: Call, old: Leg, now: float) -> None:
    """Answer with 200 in place of a phone that rings, which is cancelled: as if that one had answered here."""
    if old is call.caller:
        # Whom we call back, or call first, is called at this phone.
        raise Declined(491)
    if call.caller.agreement is None and not can_speak(x, call.caller):
        # It offers what only passes through, and nobody knows whether this phone has it.
        raise Declined(488)
    if old is call.agent and not lease_media(x, call.caller, old):
        raise Declined(503)
    new = _leg_in_place_of(x, tx, request, old, now)
    answer_at_once(x, tx, request, new, call.caller)
    if old.media_open and old.lease is not None:
        x.media.unbridge(old.lease)
    old.engaged = False
    end_leg(x, old, CANCELLED, now, elsewhere=True)
    if release_media(x, old):
        # Its counters are of no interest: nobody talked on it.
        forget_lease(x, old)
    add_leg(call, new.record)
    failure = None
    if old is call.agent:
        call.agent = new
        put_through(x, call, new, now)
    else:
        failure = picked_up(x, call, old, new, now)
    respond_at_once(x, tx, request, new, now)
    if failure is not None:
        give_up(x, call, new, failure, now)
    x.arm(call)


def _leg_in_place_of(x: Exchange, tx: ServerTransaction, request: Request, old: Leg, now: float) -> Leg:
    """Another phone of the same account, which may be elsewhere: behind a proxy, where the first was not."""
    record = leg_record(x, old.record.role, old.record.peer, now, old.agent_id)
    return Leg(
        id=record.id, call_id=old.call_id, role=old.role, local_tag=x.token(), source=tx.source,
        nat=not by_proxy(request, tx.source), sdp_id=x.session_id(), record=record, purpose=old.purpose,
        agent_id=old.agent_id, group=old.group, holding=old.holding, engaged=old.engaged, srtp=old.srtp,
        mode=old.mode, account=old.account, keys=old.keys,
    )  # fmt: skip


def answer_at_once(x: Exchange, tx: ServerTransaction, request: Request, new: Leg, other: Leg) -> None:
    """Agree with a phone on what it offers, for a talk with `other`, and begin its dialog; the 200 is still to be sent.

    Raises Declined, and nothing is held.
    """
    record = new.record
    try:
        read_offer(x, new, request.body)
    except SdpError as error:
        raise Declined(error.status or 488) from error
    if not lease_media(x, new, other):
        raise Declined(503)
    try:
        make_answer(x, new, other.agreement)
    except SdpError as error:
        release_media(x, new)
        raise Declined(error.status or 488) from error
    record.answered_us, record.sip_status = record.invited_us, 200
    new.dialog = dialog = Dialog.as_server(request, new.local_tag, tx.source, nat=new.nat)
    x.dialogs[dialog.call_id, new.local_tag] = new
    x.note_dialog(new.call_id, dialog.call_id)
    new.move(LegInput.ANSWER)
    tx.context = new


def respond_at_once(x: Exchange, tx: ServerTransaction, request: Request, new: Leg, now: float) -> None:
    """Send the 200 that `answer_at_once` has made; what it reveals is in the journal by then."""
    headers = (x.contact, ALLOW, SUPPORTED, *accept_session(x, new, request, now))
    x.core.respond(tx, 200, "OK", to_tag=new.local_tag, headers=headers, body=new.local_sdp, now=now)


def _take_place(x: Exchange, call: Call, old: Leg, new: Leg, now: float) -> None:
    """The others hear the new phone; recording goes on in a file of its own."""
    control_of(call)
    unwire(x, call)
    recorded = bool(call.recording) and old is call.caller
    if recorded:
        command_recording(x, call, "stop", now)
    if old is call.caller:
        call.caller = new
    else:
        call.agent = new
    old.engaged = False
    release_media(x, old)
    add_leg(call, new.record)
    open_media(x, new)
    rewire(x, call)
    note_hold(x, new, now)
    if recorded:
        start_recording(x, call, now)
    write_snapshot(x, call)
