"""SUBSCRIBE: a phone asks to be told, asks again, or wants no more (RFC 6665 §4.2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from switchboard.calls.inbound import claimed_by, note_failure, refuse, screen_any
from switchboard.calls.message_waiting import summary
from switchboard.calls.subscriptions import CONTENT_TYPES, MESSAGE_SUMMARY, notify
from switchboard.sip.dialog import Dialog
from switchboard.sip.errors import SipError
from switchboard.sip.subscription import Input, Subscription, event_of, expires_of

if TYPE_CHECKING:
    from switchboard.calls.exchange import Exchange
    from switchboard.sip.message import Request
    from switchboard.sip.transaction.server import ServerTransaction

USUAL_EXPIRES: Final = 3600
LEAST_EXPIRES: Final = 60
MOST_EXPIRES: Final = 3600
ALLOW_EVENTS: Final = f"Allow-Events: {', '.join(CONTENT_TYPES)}"


def subscribe(x: Exchange, tx: ServerTransaction, request: Request, now: float) -> None:
    """A SUBSCRIBE that would begin a subscription: of a phone to the messages of its own account."""
    owed = screen_any(request)
    if owed is not None:
        refuse(x, tx, owed[0], now, *owed[1])
        return
    event = event_of(request)
    if event is None or event.package not in CONTENT_TYPES:
        refuse(x, tx, 489, now, ALLOW_EVENTS, reason="Bad Event")
        return
    if event.package != MESSAGE_SUMMARY:
        # Only a REFER makes a subscription to its outcome (RFC 3515 §2.4.4).
        refuse(x, tx, 403, now)
        return
    user = _account(x, tx, request, now)
    if user is None:
        return
    expires = _expires(x, tx, request, now)
    if expires is None:
        return
    owner = f"{user}@{x.settings.domain}"
    if not _names(x, request, user):
        refuse(x, tx, 403, now)
        return
    for old in x.subscriptions.of(owner, event.package):
        if old.source == tx.source:
            # The phone at that address has begun anew and knows nothing of it.
            x.subscriptions.drop(old)
    if expires and not x.subscriptions.has_room(owner):
        refuse(x, tx, 503, now, "Retry-After: 300")
        return
    dialog = Dialog.as_server(request, x.token(), tx.source, nat=True)
    subscription = Subscription(
        event=event, dialog=dialog, owner=owner, source=tx.source, expires_at=now + expires,
        body=summary(owner, x.mailboxes.waiting(user)),
    )  # fmt: skip
    if expires:
        x.subscriptions.add(subscription)
    _accept(x, tx, subscription, expires, now)


def subscribe_again(x: Exchange, tx: ServerTransaction, request: Request, now: float) -> None:
    """A SUBSCRIBE within a dialog: it renews a subscription or ends it; 481 when there is none."""
    event = event_of(request)
    if event is None or event.package not in CONTENT_TYPES:
        refuse(x, tx, 489, now, ALLOW_EVENTS, reason="Bad Event")
        return
    found = x.subscriptions.find(request.call_id, request.to_tag or "", event)
    if found is None or found.dialog.remote_tag != (request.from_tag or ""):
        refuse(x, tx, 481, now)
        return
    if not found.dialog.accept(request, tx.source):
        refuse(x, tx, 500, now, "Retry-After: 1", reason="CSeq Out Of Order")
        return
    expires = _expires(x, tx, request, now)
    if expires is None:
        return
    found.source = tx.source
    found.expires_at = now + expires
    if found.event.package == MESSAGE_SUMMARY:
        found.body = summary(found.owner, x.mailboxes.waiting(found.owner.partition("@")[0]))
    if expires:
        x.subscriptions.arm(found)
    _accept(x, tx, found, expires, now)


def _accept(x: Exchange, tx: ServerTransaction, subscription: Subscription, expires: int, now: float) -> None:
    """200 with the time granted, and the state at once (RFC 6665 §4.2.1.2)."""
    tag = subscription.dialog.local_tag
    x.core.respond(tx, 200, "OK", to_tag=tag, headers=(x.contact, f"Expires: {expires}"), now=now)
    notify(x, subscription, Input.SUBSCRIBE if expires else Input.FETCH, now)


def _account(x: Exchange, tx: ServerTransaction, request: Request, now: float) -> str | None:
    """The account that has proved itself; None when it is challenged."""
    credentials, stale = x.authenticator.meant(request.headers.getall("authorization")), False
    if credentials is not None:
        user, stale = x.authenticator.user(credentials, "SUBSCRIBE", request.uri, now)
        if user is not None:
            x.door.proved(tx.source, now)
            return user
    claimed = claimed_by(x, tx, request, now)
    note_failure(x, tx, claimed, credentials, now, stale=stale)
    challenge = x.authenticator.challenge(now, claimed, stale=stale)
    refuse(x, tx, 401, now, *(f"WWW-Authenticate: {value}" for value in challenge))
    return None


def _expires(x: Exchange, tx: ServerTransaction, request: Request, now: float) -> int | None:
    """The seconds granted; None when they are malformed or too few, and that is answered."""
    expires = expires_of(request, USUAL_EXPIRES, MOST_EXPIRES)
    if expires is None:
        refuse(x, tx, 400, now)
    elif 0 < expires < LEAST_EXPIRES:
        refuse(x, tx, 423, now, f"Min-Expires: {LEAST_EXPIRES}")
        return None
    return expires


def _names(x: Exchange, request: Request, user: str) -> bool:
    """Whether the Request-URI is the account itself; another's messages are nobody's business."""
    try:
        uri = request.request_uri
    except SipError:
        return False
    return uri.is_sip and uri.user_text == user and uri.host.lower() in x.settings.domains


def notified(x: Exchange, tx: ServerTransaction, request: Request, now: float) -> None:
    """A NOTIFY: we never subscribe, so it belongs to no subscription of ours (RFC 6665 §4.1.3)."""
    if event_of(request) is None:
        refuse(x, tx, 489, now, ALLOW_EVENTS, reason="Bad Event")
    else:
        refuse(x, tx, 481, now)
