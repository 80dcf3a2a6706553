"""What a phone is told of the transfer it has asked for: the subscription that a REFER makes (RFC 3515 §2.4.4).

It lives in the dialog of the REFER and outlives the call in it: a phone that hangs up at once still learns the end.
"""

from __future__ import annotations

from typing import Final

from switchboard.calls.attempts import Attempt
from switchboard.calls.call import Call
from switchboard.calls.causes import REASON_PHRASES, Cause
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg
from switchboard.calls.subscriptions import REFER, notify
from switchboard.sip.sipfrag import status_fragment
from switchboard.sip.subscription import Event, Input, Subscription

REFERRAL_TIME: Final = 180.0
"""Seconds for which a referrer waits: longer than anything rings."""


def begin_referral(x: Exchange, call: Call, leg: Leg, cseq: int, owner: str, now: float) -> None:
    """The referrer of `leg` is told from now on what becomes of the call; the first NOTIFY says 100."""
    assert leg.dialog is not None
    subscription = Subscription(
        event=Event(REFER, str(cseq)),
        dialog=leg.dialog,
        owner=owner,
        source=leg.source,
        expires_at=now + REFERRAL_TIME,
        body=status_fragment(100, REASON_PHRASES[100]),
        about=call.id,
    )
    x.subscriptions.add(subscription)
    notify(x, subscription, Input.SUBSCRIBE, now)


def tell_referrer(x: Exchange, call: Call, status: int, now: float) -> None:
    """One who asked for a transfer of the call learns how far it is; a final status is the last word."""
    subscription = x.subscriptions.about.get(call.id)
    if subscription is None:
        return
    # The phrase is ours: a peer's may name anybody.
    subscription.body = status_fragment(status, REASON_PHRASES.get(status, "Error"))
    notify(x, subscription, Input.CHANGE if status < 200 else Input.FINISH, now)


def reported(attempt: Attempt) -> Attempt:
    """The row of a transfer's target, by which also the referrer is told what becomes of it."""

    def answered(x: Exchange, call: Call, leg: Leg, now: float) -> Cause | None:
        # Before the phone's own call is hung up: some forget the subscription with it.
        tell_referrer(x, call, 200, now)
        return attempt.answered(x, call, leg, now)

    def failed(x: Exchange, call: Call, leg: Leg, cause: Cause, now: float) -> None:
        tell_referrer(x, call, cause.status, now)
        attempt.failed(x, call, leg, cause, now)

    def rings(x: Exchange, call: Call, leg: Leg, now: float) -> None:
        tell_referrer(x, call, 180, now)
        if attempt.rings is not None:
            attempt.rings(x, call, leg, now)

    return Attempt(answered, failed, rings)
