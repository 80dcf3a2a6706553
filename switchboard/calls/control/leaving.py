"""Who leaves a call, by a command or by their phone, and how it goes on for those who stay."""

from __future__ import annotations

from switchboard.calls.attempts import abandon_leg, take_over
from switchboard.calls.call import Call, Phase
from switchboard.calls.causes import NORMAL, Cause
from switchboard.calls.cdr import note_flow, open_segment
from switchboard.calls.control.parties import open_stretch
from switchboard.calls.ending import end_call, end_leg, part_from_agent
from switchboard.calls.exchange import Exchange
from switchboard.calls.flow import agent_left, start_flow
from switchboard.calls.leg import Leg
from switchboard.calls.steps import tell
from switchboard.calls.wiring import control_of, rewire, unwire
from switchboard.store.records import EndedBy


def party_left(x: Exchange, call: Call, leg: Leg, cause: Cause, by: EndedBy, now: float) -> None:
    """A party other than the caller has hung up, or is to be; the others go on as far as they can."""
    if leg is call.agent:
        _agent_left(x, call, leg, cause, by, now)
    else:
        other_left(x, call, leg, cause, now)


def other_left(x: Exchange, call: Call, leg: Leg, cause: Cause, now: float) -> None:
    """One of `call.others` goes: the party consulted, one of a conference, a supervisor."""
    control = control_of(call)
    abandon_leg(x, call, leg, cause, now)
    if leg.id == control.consulted:
        control.consulted = ""
        open_stretch(x, call, now)
        tell(x, call, "consult_ended", now, leg, cause.word)
    elif leg.mode:
        tell(x, call, "supervision_ended", now, leg, leg.id)
    else:
        _shrink(x, call, now)
        tell(x, call, "party_left", now, leg, leg.id)
    rewire(x, call)


def party_lost(x: Exchange, call: Call, leg: Leg, cause: Cause, now: float) -> None:
    """A party is not there any more: its leg is hung up, and the call goes on without it, or ends."""
    if leg is call.caller or (leg is call.agent and (call.control is None or call.phase is not Phase.TALKING)):
        end_call(x, call, cause, "switch", now)
        return
    end_leg(x, leg, cause, now)
    party_left(x, call, leg, cause, "switch", now)


def _shrink(x: Exchange, call: Call, now: float) -> None:
    """Of a conference of two a plain talk is left."""
    control = control_of(call)
    if control.mixed and not any(leg.purpose == "invite" and leg.talking for leg in call.others):
        control.mixed = False
        open_stretch(x, call, now)


def _agent_left(x: Exchange, call: Call, leg: Leg, cause: Cause, by: EndedBy, now: float) -> None:
    control = control_of(call)
    target, asked = call.leg(control.target), call.leg(control.consulted)
    third = next((other for other in call.others if other.purpose == "invite" and other.talking), None)
    hang_up_agent(x, call, cause, now)
    tell(x, call, "agent_left", now, leg, cause.word)
    if target is not None:
        wait_for_target(x, call, now)
    elif asked is not None and asked.talking:
        control.consulted = ""
        hand_to(x, call, asked, now)
    elif third is not None:
        hand_to(x, call, third, now)
    else:
        without_agent(x, call, cause, by, now)


def hang_up_agent(x: Exchange, call: Call, cause: Cause, now: float) -> None:
    """The agent's leg ends; the caller hears nothing until somebody sees to that."""
    if call.agent is not None:
        unwire(x, call)
        end_leg(x, call.agent, cause, now)
        part_from_agent(x, call, now)


def hand_to(x: Exchange, call: Call, leg: Leg, now: float) -> None:
    """Another party, who talks already, takes the agent's place."""
    control = control_of(call)
    take_over(x, call, leg, now)
    control.mixed = any(other.purpose == "invite" and other.talking for other in call.others)
    call.record.transfers += 1
    open_stretch(x, call, now)
    rewire(x, call)
    tell(x, call, "transferred", now, leg, leg.id)


def wait_for_target(x: Exchange, call: Call, now: float) -> None:
    """Without an agent the caller waits for somebody who rings."""
    control = control_of(call)
    call.enter(Phase.PARKED)
    target = call.leg(control.target)
    open_segment(call, "ring", x.utc_us(now), "transfer", agent=target.agent_id if target is not None else "")
    drop_others(x, call, now, but=control.target)
    rewire(x, call)


def drop_others(x: Exchange, call: Call, now: float, *, but: str = "") -> None:
    """Everybody beside caller and agent is hung up or rung no more, but the leg of this id."""
    control = control_of(call)
    for leg in list(call.others):
        if leg.id != but:
            abandon_leg(x, call, leg, NORMAL, now)
            if leg.record.answered_us is not None:
                tell(x, call, "supervision_ended" if leg.mode else "party_left", now, leg, leg.id)
    control.consulted, control.mixed = "", False
    if not but:
        control.target = ""


def without_agent(x: Exchange, call: Call, cause: Cause, by: EndedBy, now: float) -> None:
    """The caller is alone: asked for a rating, on in the flow, or the call is over."""
    control = control_of(call)
    unwire(x, call)
    drop_others(x, call, now)
    rating, control.rating = control.rating, ""
    if rating and x.flows.newest(rating) is not None:
        to_flow(x, call, rating, now)
    elif not agent_left(x, call, now):
        end_call(x, call, cause, by, now)


def to_flow(x: Exchange, call: Call, flow: str, now: float) -> None:
    """A flow takes the caller; what earlier ones have learned stays."""
    position = call.position
    known = {**call.variables, **(position.variables if position is not None else {})}
    variables = {name: value for name, value in known.items() if isinstance(value, str | int)}
    call.agent_left = True
    control_of(call).rating = ""
    note_flow(x, call)
    start_flow(x, call, flow, variables, now)
    tell(x, call, "to_flow", now, None, flow)
