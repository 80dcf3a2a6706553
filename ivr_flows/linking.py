"""Flows to the flows they enter, so that a call keeps all of them as they were when it began."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from ivr_flows.errors import FlowError, did_you_mean
from ivr_flows.model import Flow, SubflowNode
from ivr_flows.source import Path as Place
from ivr_flows.source import Source

UNKNOWN_FLOW: Final = "unknown-flow"
PARAMETERS: Final = "parameters"
RESULTS: Final = "results"

_NO_SOURCES: Final[Mapping[str, Source]] = {}


def link(flows: Mapping[str, Flow], sources: Mapping[str, Source] = _NO_SOURCES) -> dict[str, Flow]:
    """Return the flows with `subflows` filled in and versions that cover them; FlowError when they do not fit."""
    faults = list(link_faults(flows, sources))
    if faults:
        first, *others = faults
        raise FlowError(
            first.file, first.line, first.column, first.message, first.suggestion, tuple(others), code=first.code
        )
    return {name: _linked(flow, flows) for name, flow in flows.items()}


def link_faults(flows: Mapping[str, Flow], sources: Mapping[str, Source] = _NO_SOURCES) -> Iterator[FlowError]:
    """Yield what does not fit between flows: unknown ones, parameters and results that are not the sub-flow's.

    Without a flow's source, a fault names its file only.
    """
    for name, flow in flows.items():
        for node_name, node in flow.nodes.items():
            if isinstance(node, SubflowNode):
                for place, message, suggestion, code in _misfits(node, flows):
                    whole: Place = ("nodes", node_name, *place)
                    if name in sources:
                        yield sources[name].error(whole, message, suggestion, key=len(place) > 1, code=code)
                    else:
                        yield FlowError(flow.file, 0, 0, f"{node_name}: {message}", suggestion, code=code)


def reachable(flow: Flow, flows: Mapping[str, Flow]) -> dict[str, Flow]:
    """Return every flow that can be entered from this one, at any depth; itself only if it comes round again."""
    found: dict[str, Flow] = {}
    todo = list(flow.calls().values())
    while todo:
        name = todo.pop()
        if name in flows and name not in found:
            found[name] = flows[name]
            todo += flows[name].calls().values()
    return found


def _linked(flow: Flow, flows: Mapping[str, Flow]) -> Flow:
    subflows = reachable(flow, flows)
    if not subflows:
        return flow
    parts = [flow.version, *(f"{name}:{subflows[name].version}" for name in sorted(subflows))]
    version = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    return msgspec.structs.replace(flow, version=version, subflows=subflows)


def _misfits(node: SubflowNode, flows: Mapping[str, Flow]) -> Iterator[tuple[Place, str, str, str]]:
    """Yield place, message, suggestion and code of each fault."""
    flow = flows.get(node.flow)
    if flow is None:
        yield ("flow",), f"no flow '{node.flow}'", did_you_mean(node.flow, flows), UNKNOWN_FLOW
        return
    for name in node.given:
        if name not in flow.parameters:
            advice = did_you_mean(name, flow.parameters)
            yield ("with", name), f"'{flow.name}' has no parameter '{name}'", advice, PARAMETERS
    missing = [name for name in flow.parameters if name not in node.given]
    if missing:
        yield (), f"parameters of '{flow.name}' not given: {', '.join(missing)}", "", PARAMETERS
    for variable, result in node.results.items():
        if result not in flow.results:
            advice = did_you_mean(result, flow.results)
            yield ("results", variable), f"'{flow.name}' returns no '{result}'", advice, RESULTS
