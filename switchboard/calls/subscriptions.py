"""What phones have subscribed to, and the NOTIFYs they are owed (RFC 6665 §4.2).

All of it is bounded: so many subscriptions of one owner, so many in all, each with an end. One NOTIFY of a
subscription is on its way at a time, but for the last one; what changes meanwhile is told with the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from switchboard.sip.sipfrag import SIPFRAG, status_fragment
from switchboard.sip.subscription import Event, Input, State, Subscription
from switchboard.sip.timers import DeadlineHeap
from switchboard.sip.transaction.table import Input as Letter

if TYPE_CHECKING:
    from switchboard.calls.exchange import Exchange
    from switchboard.sip.subscription import Says

MESSAGE_SUMMARY: Final = "message-summary"
REFER: Final = "refer"
DIALOG: Final = "dialog"
CONTENT_TYPES: Final[dict[str, str]] = {
    MESSAGE_SUMMARY: "application/simple-message-summary",
    REFER: SIPFRAG,
    DIALOG: "application/dialog-info+xml",
}
"""The packages we know, and what the NOTIFYs of each carry."""

MAX_OF_OWNER: Final = 8
"""Subscriptions of one address-of-record: a few phones, a few packages."""
MAX_WATCHED: Final = 200
"""Those to other lines, beside these: a few phones with a panel of keys."""
MAX_IN_ALL: Final = 10_000

_Key = tuple[str, str, str, str]


class Subscriptions:
    """The living ones, found by dialog and event, by who subscribed, or by the call that they are `about`."""

    __slots__ = ("_by_dialog", "_by_owner", "about", "heap", "look_due")

    def __init__(self) -> None:
        self._by_dialog: dict[_Key, Subscription] = {}
        self._by_owner: dict[str, list[Subscription]] = {}
        self.about: dict[str, Subscription] = {}
        self.heap: DeadlineHeap[Subscription] = DeadlineHeap()
        self.look_due: float | None = None
        """When all calls are looked over for who watches lines; None while nobody does."""

    def __len__(self) -> int:
        return len(self._by_dialog)

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._by_dialog.values())

    def find(self, call_id: str, local_tag: str, event: Event) -> Subscription | None:
        """The subscription of a dialog to an event."""
        return self._by_dialog.get((call_id, local_tag, event.package, event.id))

    def of(self, owner: str, package: str) -> list[Subscription]:
        """The subscriptions of an owner to a package."""
        return [held for held in self._by_owner.get(owner, ()) if held.event.package == package]

    def has_room(self, owner: str, package: str) -> bool:
        """Whether one more of this owner is taken."""
        watching = package == DIALOG
        held = sum((one.event.package == DIALOG) is watching for one in self._by_owner.get(owner, ()))
        return held < (MAX_WATCHED if watching else MAX_OF_OWNER) and len(self) < MAX_IN_ALL

    def add(self, subscription: Subscription) -> None:
        """Keep a new one until it ends."""
        self._by_dialog[_key(subscription)] = subscription
        self._by_owner.setdefault(subscription.owner, []).append(subscription)
        if subscription.about:
            self.about[subscription.about] = subscription
        self.arm(subscription)

    def arm(self, subscription: Subscription) -> None:
        """Let its timer fit its expiry."""
        self.heap.schedule(subscription.expires_at, subscription, Letter.TIMER_B)

    def drop(self, subscription: Subscription) -> None:
        """Forget one that has ended."""
        if self._by_dialog.get(_key(subscription)) is not subscription:
            return
        del self._by_dialog[_key(subscription)]
        self.heap.cancel(subscription)
        if self.about.get(subscription.about) is subscription:
            del self.about[subscription.about]
        held = self._by_owner[subscription.owner]
        held.remove(subscription)
        if not held:
            del self._by_owner[subscription.owner]


def _key(subscription: Subscription) -> _Key:
    dialog, event = subscription.dialog, subscription.event
    return dialog.call_id, dialog.local_tag, event.package, event.id


def notify(x: Exchange, subscription: Subscription, moved_by: Input, now: float) -> None:
    """Move a subscription, and tell its owner what the table says is owed, with the body as it is now."""
    says = subscription.move(moved_by)
    if says is None:
        return
    if subscription.state is State.TERMINATED:
        x.subscriptions.drop(subscription)
    elif subscription.notifying:
        subscription.changed = True
        return
    if says:
        _send(x, subscription, says, now)


def _send(x: Exchange, subscription: Subscription, says: Says, now: float) -> None:
    subscription.notifying, subscription.changed = True, False
    subscription.sent += 1
    out = subscription.dialog.next_request(
        "NOTIFY",
        (x.contact, *subscription.lines(says, now)),
        subscription.body,
        CONTENT_TYPES[subscription.event.package],
    )
    x.core.request(out, now, context=subscription)


def notify_answered(x: Exchange, subscription: Subscription, status: int, now: float) -> None:
    """The final response to a NOTIFY, 408 or 503 when none came: but for a 2xx it ends the subscription (§4.2.2)."""
    if status < 200:
        return
    subscription.notifying = False
    if status >= 300:
        notify(x, subscription, Input.FAIL, now)
    elif subscription.changed:
        notify(x, subscription, Input.CHANGE, now)


def referral_over(x: Exchange, call_id: str, now: float) -> None:
    """The call that a phone wanted to hand on has ended before that: 487."""
    subscription = x.subscriptions.about[call_id]
    subscription.body = status_fragment(487, "Request Terminated")
    notify(x, subscription, Input.FINISH, now)


def subscriptions_due(x: Exchange, now: float) -> None:
    """End those whose time is over."""
    while (due := x.subscriptions.heap.pop_due(now)) is not None:
        notify(x, due[0], Input.EXPIRE, now)
