"""The interpreter: a position in a flow, an event and the time give actions.

Nothing here waits, and nothing is kept outside the `Position`, which is plain data and may be written down
between any two steps. Every wait has a deadline. A `Position` is changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from ivr_flows.actions import Action, Answer, Cause, Hangup, Play, StopPlay, Transfer
from ivr_flows.events import CallerGone, Digit, Event, PlayDone, TimerDue, TransferEnded
from ivr_flows.expressions import Scope, Value
from ivr_flows.model import (
    DTMF,
    MAX_ENTRY,
    BranchNode,
    CollectNode,
    ConnectBase,
    DialNode,
    ExtensionNode,
    Flow,
    HangupNode,
    NodeBase,
    PlayNode,
)
from ivr_flows.position import Position, Waiting
from ivr_flows.prompt import Prompt, render

__all__ = ["Action", "Position", "Waiting", "start", "step"]

PROMPT_LIMIT = 300.0  # a prompt whose end is never reported, because the media worker died with it
LOOP_LIMIT = 86400.0


Actions = list[Action]


def start(flow: Flow, variables: Mapping[str, Value], now: float) -> tuple[Position, list[Action]]:
    """Enter a flow; `variables` are what the call brings along and win over the flow's own."""
    position = Position(
        flow=flow.name, version=flow.version, node=flow.start, variables={**flow.variables, **variables}
    )
    actions: Actions = [Answer()] if flow.answer == "now" else []
    _walk(flow, position, flow.start, now, actions)
    return position, actions


def step(flow: Flow, position: Position, event: Event, now: float) -> tuple[Position, list[Action]]:
    """Take one event; a pair that TRANSITIONS does not list changes nothing."""
    actions: Actions = []
    handler = TRANSITIONS.get((position.waiting, type(event)))
    if handler is not None:
        target = handler(flow.nodes[position.node], position, event, now, actions)
        if target:
            _walk(flow, position, target, now, actions)
    return position, actions


def _walk(flow: Flow, position: Position, name: str, now: float, actions: Actions) -> None:
    """Enter a node and all that follow until one waits."""
    nodes, visits = flow.nodes, position.visits
    while name:
        position.steps += 1
        if position.steps > flow.step_limit:
            position.exhausted = True
            _end(position, "failed", actions)
            return
        position.node = name
        visits[name] = visits.get(name, 0) + 1
        node = nodes[name]
        name = ENTER[type(node)](node, position, now, actions)


def _end(position: Position, cause: Cause, actions: Actions) -> str:
    position.waiting = Waiting.ENDED
    position.deadline = None
    position.cause = cause
    actions.append(Hangup(cause))
    return ""


def _play(position: Position, prompts: tuple[Prompt, ...], loop: bool, actions: Actions) -> None:
    position.play_id += 1
    heard = render(prompts, position.variables, "", "zh", lambda value, form, language: value)
    actions.append(Play(heard, loop, position.play_id))


def _remember(position: Position, digit: str) -> None:
    """Keep a key for the entry that comes; what does not fit is dropped."""
    if len(position.typed) < MAX_ENTRY and digit in DTMF:
        position.typed += digit


# --- entering a node: the name of the next one, or "" to wait ---


def _enter_play(node: PlayNode, position: Position, now: float, actions: Actions) -> str:
    if node.barge_in and position.typed and node.next is not None:
        return node.next
    _play(position, node.prompts, node.loop, actions)
    position.waiting = Waiting.PLAYING
    position.deadline = now + (node.limit or (LOOP_LIMIT if node.loop else PROMPT_LIMIT))
    return ""


def _enter_collect(node: CollectNode, position: Position, now: float, actions: Actions) -> str:
    position.tries = 0
    return _attempt(node, position, node.prompts, now, actions)


def _enter_branch(node: BranchNode, position: Position, now: float, actions: Actions) -> str:
    for case in node.when:
        if case.condition.holds(Scope(position.variables, visits=position.visits)):
            return case.next
    return node.otherwise


