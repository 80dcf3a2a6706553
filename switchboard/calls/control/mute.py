"""Mute: what a party says is heard by nobody, not even by the recording."""

from __future__ import annotations

from switchboard.calls.commands import Actor, CommandError, Done, Mute
from switchboard.calls.control.parties import live_call, own_leg
from switchboard.calls.exchange import Exchange
from switchboard.calls.steps import tell


def mute(x: Exchange, cmd: Mute, actor: Actor, now: float) -> Done:
    """Mute the actor's leg or take it back; to do so again changes nothing."""
    call = live_call(x, cmd.call)
    leg = own_leg(call, actor)
    if leg.lease is None:
        raise CommandError("wrong_state", "the party has no audio")
    if leg.muted is not cmd.on:
        leg.muted = cmd.on
        x.media.mute(leg.lease, cmd.on)
        tell(x, call, "muted" if cmd.on else "unmuted", now, leg, leg.id)
    return Done(call.id, leg.id)
