"""Ways through a flow: nodes nobody reaches, ways that never end, circles that ask for nothing."""

from __future__ import annotations

from collections.abc import Iterator

from ivr_flows.checks import codes
from ivr_flows.errors import FlowError
from ivr_flows.expressions import COUNTER
from ivr_flows.graph import backwards, circles, entries, reach, ways
from ivr_flows.model import BranchNode, Flow, Node
from ivr_flows.source import Source


def check_ways(flow: Flow, source: Source) -> Iterator[FlowError]:
    """Yield what is wrong with the ways of a flow whose exits all lead to nodes."""
    yield from _unreachable(flow, source)
    dead = _dead(flow)
    for name in flow.nodes:
        if name in dead:
            message = f"no way from '{name}' to a hang-up"
            advice = "give one of its exits a way out"
            yield source.error(("nodes", name), message, advice, key=True, code=codes.DEAD_END)
    for circle in _silent_circles(flow):
        if dead.isdisjoint(circle):
            yield source.error(
                ("nodes", circle[0]),
                f"'{' -> '.join(circle)}' goes round without input",
                f"collect digits, or count with a branch on {COUNTER}.{circle[0]}",
                key=True,
                code=codes.LOOP,
            )


def _unreachable(flow: Flow, source: Source) -> Iterator[FlowError]:
    reached = reach(ways(flow), entries(flow))
    for name in flow.nodes:
        if name not in reached:
            advice = "lead an exit there, or remove it"
            yield source.error(("nodes", name), f"nothing leads to '{name}'", advice, key=True, code=codes.UNREACHABLE)


def _dead(flow: Flow) -> set[str]:
    """Return nodes from which the call can end only by the caller's hanging up, loops of music apart."""
    ends = {name for name, node in flow.nodes.items() if node.ends}
    return flow.nodes.keys() - reach(backwards(ways(flow)), ends)


def _silent_circles(flow: Flow) -> list[list[str]]:
    """Return circles that a caller who does nothing would go round for ever.

    A circle is broken by keys, or by a branch that counts visits.
    """
    silent = {
        name: frozenset() if _counts(node) else frozenset(way.target for way in node.exits() if not way.keyed)
        for name, node in flow.nodes.items()
    }
    return circles(silent)


def _counts(node: Node) -> bool:
    return isinstance(node, BranchNode) and any(case.condition.counters for case in node.when)
