"""Variables: their names, and whether they are set on every way to where they are read.

A forward analysis over the graph: what is surely set at a node is what is set on all ways to it. Inputs of the call,
variables of the header and parameters are set from the first. An entry sets its variable only where it succeeds, an
http node only where it was answered; a survey's questions count as set, since none is asked twice and no answer is an
answer. `has(x)` asks whether a variable is set, so it may read any that something sets, and where it holds `x` is set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ivr_flows.checks import codes
from ivr_flows.checks.nodes import check_counters
from ivr_flows.errors import FlowError, did_you_mean
from ivr_flows.expressions import COUNTER, KEYWORDS, Condition, Expression
from ivr_flows.graph import entries, shortest
from ivr_flows.model import (
    INPUTS,
    SECRET_INPUTS,
    BranchNode,
    CollectNode,
    ConnectBase,
    Exit,
    Flow,
    HttpNode,
    IdentifyNode,
    MailboxNode,
    MenuNode,
    MessageNode,
    Node,
    QueueNode,
    SetNode,
    SubflowNode,
    SurveyNode,
)
from ivr_flows.nodes.base import Reading
from ivr_flows.source import Path, Source

Edge = tuple[str, frozenset[str]]
"""Where an exit leads, and what is set on the way."""

_HAS: Final = re.compile(r"\s*has\(\s*(\w+)\s*\)\s*\Z")
_NOT_HAS: Final = re.compile(r"\s*not\s+has\(\s*(\w+)\s*\)\s*\Z")
_HAS_ANYWHERE: Final = re.compile(r"\bhas\(\s*(\w+)\s*\)")
_NOTHING: Final = frozenset[str]()


def check_names(flow: Flow, source: Source) -> Iterator[FlowError]:
    """Yield the names that no variable can have, and the inputs that no node may set."""
    named: list[tuple[Path, str, bool]] = [(("variables", name), name, True) for name in flow.variables]
    named += [(("parameters", index), name, False) for index, name in enumerate(flow.parameters)]
    set_by_nodes = [
        (("nodes", node_name, *path), name, key)
        for node_name, node in flow.nodes.items()
        for path, name, key in _set_at(node)
    ]
    for path, name, key in (*named, *set_by_nodes):
        if name == COUNTER or name in KEYWORDS or not name.isidentifier():
            advice = "letters, digits and _ make a name"
            yield source.error(path, f"'{name}' cannot be a variable", advice, key=key, code=codes.BAD_VARIABLE)
    for path, name, key in set_by_nodes:
        if name in SECRET_INPUTS:
            advice = "use a variable of your own"
            yield source.error(path, f"'{name}' is set by the call itself", advice, key=key, code=codes.BAD_VARIABLE)


def _set_at(node: Node) -> Iterator[tuple[Path, str, bool]]:
    """Yield where in a node each variable is named that it sets, and whether that is a key."""
    match node:
        case CollectNode() | MenuNode():
            if node.into is not None:
                yield ("into",), node.into, False
        case SetNode():
            for name in node.values:
                yield ("values", name), name, True
        case HttpNode():
            for name in node.set:
                yield ("set", name), name, True
        case SubflowNode():
            for name in node.results:
                yield ("results", name), name, True
        case SurveyNode():
            for index, question in enumerate(node.questions):
                yield ("questions", index, "name"), question.name, False


def check_variables(flow: Flow, source: Source) -> Iterator[FlowError]:
    """Yield every reading of a variable that nothing sets, or nothing on one of the ways there."""
    first = INPUTS | flow.variables.keys() | set(flow.parameters)
    somewhere = first.union(*[node.sets() for node in flow.nodes.values()])
    edges = {name: list(_edges(node)) for name, node in flow.nodes.items()}
    sure = _surely_set(flow, edges, first)
    for name, node in flow.nodes.items():
        told: set[str] = set()
        for path, reading, known in _readings(node, sure.get(name)):
            place: Path = ("nodes", name, *path)
            yield from check_counters(flow, place, getattr(reading, "counters", _NOTHING), source)
            for variable in sorted(reading.names - somewhere):
                advice = did_you_mean(variable, somewhere)
                message = f"nothing sets the variable '{variable}'"
                yield source.error(place, message, advice, code=codes.UNSET_VARIABLE)
            if known is None:
                continue  # nobody comes here, which is told already
            for variable in sorted((_needed(reading) & somewhere) - known - told):
                told.add(variable)
                way = _unset_way(flow, edges, variable, name)
                where = f"on the way {' -> '.join(way)}" if len(way) > 1 else f"yet when a call comes to '{name}'"
                yield source.error(
                    place,
                    f"'{variable}' is not set {where}",
                    f"set it there, or give it a first value under 'variables:', such as {variable}: \"\"",
                    code=codes.UNSET_VARIABLE,
                )


def _surely_set(flow: Flow, edges: dict[str, list[Edge]], first: frozenset[str]) -> dict[str, frozenset[str]]:
    """Return what is set on all ways to each node that can be reached."""
    sure = dict.fromkeys(entries(flow), first)
    todo = list(sure)
    while todo:
        name = todo.pop()
        for target, given in edges[name]:
            here = sure[name] | given
            known = sure.get(target)
            if known is None or known - here:
                sure[target] = here if known is None else known & here
                todo.append(target)
    return sure


def _edges(node: Node) -> Iterator[Edge]:
    if isinstance(node, BranchNode):
        yield from _decided(node)
        return
    for way in node.exits():
        yield way.target, _given(node, way)


def _decided(node: BranchNode) -> Iterator[Edge]:
    """Where `has(x)` led, x is set; where `not has(x)` did not lead, it is as well."""
    known: frozenset[str] = _NOTHING
    for case in node.when:
        text = case.condition.source
        terms = [] if re.search(r"\bor\b", text) else re.split(r"\band\b", text)
        yield case.next, known | {match[1] for term in terms if (match := _HAS.match(term))}
        if match := _NOT_HAS.match(text):
            known |= {match[1]}
    yield node.otherwise, known


def _given(node: Node, way: Exit) -> frozenset[str]:
    """Return what is set when a node is left by an exit."""
    head = way.path[0]
    match node:
        case MenuNode() if node.into is not None and head == "keys":
            return frozenset({node.into})
        case CollectNode() if head == "next":
            return frozenset({node.into})
        case HttpNode() if head in ("next", "on_status"):
            return frozenset(node.set)
        case ConnectBase() | QueueNode() if head == "on":
            return frozenset(node.sets())
        case MailboxNode() if head != "on_refused":
            return frozenset(node.sets())
        case MessageNode() if head == "next":
            return frozenset(node.sets())
        case SetNode() | SubflowNode() | SurveyNode() | IdentifyNode():
            return frozenset(node.sets())
    return _NOTHING


def _readings(node: Node, known: frozenset[str] | None) -> Iterator[tuple[Path, Reading, frozenset[str] | None]]:
    """Yield each reading with what is set before it.

    A set node's values may read those before them, and a branch's conditions what `not has(x)` has found.
    """
    for path, reading in node.reads():
        yield path, reading, known
        if known is not None and isinstance(node, SetNode):
            known |= {str(path[-1])}
        elif known is not None and isinstance(reading, Condition) and (match := _NOT_HAS.match(reading.source)):
            known |= {match[1]}


def _needed(reading: Reading) -> frozenset[str]:
    """Return the variables whose values matter; has(x) only asks whether there is one."""
    if not isinstance(reading, Condition | Expression):
        return reading.names
    asked = {match[1] for match in _HAS_ANYWHERE.finditer(reading.source)}
    rest = _HAS_ANYWHERE.sub("", reading.source)
    return frozenset(name for name in reading.names if name not in asked or re.search(rf"\b{re.escape(name)}\b", rest))


def _unset_way(flow: Flow, edges: dict[str, list[Edge]], variable: str, end: str) -> list[str]:
    """Return a shortest way to a node on which nothing sets a variable."""
    unset = {name: [target for target, given in ways if variable not in given] for name, ways in edges.items()}
    return shortest(unset, entries(flow), end)
