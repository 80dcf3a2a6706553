"""Message waiting: the lamp of a phone whose box has messages, told at each change and at first (RFC 3842)."""

from __future__ import annotations

from switchboard.calls.exchange import Exchange
from switchboard.calls.reaching import reach
from switchboard.calls.subscriptions import CONTENT_TYPES, MESSAGE_SUMMARY, notify
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.sip.subscription import Input


def summary(aor: str, waiting: tuple[int, int]) -> bytes:
    """The body that tells of new and heard messages (RFC 3842 §5.2)."""
    new, heard = waiting
    lamp = "yes" if new else "no"
    return f"Messages-Waiting: {lamp}\r\nMessage-Account: sip:{aor}\r\nVoice-Message: {new}/{heard}\r\n".encode()


def tell_waiting(x: Exchange, box: str, waiting: tuple[int, int], now: float) -> None:
    """NOTIFY every phone registered for the box's account of its new and heard messages, if there is one.

    A phone that has subscribed is told within its subscription; the others without one, as most phones take it.
    """
    aor = box if "@" in box else f"{box}@{x.settings.domain}"
    if not aor.isascii() or any(character in aor for character in ' <>"\r\n'):
        return
    body = summary(aor, waiting)
    subscribed = x.subscriptions.of(aor, MESSAGE_SUMMARY)
    for subscription in subscribed:
        subscription.body = body
        notify(x, subscription, Input.CHANGE, now)
    told = {subscription.source for subscription in subscribed}
    for binding in x.registrar.lookup(aor, now):
        if binding.source in told:
            continue
        way = reach(binding)
        x.core.request(
            OutgoingRequest(
                method="NOTIFY",
                uri=way.uri,
                destination=way.address,
                routes=way.routes,
                from_=f"<sip:{aor}>;tag={x.token()}",
                to=f"<sip:{aor}>",
                call_id=x.token(),
                cseq=1,
                headers=(x.contact, f"Event: {MESSAGE_SUMMARY}", "Subscription-State: active"),
                body=body,
                content_type=CONTENT_TYPES[MESSAGE_SUMMARY],
            ),
            now,
        )
