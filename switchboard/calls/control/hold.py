"""Hold: the other party hears music until who holds is back.

By a command nothing is said to either phone: audio is anchored here, so that its way is all that changes. By a
phone's own key it comes as a description with a=sendonly or a=inactive, or, of old, with c=0.0.0.0 (RFC 3264 §8.4);
the way back is a=sendrecv (RFC 5359 §2.1, RFC 6337 §3).
"""

from __future__ import annotations

from switchboard.calls.call import Call, Phase
from switchboard.calls.commands import Actor, CommandError, Done, Hold, Resume
from switchboard.calls.control.parties import in_talk, live_call, open_stretch, own_leg
from switchboard.calls.ending import note_hold
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg
from switchboard.calls.steps import tell
from switchboard.calls.wiring import rewire


def hold(x: Exchange, cmd: Hold, actor: Actor, now: float) -> Done:
    """The other party hears music; in a conference the others talk on."""
    call, leg = _holder(x, cmd.call, actor)
    if leg.holding:
        raise CommandError("wrong_state", "the call is on hold already")
    leg.holding = True
    hold_changed(x, call, leg, now)
    return Done(call.id, leg.id)


def resume(x: Exchange, cmd: Resume, actor: Actor, now: float) -> Done:
    """Resume a call on hold."""
    call, leg = _holder(x, cmd.call, actor)
    if not leg.holding:
        detail = "the phone itself holds the call; resume there" if leg.holds else "the call is not on hold"
        raise CommandError("wrong_state", detail)
    leg.holding = False
    hold_changed(x, call, leg, now)
    return Done(call.id, leg.id)


def _holder(x: Exchange, call_id: str, actor: Actor) -> tuple[Call, Leg]:
    call = live_call(x, call_id)
    leg = own_leg(call, actor)
    control = in_talk(call)
    if control.target or (control.consulted and leg is call.agent) or leg.id == control.consulted:
        raise CommandError("wrong_state", "a transfer or consultation is under way")
    return call, leg


def hold_changed(x: Exchange, call: Call, leg: Leg, now: float) -> None:
    """A party holds the others or is back: they hear music or the party, the record and the desk know."""
    if call.phase is not Phase.TALKING:
        return
    rewire(x, call)
    control = call.control
    if control is not None and not (control.target or control.consulted or control.mixed):
        open_stretch(x, call, now)
    note_hold(x, leg, now)
    tell(x, call, "held" if leg.holds else "resumed", now, leg, leg.id)
