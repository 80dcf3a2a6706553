"""Taking one who waits out of turn."""

from __future__ import annotations

from routing.acd.events import Picked
from switchboard.calls.call import Phase
from switchboard.calls.commands import Actor, CommandError, Done, Pick
from switchboard.calls.control.parties import live_call, over_all
from switchboard.calls.control.places import own_phone
from switchboard.calls.exchange import Exchange


def pick(x: Exchange, cmd: Pick, actor: Actor, now: float) -> Done:
    """Have the caller offered to an agent now; what becomes of the offer is the queue's."""
    agent = cmd.agent or actor.agent
    if agent != actor.agent and not over_all(actor):
        raise CommandError("forbidden", "only supervisors may pick for others")
    call = live_call(x, cmd.call)
    if call.phase is not Phase.QUEUED or any(leg.purpose == "offer" for leg in call.others):
        raise CommandError("wrong_state", "the caller does not wait, or is being offered already")
    own_phone(x, call, agent, now)
    if not over_all(actor) and (call.wait is None or not x.desk.serves(agent, call.wait.group)):
        raise CommandError("not_yours", "the caller waits for a group of others")
    x.desk.tell(Picked(call.id, agent, actor.id), now)
    leg = call.leg_of(agent)
    if leg is None:
        raise CommandError("wrong_state", "the agent cannot take a call now")
    return Done(call.id, leg.id)
