"""INVITEs that wait for ports: more than there are came in one moment, and more are being bound."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

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


class Anteroom:
    """First come, first served."""

    def __init__(self) -> None:
        self.open = False
        """Whether ports are on their way."""
        self.spare: Callable[[bool], int] = _plenty
        """How many ports are free, of IPv6 or else of IPv4."""
        self._waiting: deque[Waiting] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def must_wait(self, tx: ServerTransaction, owed: int) -> bool:
        """Whether the ports that are left are for the calls there are, which still need `owed` of them."""
        return self.open and self.spare(":" in tx.source[0]) < RESERVE + owed

    def enter(self, tx: ServerTransaction, request: Request, context: str, account: str) -> bool:
        """Keep an INVITE; False when there is no room."""
        if len(self._waiting) >= MOST:
            return False
        tx.context = waiting = Waiting(tx, request, context, account)
        self._waiting.append(waiting)
        return True

    def leave(self, waiting: Waiting) -> bool:
        """Its caller gave up; False when it does not wait any more."""
        try:
            self._waiting.remove(waiting)
        except ValueError:
            return False
        return True

    def shut(self, owed: int) -> bool:
        """Whether all have to wait on, or nobody waits."""
        return not self._waiting or self.must_wait(self._waiting[0].tx, owed)

    def next(self, owed: int) -> Waiting | None:
        """The INVITE whose turn it is; None while all have to wait, or when none does."""
        if self.shut(owed):
            return None
        waiting = self._waiting.popleft()
        waiting.tx.context = None
        return waiting


def _plenty(six: bool) -> int:
    return 1 << 16
