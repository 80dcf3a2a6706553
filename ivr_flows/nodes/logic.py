"""Nodes that decide and reckon, and lead into other flows."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ivr_flows.expressions import Condition, Expression
from ivr_flows.nodes.base import Exit, NodeBase, Path, Reading


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

    def reads(self) -> Iterator[tuple[Path, Reading]]:
        """Yield every condition."""
        for index, case in enumerate(self.when):
            yield ("when", index, "if"), case.condition


class SetNode(NodeBase, frozen=True, tag="set", kw_only=True):
    """Set variables, one after another; each may read those before it."""

    values: dict[str, Expression]
    next: str

    def exits(self) -> Iterator[Exit]:
        """Yield `next`."""
        yield Exit(("next",), self.next, False)

    def sets(self) -> Iterator[str]:
        """Yield each variable."""
        yield from self.values


class GotoNode(NodeBase, frozen=True, tag="goto", kw_only=True):
    """Go on elsewhere: a name for a place that several nodes lead to."""

    next: str

    def exits(self) -> Iterator[Exit]:
        """Yield `next`."""
        yield Exit(("next",), self.next, False)


class SubflowNode(NodeBase, frozen=True, tag="subflow", kw_only=True):
    """Walk another flow, which sees the call's own variables and the parameters given in `with`.

    Once it returns, `results` sets variables here to results there. If it hangs up, the call is over.
    """

    flow: str
    next: str
    given: dict[str, Expression] = msgspec.field(name="with", default_factory=dict)
    results: dict[str, str] = msgspec.field(default_factory=dict)

    def exits(self) -> Iterator[Exit]:
        """Yield `next`."""
        yield Exit(("next",), self.next, False)

    def sets(self) -> Iterator[str]:
        """Yield the variables that take results."""
        yield from self.results

    @property
    def speaks(self) -> bool:
        """What is walked there may speak."""
        return True


class ReturnNode(NodeBase, frozen=True, tag="return", kw_only=True):
    """Return from a sub-flow with results; in the flow the call began with, hang up."""

    results: dict[str, Expression] = msgspec.field(default_factory=dict)

    @property
    def ends(self) -> bool:
        """The way through this flow ends here."""
        return True
