"""Nodes by which the owner of a mailbox hears its messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from ivr_flows.expressions import Text
from ivr_flows.nodes.base import Exit, NodeBase
from ivr_flows.prompt import Prompt

MessageDo = Literal["next", "previous", "again", "save", "delete"]
PLAYED = frozenset({"next", "previous", "again"})


class MailboxNode(NodeBase, frozen=True, tag="mailbox", kw_only=True):
    """Open a mailbox for the phone of its owner, or for whoever keys its PIN.

    An empty `box` is that of the calling phone's account. `messages_new` and `messages_heard` are how many it holds.
    """

    next: str
    on_empty: str
    on_refused: str
    box: Text = Text("")
    pin: Text = Text("")

    def exits(self) -> Iterator[Exit]:
        """Yield `next`, `on_empty` and `on_refused`."""
        yield Exit(("next",), self.next, False)
        yield Exit(("on_empty",), self.on_empty, False)
        yield Exit(("on_refused",), self.on_refused, False)

    def sets(self) -> Iterator[str]:
        """Yield the counts."""
        yield from ("messages_new", "messages_heard")


class MessageNode(NodeBase, frozen=True, tag="message", kw_only=True):
    """Play a message of the mailbox that was opened, new ones first, or keep or delete the one that was played.

    What was played to its end, or is saved, is no longer new. A key ends it and counts in the node that follows.
    `message_number` is the place of the message.
    """

    do: MessageDo
    next: str
    on_empty: str
    prompts: tuple[Prompt, ...] = ()

    def exits(self) -> Iterator[Exit]:
        """Yield `next` and, for when there is no such message, `on_empty`."""
        yield Exit(("next",), self.next, False)
        yield Exit(("on_empty",), self.on_empty, False)

    def sets(self) -> Iterator[str]:
        """Yield the place."""
        if self.do in PLAYED:
            yield "message_number"

    @property
    def speaks(self) -> bool:
        """A message is heard."""
        return self.do in PLAYED
