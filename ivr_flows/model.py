"""The nodes of a flow, typed, and the flow itself; a key that is not here is refused.

A node is named by its key under `nodes:`, and its kind by `type:`. Every exit names another node.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ivr_flows.expressions import Value
from ivr_flows.nodes.backend import Ask, CallbackNode, HttpNode, IdentifyNode, JsonPath, JsonTemplate
from ivr_flows.nodes.base import DTMF, MAX_ENTRY, Duration, Entry, Exit, NodeBase
from ivr_flows.nodes.connecting import (
    FAILURES,
    QUEUE_FAILURES,
    QUEUE_OUTCOMES,
    ConnectBase,
    DialNode,
    ExtensionNode,
    QueueNode,
)
from ivr_flows.nodes.entry import CollectNode, ConsentNode, MenuNode, Question, SurveyNode
from ivr_flows.nodes.logic import BranchNode, Case, GotoNode, ReturnNode, SetNode, SubflowNode
from ivr_flows.nodes.mailbox import MailboxNode, MessageNode
from ivr_flows.nodes.recording import RecordNode, RefuseNode, VoicemailNode
from ivr_flows.nodes.talking import HangupNode, PlayNode, SayNode

__all__ = [
    "DTMF",
    "FAILURES",
    "INPUTS",
    "MAX_ENTRY",
    "NODE_TYPES",
    "QUEUE_FAILURES",
    "QUEUE_OUTCOMES",
    "SECRET_INPUTS",
    "STEP_LIMIT",
    "Ask",
    "BranchNode",
    "CallbackNode",
    "Case",
    "CollectNode",
    "ConnectBase",
    "ConsentNode",
    "DialNode",
    "Duration",
    "Entry",
    "Exit",
    "ExtensionNode",
    "Flow",
    "GotoNode",
    "HangupNode",
    "Header",
    "HttpNode",
    "IdentifyNode",
    "JsonPath",
    "JsonTemplate",
    "MailboxNode",
    "MenuNode",
    "MessageNode",
    "Node",
    "NodeBase",
    "PlayNode",
    "Question",
    "QueueNode",
    "RecordNode",
    "RefuseNode",
    "ReturnNode",
    "SayNode",
    "SetNode",
    "SubflowNode",
    "SurveyNode",
    "VoicemailNode",
]

STEP_LIMIT = 1000
INPUTS = frozenset(
    {
        "called", "extension", "trunk", "caller", "caller_province", "caller_city", "language", "reason",
        "store", "city", "label",
    }
)  # fmt: skip
"""Variables that the call brings along, into sub-flows as well."""
SECRET_INPUTS = frozenset({"caller"})

Node = (
    PlayNode
    | SayNode
    | MenuNode
    | CollectNode
    | BranchNode
    | SetNode
    | HttpNode
    | IdentifyNode
    | ExtensionNode
    | DialNode
    | QueueNode
    | VoicemailNode
    | MailboxNode
    | MessageNode
    | RecordNode
    | RefuseNode
    | ConsentNode
    | CallbackNode
    | SurveyNode
    | SubflowNode
    | ReturnNode
    | GotoNode
    | HangupNode
)
NODE_TYPES: dict[str, type[Node]] = {
    "play": PlayNode,
    "say": SayNode,
    "menu": MenuNode,
    "collect": CollectNode,
    "branch": BranchNode,
    "set": SetNode,
    "http": HttpNode,
    "identify": IdentifyNode,
    "extension": ExtensionNode,
    "dial": DialNode,
    "queue": QueueNode,
    "voicemail": VoicemailNode,
    "mailbox": MailboxNode,
    "message": MessageNode,
    "record": RecordNode,
    "refuse": RefuseNode,
    "consent": ConsentNode,
    "callback": CallbackNode,
    "survey": SurveyNode,
    "subflow": SubflowNode,
    "return": ReturnNode,
    "goto": GotoNode,
    "hangup": HangupNode,
}
Answer = Literal["now", "early", "on_connect"]


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What stands beside `nodes:` at the top of a file."""

    flow: str
    start: str
    answer: Answer | None = None
    language: str = "zh"
    variables: dict[str, Value] = {}
    parameters: tuple[str, ...] = ()
    """Variables that another flow gives to this one."""
    results: tuple[str, ...] = ()
    """What this flow returns to another one."""
    on_hangup: str | None = None
    """Where to go on when the caller hangs up."""
    step_limit: Annotated[int, msgspec.Meta(ge=1, le=STEP_LIMIT)] = STEP_LIMIT


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """A flow that has been read and checked; running calls keep the one they began with."""

    name: str
    version: str
    """Short hash of the file's text, and of the sub-flows' once they are linked."""
    file: str
    answer: Answer
    start: str
    nodes: dict[str, Node]
    variables: dict[str, Value]
    language: str = "zh"
    parameters: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    on_hangup: str | None = None
    step_limit: int = STEP_LIMIT
    subflows: dict[str, Flow] = {}
    """Every flow that can be entered from this one, at any depth, as it was when this one went live."""

    def prompt_names(self) -> frozenset[str]:
        """Return every sound the flow may play, its sub-flows' and those named by variables apart."""
        return frozenset(name for node in self.nodes.values() for name in node.prompt_names())

    def calls(self) -> dict[str, str]:
        """Return the sub-flows that nodes enter, by node."""
        return {name: node.flow for name, node in self.nodes.items() if isinstance(node, SubflowNode)}

    def __repr__(self) -> str:
        return f"Flow({self.name!r}, {self.version!r})"
