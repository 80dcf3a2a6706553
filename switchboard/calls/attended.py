"""Two calls of one phone become one: the parties it talks to are joined, and the phone leaves both (RFC 5589 §7).

The call in which the phone was called lives on, with its record, mask and flow; of two that the phone has made, the
one that it refers in. The party of the other call gets a new leg there, of the same dialog: that call's record ends
with the consultation, and the agent's part in either is told where it was. A dialog whose media is on another worker
is asked by re-INVITE to send there first; until it has agreed nothing is changed.
"""

from __future__ import annotations

import msgspec

from switchboard.calls.call import Call
from switchboard.calls.causes import NORMAL
from switchboard.calls.cdr import add_leg, leg_record, write_snapshot
from switchboard.calls.commands import CommandError
from switchboard.calls.control.leaving import hand_to, hang_up_agent
from switchboard.calls.control.parties import undisturbed
from switchboard.calls.ending import agent_began, end_call
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg, LegInput, LegState
from switchboard.calls.negotiation import open_media, release_media
from switchboard.calls.owners import account_of
from switchboard.calls.recording import command_recording
from switchboard.calls.referral import tell_referrer
from switchboard.calls.reinvite import move_media, restore_media
from switchboard.calls.steps import tell
from switchboard.calls.turning import turn_round
from switchboard.calls.wiring import unwire
from switchboard.sip.replaces import Replaces


class Declined(Exception):  # noqa: N818 - a decision, not a fault
    """Two calls are not joined, or a leg is not replaced: the SIP status that the phone is told."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class Joining(msgspec.Struct, frozen=True):
    """Which calls are joined: `moved` is the leg of `gone` that comes over, in place of the agent of `stays`."""

    stays: Call
    gone: Call
    moved: Leg


def join_calls(x: Exchange, call: Call, leg: Leg, replaces: Replaces, now: float) -> None:
    """Join the call of the phone's `leg` with that of the dialog named; raises Declined or CommandError."""
    other, its_call = replaced(x, replaces)
    if its_call is call or account_of(x, its_call, other, now) != account_of(x, call, leg, now):
        raise Declined(403)
    if leg is not call.agent and other is its_call.agent:
        call, leg, its_call, other = its_call, other, call, leg
    if leg is call.caller:
        turn_round(x, call, now)
    joining = _joining(call, leg, its_call, other)
    near, lease = call.caller.lease, joining.moved.lease
    if near is None or lease is None:
        raise Declined(491)
    if near.worker == lease.worker:
        _join(x, joining, None, now)
        return

    def moved(new: Leg | None, status: int, now: float) -> None:
        _media_moved(x, joining, new, status, now)

    if not move_media(x, joining.moved, call.caller, moved, now):
        raise Declined(503)


def replaced(x: Exchange, replaces: Replaces) -> tuple[Leg, Call]:
    """The leg that Replaces names, and its call; raises Declined with the status that RFC 3891 §3 wants."""
    leg = x.dialogs.get((replaces.call_id, replaces.to_tag))
    if leg is None:
        raise Declined(603 if (replaces.call_id, replaces.to_tag) in x.past_dialogs else 481)
    call = x.call_of(leg)
    if call is None or leg.dialog is None or leg.dialog.remote_tag != replaces.from_tag or not call.owns(leg):
        raise Declined(481)
    if not leg.talking:
        # Whoever rings, or calls and has no answer yet, is not replaced.
        raise Declined(481)
    if replaces.early_only:
        raise Declined(486)
    return leg, call


def _joining(stays: Call, leg: Leg, gone: Call, other: Leg) -> Joining:
    """What is joined, if both calls are plain talks: nobody else is called, consulted or mixed in."""
    if undisturbed(stays).mixed or undisturbed(gone).mixed or gone.agent is None:
        raise CommandError("wrong_state", "a conference cannot be transferred")
    if leg is not stays.agent or (other is not gone.caller and other is not gone.agent):
        raise CommandError("not_yours", "only who leads a call may hand it on")
    moved = gone.agent if other is gone.caller else gone.caller
    if moved.state is not LegState.CONFIRMED or moved.offer_pending or moved.asked:
        raise CommandError("wrong_state", "the other party is about to change its description")
    return Joining(stays, gone, moved)


