"""A subscription as its notifier sees it: one table of states (RFC 6665 §4.2), plain data, and the lines it writes.

There is no pending state: whoever may subscribe is known at once.
"""

from __future__ import annotations

import enum
from typing import Final, Literal

import msgspec

from switchboard.sip.dialog import Dialog
from switchboard.sip.errors import ParseError
from switchboard.sip.headers import is_digits, is_token, parse_parameters
from switchboard.sip.message import Request


class State(enum.IntEnum):
    """Where a subscription stands."""

    NEW = 1
    ACTIVE = 2
    TERMINATED = 3


class Input(enum.IntEnum):
    """What moves a subscription."""

    SUBSCRIBE = 1
    """For the first time or again, for a while."""
    FETCH = 2
    """SUBSCRIBE with Expires 0: the state once, and no more of it (RFC 6665 §4.4.3)."""
    CHANGE = 3
    FINISH = 4
    """What was subscribed to is over."""
    EXPIRE = 5
    FAIL = 6
    """A NOTIFY was refused or found nobody (RFC 6665 §4.2.2)."""


Says = Literal["active", "timeout", "noresource", ""]
"""What the NOTIFY owed says: `active`, or the reason for the end; "" when nobody is there to be told."""

TRANSITIONS: Final[dict[tuple[State, Input], tuple[State, Says]]] = {
    (State.NEW, Input.SUBSCRIBE): (State.ACTIVE, "active"),
    (State.NEW, Input.FETCH): (State.TERMINATED, "timeout"),
    (State.ACTIVE, Input.SUBSCRIBE): (State.ACTIVE, "active"),
    (State.ACTIVE, Input.FETCH): (State.TERMINATED, "timeout"),
    (State.ACTIVE, Input.CHANGE): (State.ACTIVE, "active"),
    (State.ACTIVE, Input.FINISH): (State.TERMINATED, "noresource"),
    (State.ACTIVE, Input.EXPIRE): (State.TERMINATED, "timeout"),
    (State.ACTIVE, Input.FAIL): (State.TERMINATED, ""),
}
"""A pair that is not in it is ignored on purpose: what is over stays over, what is new is told of nothing else."""


class Event(msgspec.Struct, frozen=True):
    """The Event header field: the package, and an id where one dialog has several subscriptions to it."""

    package: str
    id: str = ""

    def __str__(self) -> str:
        """Write the value."""
        return f"{self.package};id={self.id}" if self.id else self.package


class Subscription(msgspec.Struct, kw_only=True, eq=False):
    """One subscription; `dialog` is shared with a call when a REFER made it. Times are monotonic seconds.

    `owner` is who subscribed (an address-of-record), `source` its packets' address. `notifying` is True while the
    answer to a NOTIFY is still to come, `changed` when there was a change meanwhile. `body` is what the next NOTIFY
    tells, `about` the call that it tells of, "" for none; `sent` counts the NOTIFYs. `timer` belongs to the deadline
    heap.
    """

    event: Event
    dialog: Dialog
    owner: str
    source: tuple[str, int]
    expires_at: float
    state: State = State.NEW
    notifying: bool = False
    changed: bool = False
    body: bytes = b""
    about: str = ""
    sent: int = 0
    timer: int = 0

    def move(self, moved_by: Input) -> Says | None:
        """Take the transition for `moved_by`, and return what the NOTIFY owed says; None when the table has none."""
        following = TRANSITIONS.get((self.state, moved_by))
        if following is None:
            return None
        self.state, says = following
        return says

    def lines(self, says: Says, now: float) -> tuple[str, str]:
        """Return the Event and Subscription-State lines of a NOTIFY (RFC 6665 §4.1.3, §8.2.3)."""
        if says == "active":
            state = f"active;expires={max(0, round(self.expires_at - now))}"
        else:
            state = f"terminated;reason={says or 'noresource'}"
        return f"Event: {self.event}", f"Subscription-State: {state}"


def event_of(request: Request) -> Event | None:
    """Read the Event of a SUBSCRIBE or NOTIFY; None when it is missing or malformed, for which 489 is owed."""
    value = request.headers.get("event")
    if value is None:
        return None
    package, _, rest = value.partition(";")
    package = package.strip(" \t").lower()
    try:
        params = parse_parameters(f";{rest}" if rest else "", "Event")
    except ParseError:
        return None
    return Event(package, params.get("id") or "") if is_token(package) else None


def expires_of(request: Request, default: int, most: int) -> int | None:
    """Return the seconds asked for, at most `most`; None when the value is malformed (RFC 6665 §4.2.1.1)."""
    value = request.headers.get("expires")
    if value is None:
        return default
    if not is_digits(value):
        return None
    return min(int(value[:10]), most)