def _enter_extension(node: ExtensionNode, position: Position, now: float, actions: Actions) -> str:
    variables = position.variables
    number, extension = node.number.fill(variables), node.extension.fill(variables)
    return _connect(
        node, Transfer(number, extension, None, node.ringback, float(node.ring_timeout)), position, now, actions
    )


def _enter_dial(node: DialNode, position: Position, now: float, actions: Actions) -> str:
    target = node.target.fill(position.variables)
    return _connect(node, Transfer(None, None, target, node.ringback, float(node.ring_timeout)), position, now, actions)


def _connect(node: ConnectBase, transfer: Transfer, position: Position, now: float, actions: Actions) -> str:
    actions.append(transfer)
    position.waiting = Waiting.TRANSFERRING
    position.deadline = now + node.ring_timeout + node.limit
    return ""


def _enter_hangup(node: HangupNode, position: Position, now: float, actions: Actions) -> str:
    if not node.prompts:
        return _end(position, node.cause, actions)
    _play(position, node.prompts, False, actions)
    position.waiting = Waiting.LEAVING
    position.deadline = now + PROMPT_LIMIT
    return ""


# --- an entry of digits ---


def _attempt(node: CollectNode, position: Position, prompts: tuple[Prompt, ...], now: float, actions: Actions) -> str:
    """Begin an attempt; keys pressed ahead may fill it without a prompt."""
    position.collected = ""
    if position.typed and (node.barge_in or not prompts):
        verdict = _take_typed(node, position)
        if verdict is not None or position.collected:
            return _settle(node, position, verdict, now, actions)
    if not prompts:
        return _settle(node, position, None, now, actions)
    _play(position, prompts, False, actions)
    position.waiting = Waiting.PROMPTING
    position.deadline = now + PROMPT_LIMIT
    return ""


def _take(node: CollectNode, position: Position, digit: str) -> bool | None:
    """Add a key: True when the entry is complete, False when it is invalid, None when more may come."""
    collected = position.collected
    if digit in node.terminators:
        return len(collected) >= node.min if collected or not node.min else None
    position.collected = collected + digit
    return True if len(collected) + 1 == node.max else None


def _take_typed(node: CollectNode, position: Position) -> bool | None:
    typed = position.typed
    for used, digit in enumerate(typed, 1):
        verdict = _take(node, position, digit)
        if verdict is not None:
            position.typed = typed[used:]
            return verdict
    position.typed = ""
    return None


def _settle(node: CollectNode, position: Position, verdict: bool | None, now: float, actions: Actions) -> str:
    """Go on as an entry's verdict says; wait for keys while it has none."""
    if verdict:
        position.variables[node.into] = position.collected
        return node.next
    if verdict is False:
        return _fail(node, position, node.on_invalid, now, actions)
    position.waiting = Waiting.KEYING
    position.deadline = now + (node.digit_timeout if position.collected else node.first_timeout)
    return ""


def _fail(node: CollectNode, position: Position, target: str, now: float, actions: Actions) -> str:
    if position.tries == node.retries:
        return target
    position.tries += 1
    return _attempt(node, position, node.retry_prompts or node.prompts, now, actions)


# --- what may happen while a position waits: the name of the next node, or "" to stay ---


def _play_digit(node: PlayNode, position: Position, event: Digit, now: float, actions: Actions) -> str:
    _remember(position, event.digit)
    if node.barge_in and position.typed and node.next is not None:
        actions.append(StopPlay())
        return node.next
    return ""


def _play_done(node: PlayNode, position: Position, event: PlayDone, now: float, actions: Actions) -> str:
    if event.play_id != position.play_id:
        return ""
    return node.next or _end(position, "failed", actions)  # music that ends by itself could not be played


def _play_due(node: PlayNode, position: Position, event: TimerDue, now: float, actions: Actions) -> str:
    if not _due(position, now):
        return ""
    actions.append(StopPlay())
    return node.next or _end(position, "normal", actions)


def _prompt_digit(node: CollectNode, position: Position, event: Digit, now: float, actions: Actions) -> str:
    digit = event.digit
    if not node.barge_in:
        _remember(position, digit)
        return ""
    if digit not in DTMF or (node.min and digit in node.terminators):
        return ""  # the terminator of an entry that was complete before it
    actions.append(StopPlay())
    return _settle(node, position, _take(node, position, digit), now, actions)


