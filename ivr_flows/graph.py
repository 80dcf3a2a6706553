"""A flow as a graph: which node leads where, and what can be said of the ways."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from ivr_flows.model import Flow

Ways = Mapping[str, frozenset[str]]


def ways(flow: Flow) -> dict[str, frozenset[str]]:
    """Return where each node leads; exits to nodes that do not exist are left out."""
    return {
        name: frozenset(way.target for way in node.exits() if way.target in flow.nodes)
        for name, node in flow.nodes.items()
    }


def entries(flow: Flow) -> tuple[str, ...]:
    """Return the nodes where a call comes in: the start and what a hang-up leads to."""
    return tuple(name for name in (flow.start, flow.on_hangup) if name is not None and name in flow.nodes)


def reach(graph: Ways, start: Iterable[str]) -> set[str]:
    """Return every node that can be reached from these, themselves included."""
    seen = set(start)
    todo = list(seen)
    while todo:
        fresh = graph[todo.pop()] - seen
        seen |= fresh
        todo += fresh
    return seen


def backwards(graph: Ways) -> dict[str, frozenset[str]]:
    """Return the graph with every way turned round."""
    turned: dict[str, set[str]] = {name: set() for name in graph}
    for name, targets in graph.items():
        for target in targets:
            turned[target].add(name)
    return {name: frozenset(sources) for name, sources in turned.items()}


def shortest(graph: Mapping[str, Iterable[str]], start: Iterable[str], end: str) -> list[str]:
    """Return the nodes of a shortest way, both ends included; none when there is no way."""
    before: dict[str, str | None] = dict.fromkeys(start)
    todo = deque(before)
    while todo:
        name = todo.popleft()
        if name == end:
            way = [name]
            while (earlier := before[way[-1]]) is not None:
                way.append(earlier)
            return way[::-1]
        for target in graph.get(name, ()):
            if target not in before:
                before[target] = name
                todo.append(target)
    return []


def circles(graph: Ways) -> list[list[str]]:
    """Return the groups of nodes that lead round to each other, in the order of the graph.

    Tarjan's strongly connected components, without recursion; a node by itself counts when it leads to itself.
    """
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    open_: list[str] = []
    found: list[set[str]] = []
    for root in graph:
        todo = [(root, iter(graph[root]))] if root not in order else []
        while todo:
            name, targets = todo[-1]
            if name not in order:
                order[name] = low[name] = len(order)
                open_.append(name)
            for target in targets:
                if target not in order:
                    todo.append((target, iter(graph[target])))
                    break
                if target in open_:
                    low[name] = min(low[name], order[target])
            else:
                todo.pop()
                if todo:
                    low[todo[-1][0]] = min(low[todo[-1][0]], low[name])
                if low[name] == order[name]:
                    at = open_.index(name)
                    group, open_ = set(open_[at:]), open_[:at]
                    if len(group) > 1 or name in graph[name]:
                        found.append(group)
    position = {name: index for index, name in enumerate(graph)}
    groups = [sorted(group, key=position.__getitem__) for group in found]
    return sorted(groups, key=lambda group: position[group[0]])
