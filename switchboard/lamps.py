"""The lamps of mailboxes: their owners' phones are told what waits, whoever has changed it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import msgspec

from switchboard.calls.exchange import Exchange
from switchboard.calls.message_waiting import tell_waiting
from switchboard.store.records import MessageState
from switchboard.store.voicemail import Message, Voicemail


class Lamps:
    """Changes of messages that are not made in a call."""

    def __init__(
        self, exchange: Exchange, voicemail: Voicemail, run: Callable[[Callable[[float], None]], None]
    ) -> None:
        """`run` brings what is to be done into the loop's order of events, with the time."""
        self._exchange = exchange
        self._voicemail = voicemail
        self._run = run

    def light(self, box: str) -> None:
        """Tell the phones of a box what waits in it."""
        waiting = self._voicemail.waiting(box)
        self._run(lambda now: tell_waiting(self._exchange, box, waiting, now))

    def change(self, request: Mapping[str, object]) -> dict[str, int]:
        """Messages were heard or deleted by another process: their owners' lamps are told."""
        states = msgspec.convert(request.get("messages", {}), dict[str, MessageState])
        boxes = self._voicemail.apply(states)
        for box in boxes:
            self.light(box)
        return {"boxes": len(boxes)}

    def forget(self, message: Message) -> None:
        """A message has been kept long enough."""
        record = message.record

        def forget(now: float) -> None:
            self._voicemail.mark(record.id, "deleted", time.time_ns() // 1000, "retention")

        self._run(forget)
        self.light(record.box)