def _prompt_done(node: CollectNode, position: Position, event: PlayDone, now: float, actions: Actions) -> str:
    if event.play_id != position.play_id:
        return ""
    return _settle(node, position, _take_typed(node, position), now, actions)


def _prompt_due(node: CollectNode, position: Position, event: TimerDue, now: float, actions: Actions) -> str:
    if not _due(position, now):
        return ""
    actions.append(StopPlay())
    return _settle(node, position, _take_typed(node, position), now, actions)


def _key_digit(node: CollectNode, position: Position, event: Digit, now: float, actions: Actions) -> str:
    digit = event.digit
    if digit not in DTMF or (not position.collected and node.min and digit in node.terminators):
        return ""
    return _settle(node, position, _take(node, position, digit), now, actions)


def _key_due(node: CollectNode, position: Position, event: TimerDue, now: float, actions: Actions) -> str:
    if not _due(position, now):
        return ""
    if not position.collected:
        return _fail(node, position, node.on_timeout, now, actions)
    return _settle(node, position, len(position.collected) >= node.min, now, actions)


def _transfer_ended(node: ConnectBase, position: Position, event: TransferEnded, now: float, actions: Actions) -> str:
    position.typed = ""  # what is left belongs to the entry that led here
    if event.outcome == "completed":
        return node.next
    return node.on.get(event.outcome) or node.on.get("other") or _end(position, "failed", actions)


def _transfer_due(node: ConnectBase, position: Position, event: TimerDue, now: float, actions: Actions) -> str:
    return _end(position, "failed", actions) if _due(position, now) else ""


def _leave_done(node: HangupNode, position: Position, event: PlayDone, now: float, actions: Actions) -> str:
    return _end(position, node.cause, actions) if event.play_id == position.play_id else ""


def _leave_due(node: HangupNode, position: Position, event: TimerDue, now: float, actions: Actions) -> str:
    return _end(position, node.cause, actions) if _due(position, now) else ""


def _gone(node: NodeBase, position: Position, event: CallerGone, now: float, actions: Actions) -> str:
    position.waiting = Waiting.ENDED
    position.deadline = None
    return ""


def _due(position: Position, now: float) -> bool:
    return position.deadline is not None and now >= position.deadline


Enter = Callable[[NodeBase, Position, float, Actions], str]
Handler = Callable[[NodeBase, Position, Event, float, Actions], str]

# Each handler takes the very node and event its key names, which a dict's type cannot say.
ENTER = cast(
    "dict[type[NodeBase], Enter]",
    {
        PlayNode: _enter_play,
        CollectNode: _enter_collect,
        BranchNode: _enter_branch,
        ExtensionNode: _enter_extension,
        DialNode: _enter_dial,
        HangupNode: _enter_hangup,
    },
)
TRANSITIONS = cast(
    "dict[tuple[Waiting, type[Event]], Handler]",
    {
        (Waiting.PLAYING, PlayDone): _play_done,
        (Waiting.PLAYING, Digit): _play_digit,
        (Waiting.PLAYING, TimerDue): _play_due,
        (Waiting.PLAYING, CallerGone): _gone,
        (Waiting.PROMPTING, PlayDone): _prompt_done,
        (Waiting.PROMPTING, Digit): _prompt_digit,
        (Waiting.PROMPTING, TimerDue): _prompt_due,
        (Waiting.PROMPTING, CallerGone): _gone,
        (Waiting.KEYING, Digit): _key_digit,
        (Waiting.KEYING, TimerDue): _key_due,
        (Waiting.KEYING, CallerGone): _gone,
        (Waiting.TRANSFERRING, TransferEnded): _transfer_ended,
        (Waiting.TRANSFERRING, TimerDue): _transfer_due,
        (Waiting.TRANSFERRING, CallerGone): _gone,
        (Waiting.LEAVING, PlayDone): _leave_done,
        (Waiting.LEAVING, TimerDue): _leave_due,
        (Waiting.LEAVING, CallerGone): _gone,
    },
)
