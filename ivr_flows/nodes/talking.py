"""Nodes that only speak."""

from __future__ import annotations

from collections.abc import Iterator

from ivr_flows.actions import Cause
from ivr_flows.nodes.base import Duration, Exit, NodeBase
from ivr_flows.prompt import Prompt, Wording


class PlayNode(NodeBase, frozen=True, tag="play", kw_only=True):
    """Play prompts, then go on; with `loop`, play them until the caller hangs up or `limit` is over."""

    prompts: tuple[Prompt, ...]
    next: str | None = None
    loop: bool = False
    barge_in: bool = False
    limit: Duration | None = None

    def exits(self) -> Iterator[Exit]:
        """Yield `next` where it is given."""
        if self.next is not None:
            yield Exit(("next",), self.next, False)

    @property
    def ends(self) -> bool:
        """Music without `next` ends with the call."""
        return self.next is None


class SayNode(NodeBase, frozen=True, tag="say", kw_only=True):
    """Speak a text, or the one in the caller's language, with variables read out as people say them."""

    text: Wording
    next: str
    barge_in: bool = False

    def exits(self) -> Iterator[Exit]:
        """Yield `next`."""
        yield Exit(("next",), self.next, False)

    @property
    def speaks(self) -> bool:
        """It does nothing else."""
        return True


class HangupNode(NodeBase, frozen=True, tag="hangup", kw_only=True):
    """Say the last words, if any, and end the call."""

    prompts: tuple[Prompt, ...] = ()
    cause: Cause = "normal"

    @property
    def ends(self) -> bool:
        """It does nothing else."""
        return True
