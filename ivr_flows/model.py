"""The nodes of a flow, typed; a key that is not here is refused.

A node is named by its key under `nodes:`, and its kind by `type:`. Every exit names another node.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

import msgspec

from ivr_flows.actions import Cause
from ivr_flows.expressions import Condition, Text, Value

MAX_ENTRY = 32  # digits of one entry, and of what is keyed ahead of it
STEP_LIMIT = 1000
DTMF = frozenset("0123456789*#ABCD")  # RFC 4733 section 3.2
INPUTS = frozenset({"called", "extension", "trunk"})  # variables the call brings along
FAILURES = ("unknown", "busy", "no_answer", "unregistered", "failed")

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)\Z")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(float):
    """Seconds; written "200ms", "5s", "1.5s", "2m", "4h" or as a plain number."""

    __slots__ = ()

    @classmethod
    def read(cls, text: str | float) -> Duration:
        """Return the duration a flow's author wrote; ValueError when it is none."""
        if isinstance(text, str):
            match = _DURATION.match(text)
            if match is None:
                raise ValueError(f"'{text}' is no duration; write 200ms, 5s, 2m or 4h")
            seconds = float(match[1]) * _UNITS[match[2]]
        else:
            seconds = float(text)
        if isinstance(text, bool) or not 0.0 < seconds <= 86400.0:
            raise ValueError(f"'{text}' is no duration between 1ms and 24h")
        return cls(seconds)


class Exit(NamedTuple):
    """One way out of a node."""

    path: tuple[str | int, ...]
    """Where in the node it is written."""
    target: str
    keyed: bool
    """Taken only when the caller presses keys."""


class NodeBase(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """What every node is."""

    def exits(self) -> Iterator[Exit]:
        """Yield every wired way out of the node."""
        yield from ()

    def prompt_names(self) -> tuple[str, ...]:
        """Return every sound the node may play."""
        return ()

    @property
    def speaks(self) -> bool:
        """Whether the node itself plays prompts to the caller."""
        return bool(self.prompt_names())


class PlayNode(NodeBase, frozen=True, tag="play", kw_only=True):
    """Play prompts, then go on; with `loop`, play them until the caller hangs up or `limit` is over."""

    prompts: tuple[str, ...]
    next: str | None = None
    loop: bool = False
    barge_in: bool = False
    limit: Duration | None = None

    def exits(self) -> Iterator[Exit]:
        """Yield `next` where it is given."""
        if self.next is not None:
            yield Exit(("next",), self.next, False)

    def prompt_names(self) -> tuple[str, ...]:
        """Return the prompts played."""
        return self.prompts


class CollectNode(NodeBase, frozen=True, tag="collect", kw_only=True):
    """Take an entry of digits into the variable `into`.

    An entry is over at `max` digits, at a terminator, or when `digit_timeout` passes. Shorter than `min` it
    is invalid; a terminator before any digit is ignored unless `min` is 0. A failed attempt is repeated
    `retries` times. Without `barge_in` the prompt is heard to its end; keys pressed meanwhile count after it.
    """

    into: str
    next: str
    on_timeout: str
    on_invalid: str
    max: Annotated[int, msgspec.Meta(ge=1, le=MAX_ENTRY)]
    min: Annotated[int, msgspec.Meta(ge=0, le=MAX_ENTRY)] = 1
    prompts: tuple[str, ...] = ()
    terminators: str = ""
    first_timeout: Duration = Duration(5.0)
    digit_timeout: Duration = Duration(3.0)
    retries: Annotated[int, msgspec.Meta(ge=0, le=10)] = 0
    retry_prompts: tuple[str, ...] = ()
    barge_in: bool = True

    def exits(self) -> Iterator[Exit]:
        """Yield `next`, `on_invalid` (both need keys) and `on_timeout`."""
        yield Exit(("next",), self.next, True)
        yield Exit(("on_timeout",), self.on_timeout, False)
        yield Exit(("on_invalid",), self.on_invalid, True)

    def prompt_names(self) -> tuple[str, ...]:
        """Return the prompts of every attempt."""
        return self.prompts + self.retry_prompts


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One line of a branch."""

    condition: Condition = msgspec.field(name="if")
    next: str


class BranchNode(NodeBase, frozen=True, tag="branch", kw_only=True):
    """Go on where the first condition that holds says, else to `else`."""

    when: tuple[Case, ...]
    otherwise: str = msgspec.field(name="else")

    def exits(self) -> Iterator[Exit]:
        """Yield each case and `else`."""
        for index, case in enumerate(self.when):
            yield Exit(("when", index, "next"), case.next, False)
        yield Exit(("else",), self.otherwise, False)


class Party(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who is called: the party behind a number and extension, or a target given in full."""

    number: Text | None = None
    extension: Text | None = None
    target: Text | None = None


class TransferNode(NodeBase, frozen=True, tag="transfer", kw_only=True):
    """Connect the caller; go on at `next` after the talk, or where `on` says for a failure.

    "other" in `on` stands for the failures it does not name.
    """

    to: Party
    next: str
    on: dict[Literal["unknown", "busy", "no_answer", "unregistered", "failed", "other"], str]
    ringback: str = "tone:ringback"
    ring_timeout: Duration = Duration(30.0)
    limit: Duration = Duration(86400.0)

    def exits(self) -> Iterator[Exit]:
        """Yield `next` and every failure's exit."""
        yield Exit(("next",), self.next, False)
        for outcome, target in self.on.items():
            yield Exit(("on", outcome), target, False)

    def prompt_names(self) -> tuple[str, ...]:
        """Return the ringback, which is a sound as well."""
        return (self.ringback,) if self.ringback else ()

    @property
    def speaks(self) -> bool:
        """Ringback belongs to the call's progress and asks for no answer."""
        return False


class HangupNode(NodeBase, frozen=True, tag="hangup", kw_only=True):
    """Say the last words, if any, and end the call."""

    prompts: tuple[str, ...] = ()
    cause: Cause = "normal"

    def prompt_names(self) -> tuple[str, ...]:
        """Return the last words."""
        return self.prompts


Node = PlayNode | CollectNode | BranchNode | TransferNode | HangupNode
NODE_TYPES: dict[str, type[Node]] = {
    "play": PlayNode,
    "collect": CollectNode,
    "branch": BranchNode,
    "transfer": TransferNode,
    "hangup": HangupNode,
}


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What stands beside `nodes:` at the top of a file."""

    flow: str
    start: str
    answer: Literal["now", "early", "on_connect"] | None = None
    variables: dict[str, Value] = {}
    step_limit: Annotated[int, msgspec.Meta(ge=1, le=STEP_LIMIT)] = STEP_LIMIT


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """A flow that has been read and checked; running calls keep the one they began with."""

    name: str
    version: str
    """Short hash of the file's text."""
    file: str
    answer: Literal["now", "early", "on_connect"]
    start: str
    nodes: dict[str, Node]
    variables: dict[str, Value]
    step_limit: int = STEP_LIMIT

    def prompt_names(self) -> frozenset[str]:
        """Return every sound the flow may play."""
        return frozenset(name for node in self.nodes.values() for name in node.prompt_names())
