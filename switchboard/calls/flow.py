"""A call in its flow: the interpreter's actions done, and what happens told to it."""

from __future__ import annotations

from typing import Final

from ivr_flows import machine
from ivr_flows.actions import Answer, Hangup, Play, StopPlay, Transfer
from ivr_flows.events import Digit, Event, PlayDone, TimerDue, TransferEnded
from routing.masks.target import Target, TargetError, parse_open_target
from switchboard.calls.answering import answer_caller, early_media, progress
from switchboard.calls.call import Call, Phase
from switchboard.calls.causes import (
    BUSY,
    CONGESTION,
    DECLINED,
    FAILED,
    FLOW_ERROR,
    NO_ANSWER,
    NORMAL,
    UNKNOWN,
    UNREGISTERED,
    Cause,
)
from switchboard.calls.cdr import open_segment
from switchboard.calls.connecting import abandon_attempt, invite_agent, outcome_of
from switchboard.calls.ending import end_call
from switchboard.calls.exchange import Exchange
from switchboard.calls.negotiation import open_media
from switchboard.store.records import EndedBy

# By what word of a flow's hangup node a call ends.
CAUSES: Final[dict[str, Cause]] = {
    "normal": NORMAL,
    "busy": BUSY,
    "no_answer": NO_ANSWER,
    "unregistered": UNREGISTERED,
    "unknown": UNKNOWN,
    "rejected": DECLINED,
    "failed": FAILED,
}


def start_flow(x: Exchange, call: Call, flow: str, variables: dict[str, str | int], now: float) -> None:
    """Give a new call to its flow; one that offered no media is answered first and begins with its ACK."""
    call.flow = call.record.flow = flow
    call.variables = variables
    call.enter(Phase.FLOW)
    call.caller.digits = True
    open_segment(call, "ivr", x.utc_us(now), flow)
    if call.caller.remote is not None:
        begin_flow(x, call, now)
    elif not answer_caller(x, call, now):
        end_call(x, call, CONGESTION, "switch", now)


def begin_flow(x: Exchange, call: Call, now: float) -> None:
    """Enter the flow's first node."""
    call.position, actions = machine.start(x.flows[call.flow], call.variables, now)
    _perform(x, call, actions, now)


def flow_event(x: Exchange, call: Call, event: Event, now: float) -> None:
    """Tell the flow of a call what happened; ignored while the call is not in its flow."""
    if call.phase is not Phase.FLOW or call.position is None:
        return
    if type(event) is Digit:
        call.last_digit_at = call.digit_at
    _, actions = machine.step(x.flows[call.flow], call.position, event, now)
    _perform(x, call, actions, now)
    call.last_digit_at = None


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
        end_call(x, call, cause, by, now)
        return
    call.enter(Phase.FLOW)
    if not call.caller.digits:
        # Early media had taken the keys to the other side.
        call.caller.digits = True
        open_media(x, call.caller)
    open_segment(call, "ivr", x.utc_us(now), call.record.flow)
    flow_event(x, call, TransferEnded(outcome_of(cause)), now)


def _perform(x: Exchange, call: Call, actions: list[machine.Action], now: float) -> None:
    for action in actions:
        if call.phase is not Phase.FLOW:
            return
        if isinstance(action, Answer):
            if not answer_caller(x, call, now):
                end_call(x, call, CONGESTION, "switch", now)
        elif isinstance(action, Play):
            _play(x, call, action, now)
        elif isinstance(action, StopPlay):
            if call.caller.lease is not None:
                x.media.stop_play(call.caller.lease)
        elif isinstance(action, Transfer):
            _transfer(x, call, action, now)
        else:
            _hang_up(x, call, action, now)


def _play(x: Exchange, call: Call, action: Play, now: float) -> None:
    if not call.caller.talking and not early_media(x, call, now):
        end_call(x, call, CONGESTION, "switch", now)
        return
    assert call.caller.lease is not None
    x.media.play(call.caller.lease, action.play_id, action.prompts, action.loop)


def _hang_up(x: Exchange, call: Call, action: Hangup, now: float) -> None:
    exhausted = call.position is not None and call.position.exhausted
    cause = FLOW_ERROR if exhausted else CAUSES.get(action.cause, FAILED)
    end_call(x, call, cause, "switch", now)


def _transfer(x: Exchange, call: Call, action: Transfer, now: float) -> None:
    target = _target_of(x, call, action, now)
    failure = target if isinstance(target, Cause) else invite_agent(x, call, target, action.ring_timeout, now)
    if failure is not None:
        flow_event(x, call, TransferEnded(outcome_of(failure)), now)
        return
    if call.caller.lease is not None and action.ringback and call.caller.talking:
        call.ringback = action.ringback
        x.media.play(call.caller.lease, 0, (action.ringback,), True)
    elif not call.caller.talking:
        progress(x, call, 180, now)


def _target_of(x: Exchange, call: Call, action: Transfer, now: float) -> Target | Cause:
    if action.target is not None:
        try:
            target = parse_open_target(action.target)
        except TargetError:
            return UNKNOWN
        return target if target is not None else UNKNOWN
    number, extension = action.number or call.record.called, action.extension or ""
    call.record.extension = extension
    found = x.routing.resolve(number, extension, x.utc_us(now) / 1e6).target
    return found if found is not None else UNKNOWN
