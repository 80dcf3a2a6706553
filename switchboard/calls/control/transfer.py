"""Handing the caller on: to an agent, a number, an extension or a softphone by calling them; to a group or a flow."""

from __future__ import annotations

from typing import Final

from switchboard.calls.attempts import Attempt, abandon_leg, promote
from switchboard.calls.call import Call, Phase
from switchboard.calls.causes import CANCELLED, NO_ANSWER, NORMAL, Cause
from switchboard.calls.cdr import open_segment
from switchboard.calls.commands import Actor, CancelTransfer, CommandError, Done, Transfer
from switchboard.calls.control.leaving import drop_others, hang_up_agent, to_flow, wait_for_target, without_agent
from switchboard.calls.control.parties import leading_leg, live_call, open_stretch, over_all, room_for_one, undisturbed
from switchboard.calls.control.places import Party, Place, Queue, call_party, check_free, find_place
from switchboard.calls.ending import come_back
from switchboard.calls.exchange import Exchange
from switchboard.calls.flow import back_to_flow
from switchboard.calls.leg import Leg
from switchboard.calls.queueing import Wish, enqueue
from switchboard.calls.steps import tell
from switchboard.calls.wiring import control_of, rewire

RETRY: Final = 30.0
"""Seconds for which a parked call whose taker did not answer waits on."""


def transfer(x: Exchange, cmd: Transfer, actor: Actor, now: float) -> Done:
    """Hand the caller on; to an agent the transferring one stays until the target answers, unless it is `blind`."""
    call = live_call(x, cmd.call)
    leading_leg(call, actor)
    if undisturbed(call).mixed:
        raise CommandError("wrong_state", "a conference cannot be transferred; leave it instead")
    place = find_place(x, call, cmd.to, now)
    check_open(x, call, place, now)
    check_free(x, place, call.id)
    return hand_on(x, call, place, now, stays=isinstance(place, Party) and bool(place.agent) and not cmd.blind)


def check_open(x: Exchange, call: Call, place: Place, now: float) -> None:
    """Refuse a group that would take nobody, where no flow waits to go on with the caller: the agent still has them."""
    if isinstance(place, Queue) and call.position is None and (reason := x.desk.refuses(place.group, now)):
        raise CommandError("unreachable", f"the group takes no callers now: {reason}")


def hand_on(x: Exchange, call: Call, place: Place, now: float, *, stays: bool) -> Done:
    """Begin a transfer of a talk that is `undisturbed`; raises `CommandError` and changes nothing when it cannot be.

    With `stays` the agent hears the target ring, and is hung up when it answers; else now.
    """
    if isinstance(place, Party):
        return Done(call.id, _to_party(x, call, place, now, stays).id)
    leg = call.agent
    by = leg.agent_id if leg is not None else ""
    tell(x, call, "transfer_started", now, leg, str(place[0]))
    hang_up_agent(x, call, NORMAL, now)
    drop_others(x, call, now)
    call.record.transfers += 1
    tell(x, call, "transferred", now, None, by)
    tell(x, call, "agent_left", now, leg)
    if isinstance(place, Queue):
        _to_group(x, call, place.group, now)
    else:
        to_flow(x, call, place.flow, now)
    return Done(call.id)


def _to_group(x: Exchange, call: Call, group: str, now: float) -> None:
    ended = enqueue(x, call, group, now, Wish(priority=call.priority, vip=call.vip))
    if ended is not None and call.position is not None:
        back_to_flow(x, call, ended, now)


def _to_party(x: Exchange, call: Call, party: Party, now: float, stays: bool) -> Leg:
    room_for_one(call)
    control, agent = control_of(call), call.agent
    assert agent is not None
    leg = call_party(x, call, party, "transfer", now)
    control.target, control.asked_at, control.recall = leg.id, now, False
    control.asked_by = agent.agent_id
    come_back(x, agent, now)
    tell(x, call, "transfer_started", now, agent, leg.id)
    if stays:
        open_stretch(x, call, now)
        rewire(x, call)
    else:
        hang_up_agent(x, call, NORMAL, now)
        tell(x, call, "agent_left", now, agent)
        wait_for_target(x, call, now)
    return leg


def cancel_transfer(x: Exchange, cmd: CancelTransfer, actor: Actor, now: float) -> Done:
    """Take it back while the target rings; one who has left already is rung again."""
    call = live_call(x, cmd.call)
    control = call.control
    target = call.leg(control.target) if control is not None else None
    if control is None or target is None or control.recall:
        raise CommandError("wrong_state", "no transfer is under way")
    if not over_all(actor) and (not actor.agent or control.asked_by != actor.agent):
        raise CommandError("not_yours", "somebody else has begun this transfer")
    abandon_leg(x, call, target, CANCELLED, now)
    tell(x, call, "transfer_cancelled", now, None, target.id)
    _came_to_nothing(x, call, CANCELLED, now)
    return Done(call.id)


def _answered(x: Exchange, call: Call, leg: Leg, now: float) -> Cause | None:
    """The target talks to the caller; the agent who stayed so long leaves."""
    control = control_of(call)
    if control.target != leg.id or call.phase not in (Phase.TALKING, Phase.PARKED):
        return CANCELLED
    control.target, before = "", call.agent
    unpark(x, call)
    hang_up_agent(x, call, NORMAL, now)
    # Which cannot fail: a caller who talks, or waits with music, has a port.
    promote(x, call, leg, now)
    call.record.transfers += not control.recall
    tell(x, call, "transferred", now, leg, f"{now - control.asked_at:.3f}")
    if before is not None:
        tell(x, call, "agent_left", now, before)
    return None


def _failed(x: Exchange, call: Call, leg: Leg, cause: Cause, now: float) -> None:
    if call.control is None or call.control.target != leg.id:
        return
    tell(x, call, "transfer_failed", now, leg, cause.word)
    _came_to_nothing(x, call, cause, now)


def _came_to_nothing(x: Exchange, call: Call, cause: Cause, now: float) -> None:
    """Back to the agent, who is still there, or is rung again; nobody else answers for the caller."""
    control = control_of(call)
    control.target, recalled, control.recall = "", control.recall, False
    if call.phase is Phase.TALKING:
        open_stretch(x, call, now)
        rewire(x, call)
    elif control.slot and not recalled:
        control.park_due = now + RETRY
        open_segment(call, "park", x.utc_us(now), control.slot)
        rewire(x, call)
    elif recalled or not recall(x, call, now):
        unpark(x, call)
        without_agent(x, call, cause, "switch", now)


def recall(x: Exchange, call: Call, now: float) -> bool:
    """Ring the agent again who has sent the caller away; False when that is not possible."""
    control = control_of(call)
    try:
        place = find_place(x, call, f"agent:{control.asked_by}", now)
        assert isinstance(place, Party)
        leg = call_party(x, call, place, "transfer", now)
    except CommandError:
        return False
    control.target, control.recall, control.park_due = leg.id, True, None
    open_segment(call, "ring", x.utc_us(now), "recall", agent=leg.agent_id)
    rewire(x, call)
    return True


def park_over(x: Exchange, call: Call, now: float) -> None:
    """Nobody has taken the parked call in time: back to whoever parked it."""
    control = control_of(call)
    control.park_due = None
    if not recall(x, call, now):
        unpark(x, call)
        without_agent(x, call, NO_ANSWER, "switch", now)


def unpark(x: Exchange, call: Call) -> None:
    """The call gives its slot back."""
    control = control_of(call)
    if x.slots.get(control.slot) == call.id:
        del x.slots[control.slot]
    control.slot, control.park_due = "", None


TRANSFER: Final = Attempt(_answered, _failed)
