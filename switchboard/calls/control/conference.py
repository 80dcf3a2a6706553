"""Talking with more than two: parties are called into the talk and taken out of it."""

from __future__ import annotations

from typing import Final

from switchboard.calls.attempts import Attempt
from switchboard.calls.call import Call, Phase
from switchboard.calls.causes import CANCELLED, NORMAL, Cause
from switchboard.calls.commands import Actor, Add, CommandError, Done, Drop
from switchboard.calls.control.leaving import other_left
from switchboard.calls.control.parties import leading_leg, live_call, open_stretch, room_for_one, undisturbed
from switchboard.calls.control.places import call_party, check_free, find_party
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg
from switchboard.calls.negotiation import open_media
from switchboard.calls.steps import tell
from switchboard.calls.wiring import control_of, rewire


def add(x: Exchange, cmd: Add, actor: Actor, now: float) -> Done:
    """Call one more party into the talk, which goes on meanwhile."""
    call = live_call(x, cmd.call)
    leading_leg(call, actor)
    undisturbed(call)
    room_for_one(call)
    party = find_party(x, call, cmd.to, now)
    check_free(x, party, call.id)
    leg = call_party(x, call, party, "invite", now)
    return Done(call.id, leg.id)


def drop(x: Exchange, cmd: Drop, actor: Actor, now: float) -> Done:
    """Take a party out, also one who still rings."""
    call = live_call(x, cmd.call)
    leading_leg(call, actor)
    leg = call.leg(cmd.leg)
    if leg is None or leg.purpose != "invite" or leg is call.agent:
        raise CommandError("no_target", "no such party was called into this talk")
    other_left(x, call, leg, NORMAL if leg.talking else CANCELLED, now)
    return Done(call.id, leg.id)


def _answered(x: Exchange, call: Call, leg: Leg, now: float) -> Cause | None:
    if call.phase is not Phase.TALKING:
        return CANCELLED
    open_media(x, leg)
    control = control_of(call)
    if not control.mixed:
        control.mixed = True
        open_stretch(x, call, now)
    rewire(x, call)
    tell(x, call, "party_added", now, leg, leg.id)
    return None


def _failed(x: Exchange, call: Call, leg: Leg, cause: Cause, now: float) -> None:
    """The talk has gone on without them."""


INVITE: Final = Attempt(_answered, _failed)
