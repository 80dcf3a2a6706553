"""Playing and speaking, and the last words."""

from __future__ import annotations

from ivr_flows.actions import Speech
from ivr_flows.events import Digit, PlayDone, TimerDue
from ivr_flows.model import CallbackNode, HangupNode, PlayNode, SayNode
from ivr_flows.position import Waiting
from ivr_flows.prompt import said
from ivr_flows.turn import LOOP_LIMIT, PROMPT_LIMIT, Turn

Talking = PlayNode | SayNode | CallbackNode  # a callback's confirmation is played like any prompt


def enter_play(turn: Turn, node: PlayNode) -> str:
    """Play, unless the caller has already pressed keys to get on."""
    limit = node.limit or (LOOP_LIMIT if node.loop else PROMPT_LIMIT)
    return _play(turn, node, turn.render(node.prompts), limit, loop=node.loop)


def enter_say(turn: Turn, node: SayNode) -> str:
    """Speak, unless the caller has already pressed keys to get on."""
    variables = turn.position.variables
    speech = said(node.text, variables, str(variables.get("language", "")), turn.flow.language)
    return _play(turn, node, (speech,) if speech.text.strip() else (), PROMPT_LIMIT)


def _play(
    turn: Turn, node: PlayNode | SayNode, heard: tuple[str | Speech, ...], limit: float, *, loop: bool = False
) -> str:
    if not heard or (node.barge_in and turn.position.typed and node.next is not None):
        return node.next or turn.end("failed")
    turn.play(heard, loop)
    return turn.wait(Waiting.PLAYING, limit)


def _key(turn: Turn, node: Talking, event: Digit) -> str:
    if turn.remember(event.digit) and node.barge_in and node.next is not None:
        turn.stop()
        return node.next
    return ""


def _done(turn: Turn, node: Talking, event: PlayDone) -> str:
    if event.play_id != turn.position.play_id:
        return ""
    return node.next or turn.end("failed")  # music that ends by itself could not be played


def _due(turn: Turn, node: Talking, event: TimerDue) -> str:
    if not turn.due:
        return ""
    turn.stop()
    return node.next or turn.end("normal")


def enter_hangup(turn: Turn, node: HangupNode) -> str:
    """Say the last words and hang up."""
    heard = () if turn.position.gone else turn.render(node.prompts)
    if not heard:
        return turn.end(node.cause)
    turn.play(heard)
    return turn.wait(Waiting.LEAVING, PROMPT_LIMIT)


def _left(turn: Turn, node: HangupNode, event: PlayDone) -> str:
    return turn.end(node.cause) if event.play_id == turn.position.play_id else ""


def _leave_due(turn: Turn, node: HangupNode, event: TimerDue) -> str:
    return turn.end(node.cause) if turn.due else ""


ENTER = {PlayNode: enter_play, SayNode: enter_say, HangupNode: enter_hangup}
TRANSITIONS = {
    (Waiting.PLAYING, PlayDone): _done,
    (Waiting.PLAYING, Digit): _key,
    (Waiting.PLAYING, TimerDue): _due,
    (Waiting.LEAVING, PlayDone): _left,
    (Waiting.LEAVING, TimerDue): _leave_due,
}
