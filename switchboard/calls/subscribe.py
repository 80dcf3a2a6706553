"""SUBSCRIBE: a phone asks to be told, asks again, or wants no more (RFC 6665 §4.2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from routing.dialplan import ToTarget
from routing.masks.target import AorTarget, TargetError, parse_open_target
from switchboard.calls.exchange import PHONES, Exchange
from switchboard.calls.inbound import claimed_by, note_failure, refuse, screen_any
from switchboard.calls.message_waiting import summary
from switchboard.calls.subscriptions import CONTENT_TYPES, MESSAGE_SUMMARY, REFER, notify
from switchboard.calls.watching import Watch, begin_looking, look
from switchboard.sip.dialog import Dialog
from switchboard.sip.errors import SipError
from switchboard.sip.subscription import Event, Input, Subscription, event_of, expires_of

if TYPE_CHECKING:
    from switchboard.sip.message import Request
    from switchboard.sip.transaction.server import ServerTransaction
    from switchboard.sip.uri import Uri

USUAL_EXPIRES: Final = 3600
LEAST_EXPIRES: Final = 60
MOST_EXPIRES: Final = 3600
ALLOW_EVENTS: Final = f"Allow-Events: {', '.join(CONTENT_TYPES)}"


def subscribe(x: Exchange, tx: ServerTransaction, request: Request, now: float) -> None:
    """A SUBSCRIBE that would begin a subscription: of a phone to the messages of its own account, or to a line."""
    owed = screen_any(request)
    if owed is not None:
        refuse(x, tx, owed[0], now, *owed[1])
        return
    event = event_of(request)
    if event is None or event.package not in CONTENT_TYPES:
        refuse(x, tx, 489, now, ALLOW_EVENTS, reason="Bad Event")
        return
    if event.package == REFER:
        # Only a REFER makes a subscription to its outcome (RFC 3515 §2.4.4).
        refuse(x, tx, 403, now)
        return
    user = _account(x, tx, request, now)
    if user is None:
        return
    expires = _expires(x, tx, request, now)
    if expires is None:
        return
    subscription = _asked_for(x, tx, request, event, user, now + expires)
    if isinstance(subscription, int):
        refuse(x, tx, subscription, now)
        return
    owner = subscription.owner
    for old in x.subscriptions.of(owner, event.package):
        if old.source == tx.source and _same(old, subscription):
            # The phone at that address has begun anew and knows nothing of it.
            x.subscriptions.drop(old)
    if expires and not x.subscriptions.has_room(owner, event.package):
        refuse(x, tx, 503, now, "Retry-After: 300")
        return
    if expires:
        x.subscriptions.add(subscription)
        if isinstance(subscription, Watch):
            begin_looking(x, now)
    _write(x, subscription)
    _accept(x, tx, subscription, expires, now)


def _asked_for(
    x: Exchange, tx: ServerTransaction, request: Request, event: Event, user: str, until: float
) -> Subscription | int:
    """The subscription that an account wants, or the status that it is owed."""
    owner, uri = f"{user}@{x.settings.domain}", _ours(x, request)
    if uri is None or (event.package == MESSAGE_SUMMARY and uri.user_text != user):
        # Another's messages are nobody's business.
        return 403
    dialog = Dialog.as_server(request, x.token(), tx.source, nat=True)
    if event.package == MESSAGE_SUMMARY:
        return Subscription(event=event, dialog=dialog, owner=owner, source=tx.source, expires_at=until)
    line = _line(x, uri)
    if not line or not _may_watch(x, owner, line):
        return 403 if line else 404
    return Watch(
        event=event, dialog=dialog, owner=owner, source=tx.source, expires_at=until,
        line=line, entity=f"sip:{uri.user}@{uri.host}",
    )  # fmt: skip


def _may_watch(x: Exchange, owner: str, line: str) -> bool:
    """Whether an account may know what a line does, both by address-of-record: its own, one it is allowed, and those of
    agents who are in a group with its own.
    """
    allowed = x.settings.watches.get(owner.partition("@")[0], frozenset())
    return owner == line or "*" in allowed or line.partition("@")[0] in allowed or x.desk.colleagues(owner, line)


def _same(one: Subscription, other: Subscription) -> bool:
    return not isinstance(one, Watch) or not isinstance(other, Watch) or one.line == other.line


def _write(x: Exchange, subscription: Subscription) -> None:
    """Let the next NOTIFY tell what there is now."""
    if isinstance(subscription, Watch):
        look(x, subscription)
    elif subscription.event.package == MESSAGE_SUMMARY:
        owner = subscription.owner
        subscription.body = summary(owner, x.mailboxes.waiting(owner.partition("@")[0]))


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
    if isinstance(found, Watch) and not _may_watch(x, found.owner, found.line):
        refuse(x, tx, 403, now)
        return
    expires = _expires(x, tx, request, now)
    if expires is None:
        return
    found.source = tx.source
    found.expires_at = now + expires
    _write(x, found)
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


def _ours(x: Exchange, request: Request) -> Uri | None:
    """The Request-URI, if it is one of ours."""
    try:
        uri = request.request_uri
    except SipError:
        return None
    return uri if uri.is_sip and uri.host.lower() in x.settings.domains else None


def _line(x: Exchange, uri: Uri) -> str:
    """The address-of-record of the account that a URI means, or of the one whom its number rings; "" for neither."""
    user = uri.user_text
    if x.authenticator.knows(user):
        return f"{user}@{x.settings.domain}"
    route = x.routing.route(PHONES, user)
    try:
        target = parse_open_target(route.target) if isinstance(route, ToTarget) else None
    except TargetError:
        target = None
    if not isinstance(target, AorTarget):
        return ""
    return target.aor if "@" in target.aor else f"{target.aor}@{x.settings.domain}"


def notified(x: Exchange, tx: ServerTransaction, request: Request, now: float) -> None:
    """A NOTIFY: we never subscribe, so it belongs to no subscription of ours (RFC 6665 §4.1.3)."""
    if event_of(request) is None:
        refuse(x, tx, 489, now, ALLOW_EVENTS, reason="Bad Event")
    else:
        refuse(x, tx, 481, now)
