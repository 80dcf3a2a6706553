"""What waits for media ports: more than there are were wanted in one moment, and more are being bound.

INVITEs that came wait before they are calls, and parties that we are to call before their INVITE leaves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from switchboard.calls.leg import Leg
    from switchboard.calls.plan import Plan
    from switchboard.sip.message import Request
    from switchboard.sip.transaction.server import ServerTransaction

MOST: Final = 1000
"""As many wait; the media plane tells within two seconds of each wish that ports have come, or that none will."""

RESERVE: Final = 8
"""Ports left to the calls there are beyond those that they need for their two parties."""


class Waiting(msgspec.Struct, eq=False):
    """An INVITE of somebody who is known: a trunk, or phones and the account."""

    tx: ServerTransaction
    request: Request
    context: str
    account: str

    @property
    def six(self) -> bool:
        """Whether it came by IPv6."""
        return ":" in self.tx.source[0]


class ToCall(msgspec.Struct, eq=False):
    """A party that we are to call, once there is a port for its leg; `first` where with it a call of ours begins."""

    leg: Leg
    plan: Plan
    ring_timeout: float
    headers: tuple[str, ...] = ()
    first: bool = False

    @property
    def six(self) -> bool:
        """Whether it is called by IPv6."""
        return ":" in self.leg.source[0]


class Anteroom:
    """First come, first served; but parties of calls that have begun go before those of calls that have not."""

    def __init__(self) -> None:
        self.open = False
        """Whether ports are on their way."""
        self.spare: Callable[[bool], int] = _plenty
        """How many ports are free, of IPv6 or else of IPv4."""
        self.kept: Callable[[], int] = _nothing
        """How many beside them are kept for the calls there are."""
        self.beginning = 0
        """Calls of ours that have no port yet: of those that wait the ones that are `first`."""
        self._waiting: deque[Waiting | ToCall] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether one more may wait."""
        return self.open and len(self._waiting) < MOST

    def must_wait(self, six: bool, owed: int) -> bool:
        """Whether the ports that are left are for the calls there are, which still need `owed` of them."""
        return self.open and self.spare(six) < RESERVE + max(0, owed - self.kept())

    def enter(self, tx: ServerTransaction, request: Request, context: str, account: str) -> bool:
        """Keep an INVITE; False when there is no room."""
        if not self.has_room:
            return False
        tx.context = waiting = Waiting(tx, request, context, account)
        self._waiting.append(waiting)
        return True

    def call_later(self, one: ToCall) -> None:
        """Keep a party that is to be called; if it is wanted no more when its turn comes, nobody is called."""
        place = len(self._waiting)
        if not one.first:
            # After those of its kind.
            place = next((at for at, other in enumerate(self._waiting) if not _has_begun(other)), place)
        self._waiting.insert(place, one)
        self.beginning += one.first

    def call_again(self, one: ToCall) -> None:
        """Its turn came in vain: let the others have theirs."""
        self._waiting.append(one)
        self.beginning += one.first

    def leave(self, waiting: Waiting) -> bool:
        """Its caller gave up; False when it does not wait any more."""
        try:
            self._waiting.remove(waiting)
        except ValueError:
            return False
        return True

    def shut(self, owed: int) -> bool:
        """Whether all have to wait on, or nobody waits."""
        if not self._waiting:
            return True
        one = self._waiting[0]
        if _has_begun(one):
            return self.open and self.spare(one.six) < 1
        return self.must_wait(one.six, owed)

    def next(self, owed: int) -> Waiting | ToCall | None:
        """The one whose turn it is; None while all have to wait, or when nobody does."""
        if self.shut(owed):
            return None
        one = self._waiting.popleft()
        if isinstance(one, ToCall):
            self.beginning -= one.first
        else:
            one.tx.context = None
        return one


def _has_begun(one: Waiting | ToCall) -> bool:
    return isinstance(one, ToCall) and not one.first


def _nothing() -> int:
    return 0


def _plenty(six: bool) -> int:
    return 1 << 16
