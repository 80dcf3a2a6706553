"""Parking: the caller waits with music in a slot, and anybody may take the call from there."""

from __future__ import annotations

from switchboard.calls.call import Phase
from switchboard.calls.causes import NORMAL
from switchboard.calls.cdr import open_segment
from switchboard.calls.commands import Actor, CommandError, Done, Park, Unpark
from switchboard.calls.control.leaving import drop_others, hang_up_agent
from switchboard.calls.control.parties import leading_leg, live_call, undisturbed
from switchboard.calls.control.places import call_party, own_phone
from switchboard.calls.exchange import Exchange
from switchboard.calls.steps import tell
from switchboard.calls.wiring import control_of, rewire


def park(x: Exchange, cmd: Park, actor: Actor, now: float) -> Done:
    """The agent leaves, the caller waits in a slot; after `park_timeout` the agent is rung again."""
    call = live_call(x, cmd.call)
    agent = leading_leg(call, actor)
    control = undisturbed(call)
    if control.mixed:
        raise CommandError("wrong_state", "a conference cannot be parked; leave it instead")
    slot = free_slot(x, cmd.slot)
    x.slots[slot] = call.id
    control.slot, control.park_due, control.asked_by = slot, now + x.settings.park_timeout, agent.agent_id
    control.asked_at, control.recall = now, False
    hang_up_agent(x, call, NORMAL, now)
    drop_others(x, call, now)
    call.enter(Phase.PARKED)
    open_segment(call, "park", x.utc_us(now), slot)
    rewire(x, call)
    tell(x, call, "parked", now, agent, slot)
    tell(x, call, "agent_left", now, agent)
    return Done(call.id, slot=slot)


def free_slot(x: Exchange, wanted: str) -> str:
    """The slot that is wanted, "" for any, if it is free; `invalid` for none of ours, `wrong_state` for a taken one."""
    slots = [str(number) for number in range(1, x.settings.park_slots + 1)]
    if wanted and wanted not in slots:
        raise CommandError("invalid", f"slots are numbered 1 to {len(slots)}")
    free = next((slot for slot in ([wanted] if wanted else slots) if slot not in x.slots), "")
    if not free:
        raise CommandError("wrong_state", "the slot is taken" if wanted else "all slots are taken")
    return free


def unpark(x: Exchange, cmd: Unpark, actor: Actor, now: float) -> Done:
    """Ring the actor's phone; who answers there talks to the caller. The call is named by its id or its slot."""
    if not cmd.call and cmd.slot not in x.slots:
        raise CommandError("no_call", "nobody is parked in that slot")
    call = live_call(x, cmd.call or x.slots[cmd.slot])
    control = control_of(call)
    if call.phase is not Phase.PARKED or not control.slot:
        raise CommandError("wrong_state", "the call is not parked")
    if control.target:
        raise CommandError("wrong_state", "somebody is taking the call already")
    leg = call_party(x, call, own_phone(x, call, actor.agent, now), "transfer", now, auto_answer=True)
    control.target, control.recall, control.park_due = leg.id, False, None
    open_segment(call, "ring", x.utc_us(now), "unpark", agent=leg.agent_id)
    rewire(x, call)
    tell(x, call, "unparked", now, leg, control.slot)
    return Done(call.id, leg.id, control.slot)
