"""Where both kinds of transactions leave what they produced until the driver takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from switchboard.sip.events import Event
    from switchboard.sip.outgoing import Address


class Outbox:
    """Datagrams to transmit and events for the TU, each in order."""

    __slots__ = ("datagrams", "events")

    def __init__(self) -> None:
        self.datagrams: list[tuple[bytes, Address]] = []
        self.events: list[Event] = []
