"""Asking somebody while the caller hears music; then the caller is handed over, taken back, or all three talk."""

from __future__ import annotations

from typing import Final

from switchboard.calls.attempts import Attempt
from switchboard.calls.call import Call, Control
from switchboard.calls.causes import CANCELLED, NORMAL, Cause
from switchboard.calls.commands import Actor, Back, CommandError, Complete, Consult, Done, Merge
from switchboard.calls.control.leaving import hand_to, hang_up_agent, other_left, wait_for_target
from switchboard.calls.control.parties import in_talk, leading_leg, live_call, open_stretch, room_for_one, undisturbed
from switchboard.calls.control.places import call_party, check_free, find_party
from switchboard.calls.ending import come_back
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg
from switchboard.calls.negotiation import open_media
from switchboard.calls.steps import tell
from switchboard.calls.wiring import control_of, rewire


def consult(x: Exchange, cmd: Consult, actor: Actor, now: float) -> Done:
    """Call somebody to ask; the caller hears music, in a conference the others talk on."""
    call = live_call(x, cmd.call)
    agent = leading_leg(call, actor)
    control = undisturbed(call)
    room_for_one(call)
    party = find_party(x, call, cmd.to, now)
    check_free(x, party, call.id)
    leg = call_party(x, call, party, "consult", now)
    control.consulted, control.asked_at, control.asked_by = leg.id, now, agent.agent_id
    come_back(x, agent, now)
    open_stretch(x, call, now)
    rewire(x, call)
    tell(x, call, "consult_started", now, agent, leg.id)
    return Done(call.id, leg.id)


def _consulting(x: Exchange, call_id: str, actor: Actor) -> tuple[Call, Control, Leg]:
    call = live_call(x, call_id)
    leading_leg(call, actor)
    control = in_talk(call)
    leg = call.leg(control.consulted)
    if leg is None:
        raise CommandError("wrong_state", "nobody is being consulted")
    return call, control, leg


def complete(x: Exchange, cmd: Complete, actor: Actor, now: float) -> Done:
    """The agent leaves, the caller has the party consulted; one who still rings is waited for."""
    call, control, leg = _consulting(x, cmd.call, actor)
    if control.mixed:
        raise CommandError("wrong_state", "others take part; merge, or go back")
    agent = call.agent
    control.consulted = ""
    if leg.talking:
        hang_up_agent(x, call, NORMAL, now)
        hand_to(x, call, leg, now)
    else:
        leg.purpose, control.target, control.recall = "transfer", leg.id, False
        hang_up_agent(x, call, NORMAL, now)
        wait_for_target(x, call, now)
    tell(x, call, "agent_left", now, agent)
    return Done(call.id, leg.id)


def back(x: Exchange, cmd: Back, actor: Actor, now: float) -> Done:
    """The party consulted is hung up, the agent talks to the caller again."""
    call, _, leg = _consulting(x, cmd.call, actor)
    other_left(x, call, leg, CANCELLED if not leg.talking else NORMAL, now)
    return Done(call.id)


def merge(x: Exchange, cmd: Merge, actor: Actor, now: float) -> Done:
    """Join caller, agent and the party consulted."""
    call, control, leg = _consulting(x, cmd.call, actor)
    if not leg.talking:
        raise CommandError("wrong_state", "the party consulted has not answered yet")
    leg.purpose, control.consulted, control.mixed = "invite", "", True
    open_stretch(x, call, now)
    rewire(x, call)
    tell(x, call, "merged", now, leg, leg.id)
    return Done(call.id, leg.id)


def _answered(x: Exchange, call: Call, leg: Leg, now: float) -> Cause | None:
    if control_of(call).consulted != leg.id:
        return CANCELLED
    open_media(x, leg)
    rewire(x, call)
    tell(x, call, "consult_answered", now, leg, leg.id)
    return None


def _failed(x: Exchange, call: Call, leg: Leg, cause: Cause, now: float) -> None:
    """The agent is back with the caller, who must not be forgotten on hold."""
    control = control_of(call)
    if control.consulted != leg.id:
        return
    control.consulted = ""
    open_stretch(x, call, now)
    rewire(x, call)
    tell(x, call, "consult_ended", now, leg, cause.word)


CONSULT: Final = Attempt(_answered, _failed)
