"""Flows that enter each other: unknown ones, parameters and results that do not fit, circles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ivr_flows.checks import codes
from ivr_flows.errors import FlowError
from ivr_flows.graph import circles, shortest
from ivr_flows.linking import link_faults
from ivr_flows.model import Flow
from ivr_flows.source import Source


def check_library(flows: Mapping[str, Flow], sources: Mapping[str, Source]) -> list[FlowError]:
    """Return what does not fit between flows; `flows` are all that may be entered, by name."""
    return [*link_faults(flows, sources), *recursion(flows, sources)]


def recursion(flows: Mapping[str, Flow], sources: Mapping[str, Source]) -> Iterator[FlowError]:
    """Yield each node that enters a flow from which its own can be entered again."""
    enters = {name: frozenset(flow.calls().values()) & flows.keys() for name, flow in flows.items()}
    for circle in circles(enters):
        for name in circle:
            for node, target in flows[name].calls().items():
                if target in circle:
                    way = " -> ".join([name, *shortest(enters, [target], name)])
                    message = f"'{name}' would be entered within itself: {way}"
                    advice = "go on by 'next' or 'return' instead of entering it again"
                    if name in sources:
                        place = ("nodes", node, "flow")
                        yield sources[name].error(place, message, advice, code=codes.RECURSION)
                    else:
                        yield FlowError(flows[name].file, 0, 0, f"{node}: {message}", advice, code=codes.RECURSION)
