"""Nodes that connect the caller to somebody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from ivr_flows.expressions import Expression, Text
from ivr_flows.nodes.base import Duration, Exit, NodeBase
from ivr_flows.prompt import Prompt

FAILURES = (
    "unknown",
    "expired",
    "disabled",
    "quarantine",
    "direction",
    "busy",
    "no_answer",
    "unregistered",
    "failed",
)
QUEUE_FAILURES = ("empty", "full", "timeout", "failed")
QUEUE_OUTCOMES = (*QUEUE_FAILURES, "closed", "estimate", "callback")
"""How waiting ends without a talk; what is none of the failures goes to "other" or "failed" when it is not wired."""

Failure = Literal[
    "unknown",
    "expired",
    "disabled",
    "quarantine",
    "direction",
    "busy",
    "no_answer",
    "unregistered",
    "failed",
    "other",
]


class ConnectBase(NodeBase, frozen=True, kw_only=True):
    """Connect the caller; go on at `next` after the talk, or where `on` says for a failure.

    "other" in `on` stands for the failures it does not name. The variable `reason` holds the failure's name.
    """

    next: str
    on: dict[Failure, str]
    ringback: str = "tone:ringback"
    ring_timeout: Duration = Duration(30.0)
    limit: Duration = Duration(86400.0)

    def exits(self) -> Iterator[Exit]:
        """Yield `next` and every failure's exit."""
        yield Exit(("next",), self.next, False)
        for outcome, target in self.on.items():
            yield Exit(("on", outcome), target, False)

    def sets(self) -> Iterator[str]:
        """Yield `reason`."""
        yield "reason"

    def prompt_names(self) -> tuple[str, ...]:
        """Return the ringback, which is a sound as well."""
        return (self.ringback,) if self.ringback else ()


class ExtensionNode(ConnectBase, frozen=True, tag="extension", kw_only=True):
    """Connect the caller to the party behind a number and extension."""

    number: Text = Text("{called}")
    extension: Text = Text("{extension}")


class DialNode(ConnectBase, frozen=True, tag="dial", kw_only=True):
    """Connect the caller to a target given in full: "sip:...", "aor:..." or "tel:..."."""

    target: Text


class QueueNode(NodeBase, frozen=True, tag="queue", kw_only=True):
    """Let the caller wait for somebody of a group; go on at `next` after the talk, or where `on` says.

    `prompts` are the music while waiting. "other" in `on` stands for what it does not name. Who presses `callback`
    is called back in turn, and goes on at `callback` of `on`.
    """

    group: Text
    next: str
    on: dict[Literal["empty", "full", "timeout", "closed", "estimate", "callback", "failed", "other"], str]
    priority: Expression = Expression(0)
    prompts: Annotated[tuple[Prompt, ...], msgspec.Meta(min_length=1)] = (Prompt("music/hold"),)
    max_wait: Duration = Duration(600.0)
    limit: Duration = Duration(86400.0)
    skills: Text = Text("")
    vip: Expression = Expression(0)
    preferred: Text = Text("")
    callback: Literal["", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "#"] = ""

    def exits(self) -> Iterator[Exit]:
        """Yield `next` and every failure's exit."""
        yield Exit(("next",), self.next, False)
        for outcome, target in self.on.items():
            yield Exit(("on", outcome), target, False)

    def sets(self) -> Iterator[str]:
        """Yield `reason`."""
        yield "reason"