def _media_moved(x: Exchange, joining: Joining, new: Leg | None, status: int, now: float) -> None:
    """The party sends to its new port, or would not; meanwhile anybody may have hung up."""
    try:
        if new is None:
            raise Declined(status)
        _still_so(x, joining)
        _join(x, joining, new, now)
    except (CommandError, Declined) as error:
        for call in (joining.stays, joining.gone):
            tell_referrer(x, call, error.status if isinstance(error, Declined) else 491, now)
        if new is not None:
            release_media(x, new)
            if joining.moved.talking:
                restore_media(x, joining.moved, now)
    if joining.stays.id in x.calls:
        x.arm(joining.stays)


def _still_so(x: Exchange, joining: Joining) -> None:
    """Nobody has hung up or begun anything else while the re-INVITE was under way."""
    stays, gone, moved = joining.stays, joining.gone, joining.moved
    if stays.id not in x.calls or gone.id not in x.calls or not moved.talking or not gone.owns(moved):
        raise Declined(481)
    for call in (stays, gone):
        undisturbed(call)


def _join(x: Exchange, joining: Joining, new: Leg | None, now: float) -> None:
    """The party comes over with its dialog, at its `new` port or the one it has; the phone leaves both calls."""
    stays, gone, moved = joining.stays, joining.gone, joining.moved
    # Before its calls are hung up: some phones forget the subscription with them.
    for call in (stays, gone):
        tell_referrer(x, call, 200, now)
    if moved is gone.caller:
        command_recording(x, gone, "stop", now)
    unwire(x, gone)
    leg = _new_leg(x, stays, moved, new, now)
    _leave_behind(x, moved, new, now)
    # Before its part in the other call is over: in between it would be free for a third.
    agent_began(x, leg, now)
    stays.others.append(leg)
    add_leg(stays, leg.record)
    end_call(x, gone, NORMAL, "caller" if moved is gone.agent else "agent", now)
    phone = stays.agent
    hang_up_agent(x, stays, NORMAL, now)
    open_media(x, leg)
    hand_to(x, stays, leg, now)
    tell(x, stays, "agent_left", now, phone)
    write_snapshot(x, stays)
    x.arm(stays)


def _new_leg(x: Exchange, stays: Call, moved: Leg, new: Leg | None, now: float) -> Leg:
    """The party as a leg of the call that stays: the same dialog, a record of its own."""
    record = leg_record(x, "agent", moved.record.peer, now, moved.agent_id)
    record.answered_us, record.sip_status = record.invited_us, 200
    source = new or moved
    leg = msgspec.structs.replace(
        source, id=record.id, call_id=stays.id, role="agent", record=record, purpose="consult",
        group="", holding=False, muted=False, mode="", digits=False, asked=False, engaged=False,
    )  # fmt: skip
    assert leg.dialog is not None
    assert leg.lease is not None
    x.dialogs[leg.dialog.call_id, leg.local_tag] = leg
    x.note_dialog(stays.id, leg.dialog.call_id)
    x.media_legs[leg.lease.port, leg.lease.gen] = leg
    moved.web, moved.gateway = None, ""
    if new is None and moved.muted:
        x.media.mute(leg.lease, False)
    return leg


def _leave_behind(x: Exchange, moved: Leg, new: Leg | None, now: float) -> None:
    """What stays of the leg in its old call is its record; its old port, when it has a new one, is given back."""
    moved.record.ended_us, moved.record.cause = x.utc_us(now), NORMAL.word
    moved.dialog = None
    moved.move(LegInput.END)
    if new is None:
        moved.lease = None
