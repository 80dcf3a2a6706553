"""The interpreter: a position in a flow, an event and the time give actions.

Nothing here waits, and nothing is kept outside the `Position`, which is plain data and may be written down between any
two steps. Every wait has a deadline. A `Position` is changed in place.

When the caller hangs up, the flow's `on_hangup` branch is walked, a sub-flow's before those of the flows around it.
Until `Position.ended`, `HttpDone` and `TimerDue` are still to be given to `step`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, cast

import msgspec

from ivr_flows.actions import Action, Answer, StopMessage
from ivr_flows.clock import TIMELESS, Clock
from ivr_flows.events import CallerGone, Event
from ivr_flows.expressions import Value
from ivr_flows.model import (
    SECRET_INPUTS,
    BranchNode,
    Flow,
    GotoNode,
    HangupNode,
    HttpNode,
    NodeBase,
    RecordNode,
    ReturnNode,
    SetNode,
)
from ivr_flows.position import Position, Waiting
from ivr_flows.steps import backend, connecting, entry, identify, logic, mailbox, recording, talking
from ivr_flows.turn import Turn, as_value

__all__ = ["AFTERWARDS", "ENTER", "TRANSITIONS", "Action", "Position", "Waiting", "start", "step"]

AFTERWARDS: Final[frozenset[type[NodeBase]]] = frozenset(
    {BranchNode, GotoNode, HangupNode, HttpNode, RecordNode, ReturnNode, SetNode}
)
"""What may still be done when the caller has hung up; a branch that leads to anything else ends there."""

_NOTHING: Final[Mapping[str, Value]] = {}


def start(
    flow: Flow,
    variables: Mapping[str, Value],
    now: float,
    clock: Clock = TIMELESS,
    secrets: Mapping[str, Value] = _NOTHING,
) -> tuple[Position, list[Action]]:
    """Enter a flow; `variables` and `secrets` are what the call brings along and win over the flow's own."""
    inputs = {name: as_value(value) for name, value in variables.items()}
    hidden = {name: as_value(value) for name, value in secrets.items()}
    hidden |= {name: inputs.pop(name) for name in SECRET_INPUTS & inputs.keys()}
    shown = {"language": flow.language, **flow.variables, **inputs}
    position = Position(
        flow=flow.name,
        version=flow.version,
        inside=flow.name,
        node=flow.start,
        variables={name: value for name, value in shown.items() if name not in hidden},
        secrets=hidden,
    )
    turn = Turn(flow, position, now, clock)
    if flow.answer == "now":
        turn.actions.append(Answer())
    _walk(turn, flow.start)
    return position, turn.actions


def step(
    flow: Flow, position: Position, event: Event, now: float, clock: Clock = TIMELESS
) -> tuple[Position, list[Action]]:
    """Take one event; a pair that TRANSITIONS does not list changes nothing.

    `flow` is the one the call began with, whatever sub-flow the position is in.
    """
    handler = TRANSITIONS.get((position.waiting, type(event)))
    if handler is None or (position.gone and type(event) is CallerGone):
        return position, []
    turn = Turn(flow, position, now, clock)
    target = handler(turn, turn.flow.nodes[position.node], event)
    if target:
        _walk(turn, target)
    return position, turn.actions


def _walk(turn: Turn, name: str) -> None:
    """Enter a node and all that follow until one waits."""
    position, limit = turn.position, turn.outer.step_limit
    while name:
        turn.reveal()
        position.steps += 1
        if position.steps > limit:
            position.exhausted = True
            if position.gone:
                turn.over()
            else:
                turn.end("failed")
            return
        node = turn.arrive(name)
        if position.gone and type(node) not in AFTERWARDS:
            name = turn.unwind()
        else:
            name = ENTER[type(node)](turn, node)


def _gone(turn: Turn, node: NodeBase, event: CallerGone) -> str:
    """Settle what the caller has left, and look for a branch that wants to know."""
    position = turn.position
    if position.waiting is Waiting.MESSAGING:
        turn.actions.append(StopMessage())
    identity = position.identity
    if identity.asked_at is not None and identity.status == "not_asked":
        position.identity = msgspec.structs.replace(identity, took=turn.now - identity.asked_at)
    turn.reveal()
    turn.forget_keys()
    position.gone = True
    return turn.flow.on_hangup or turn.unwind()


Enter = Callable[[Turn, NodeBase], str]
Handler = Callable[[Turn, NodeBase, Event], str]

# Each takes the very node and event its key names, which a dict's type cannot say.
ENTER = cast(
    "dict[type[NodeBase], Enter]",
    talking.ENTER
    | entry.ENTER
    | logic.ENTER
    | backend.ENTER
    | identify.ENTER
    | connecting.ENTER
    | recording.ENTER
    | mailbox.ENTER,
)
TRANSITIONS = cast(
    "dict[tuple[Waiting, type[Event]], Handler]",
    talking.TRANSITIONS
    | entry.TRANSITIONS
    | backend.TRANSITIONS
    | identify.TRANSITIONS
    | connecting.TRANSITIONS
    | recording.TRANSITIONS
    | mailbox.TRANSITIONS
    | {(waiting, CallerGone): _gone for waiting in Waiting if waiting is not Waiting.ENDED},
)
