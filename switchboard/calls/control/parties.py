"""Whose call it is: finding the call and the leg a command means, and what must hold of them."""

from __future__ import annotations

from typing import Final

from switchboard.calls.call import Call, Control, Phase
from switchboard.calls.cdr import open_segment
from switchboard.calls.commands import Actor, CommandError
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg
from switchboard.calls.wiring import control_of

MAX_PARTIES: Final = 32
"""Who talk or are called into one call, supervisors too: what a room takes."""


def live_call(x: Exchange, call_id: str) -> Call:
    """The call of this id; `no_call` when there is none, or it is about to end."""
    call = x.calls.get(call_id)
    if call is None or call.phase in (Phase.ENDING, Phase.ENDED):
        raise CommandError("no_call", "no such call is up")
    return call


def over_all(actor: Actor) -> bool:
    """Whether the actor may command calls that are not their own."""
    return actor.role != "agent"


def own_leg(call: Call, actor: Actor) -> Leg:
    """The leg that the actor commands: their own, for a supervisor or the system else the agent's."""
    leg = call.leg_of(actor.agent)
    if leg is None and over_all(actor):
        leg = call.agent
    if leg is None or not leg.talking:
        raise CommandError("not_yours", "you are not in this call")
    return leg


def leading_leg(call: Call, actor: Actor) -> Leg:
    """As `own_leg`, but it must be the agent's who leads the talk: others in a conference may not hand it on."""
    leg = own_leg(call, actor)
    if leg is not call.agent:
        raise CommandError("not_yours", "only the agent who leads the call may do that")
    in_talk(call)
    return leg


def in_talk(call: Call) -> Control:
    """The control of a call whose caller and agent talk; `wrong_state` when they do not."""
    if call.phase is not Phase.TALKING or call.agent is None or not call.agent.talking or not call.caller.media_open:
        raise CommandError("wrong_state", "caller and agent do not talk")
    return control_of(call)


def undisturbed(call: Call) -> Control:
    """As `in_talk`, and nobody is being consulted or called for a transfer."""
    control = in_talk(call)
    if control.target:
        raise CommandError("wrong_state", "a transfer is under way; cancel it first")
    if control.consulted:
        raise CommandError("wrong_state", "a consultation is under way; complete it or go back first")
    return control


def room_for_one(call: Call) -> None:
    """One more party may be called."""
    if len(call.legs) >= MAX_PARTIES:
        raise CommandError("wrong_state", f"a call takes {MAX_PARTIES} parties at most")


def open_stretch(x: Exchange, call: Call, now: float) -> None:
    """The record goes on with what the call is now: talk, hold, consult, conference, or the ringing of a target."""
    agent, control = call.agent, call.control
    if agent is None or control is None:
        return
    at_us = x.utc_us(now)
    target = call.leg(control.target)
    if target is not None:
        open_segment(call, "ring", at_us, "transfer", agent=target.agent_id)
    elif control.consulted:
        open_segment(call, "consult", at_us, control.consulted, agent=agent.agent_id, group=agent.group)
    elif control.mixed:
        open_segment(call, "conference", at_us, agent=agent.agent_id, group=agent.group)
    elif agent.holds or call.caller.holds:
        by = "agent" if agent.holds else "caller"
        open_segment(call, "hold", at_us, by, agent=agent.agent_id, group=agent.group)
    else:
        open_segment(call, "talk", at_us, agent=agent.agent_id, group=agent.group)
