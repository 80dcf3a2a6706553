"""The mailbox that a call of a test opens."""

from __future__ import annotations

from ivr_flows.actions import Mailbox
from ivr_flows.browsing import Browsing
from ivr_flows.events import MailboxDone
from ivr_flows.testing.world import Box


class VirtualMailbox:
    """Messages 1, 2, 3, …, new ones first; `done` is what was done to them."""

    def __init__(self, box: Box) -> None:
        self.done: list[str] = []
        self._box = box
        self._states: dict[str, str] = {}
        for index in range(box.new + box.heard):
            self._states[str(index + 1)] = "new" if index < box.new else "heard"
        self._browsing = Browsing(box="", messages=[])

    def answer(self, action: Mailbox) -> MailboxDone | None:
        """What comes of an action."""
        number, browsing = action.request_id, self._browsing
        match action.do:
            case "open":
                states = list(self._states.values())
                self._browsing = Browsing(box=action.box, messages=list(self._states))
                new, refused = states.count("new"), bool(self._box.pin) and action.pin != self._box.pin
                return MailboxDone(
                    number, bool(states) and not refused, refused=refused, new=new, heard=len(states) - new
                )
            case "next" | "previous" | "again":
                found = browsing.move(action.do, self._states)
                return MailboxDone(number, bool(found), sound=f"message:{found}", number=browsing.number)
            case "save" | "heard" | "delete":
                message = browsing.current
                if message:
                    self.done.append(f"{action.do} {message}")
                if action.do == "delete" and message:
                    del self._states[message]
                    browsing.drop()
                elif message:
                    self._states[message] = "heard"
                return MailboxDone(number, bool(message)) if number else None
