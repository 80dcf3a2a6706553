"""Click to call: the agent's phone is rung first, then the other party; a call without an INVITE of its own."""

from __future__ import annotations

from typing import Final

from routing.dialplan import NoRoute
from routing.masks.shown import allowed
from routing.masks.target import NumberTarget
from switchboard.calls.attempts import Attempt, begin_talk, take_place, who_ended
from switchboard.calls.call import Call, Control, Phase
from switchboard.calls.calling_out import call_leg, find_port
from switchboard.calls.causes import CANCELLED, CONGESTION, Cause
from switchboard.calls.cdr import leg_record, open_segment, record_caller, write_snapshot
from switchboard.calls.commands import Actor, CommandError, Dial, Done
from switchboard.calls.connecting import keys_of, plan_of
from switchboard.calls.control.parties import over_all
from switchboard.calls.control.places import Party, call_party, check_free, find_party, own_phone, refusal_of
from switchboard.calls.ending import agent_began, end_call
from switchboard.calls.exchange import PHONES, Exchange
from switchboard.calls.identity import Caller
from switchboard.calls.leg import Leg
from switchboard.calls.negotiation import open_media
from switchboard.calls.plan import Plan
from switchboard.calls.steps import tell
from switchboard.calls.webrtc import media_for
from switchboard.calls.wiring import rewire
from switchboard.store.records import CallRecord


def dial(x: Exchange, cmd: Dial, actor: Actor, now: float) -> Done:
    """Ring the agent's phone; when it answers the other party is called, who sees a number of ours."""
    agent = cmd.agent or actor.agent
    if agent != actor.agent and not over_all(actor):
        raise CommandError("forbidden", "only supervisors may dial for others")
    if x.draining or len(x.calls) >= x.settings.max_calls:
        raise CommandError("congestion", "no more calls are taken just now")
    phone = own_phone(x, None, agent, now)
    party = find_party(x, None, cmd.to, now)
    if party.agent == agent:
        raise CommandError("wrong_state", "nobody can call themselves")
    check_free(x, party)
    call = new_call(x, party, _shown(x, party, cmd.shown), now)
    x.calls[call.id] = call
    x.started += 1
    try:
        leg = call_party(x, call, phone, "originate", now, auto_answer=True)
    except CommandError:
        # Nothing of it was written or sent.
        del x.calls[call.id]
        x.started -= 1
        raise
    agent_began(x, call.caller, now)
    x.log("call.opened", call_id=call.id, trunk=call.record.trunk, called=call.record.called)
    tell(x, call, "opened", now, leg, "dial")
    x.arm(call)
    return Done(call.id, leg.id)


def _shown(x: Exchange, party: Party, wanted: str) -> str:
    """The number that the other party sees: one of ours, or what is configured where nobody asks for any."""
    if not wanted:
        return party.shown
    known = any(not isinstance(x.routing.route(context, wanted), NoRoute) for context in (*x.trunks, PHONES))
    if not known or not allowed(wanted):
        raise CommandError("invalid", "not a number of ours that may be shown")
    return wanted


def new_call(x: Exchange, party: Party, shown: str, now: float) -> Call:
    """A call that we begin: `party` is who will be called, and is not yet."""
    number = party.target if isinstance(party.target, NumberTarget) else None
    record = CallRecord(
        id=x.new_id(),
        trunk=number.trunk.partition(",")[0] if number is not None else PHONES,
        direction="out" if number is not None else "internal",
        called=shown or (number.shown if number is not None else ""),
        started_us=x.utc_us(now),
    )
    peer = leg_record(x, "caller", "", now, party.agent)
    caller = Leg(
        id=peer.id,
        call_id=record.id,
        role="caller",
        local_tag=x.token(),
        source=x.settings.local,
        sdp_id=x.session_id(),
        record=peer,
        purpose="originate",
        agent_id=party.agent,
    )
    call = Call(id=record.id, caller=caller, invited_at=now, record=record, control=Control())
    plan = plan_of(x, call, party.target, now, shown)
    if isinstance(plan, Cause):
        raise refusal_of(plan)
    record.legs.append(peer)
    if number is not None:
        record_caller(x, call, Caller(x.secrets.open(number.secret), False))
    else:
        record.caller_masked = plan[0].destinations[0].peer
    _address(x, call, plan)
    call.enter(Phase.CONNECTING)
    call.end_due = now + x.settings.call_duration
    return call


def _address(x: Exchange, call: Call, plan: Plan) -> None:
    assert call.control is not None
    call.control.plan, found = plan, plan[0].destinations[0]
    call.caller.source, call.caller.nat, call.caller.record.peer = found.address, found.nat, found.peer
    call.caller.codecs, call.caller.keys = found.codecs, keys_of(x, found)
    call.caller.audio_from = found.audio_from
    call.caller.srtp = found.srtp or x.settings.srtp
    call.caller.web = media_for(plan) if x.edge is not None else None


def _answered(x: Exchange, call: Call, leg: Leg, now: float) -> Cause | None:
    if call.phase is not Phase.CONNECTING:
        return CANCELLED
    open_media(x, leg)
    return both_talk(x, call, leg, now) if leg is call.caller else call_other(x, call, leg, now)


def call_other(x: Exchange, call: Call, leg: Leg, now: float) -> Cause | None:
    """The agent's phone has answered: now the other party is called."""
    caller, control = call.caller, call.control
    assert control is not None
    if not find_port(x, call, caller, leg):
        return CONGESTION
    take_place(x, call, leg, now)
    open_segment(call, "ring", x.utc_us(now), "dial", agent=leg.agent_id)
    call_leg(x, call, caller, control.plan, x.settings.ring_timeout, now)
    rewire(x, call)
    return None


def both_talk(x: Exchange, call: Call, leg: Leg, now: float) -> Cause | None:
    """The party that was called last has answered; the agent waits for it."""
    if call.agent is None:
        return CANCELLED
    call.enter(Phase.TALKING)
    call.record.answered_us, call.record.sip_status = leg.record.answered_us, leg.record.sip_status
    begin_talk(x, call, call.agent, now)
    rewire(x, call)
    write_snapshot(x, call)
    return None


def _rings(x: Exchange, call: Call, leg: Leg, now: float) -> None:
    """What the network says before it answers is heard by the agent."""
    if leg is call.caller and leg.agreement is not None and not leg.media_open:
        open_media(x, leg)
        rewire(x, call)


def _failed(x: Exchange, call: Call, leg: Leg, cause: Cause, now: float) -> None:
    if leg is call.caller:
        call.record.sip_status = leg.record.sip_status
    end_call(x, call, cause, who_ended(leg), now)


ORIGINATE: Final = Attempt(_answered, _failed, _rings)
