"""Hearing the messages of a mailbox."""

from __future__ import annotations

from ivr_flows.actions import Mailbox
from ivr_flows.events import Digit, MailboxDone, PlayDone, TimerDue
from ivr_flows.nodes.mailbox import PLAYED, MailboxNode, MessageNode
from ivr_flows.position import Waiting
from ivr_flows.turn import Turn

OPENING_LIMIT = 10.0
LISTENING_LIMIT = 3600.0  # a message whose end is never reported, because the media worker died with it


def enter_mailbox(turn: Turn, node: MailboxNode) -> str:
    """Ask for the box."""
    scope = turn.scope
    turn.position.requests += 1
    turn.actions.append(Mailbox("open", turn.position.requests, node.box.fill(scope), node.pin.fill(scope)))
    return turn.wait(Waiting.BROWSING, OPENING_LIMIT)


def enter_message(turn: Turn, node: MessageNode) -> str:
    """Ask for a message, or have one kept or deleted."""
    turn.position.requests += 1
    turn.actions.append(Mailbox(node.do, turn.position.requests))
    return turn.wait(Waiting.BROWSING, OPENING_LIMIT)


def _browsed(turn: Turn, node: MailboxNode | MessageNode, event: MailboxDone) -> str:
    if event.request_id != turn.position.requests:
        return ""
    if isinstance(node, MailboxNode):
        if event.refused:
            return node.on_refused
        turn.assign("messages_new", event.new)
        turn.assign("messages_heard", event.heard)
        return node.next if event.found else node.on_empty
    if not event.found:
        return node.on_empty
    if node.do not in PLAYED:
        return node.next
    turn.assign("message_number", event.number)
    turn.play((*turn.render(node.prompts), event.sound))
    return turn.wait(Waiting.LISTENING, LISTENING_LIMIT)


def _not_browsed(turn: Turn, node: MailboxNode | MessageNode, event: TimerDue) -> str:
    if not turn.due:
        return ""
    return node.on_refused if isinstance(node, MailboxNode) else node.on_empty


def _kept_key(turn: Turn, node: MailboxNode | MessageNode, event: Digit) -> str:
    turn.remember(event.digit)
    return ""


def _key(turn: Turn, node: MessageNode, event: Digit) -> str:
    if not turn.remember(event.digit):
        return ""
    turn.stop()
    return node.next


def _heard(turn: Turn, node: MessageNode, event: PlayDone) -> str:
    if event.play_id != turn.position.play_id:
        return ""
    turn.actions.append(Mailbox("heard"))
    return node.next


def _unheard(turn: Turn, node: MessageNode, event: TimerDue) -> str:
    if not turn.due:
        return ""
    turn.stop()
    return node.next


ENTER = {MailboxNode: enter_mailbox, MessageNode: enter_message}
TRANSITIONS = {
    (Waiting.BROWSING, MailboxDone): _browsed,
    (Waiting.BROWSING, Digit): _kept_key,
    (Waiting.BROWSING, TimerDue): _not_browsed,
    (Waiting.LISTENING, PlayDone): _heard,
    (Waiting.LISTENING, Digit): _key,
    (Waiting.LISTENING, TimerDue): _unheard,
}
