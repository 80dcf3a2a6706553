"""Single nodes and the header: exits to nowhere, names of prompts, keys, addresses, values that contradict."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ivr_flows.checks import codes
from ivr_flows.errors import FlowError, did_you_mean
from ivr_flows.expressions import COUNTER, Text
from ivr_flows.model import (
    DTMF,
    FAILURES,
    QUEUE_FAILURES,
    CollectNode,
    ConnectBase,
    ConsentNode,
    DialNode,
    Flow,
    HttpNode,
    IdentifyNode,
    MenuNode,
    Node,
    PlayNode,
    QueueNode,
    SurveyNode,
    VoicemailNode,
)
from ivr_flows.source import Path, Source

Found = Iterator[tuple[Path, str, str, str]]
"""Place in the node, message, suggestion and code of each fault."""

PROMPT: Final = re.compile(r"(?:[\w-]+/)*[\w-]+\Z|(?:tone|silence):[\w.:-]+\Z")
"""The names that prompts can have."""
_URL: Final = re.compile(r"https?://[^\s/{}]|https?://\{")
_TARGET: Final = re.compile(r"(?:sips?|aor|tel):.")


def check_header(flow: Flow, source: Source) -> Iterator[FlowError]:
    """Yield what is wrong beside `nodes:`."""
    for key, target in (("start", flow.start), ("on_hangup", flow.on_hangup)):
        if target is not None and target not in flow.nodes:
            advice = did_you_mean(target, flow.nodes)
            yield source.error((key,), f"{key}: no node '{target}'", advice, code=codes.UNKNOWN_TARGET)
    listens = any(node.listens for node in flow.nodes.values())
    speaks = any(node.speaks for node in flow.nodes.values())
    if flow.answer != "now" and listens:
        message = f"a flow that collects digits must answer now, not {flow.answer}"
        yield source.error(("answer",), message, code=codes.ANSWER)
    elif flow.answer == "on_connect" and speaks:
        message = "a flow that plays prompts must answer now or early, not on_connect"
        yield source.error(("answer",), message, code=codes.ANSWER)


def check_node(flow: Flow, name: str, node: Node, source: Source) -> Iterator[FlowError]:
    """Yield what is wrong with one node by itself."""
    place: Path = ("nodes", name)
    for way in node.exits():
        if way.target not in flow.nodes:
            label = ".".join(str(part) for part in way.path)
            message = f"{label}: no node '{way.target}'"
            advice = did_you_mean(way.target, flow.nodes)
            yield source.error((*place, *way.path), message, advice, code=codes.UNKNOWN_TARGET)
    for path, message, advice, code in _found(name, node):
        yield source.error((*place, *path), message, advice, code=code)
    if isinstance(node, PlayNode) and node.next is None and not node.loop:
        message = f"exit 'next' of '{name}' is not wired"
        yield source.error(place, message, key=True, code=codes.MISSING_EXIT)


def _found(name: str, node: Node) -> Found:
    for path, prompt in node.prompts_by_place():
        for sound in prompt.sounds:
            yield from _prompt(path, sound)
    yield from _keys(node)
    match node:
        case PlayNode():
            if not node.prompts:
                yield ("prompts",), f"'{name}' plays nothing", "name a prompt such as zh/welcome", codes.NOTHING_PLAYED
        case CollectNode():
            if node.min > node.max:
                yield ("min",), f"min {node.min} is more than max {node.max}", "", codes.BAD_VALUE
        case ConnectBase():
            if node.ringback:
                yield from _prompt(("ringback",), node.ringback)
            yield from _unwired(FAILURES, frozenset(node.on))
            if isinstance(node, DialNode):
                yield from _target(node.target)
        case QueueNode():
            wanted = (*QUEUE_FAILURES, "callback") if node.callback else QUEUE_FAILURES
            yield from _unwired(wanted, frozenset(node.on))
        case VoicemailNode():
            if node.min >= node.max:
                yield ("min",), f"no message can be {node.min:g} s long within {node.max:g} s", "", codes.BAD_VALUE
        case HttpNode() | IdentifyNode():
            yield from _url(node.url)


def _prompt(path: Path, name: str) -> Found:
    if not PROMPT.match(name):
        yield path, f"'{name}' is no prompt name", "write names such as zh/welcome", codes.PROMPT_NAME


def _keys(node: Node) -> Found:
    """Find keys that no telephone has, and menus without any."""
    taken: list[tuple[Path, str]] = []
    match node:
        case MenuNode():
            if not node.keys:
                yield ("keys",), "a menu without keys", 'name its keys, such as {"1": sales}', codes.NO_KEY
            taken = [(("keys", key), key) for key in node.keys]
        case CollectNode() | VoicemailNode():
            taken = [(("terminators",), key) for key in sorted(set(node.terminators))]
        case ConsentNode():
            taken = [(("accept",), node.accept), (("decline",), node.decline)]
        case IdentifyNode():
            taken = [(("ask", "terminators"), key) for key in sorted(set(node.ask.terminators))]
            if node.skip_key is not None:
                taken.append((("skip_key",), node.skip_key))
        case SurveyNode():
            for index, question in enumerate(node.questions):
                taken += [(("questions", index, "keys"), key) for key in sorted(set(question.keys))]
    for path, key in taken:
        if len(key) != 1 or key not in DTMF:
            yield path, f"'{key}' is no key of a telephone", "there are 0 to 9, *, # and A to D", codes.NO_KEY


def _unwired(outcomes: tuple[str, ...], wired: frozenset[str]) -> Found:
    missing = [outcome for outcome in outcomes if outcome not in wired]
    if missing and "other" not in wired:
        message = f"exits not wired: {', '.join(missing)}"
        yield ("on",), message, "wire them, or the rest of them as 'other'", codes.MISSING_EXIT


def _url(url: Text) -> Found:
    if not url.source.startswith("{") and not _URL.match(url.source):
        message = "this is not the address of a server"
        yield ("url",), message, "write https://server/path or begin with a {variable}", codes.BAD_ADDRESS


def _target(target: Text) -> Found:
    if not target.source.startswith("{") and not _TARGET.match(target.source):
        message = f"'{target.source}' is not something that can be called"
        yield ("target",), message, "write sip:user@host, aor:user or tel:number", codes.BAD_ADDRESS


def check_counters(flow: Flow, path: Path, counters: frozenset[str], source: Source) -> Iterator[FlowError]:
    """Yield the nodes that are counted but do not exist."""
    for name in sorted(counters - flow.nodes.keys()):
        advice = did_you_mean(name, flow.nodes)
        yield source.error(path, f"{COUNTER}.{name}: no node '{name}'", advice, code=codes.UNKNOWN_TARGET)
