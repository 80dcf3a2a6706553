"""Slots that agents dial: who is parked there talks to whoever dials it, and who is referred to one is parked in it.

Only the phone of an agent may: an account that has proved itself and is one agent's. Nobody's from a trunk.
"""

from __future__ import annotations

from switchboard.calls.attempts import promote
from switchboard.calls.attended import Declined
from switchboard.calls.call import Call, Phase
from switchboard.calls.cdr import add_leg, leg_record
from switchboard.calls.commands import Actor, CommandError, Park
from switchboard.calls.control.park import free_slot, park
from switchboard.calls.control.transfer import unpark
from switchboard.calls.ending import agent_began
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg
from switchboard.calls.owners import agent_of_account
from switchboard.calls.reaching import by_proxy
from switchboard.calls.referral import tell_referrer
from switchboard.calls.replaces import answer_at_once, respond_at_once
from switchboard.calls.securing import policy_of
from switchboard.calls.steps import tell
from switchboard.calls.wiring import control_of
from switchboard.sip.message import Request
from switchboard.sip.transaction.server import ServerTransaction


def take_from_slot(x: Exchange, tx: ServerTransaction, request: Request, account: str, slot: str, now: float) -> None:
    """Answer with 200 the phone that takes up who is parked; raises Declined, and nothing has changed."""
    agent = agent_of_account(x, account, tx.source)
    if not agent:
        raise Declined(403)
    call = x.calls.get(x.slots.get(slot, ""))
    if call is None:
        raise Declined(404)
    control = control_of(call)
    if call.phase is not Phase.PARKED or control.target:
        # Somebody's phone rings for this very call.
        raise Declined(486)
    if not request.body:
        # An offer of ours would be answered in its ACK, when the caller hears no music any more.
        raise Declined(488)
    record = leg_record(x, "agent", f"{account}@{x.settings.domain}", now, agent)
    leg = Leg(
        id=record.id, call_id=call.id, role="agent", local_tag=x.token(), source=tx.source,
        nat=not by_proxy(request, tx.source), sdp_id=x.session_id(), record=record, purpose="transfer",
        agent_id=agent, srtp=policy_of(x, account), keys=x.settings.keys.get(account, "auto"),
    )  # fmt: skip
    answer_at_once(x, tx, request, leg, call.caller)
    control.asked_at = now
    tell(x, call, "unparked", now, leg, slot)
    unpark(x, call)
    call.others.append(leg)
    add_leg(call, record)
    agent_began(x, leg, now)
    call.record.transfers += 1
    promote(x, call, leg, now)
    tell(x, call, "transferred", now, leg, "0.000")
    respond_at_once(x, tx, request, leg, now)
    x.arm(call)


def park_referred(x: Exchange, call: Call, leg: Leg, slot: str, now: float) -> None:
    """Park the talk that the phone of `leg` leads; raises `CommandError`, and the phone keeps the call."""
    if not leg.agent_id:
        raise CommandError("forbidden", "only agents park calls")
    free_slot(x, slot)
    # Before its call is hung up: some phones forget the subscription with it.
    tell_referrer(x, call, 200, now)
    park(x, Park(call=call.id, slot=slot), Actor(leg.agent_id, leg.agent_id), now)
