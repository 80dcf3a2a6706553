"""Entries of digits: asking, taking keys, and asking again; no key is lost and none counts twice."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import cast

from ivr_flows.actions import Consent
from ivr_flows.events import Digit, PlayDone, TimerDue
from ivr_flows.model import DTMF, CollectNode, ConsentNode, Entry, IdentifyNode, MenuNode, NodeBase, SurveyNode
from ivr_flows.position import Position, Waiting
from ivr_flows.prompt import Prompt
from ivr_flows.turn import PROMPT_LIMIT, Turn

Asking = MenuNode | CollectNode | ConsentNode | SurveyNode | IdentifyNode


class Verdict(Enum):
    """How an entry stands."""

    OPEN = "open"
    """More keys may come."""
    DONE = "done"
    INVALID = "invalid"
    TIMEOUT = "timeout"
    """No key came in time."""
    ESCAPED = "escaped"
    """The caller took the way around it."""


Finish = Callable[[Turn, NodeBase, Verdict, str], str]
FINISH: dict[type[NodeBase], Finish] = {}
"""What a kind of node does once its entry is made or has failed; given the digits, returns the next node."""


def ask(turn: Turn, node: Asking) -> str:
    """Ask for an entry."""
    turn.position.tries = 0
    entry = entry_of(turn, node)
    return attempt(turn, node, entry, entry.prompts)


def entry_of(turn: Turn, node: Asking) -> Entry:
    """Return what a node asks for just now."""
    return node.questions[turn.position.question] if isinstance(node, SurveyNode) else node


def attempt(turn: Turn, node: Asking, entry: Entry, prompts: tuple[Prompt, ...]) -> str:
    """Begin an attempt; keys pressed ahead may fill it without a prompt."""
    position = turn.position
    position.collected = ""
    if entry.secret:
        # Also of what was typed ahead: its last key may be held yet, and more may come.
        turn.conceal()
    if position.typed and (entry.barge_in or not prompts):
        verdict = _take_typed(entry, position)
        if verdict is not Verdict.OPEN or position.collected:
            return _settle(turn, node, entry, verdict)
    heard = turn.render(prompts)
    if not heard:
        return _settle(turn, node, entry, Verdict.OPEN)
    turn.play(heard)
    return turn.wait(Waiting.PROMPTING, PROMPT_LIMIT)


def _idle(entry: Entry, position: Position, digit: str) -> bool:
    """Whether a first key means nothing: no digit, or one that closed the entry before."""
    if digit == entry.escape:
        return False
    closing, position.closing = position.closing, ""
    if digit in closing and digit not in entry.choices:
        return True
    return bool(entry.min) and digit in entry.terminators


def _take(entry: Entry, position: Position, digit: str) -> Verdict:
    """Add a key to the entry."""
    collected = position.collected
    if not collected:
        if _idle(entry, position, digit):
            return Verdict.OPEN
        if digit == entry.escape:
            return Verdict.ESCAPED
    if digit in entry.terminators:
        return Verdict.DONE if len(collected) >= entry.min else Verdict.INVALID
    collected += digit
    position.collected = collected
    if len(collected) < entry.max:
        return Verdict.OPEN
    if entry.choices and collected not in entry.choices:
        return Verdict.INVALID
    position.closing = entry.terminators
    return Verdict.DONE


def _take_typed(entry: Entry, position: Position) -> Verdict:
    typed = position.typed
    for used, digit in enumerate(typed, 1):
        verdict = _take(entry, position, digit)
        if verdict is not Verdict.OPEN:
            position.typed = typed[used:]
            return verdict
    position.typed = ""
    return Verdict.OPEN


def _settle(turn: Turn, node: Asking, entry: Entry, verdict: Verdict) -> str:
    """Go on as an entry's verdict says; wait for keys while it is open."""
    if verdict is Verdict.OPEN:
        return turn.wait(Waiting.KEYING, entry.digit_timeout if turn.position.collected else entry.first_timeout)
    if verdict in _FAILED and turn.position.tries < entry.retries:
        turn.position.tries += 1
        return attempt(turn, node, entry, entry.retry_prompts or entry.prompts)
    digits, turn.position.collected = turn.position.collected, ""
    return FINISH[type(node)](turn, node, verdict, digits)


