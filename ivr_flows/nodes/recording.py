"""Nodes that keep what is said, and what the caller wants no more."""

from __future__ import annotations

from collections.abc import Iterator

from ivr_flows.actions import RecordDo
from ivr_flows.expressions import Text
from ivr_flows.nodes.base import Duration, Exit, NodeBase
from ivr_flows.prompt import Prompt


class RecordNode(NodeBase, frozen=True, tag="record", kw_only=True):
    """Start, stop, pause or resume the recording of the call."""

    do: RecordDo
    next: str

    def exits(self) -> Iterator[Exit]:
        """Yield `next`."""
        yield Exit(("next",), self.next, False)


class RefuseNode(NodeBase, frozen=True, tag="refuse", kw_only=True):
    """The caller wants no more calls from whoever is behind masked numbers; `withdrawn` takes that back."""

    next: str
    withdrawn: bool = False

    def exits(self) -> Iterator[Exit]:
        """Yield `next`."""
        yield Exit(("next",), self.next, False)


class VoicemailNode(NodeBase, frozen=True, tag="voicemail", kw_only=True):
    """Greet, beep and record a message for a mailbox, until `silence`, a terminator or `max`.

    What is shorter than `min` is no message. A terminator during the greeting leads straight to the beep.
    """

    box: Text
    next: str
    on_empty: str
    on_error: str
    prompts: tuple[Prompt, ...] = ()
    max: Duration = Duration(120.0)
    min: Duration = Duration(1.0)
    silence: Duration = Duration(5.0)
    terminators: str = "#"

    def exits(self) -> Iterator[Exit]:
        """Yield `next`, `on_empty` and `on_error`."""
        yield Exit(("next",), self.next, False)
        yield Exit(("on_empty",), self.on_empty, False)
        yield Exit(("on_error",), self.on_error, False)

    @property
    def speaks(self) -> bool:
        """There is always the beep."""
        return True

    @property
    def listens(self) -> bool:
        """It hears a message."""
        return True
