"""What can be known to be wrong with a flow before anybody calls."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ivr_flows.errors import FlowError, did_you_mean
from ivr_flows.expressions import COUNTER
from ivr_flows.model import (
    DTMF,
    FAILURES,
    INPUTS,
    BranchNode,
    CollectNode,
    ConnectBase,
    Flow,
    Node,
    PlayNode,
)
from ivr_flows.source import Path, Source

_PROMPT = re.compile(r"(?:[\w-]+/)*[\w-]+\Z|(?:tone|silence):[\w.:-]+\Z")


def check(flow: Flow, source: Source) -> list[FlowError]:
    """Return every fault: of single nodes, then, when all exits lead somewhere, of the whole."""
    faults = list(_header(flow, source))
    for name, node in flow.nodes.items():
        faults += _node(flow, name, node, source)
    return faults or [*_unreachable(flow, source), *_dead_ends(flow, source), *_loops(flow, source)]


def _header(flow: Flow, source: Source) -> Iterator[FlowError]:
    if flow.start not in flow.nodes:
        yield source.error(("start",), f"start: no node '{flow.start}'", did_you_mean(flow.start, flow.nodes))
    for name in flow.variables:
        if name == COUNTER or not name.isidentifier():
            yield source.error(("variables", name), f"'{name}' cannot be a variable", key=True)
    if flow.on_hangup is not None and flow.on_hangup not in flow.nodes:
        advice = did_you_mean(flow.on_hangup, flow.nodes)
        yield source.error(("on_hangup",), f"on_hangup: no node '{flow.on_hangup}'", advice)
    listens = any(node.listens for node in flow.nodes.values())
    speaks = any(node.speaks for node in flow.nodes.values())
    if flow.answer != "now" and listens:
        yield source.error(("answer",), f"a flow that collects digits must answer now, not {flow.answer}")
    elif flow.answer == "on_connect" and speaks:
        yield source.error(("answer",), "a flow that plays prompts must answer now or early, not on_connect")


def _node(flow: Flow, name: str, node: Node, source: Source) -> Iterator[FlowError]:
    place: Path = ("nodes", name)
    for way in node.exits():
        if way.target not in flow.nodes:
            label = ".".join(str(part) for part in way.path)
            yield source.error(
                (*place, *way.path), f"{label}: no node '{way.target}'", did_you_mean(way.target, flow.nodes)
            )
    for path, prompt in node.prompts_by_place():
        for sound in prompt.sounds:
            yield from _prompt(sound, (*place, *path), source)
    yield from _reads(flow, place, node, source)
    if isinstance(node, PlayNode):
        yield from _play(name, node, source)
    elif isinstance(node, CollectNode):
        yield from _collect(place, node, source)
    elif isinstance(node, ConnectBase):
        yield from _connect(place, node, source)


def _prompt(name: str, place: Path, source: Source) -> Iterator[FlowError]:
    if not _PROMPT.match(name):
        yield source.error(place, f"'{name}' is no prompt name", "write names such as zh/welcome")


def _play(name: str, node: PlayNode, source: Source) -> Iterator[FlowError]:
    place: Path = ("nodes", name)
    if not node.prompts:
        yield source.error((*place, "prompts"), f"'{name}' plays nothing")
    if node.next is None and not node.loop:
        yield source.error(place, f"exit 'next' of '{name}' is not wired", key=True)


def _collect(place: Path, node: CollectNode, source: Source) -> Iterator[FlowError]:
    if node.min > node.max:
        yield source.error((*place, "min"), f"min {node.min} is more than max {node.max}")
    if not node.into.isidentifier() or node.into == COUNTER:
        yield source.error((*place, "into"), f"'{node.into}' cannot be a variable")
    for key in sorted(set(node.terminators) - DTMF):
        yield source.error((*place, "terminators"), f"'{key}' is no key of a telephone")


def _connect(place: Path, node: ConnectBase, source: Source) -> Iterator[FlowError]:
    if node.ringback:
        yield from _prompt(node.ringback, (*place, "ringback"), source)
    missing = [outcome for outcome in FAILURES if outcome not in node.on]
    if missing and "other" not in node.on:
        yield source.error(
            (*place, "on"),
            f"exits not wired: {', '.join(missing)}",
            "wire them, or the rest of them as 'other'",
        )


def _reads(flow: Flow, place: Path, node: Node, source: Source) -> Iterator[FlowError]:
    known = _variables(flow)
    for path, reading in node.reads():
        where: Path = (*place, *path)
        for name in sorted(reading.names - known):
            yield source.error(where, f"nothing sets the variable '{name}'", did_you_mean(name, known))
        for name in sorted(getattr(reading, "counters", frozenset()) - flow.nodes.keys()):
            yield source.error(where, f"{COUNTER}.{name}: no node '{name}'", did_you_mean(name, flow.nodes))


def _variables(flow: Flow) -> frozenset[str]:
    """Return every variable that the call, the header or a node sets."""
    from_nodes = {name for node in flow.nodes.values() for name in node.sets()}
    return INPUTS | from_nodes | flow.variables.keys() | set(flow.parameters)


def _reach(ways: dict[str, set[str]], start: set[str]) -> set[str]:
    seen, todo = set(start), list(start)
    while todo:
        fresh = ways[todo.pop()] - seen
        seen |= fresh
        todo += fresh
    return seen


def _unreachable(flow: Flow, source: Source) -> Iterator[FlowError]:
    ways = {name: {way.target for way in node.exits()} for name, node in flow.nodes.items()}
    reached = _reach(ways, {flow.start} | ({flow.on_hangup} if flow.on_hangup else set()))
    for name in flow.nodes:
        if name not in reached:
            yield source.error(("nodes", name), f"nothing leads to '{name}'", key=True)


def _dead_ends(flow: Flow, source: Source) -> Iterator[FlowError]:
    """Find nodes from which the call can end only by the caller's hanging up, loops of music apart."""
    back: dict[str, set[str]] = {name: set() for name in flow.nodes}
    ends = set()
    for name, node in flow.nodes.items():
        if node.ends:
            ends.add(name)
        for way in node.exits():
            back[way.target].add(name)
    ending = _reach(back, ends)
    for name in flow.nodes:
        if name not in ending:
            yield source.error(("nodes", name), f"no way from '{name}' to a hang-up", key=True)


def _loops(flow: Flow, source: Source) -> Iterator[FlowError]:
    """Find circles that a caller who does nothing would go round for ever.

    A circle is broken by keys, or by a branch that counts visits.
    """
    ways: dict[str, set[str]] = {}
    for name, node in flow.nodes.items():
        counted = isinstance(node, BranchNode) and any(case.condition.counters for case in node.when)
        ways[name] = set() if counted else {way.target for way in node.exits() if not way.keyed}
    reported: set[str] = set()
    for name in flow.nodes:
        if name in reported or name not in _reach(ways, ways[name]):
            continue
        circle = [other for other in _reach(ways, {name}) if name in _reach(ways, ways[other])]
        reported |= set(circle)
        ordered = [other for other in flow.nodes if other in circle]
        yield source.error(
            ("nodes", name),
            f"'{' -> '.join(ordered)}' goes round without input",
            f"collect digits, or count with a branch on {COUNTER}.{name}",
            key=True,
        )
