"""Keeping what is said: the call's recording, messages for mailboxes; and that no more calls are wanted."""

from __future__ import annotations

from ivr_flows.actions import Message, Record, Refuse, StopMessage
from ivr_flows.events import Digit, MessageDone, PlayDone, TimerDue
from ivr_flows.model import RecordNode, RefuseNode, VoicemailNode
from ivr_flows.position import Waiting
from ivr_flows.turn import PROMPT_LIMIT, Turn

BEEP = "tone:1000:0.4"
MESSAGE_GRACE = 5.0  # a message ends by its own limit; an end that is never reported must not hold the caller


def enter_record(turn: Turn, node: RecordNode) -> str:
    """Say so to the recorder."""
    turn.actions.append(Record(node.do))
    return node.next


def enter_refuse(turn: Turn, node: RefuseNode) -> str:
    """Have it kept."""
    turn.actions.append(Refuse(node.withdrawn))
    return node.next


def enter_voicemail(turn: Turn, node: VoicemailNode) -> str:
    """Greet and beep; keys pressed before mean nothing to a mailbox."""
    turn.forget_keys()
    turn.play((*turn.render(node.prompts), BEEP))
    return turn.wait(Waiting.GREETING, PROMPT_LIMIT)


def _greeting_key(turn: Turn, node: VoicemailNode, event: Digit) -> str:
    """Skip the greeting, once."""
    if not node.prompts or event.digit not in node.terminators or turn.position.closing:
        return ""
    turn.position.closing = node.terminators
    turn.play((BEEP,))
    return turn.wait(Waiting.GREETING, PROMPT_LIMIT)


def _greeted(turn: Turn, node: VoicemailNode, event: PlayDone) -> str:
    return _record(turn, node) if event.play_id == turn.position.play_id else ""


def _not_greeted(turn: Turn, node: VoicemailNode, event: TimerDue) -> str:
    if not turn.due:
        return ""
    turn.stop()
    return _record(turn, node)


def _record(turn: Turn, node: VoicemailNode) -> str:
    position = turn.position
    position.closing = ""
    position.requests += 1
    box = node.box.fill(turn.scope)
    turn.actions.append(
        Message(box, float(node.max), float(node.min), float(node.silence), node.terminators, position.requests)
    )
    return turn.wait(Waiting.MESSAGING, node.max + MESSAGE_GRACE)


def _said(turn: Turn, node: VoicemailNode, event: MessageDone) -> str:
    if event.message_id != turn.position.requests:
        return ""
    if event.reason == "failed":
        return node.on_error
    return node.next if event.seconds >= node.min else node.on_empty


def _unsaid(turn: Turn, node: VoicemailNode, event: TimerDue) -> str:
    if not turn.due:
        return ""
    turn.actions.append(StopMessage())
    return node.on_error


ENTER = {RecordNode: enter_record, RefuseNode: enter_refuse, VoicemailNode: enter_voicemail}
TRANSITIONS = {
    (Waiting.GREETING, PlayDone): _greeted,
    (Waiting.GREETING, Digit): _greeting_key,
    (Waiting.GREETING, TimerDue): _not_greeted,
    (Waiting.MESSAGING, MessageDone): _said,
    (Waiting.MESSAGING, TimerDue): _unsaid,
}
