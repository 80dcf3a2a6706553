"""Where secrets would leave the call: spoken, in names of prompts, in addresses, in copies that are no secrets.

Secrets are the calling number and what a `secret: true` entry takes. They may be compared in a branch, sent in the
`json` of an http node, be the number that is called back and the PIN of a mailbox. The interpreter keeps what it can
out of sight even so; a flow that needs that is not what its author meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ivr_flows.checks import codes
from ivr_flows.errors import FlowError
from ivr_flows.model import (
    SECRET_INPUTS,
    BranchNode,
    CallbackNode,
    CollectNode,
    Flow,
    HttpNode,
    MailboxNode,
    Node,
    ReturnNode,
    SetNode,
    SubflowNode,
)
from ivr_flows.source import Path, Source

_IN_BODY: Final = "send it in the 'json' of an http node, or compare it in a branch"
_SPOKEN: Final = ("would be heard by whoever listens", "leave it out of what is spoken")
_COPIED: Final = ("would be copied into a variable that is no secret", "compare it in a branch instead")
_HANDED: Final = ("would be handed to another flow", "let that flow ask for it, or pass on what a branch found out")
_WHERE: Final[dict[str, tuple[str, str]]] = {
    "url": ("would be in an address, which servers log", _IN_BODY),
    "headers": ("would be in a header, which servers log", _IN_BODY),
    "number": ("would be in the address that is called, and in records", _IN_BODY),
    "extension": ("would be in the address that is called, and in records", _IN_BODY),
    "target": ("would be in the address that is called, and in records", _IN_BODY),
    "group": ("would be the name of a group, which is logged", _IN_BODY),
    "skills": ("would be a skill, which is logged", _IN_BODY),
    "priority": ("would be a priority, which is logged", "branch on it, and give each branch a priority"),
    "vip": ("would be a priority, which is logged", "branch on it, and give each branch a priority"),
    "preferred": ("would be the name of an agent, which is logged", _IN_BODY),
    "box": ("would be the name of a mailbox, which is logged", _IN_BODY),
}


def secrets(flow: Flow) -> frozenset[str]:
    """Return the variables of a flow that hold secrets."""
    entered = {node.into for node in flow.nodes.values() if isinstance(node, CollectNode) and node.secret}
    return SECRET_INPUTS | entered


def check_secrets(flow: Flow, source: Source) -> Iterator[FlowError]:
    """Yield every place where a secret would leave the call."""
    hidden = secrets(flow)
    for name, node in flow.nodes.items():
        prompts = {path for path, _ in node.prompts_by_place()}
        for path, reading in node.reads():
            shown = sorted(reading.names & hidden)
            if not shown or _kept(node, path, hidden):
                continue
            harm, advice = _SPOKEN if path in prompts else _harm(node, path)
            for variable in shown:
                message = f"'{variable}' is a secret and {harm}"
                yield source.error(("nodes", name, *path), message, advice, code=codes.LEAK)
        if isinstance(node, CollectNode) and not node.secret and node.into in hidden - SECRET_INPUTS:
            message = f"'{node.into}' is a secret elsewhere, and recorded here"
            yield source.error(("nodes", name, "into"), message, "add 'secret: true'", code=codes.LEAK)


def _kept(node: Node, path: Path, hidden: frozenset[str]) -> bool:
    """Whether a place may read secrets."""
    match node:
        case BranchNode():
            return True
        case HttpNode():
            return path[0] == "json"
        case CallbackNode():
            return path[0] == "number"
        case MailboxNode():
            return path[0] == "pin"
        case SetNode():
            return path[-1] in hidden
    return False


def _harm(node: Node, path: Path) -> tuple[str, str]:
    match node:
        case SetNode():
            return _COPIED
        case SubflowNode() | ReturnNode():
            return _HANDED
    return _WHERE.get(str(path[0]), _SPOKEN)
