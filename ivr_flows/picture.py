"""What a picture of a flow shows of each node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ivr_flows.drawing import Box, Picture, Way
from ivr_flows.model import (
    BranchNode,
    CallbackNode,
    CollectNode,
    DialNode,
    Exit,
    ExtensionNode,
    Flow,
    HangupNode,
    HttpNode,
    IdentifyNode,
    MailboxNode,
    MenuNode,
    MessageNode,
    Node,
    PlayNode,
    QueueNode,
    RecordNode,
    ReturnNode,
    SayNode,
    SetNode,
    SubflowNode,
    SurveyNode,
    VoicemailNode,
)
from ivr_flows.prompt import Prompt, Wording

Texts = Callable[[str], str]
"""What the prompt of a name says; empty when nobody knows."""

MOST_LINES: Final = 4

_KINDS: Final[dict[type[Node], str]] = {
    PlayNode: "say",
    SayNode: "say",
    HttpNode: "fetch",
    IdentifyNode: "fetch",
    ExtensionNode: "connect",
    DialNode: "connect",
    QueueNode: "connect",
    VoicemailNode: "connect",
    MessageNode: "say",
    CallbackNode: "connect",
    HangupNode: "end",
    ReturnNode: "end",
}


def picture(flow: Flow, texts: Texts = lambda name: "") -> Picture:
    """Return what is to be drawn of a flow; exits that lead nowhere are left out."""
    entries = [("call comes in", flow.start), ("caller hangs up", flow.on_hangup)]
    return Picture(
        title=flow.name,
        entries=tuple((label, name) for label, name in entries if name in flow.nodes),
        boxes=tuple(
            Box(name, _type(node), _kind(node), tuple(_lines(flow, node, texts))) for name, node in flow.nodes.items()
        ),
        ways=tuple(
            Way(name, label(node, way), way.target)
            for name, node in flow.nodes.items()
            for way in node.exits()
            if way.target in flow.nodes
        ),
    )


def label(node: Node, way: Exit) -> str:
    """Return what a way out of a node is called: a key, a condition, an outcome."""
    if isinstance(node, BranchNode) and way.path[0] == "when":
        return node.when[int(way.path[1])].condition.source
    return str(way.path[-1]).removeprefix("on_")


def _type(node: Node) -> str:
    return str(node.__struct_config__.tag)


def _kind(node: Node) -> str:
    return "ask" if node.listens and type(node) not in _KINDS else _KINDS.get(type(node), "think")


def _lines(flow: Flow, node: Node, texts: Texts) -> Iterator[str]:
    said = [_heard(flow, prompt, texts) for path, prompt in node.prompts_by_place() if "retry_prompts" not in path]
    facts = [*_facts(node), *_inner(node)]
    yield from facts[:MOST_LINES]
    if len(facts) > MOST_LINES:
        yield f"… and {len(facts) - MOST_LINES} more"
    if said and not isinstance(node, QueueNode | HttpNode):
        yield " ".join(said)


def _facts(node: Node) -> Iterator[str]:
    """Yield what nodes say, ask and whom they reach."""
    match node:
        case SayNode():
            yield _words(node.text)
        case CollectNode():
            length = str(node.max) if node.min == node.max else f"{node.min}-{node.max}"
            yield f"{length} digits → {node.into}{' (secret)' if node.secret else ''}"
        case MenuNode(into=str(into)):
            yield f"key → {into}"
        case HttpNode():
            yield f"{node.method} {node.url.source}"
            if node.set:
                yield f"→ {', '.join(node.set)}"
        case IdentifyNode():
            yield f"number, else {node.ask.method}, {node.attempts} tries"
        case ExtensionNode():
            yield f"{node.number.source} {node.extension.source}"
        case DialNode():
            yield node.target.source
        case QueueNode():
            yield f"group {node.group.source}"
        case VoicemailNode():
            yield f"box {node.box.source}"
        case MailboxNode():
            yield f"box {node.box.source or 'of the phone'}"
        case CallbackNode():
            yield f"to {node.number.source}"
        case SurveyNode():
            yield ", ".join(question.name for question in node.questions)


def _inner(node: Node) -> Iterator[str]:
    """Yield what nodes do that nobody outside takes part in."""
    match node:
        case SetNode():
            yield from (f"{name} = {expression.source}" for name, expression in node.values.items())
        case RecordNode() | MessageNode():
            yield node.do
        case SubflowNode():
            yield f"flow {node.flow}"
        case ReturnNode():
            yield from (f"{name} = {expression.source}" for name, expression in node.results.items())
        case HangupNode():
            yield node.cause


def _heard(flow: Flow, prompt: Prompt, texts: Texts) -> str:
    if prompt.speech:
        return _words(prompt.wording)
    name = prompt.wording.choose(flow.language, flow.language)[1].source.replace("{language}", flow.language)
    return texts(name) or name


def _words(wording: Wording) -> str:
    return next(iter(wording.texts.values())).source
