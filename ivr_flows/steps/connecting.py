"""Connecting the caller to somebody; keys pressed meanwhile belong to the talk."""

from __future__ import annotations

from ivr_flows.actions import Queue, Transfer
from ivr_flows.events import QueueEnded, TimerDue, TransferEnded
from ivr_flows.model import ConnectBase, DialNode, ExtensionNode, QueueNode
from ivr_flows.position import Waiting
from ivr_flows.turn import Turn

MAX_PRIORITY = 1000


def enter_extension(turn: Turn, node: ExtensionNode) -> str:
    """Connect by number and extension."""
    scope = turn.scope
    number, extension = node.number.fill(scope), node.extension.fill(scope)
    return _connect(turn, node, Transfer(number, extension, None, node.ringback, float(node.ring_timeout)))


def enter_dial(turn: Turn, node: DialNode) -> str:
    """Connect to a target given in full."""
    target = node.target.fill(turn.scope)
    return _connect(turn, node, Transfer(None, None, target, node.ringback, float(node.ring_timeout)))


def _connect(turn: Turn, node: ConnectBase, transfer: Transfer) -> str:
    turn.forget_keys()  # what is left belongs to the entry that led here
    turn.actions.append(transfer)
    return turn.wait(Waiting.TRANSFERRING, node.ring_timeout + node.limit)


def _ended(turn: Turn, node: ConnectBase, event: TransferEnded) -> str:
    for name, value in event.binding.items():
        turn.assign(name, value)
    if event.outcome == "completed":
        return node.next
    turn.assign("reason", event.outcome)
    return node.on.get(event.outcome) or node.on.get("other") or node.on.get("failed") or turn.end("failed")


def enter_queue(turn: Turn, node: QueueNode) -> str:
    """Join a group's queue."""
    scope = turn.scope
    turn.forget_keys()
    turn.actions.append(
        Queue(
            group=node.group.fill(scope),
            priority=_bounded(node.priority.value(scope)),
            music=turn.render(node.prompts),
            max_wait=float(node.max_wait),
            skills=node.skills.fill(scope),
            vip=_bounded(node.vip.value(scope)),
            preferred=node.preferred.fill(scope),
            callback_key=node.callback,
        )
    )
    return turn.wait(Waiting.QUEUED, node.max_wait + node.limit)


def _bounded(value: str | int) -> int:
    return max(-MAX_PRIORITY, min(MAX_PRIORITY, value)) if isinstance(value, int) else 0


def _served(turn: Turn, node: QueueNode, event: QueueEnded) -> str:
    if event.outcome == "completed":
        return node.next
    turn.assign("reason", event.outcome)
    return node.on.get(event.outcome) or node.on.get("other") or node.on.get("failed") or turn.end("failed")


def _lost(turn: Turn, node: ConnectBase | QueueNode, event: TimerDue) -> str:
    return turn.end("failed") if turn.due else ""


ENTER = {ExtensionNode: enter_extension, DialNode: enter_dial, QueueNode: enter_queue}
TRANSITIONS = {
    (Waiting.TRANSFERRING, TransferEnded): _ended,
    (Waiting.TRANSFERRING, TimerDue): _lost,
    (Waiting.QUEUED, QueueEnded): _served,
    (Waiting.QUEUED, TimerDue): _lost,
}
