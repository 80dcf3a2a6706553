"""Hanging up: an agent ends their own part, a supervisor or the system the call."""

from __future__ import annotations

from switchboard.calls.causes import NORMAL
from switchboard.calls.commands import Actor, Done, HangUp
from switchboard.calls.control.leaving import party_left
from switchboard.calls.control.parties import live_call, over_all, own_leg
from switchboard.calls.ending import end_call, end_leg
from switchboard.calls.exchange import Exchange


def hang_up(x: Exchange, cmd: HangUp, actor: Actor, now: float) -> Done:
    """The actor's phone is hung up and the others go on, or, for one who is not in the call, the call ends."""
    call = live_call(x, cmd.call)
    if over_all(actor) and call.leg_of(actor.agent) is None:
        end_call(x, call, NORMAL, "switch", now)
        return Done(call.id)
    leg = own_leg(call, actor)
    if leg is call.caller:
        end_call(x, call, NORMAL, "caller", now)
        return Done(call.id, leg.id)
    end_leg(x, leg, NORMAL, now)
    party_left(x, call, leg, NORMAL, "agent", now)
    return Done(call.id, leg.id)
