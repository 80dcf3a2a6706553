"""Going through the messages of a mailbox: where one is, plain data, whoever keeps the messages."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import msgspec

Move = Literal["next", "previous", "again"]


class Browsing(msgspec.Struct, kw_only=True, array_like=True):
    """The messages of a box in the order in which they are heard, and the place of the one that was heard last."""

    box: str
    messages: list[str]
    at: int = -1
    held: bool = False
    """Whether the message at this place is still there; without it the place is that of the one before."""

    def move(self, move: Move, there: Collection[str]) -> str:
        """Go to another message that is still `there`; "" when there is none that way, and nothing moves."""
        step = {"next": 1, "previous": -1, "again": 0}[move]
        at = self.at + step
        if move == "previous" and not self.held:
            at = self.at
        elif move == "again" and not self.held:
            return ""
        while 0 <= at < len(self.messages):
            if self.messages[at] in there:
                self.at, self.held = at, True
                return self.messages[at]
            if not step:
                return ""
            at += step
        return ""

    @property
    def current(self) -> str:
        """The message that was heard last; "" before the first and after it was dropped."""
        return self.messages[self.at] if self.held else ""

    def drop(self) -> None:
        """The current message is gone; the next one is that after it, the previous one that before it."""
        if self.held:
            del self.messages[self.at]
            self.at -= 1
            self.held = False

    @property
    def number(self) -> int:
        """How many messages were gone past, with the current one."""
        return self.at + 1
