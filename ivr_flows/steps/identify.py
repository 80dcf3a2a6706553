"""Finding out who calls (核身).

    state      event               goes to
    (entered)  no calling number   asking
    (entered)  calling number      CHECKING
    CHECKING   own                 exit own_number
    CHECKING   not own             asking
    asking     entry made          VERIFYING
    asking     no or a bad entry   asking again, or exit failed after the last attempt
    asking     skip key            exit skipped
    VERIFYING  verified            exit verified
    VERIFYING  not verified        asking again, or exit failed after the last attempt
    CHECKING, VERIFYING: any other answer, or none in time: exit unavailable

Asking is an entry as any other (PROMPTING, KEYING), secret, and recordings hold silence from the first question until
the node is left. The digits go into the request and are kept no longer than until its answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec

from ivr_flows.events import Digit, HttpDone, TimerDue
from ivr_flows.identity import Identity, Status
from ivr_flows.model import IdentifyNode, NodeBase
from ivr_flows.position import Waiting
from ivr_flows.prompt import Prompt
from ivr_flows.steps.backend import GRACE, kept_key, meanwhile, quiet, request
from ivr_flows.steps.entry import FINISH, Finish, Verdict, attempt
from ivr_flows.turn import TELLING, Turn

MAX_SUBJECT = 64


def enter_identify(turn: Turn, node: IdentifyNode) -> str:
    """Ask the backend about the calling number; who hides theirs is asked at once."""
    turn.position.identity = Identity(asked_at=turn.now)
    caller = _caller(turn)
    if not caller:
        return _ask(turn, node, node.ask.prompts)
    _request(turn, node, {"step": "number", "caller": caller})
    return turn.wait(Waiting.CHECKING, node.timeout + GRACE)


def _request(turn: Turn, node: IdentifyNode, body: Mapping[str, str]) -> None:
    request(turn, "POST", node.url, node.headers, msgspec.json.encode(body), float(node.timeout))
    meanwhile(turn, node.waiting)


def _caller(turn: Turn) -> str:
    return str(turn.scope.get("caller", ""))


def _checked(turn: Turn, node: IdentifyNode, event: HttpDone) -> str:
    if event.request_id != turn.position.requests:
        return ""
    quiet(turn, node.waiting)
    own = _word(event, "own")
    if own is None:
        return _leave(turn, node, "unavailable", method="number")
    if own:
        return _leave(turn, node, "own_number", method="number", subject=_subject(turn, event))
    return _ask(turn, node, node.ask.prompts)


def _ask(turn: Turn, node: IdentifyNode, prompts: tuple[Prompt, ...]) -> str:
    turn.position.tries = 0
    turn.position.identity = msgspec.structs.replace(turn.position.identity, method=node.ask.method)
    return attempt(turn, node, node, prompts)


def _entered(turn: Turn, node: IdentifyNode, verdict: Verdict, digits: str) -> str:
    """Have an entry verified; one that was not made counts as an attempt too."""
    position = turn.position
    if verdict is Verdict.ESCAPED:
        return _leave(turn, node, "skipped")
    position.identity = msgspec.structs.replace(position.identity, attempts=position.identity.attempts + 1)
    if verdict is not Verdict.DONE:
        return _again(turn, node)
    turn.note(f"{len(digits)} digits")
    position.collected = digits
    body = {"step": "verify", "caller": _caller(turn), "method": node.ask.method, "digits": digits}
    _request(turn, node, body)
    return turn.wait(Waiting.VERIFYING, node.timeout + GRACE)


def _verified(turn: Turn, node: IdentifyNode, event: HttpDone) -> str:
    if event.request_id != turn.position.requests:
        return ""
    quiet(turn, node.waiting)
    verified = _word(event, "verified")
    subject = _subject(turn, event)
    turn.position.collected = ""
    if verified is None:
        return _leave(turn, node, "unavailable")
    if verified:
        return _leave(turn, node, "verified", subject=subject)
    return _again(turn, node)


def _again(turn: Turn, node: IdentifyNode) -> str:
    if turn.position.identity.attempts >= node.attempts:
        return _leave(turn, node, "failed")
    return _ask(turn, node, node.ask.retry_prompts or node.ask.prompts)


def _overdue(turn: Turn, node: IdentifyNode, event: TimerDue) -> str:
    if not turn.due:
        return ""
    quiet(turn, node.waiting)
    return _leave(turn, node, "unavailable", method="" if turn.position.identity.method else "number")


def _leave(turn: Turn, node: IdentifyNode, status: Status, *, method: str = "", subject: str = "") -> str:
    """Settle who calls, and go on as it is."""
    position = turn.position
    identity = position.identity
    took = turn.now - (turn.now if identity.asked_at is None else identity.asked_at)
    position.identity = msgspec.structs.replace(
        identity, status=status, method=method or identity.method, subject=subject, took=took
    )
    position.collected = ""
    turn.assign("identity", status)
    turn.assign("subject", subject)
    return _exit(node, status)


def _exit(node: IdentifyNode, status: Status) -> str:
    exits = {
        "own_number": node.own_number,
        "verified": node.verified,
        "failed": node.failed,
        "skipped": node.skipped or node.failed,
        "unavailable": node.unavailable,
    }
    return exits[status]


def _word(event: HttpDone, name: str) -> bool | None:
    """Return the backend's yes or no; None when it said neither."""
    body = event.body
    if event.error or not 200 <= event.status < 300 or not isinstance(body, dict):
        return None
    word = body.get(name)
    return word if isinstance(word, bool) else None


def _subject(turn: Turn, event: HttpDone) -> str:
    """Return the backend's name for the person; none when it gives away what must not be known."""
    subject = event.body.get("subject") if isinstance(event.body, dict) else None
    if isinstance(subject, bool) or not isinstance(subject, str | int):
        return ""
    text, digits = str(subject)[:MAX_SUBJECT], turn.position.collected
    return "" if (len(digits) >= TELLING and digits in text) or turn.telling(text) else text


FINISH.update(cast("dict[type[NodeBase], Finish]", {IdentifyNode: _entered}))
ENTER = {IdentifyNode: enter_identify}
TRANSITIONS = {
    (Waiting.CHECKING, HttpDone): _checked,
    (Waiting.CHECKING, Digit): kept_key,
    (Waiting.CHECKING, TimerDue): _overdue,
    (Waiting.VERIFYING, HttpDone): _verified,
    (Waiting.VERIFYING, Digit): kept_key,
    (Waiting.VERIFYING, TimerDue): _overdue,
}
