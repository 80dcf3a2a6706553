"""A call in its flow: events go to the flow's machine, its actions are carried out (`performing`)."""

from __future__ import annotations

from ivr_flows import machine
from ivr_flows.actions import Hangup
from ivr_flows.events import Digit, Event, PlayDone, TimerDue, TransferEnded
from ivr_flows.model import Flow
from ivr_flows.position import Position
from routing.masks.secret import Sealed
from switchboard.calls.answering import answer_caller, unheard
from switchboard.calls.call import Call, Phase
from switchboard.calls.causes import FLOW_ERROR, TOO_LONG, UNKNOWN, Cause
from switchboard.calls.cdr import open_segment
from switchboard.calls.connecting import abandon_attempt, outcome_of
from switchboard.calls.ending import end_call, end_leg, part_from_agent
from switchboard.calls.exchange import Exchange
from switchboard.calls.negotiation import take_keys
from switchboard.calls.performing import perform, play_prepared
from switchboard.calls.queue_sounds import prepared
from switchboard.calls.queueing import talked
from switchboard.calls.settings import NO_SERVICE
from switchboard.calls.sounds import Prepared
from switchboard.calls.steps import tell
from switchboard.store.records import EndedBy


def start_flow(x: Exchange, call: Call, name: str, variables: dict[str, str | int], now: float) -> None:
    """Give a call to the newest version of a flow; a caller who offered no media is answered first."""
    flow = x.flows.newest(name)
    if flow is None:
        end_call(x, call, UNKNOWN, "switch", now)
        return
    call.flow = call.record.flow = flow.name
    call.flow_version = call.record.flow_version = flow.version
    service = x.settings.services.get(call.record.called, NO_SERVICE)
    call.variables = {**service.variables, **variables}
    call.enter(Phase.FLOW)
    take_keys(x, call.caller)
    open_segment(call, "ivr", x.utc_us(now), name)
    if call.caller.talking or call.caller.remote is not None:
        begin_flow(x, call, now)
    elif not answer_caller(x, call, now):
        end_call(x, call, unheard(x, call), "switch", now)


def begin_flow(x: Exchange, call: Call, now: float) -> None:
    """Enter the flow's first node."""
    flow = flow_of(x, call)
    if flow is None:
        end_call(x, call, FLOW_ERROR, "switch", now)
        return
    variables, secrets = dict(call.variables), {}
    if call.record.caller_sealed and call.record.caller_masked != "anonymous":
        sealed = Sealed(call.record.caller_sealed)
        number = x.secrets.open(sealed).reveal("what the flow's conditions and backends are asked")
        secrets["caller"] = number
        variables["caller_province"], variables["caller_city"] = call.record.province, call.record.city
    before = call.position
    call.position, actions = machine.start(flow, variables, now, clock=x.clock, secrets=secrets)
    if before is not None:
        _carry_over(before, call.position)
    _go_on(x, call, flow, perform(x, call, actions, now), now)


def _carry_over(before: Position, position: Position) -> None:
    """What an earlier flow has learned of the caller stays the call's."""
    position.trail[:0] = before.trail
    position.path[:0] = before.path
    position.survey = {**before.survey, **position.survey}
    if position.identity.status == "not_asked":
        position.identity = before.identity
    if position.consent is None:
        position.consent = before.consent


def flow_of(x: Exchange, call: Call) -> Flow | None:
    """The version of the flow that the call began with."""
    return x.flows.version(call.flow, call.flow_version)


def flow_event(x: Exchange, call: Call, event: Event, now: float) -> None:
    """Tell the flow of a call what happened; ignored while the call is not in its flow."""
    if call.phase is not Phase.FLOW or call.position is None:
        return
    flow = flow_of(x, call)
    if flow is None:
        end_call(x, call, FLOW_ERROR, "switch", now)
        return
    if type(event) is Digit:
        call.last_digit_at = call.digit_at
    _go_on(x, call, flow, event, now)
    call.last_digit_at = None


