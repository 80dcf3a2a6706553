"""What a flow promises to return, and what it does return."""

from __future__ import annotations

from collections.abc import Iterator

from ivr_flows.checks import codes
from ivr_flows.errors import FlowError, did_you_mean
from ivr_flows.model import Flow, ReturnNode
from ivr_flows.source import Source


def check_results(flow: Flow, source: Source) -> Iterator[FlowError]:
    """Yield results that are returned without being declared, and those declared but never returned."""
    returns = {name: node for name, node in flow.nodes.items() if isinstance(node, ReturnNode)}
    for name, node in returns.items():
        for result in node.results:
            if result not in flow.results:
                yield source.error(
                    ("nodes", name, "results", result),
                    f"'{result}' is not one of the flow's results",
                    did_you_mean(result, flow.results) or "name it under 'results:' at the top",
                    key=True,
                    code=codes.RESULTS,
                )
    for index, result in enumerate(flow.results):
        if not any(result in node.results for node in returns.values()):
            yield source.error(
                ("results", index),
                f"nothing returns '{result}'",
                "return it by a node of type 'return'",
                code=codes.RESULTS,
            )
