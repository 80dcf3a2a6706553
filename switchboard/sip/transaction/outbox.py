"""Where both kinds of transactions leave what they produced until the driver takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from switchboard.sip.events import Event
    from switchboard.sip.outgoing import Address


class Spent(Protocol):
    """A transaction that only lingers, to answer or absorb repetitions."""

    def release(self) -> None:
        """Let go of what only the TU needed."""


class Outbox:
    """Datagrams to transmit and events for the TU, each in order.

    Transactions of which the TU will hear no more wait in `spent` until it has surely dealt with the last event:
    what is spent when events are taken is released when events are taken next.
    """

    __slots__ = ("_releasing", "datagrams", "events", "spent")

    def __init__(self) -> None:
        self.datagrams: list[tuple[bytes, Address]] = []
        self.events: list[Event] = []
        self.spent: list[Spent] = []
        self._releasing: list[Spent] = []

    def take_datagrams(self) -> list[tuple[bytes, Address]]:
        """Take what is to be transmitted, in order."""
        taken = self.datagrams
        if taken:
            self.datagrams = []
        return taken

    def take_events(self) -> list[Event]:
        """Take what the TU is to be told, in order."""
        if self._releasing or self.spent:
            for tx in self._releasing:
                tx.release()
            self._releasing, self.spent = self.spent, []
        taken = self.events
        if taken:
            self.events = []
        return taken
