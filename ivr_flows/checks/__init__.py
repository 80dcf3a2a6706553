"""What can be known to be wrong with flows before anybody calls.

`check` sees one file, and is asked whenever a flow is loaded; `ivr_flows.checks.library` sees flows that enter each
other; `ivr_flows.checks.prompts` knows the files that are to be played.
"""

from __future__ import annotations

from ivr_flows.checks import codes
from ivr_flows.checks.hangup import check_hangup
from ivr_flows.checks.nodes import check_header, check_node
from ivr_flows.checks.results import check_results
from ivr_flows.checks.secrets import check_secrets
from ivr_flows.checks.variables import check_names, check_variables
from ivr_flows.checks.ways import check_ways
from ivr_flows.errors import FlowError
from ivr_flows.model import Flow
from ivr_flows.source import Source

__all__ = ["check", "codes"]


def check(flow: Flow, source: Source) -> list[FlowError]:
    """Return every fault that a flow's own file shows, in the order of its lines.

    What concerns ways through the flow is looked for once all exits lead somewhere.
    """
    faults = [*check_header(flow, source), *check_names(flow, source), *check_results(flow, source)]
    for name, node in flow.nodes.items():
        faults += check_node(flow, name, node, source)
    faults += check_secrets(flow, source)
    if not any(fault.code == codes.UNKNOWN_TARGET for fault in faults):
        faults += check_ways(flow, source)
        faults += check_variables(flow, source)
        faults += check_hangup(flow, source)
    return sorted(faults, key=lambda fault: (fault.line, fault.column))
