"""Asking servers, and leaving the wish to be called back; keys pressed meanwhile are kept."""

from __future__ import annotations

import re

from ivr_flows.actions import Callback, Http
from ivr_flows.events import CallbackTaken, Digit, HttpDone, TimerDue
from ivr_flows.expressions import Text
from ivr_flows.model import CallbackNode, HttpNode, NodeBase
from ivr_flows.position import Waiting
from ivr_flows.prompt import Prompt
from ivr_flows.turn import PROMPT_LIMIT, Turn

GRACE = 1.0  # a request ends within its own timeout; an end that is never reported must not hold the caller
CALLBACK_LIMIT = 5.0

_TELEPHONE = re.compile(r"\+?[0-9]{3,20}\Z")
_UNPRINTABLE = re.compile(r"[^\t\x20-\x7e\x80-\U0010ffff]")


def request(
    turn: Turn, method: str, url: Text, headers: dict[str, Text], body: bytes | None, timeout: float, retries: int = 0
) -> None:
    """Ask a server."""
    scope, position = turn.scope, turn.position
    filled = {name: _UNPRINTABLE.sub("", text.fill(scope)) for name, text in headers.items()}
    position.requests += 1
    turn.actions.append(Http(position.requests, method, url.fill_url(scope), filled, body, timeout, retries))


def meanwhile(turn: Turn, prompts: tuple[Prompt, ...]) -> None:
    """Let the caller hear something until the answer comes."""
    heard = () if turn.position.gone else turn.render(prompts)
    if heard:
        turn.play(heard, loop=True)


def quiet(turn: Turn, prompts: tuple[Prompt, ...]) -> None:
    """Stop what was heard meanwhile."""
    if prompts and not turn.position.gone:
        turn.stop()


def kept_key(turn: Turn, node: NodeBase, event: Digit) -> str:
    """Keep a key for what is asked after the answer."""
    turn.remember(event.digit)
    return ""


def enter_http(turn: Turn, node: HttpNode) -> str:
    """Ask, and let the caller hear something meanwhile."""
    body = None if node.json is None else node.json.fill(turn.scope)
    request(turn, node.method, node.url, node.headers, body, float(node.timeout), node.retries)
    meanwhile(turn, node.waiting)
    return turn.wait(Waiting.REQUESTING, node.timeout + GRACE)


def _answered(turn: Turn, node: HttpNode, event: HttpDone) -> str:
    if event.request_id != turn.position.requests:
        return ""
    quiet(turn, node.waiting)
    if not event.status or event.error in ("timeout", "unreachable", "busy"):
        return _unanswered(node, timeout=event.error == "timeout")
    stated = node.on_status.get(str(event.status))
    good = 200 <= event.status < 300 and (not event.error or not node.set)
    if stated is None and not good:
        return node.on_error
    body = None if event.error else event.body
    for name, path in node.set.items():
        turn.assign(name, path.find(body))
    return stated or node.next


def _overdue(turn: Turn, node: HttpNode, event: TimerDue) -> str:
    if not turn.due:
        return ""
    quiet(turn, node.waiting)
    return _unanswered(node, timeout=True)


def _unanswered(node: HttpNode, *, timeout: bool) -> str:
    return node.on_timeout if timeout and node.on_timeout is not None else node.on_error


def enter_callback(turn: Turn, node: CallbackNode) -> str:
    """Leave the wish, where there is a number to call."""
    scope, position = turn.scope, turn.position
    number = node.number.fill(scope)
    if not _TELEPHONE.match(number):
        return node.on_refused
    position.requests += 1
    turn.actions.append(Callback(position.requests, number, node.group.fill(scope)))
    return turn.wait(Waiting.CALLING_BACK, CALLBACK_LIMIT)


def _taken(turn: Turn, node: CallbackNode, event: CallbackTaken) -> str:
    if event.request_id != turn.position.requests:
        return ""
    if not event.accepted:
        return node.on_refused
    heard = turn.render(node.prompts)
    if not heard:
        return node.next
    turn.play(heard)
    return turn.wait(Waiting.PLAYING, PROMPT_LIMIT)


def _not_taken(turn: Turn, node: CallbackNode, event: TimerDue) -> str:
    return node.on_refused if turn.due else ""


ENTER = {HttpNode: enter_http, CallbackNode: enter_callback}
TRANSITIONS = {
    (Waiting.REQUESTING, HttpDone): _answered,
    (Waiting.REQUESTING, Digit): kept_key,
    (Waiting.REQUESTING, TimerDue): _overdue,
    (Waiting.CALLING_BACK, CallbackTaken): _taken,
    (Waiting.CALLING_BACK, Digit): kept_key,
    (Waiting.CALLING_BACK, TimerDue): _not_taken,
}
