"""What is done once the caller has hung up: nobody is there to hear, to key or to be connected."""

from __future__ import annotations

from collections.abc import Iterator

from ivr_flows.checks import codes
from ivr_flows.errors import FlowError
from ivr_flows.graph import reach, shortest, ways
from ivr_flows.machine import AFTERWARDS
from ivr_flows.model import Flow, RecordNode
from ivr_flows.source import Source


def check_hangup(flow: Flow, source: Source) -> Iterator[FlowError]:
    """Yield the nodes on the way from `on_hangup` that need a caller."""
    if flow.on_hangup is None:
        return
    graph = ways(flow)
    for name in reach(graph, [flow.on_hangup]):
        node = flow.nodes[name]
        if type(node) not in AFTERWARDS:
            what = "cannot be done"
        elif node.speaks:
            what = "speaks to nobody"
        elif isinstance(node, RecordNode) and node.do != "stop":
            what = f"cannot {node.do} a recording"
        else:
            continue
        way = shortest(graph, [flow.on_hangup], name)
        yield source.error(
            ("nodes", name),
            f"'{name}' {what} once the caller has hung up; on_hangup leads there by {' -> '.join(way)}",
            "lead on_hangup to nodes of its own: set, http, branch, goto, hangup, record: stop",
            key=True,
            code=codes.HANGUP_BRANCH,
        )
