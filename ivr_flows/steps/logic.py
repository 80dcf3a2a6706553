"""Deciding, reckoning, and entering other flows."""

from __future__ import annotations

from ivr_flows.expressions import Expression
from ivr_flows.model import INPUTS, BranchNode, GotoNode, ReturnNode, SetNode, SubflowNode
from ivr_flows.turn import MAX_FRAMES, Turn, as_value


def enter_branch(turn: Turn, node: BranchNode) -> str:
    """Take the first case that holds."""
    scope = turn.scope
    for case in node.when:
        if case.condition.holds(scope):
            return case.next
    return node.otherwise


def enter_set(turn: Turn, node: SetNode) -> str:
    """Set each variable in turn; what was worked out from a secret is one."""
    for name, expression in node.values.items():
        turn.assign(name, expression.value(turn.scope), secret=_tainted(turn, expression))
    return node.next


def enter_goto(turn: Turn, node: GotoNode) -> str:
    """Go on."""
    return node.next


def enter_subflow(turn: Turn, node: SubflowNode) -> str:
    """Enter the flow with the call's own variables, its header's, and its parameters."""
    position = turn.position
    flow = turn.outer if node.flow == turn.outer.name else turn.outer.subflows.get(node.flow)
    if flow is None:
        return turn.end("failed")
    if len(position.frames) == MAX_FRAMES:
        position.exhausted = True
        return turn.end("failed")
    scope = turn.scope
    variables = {**flow.variables, **{name: value for name, value in position.variables.items() if name in INPUTS}}
    secrets = {name: value for name, value in position.secrets.items() if name in INPUTS}
    for name, expression in node.given.items():
        into = secrets if _tainted(turn, expression) else variables
        into[name] = as_value(expression.value(scope))
    turn.push(flow, variables, secrets)
    return flow.start


def enter_return(turn: Turn, node: ReturnNode) -> str:
    """Go back to the flow around with the results it wants; there is none around the first, which hangs up."""
    if not turn.position.frames:
        return turn.end("normal")
    if turn.position.gone:
        return turn.unwind()
    scope = turn.scope
    results = {name: (expression.value(scope), _tainted(turn, expression)) for name, expression in node.results.items()}
    turn.pop()
    entered = turn.node
    assert isinstance(entered, SubflowNode)
    for variable, result in entered.results.items():
        value, secret = results.get(result, ("", False))
        turn.assign(variable, value, secret=secret)
    return entered.next


def _tainted(turn: Turn, expression: Expression) -> bool:
    """Whether an expression reads a secret."""
    return not expression.names.isdisjoint(turn.position.secrets)


ENTER = {
    BranchNode: enter_branch,
    SetNode: enter_set,
    GotoNode: enter_goto,
    SubflowNode: enter_subflow,
    ReturnNode: enter_return,
}