_FAILED = frozenset({Verdict.INVALID, Verdict.TIMEOUT})


def _prompt_key(turn: Turn, node: Asking, event: Digit) -> str:
    entry, digit = entry_of(turn, node), event.digit
    if not entry.barge_in:
        turn.remember(digit)
        return ""
    if digit not in DTMF or _idle(entry, turn.position, digit):
        return ""
    turn.stop()
    return _settle(turn, node, entry, _take(entry, turn.position, digit))


def _prompt_done(turn: Turn, node: Asking, event: PlayDone) -> str:
    return _listen(turn, node) if event.play_id == turn.position.play_id else ""


def _prompt_due(turn: Turn, node: Asking, event: TimerDue) -> str:
    if not turn.due:
        return ""
    turn.stop()
    return _listen(turn, node)


def _listen(turn: Turn, node: Asking) -> str:
    entry = entry_of(turn, node)
    return _settle(turn, node, entry, _take_typed(entry, turn.position))


def _key(turn: Turn, node: Asking, event: Digit) -> str:
    position, digit = turn.position, event.digit
    entry = entry_of(turn, node)
    if digit not in DTMF or (not position.collected and _idle(entry, position, digit)):
        return ""
    return _settle(turn, node, entry, _take(entry, position, digit))


def _key_due(turn: Turn, node: Asking, event: TimerDue) -> str:
    if not turn.due:
        return ""
    entry, digits = entry_of(turn, node), len(turn.position.collected)
    verdict = Verdict.TIMEOUT if not digits else Verdict.DONE if digits >= entry.min else Verdict.INVALID
    return _settle(turn, node, entry, verdict)


# --- what the entries are for ---


def _chosen(turn: Turn, node: MenuNode, verdict: Verdict, digits: str) -> str:
    if verdict is not Verdict.DONE:
        return node.on_timeout if verdict is Verdict.TIMEOUT else node.on_invalid
    turn.note(digits)
    if node.into is not None:
        turn.assign(node.into, digits)
    return node.keys[digits]


def _collected(turn: Turn, node: CollectNode, verdict: Verdict, digits: str) -> str:
    if verdict is not Verdict.DONE:
        return node.on_timeout if verdict is Verdict.TIMEOUT else node.on_invalid
    turn.note(f"{len(digits)} digit{'' if len(digits) == 1 else 's'}")
    turn.assign(node.into, digits, secret=node.secret)
    return node.next


def _agreed(turn: Turn, node: ConsentNode, verdict: Verdict, digits: str) -> str:
    given = verdict is Verdict.DONE and digits == node.accept
    if verdict is Verdict.DONE:
        turn.note(digits)
    turn.position.consent = given
    turn.actions.append(Consent(given))
    if verdict is Verdict.TIMEOUT and node.on_timeout is not None:
        return node.on_timeout
    return node.accepted if given else node.declined


def enter_survey(turn: Turn, node: SurveyNode) -> str:
    """Ask the first question."""
    turn.position.question = 0
    return ask(turn, node)


def _answered(turn: Turn, node: SurveyNode, verdict: Verdict, digits: str) -> str:
    position = turn.position
    if verdict is Verdict.DONE:
        turn.note(digits)
        name = node.questions[position.question].name
        position.survey[name] = digits
        turn.assign(name, digits)
    position.question += 1
    if position.question < len(node.questions):
        return ask(turn, node)
    return node.next if any(question.name in position.survey for question in node.questions) else node.on_none


FINISH.update(
    cast(
        "dict[type[NodeBase], Finish]",
        {MenuNode: _chosen, CollectNode: _collected, ConsentNode: _agreed, SurveyNode: _answered},
    )
)
ENTER = {MenuNode: ask, CollectNode: ask, ConsentNode: ask, SurveyNode: enter_survey}
TRANSITIONS = {
    (Waiting.PROMPTING, PlayDone): _prompt_done,
    (Waiting.PROMPTING, Digit): _prompt_key,
    (Waiting.PROMPTING, TimerDue): _prompt_due,
    (Waiting.KEYING, Digit): _key,
    (Waiting.KEYING, TimerDue): _key_due,
}
