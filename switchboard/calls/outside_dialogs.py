"""Requests outside a dialog that concern no call."""

from __future__ import annotations

from switchboard.calls.answering import ALLOW, SUPPORTED
from switchboard.calls.exchange import Exchange
from switchboard.calls.inbound import refuse, screen_any
from switchboard.calls.subscribe import ALLOW_EVENTS
from switchboard.sip.message import Request
from switchboard.sip.transaction.server import ServerTransaction
from switchboard.sip.validate import KNOWN_METHODS


def options(x: Exchange, tx: ServerTransaction, request: Request, now: float) -> None:
    """What we can, also when asked with Max-Forwards 0: the question is for us (RFC 3261 §11.2)."""
    owed = screen_any(request)
    if owed is not None:
        refuse(x, tx, owed[0], now, *owed[1])
        return
    headers = (ALLOW, SUPPORTED, *x.extensions, ALLOW_EVENTS, "Accept: application/sdp", x.contact)
    x.core.respond(tx, 200, "OK", to_tag=x.token(), headers=headers, now=now)


def not_taken(x: Exchange, tx: ServerTransaction, request: Request, now: float) -> None:
    """A request outside a dialog that makes sense only within one, or that nobody knows."""
    if request.method in ("BYE", "INFO", "UPDATE", "PRACK"):
        refuse(x, tx, 481, now)
    elif request.method == "REFER":
        # Nobody's program may have us call somebody; what is referred is a call.
        refuse(x, tx, 403, now)
    else:
        refuse(x, tx, 405 if request.method in KNOWN_METHODS else 501, now, ALLOW)