def outcome_came(x: Exchange, call: Call, outcome: Event | Prepared, now: float) -> None:
    """What was asked of others has come back."""
    if isinstance(outcome, Prepared):
        if outcome.play.play_id < 0:
            prepared(x, call, outcome.play)
            return
        ended = play_prepared(x, call, outcome)
        if ended is not None:
            flow_event(x, call, ended, now)
    else:
        flow_event(x, call, outcome, now)


def _go_on(x: Exchange, call: Call, flow: Flow, event: Event | None, now: float) -> None:
    """Step until no action has brought an outcome at once."""
    while event is not None and call.phase is Phase.FLOW and call.position is not None:
        _, actions = machine.step(flow, call.position, event, now, x.clock)
        event = perform(x, call, actions, now)


def timer_due(x: Exchange, call: Call, now: float) -> None:
    """The flow's deadline has come."""
    flow_event(x, call, TimerDue(), now)


def play_done(x: Exchange, call: Call, play_id: int, now: float) -> None:
    """A prompt ended."""
    flow_event(x, call, PlayDone(play_id), now)


def attempt_failed(x: Exchange, call: Call, cause: Cause, by: EndedBy, now: float) -> None:
    """The agent was not reached: back to the flow, or, without one, the caller learns why.

    `by` is who ended the attempt: the agent by a refusal, or the switch, which waits no longer.
    """
    abandon_attempt(x, call, cause, now)
    if call.position is None:
        nobody(x, call, outcome_of(cause), cause, by, now)
    else:
        back_to_flow(x, call, TransferEnded(outcome_of(cause), call.binding_about or {}), now)


def back_to_flow(x: Exchange, call: Call, event: Event | None, now: float) -> None:
    """The caller is the flow's again, which is told what became of them elsewhere."""
    call.enter(Phase.FLOW)
    take_keys(x, call.caller)
    open_segment(call, "ivr", x.utc_us(now), call.record.flow)
    if event is not None:
        flow_event(x, call, event, now)


def nobody(x: Exchange, call: Call, reason: str, cause: Cause, by: EndedBy, now: float) -> None:
    """A call without a flow has found nobody: the flow for such calls takes it, or it ends."""
    name, call.failed_flow = call.failed_flow, ""
    if name:
        variables: dict[str, str | int] = {
            "called": call.record.called,
            "trunk": call.record.trunk,
            "reason": reason,
            **(call.binding_about or {}),
        }
        start_flow(x, call, name, variables, now)
    else:
        end_call(x, call, cause, by, now)


def talk_over(x: Exchange, call: Call, now: float) -> bool:
    """A talk has lasted as long as the flow's node allows: the agent is hung up on, and the caller goes on.

    False when something else ends the talk, or when the call bar has joined others.
    """
    limit = call.position.deadline if call.position is not None else None
    if call.agent is None or call.control is not None or limit is None or limit > now:
        return False
    leg = call.agent
    end_leg(x, leg, TOO_LONG, now)
    part_from_agent(x, call, now)
    tell(x, call, "agent_left", now, leg, TOO_LONG.word)
    return agent_left(x, call, now, by_agent=False)


def agent_left(x: Exchange, call: Call, now: float, *, by_agent: bool = True) -> bool:
    """The agent hung up: the caller goes on in the flow; False when there is none to go on in."""
    flow = flow_of(x, call) if call.position is not None else None
    if flow is None or call.position is None or not call.enter(Phase.FLOW):
        return False
    call.agent_left = by_agent
    _, actions = machine.step(flow, call.position, talked(call), now, x.clock)
    if not (actions and isinstance(actions[0], Hangup)):
        take_keys(x, call.caller)
        open_segment(call, "ivr", x.utc_us(now), call.record.flow)
    _go_on(x, call, flow, perform(x, call, actions, now), now)
    return True
