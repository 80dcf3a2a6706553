"""Flow files into checked flows; every fault names its file, line and column."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

from ivr_flows.checks import check
from ivr_flows.checks.library import check_library
from ivr_flows.errors import FlowError, did_you_mean
from ivr_flows.linking import link
from ivr_flows.model import NODE_TYPES, Flow, Header, Node
from ivr_flows.shape import read_struct
from ivr_flows.source import MAX_BYTES, Plain, Source
from ivr_flows.source import Path as Place

__all__ = ["LIBRARY", "TESTS", "link", "load_library", "parse_flow", "read_flow", "read_library", "read_source"]

LIBRARY: Final = Path(__file__).parent / "library"
"""The flows that come with the switch."""
TESTS: Final = ".test.yaml"
"""How the names of files end that hold tests of flows."""

# Kinds of faults that reading a file finds; they never change.
FILE: Final = "file"
SHAPE: Final = "shape"
UNKNOWN_TYPE: Final = "unknown-type"
SAME_NAME: Final = "same-name"


def load_library(paths: Iterable[Path] = (LIBRARY,)) -> dict[str, Flow]:
    """Read the flows of files and directories, by name, and link them to each other.

    A later path's flow replaces an earlier one's of the same name; tests beside the flows are passed over.
    """
    return read_library(paths)[0]


def read_library(paths: Iterable[Path]) -> tuple[dict[str, Flow], dict[str, Source]]:
    """As `load_library`, and the sources, which tell where everything stands, by the names of the flows as well."""
    library: dict[str, Flow] = {}
    sources: dict[str, Source] = {}
    for path in paths:
        found: dict[str, Flow] = {}
        for file in sorted(path.glob("*.yaml")) if path.is_dir() else [path]:
            if file.name.endswith(TESTS):
                continue
            flow, source = read_flow(file)
            if flow.name in found:
                message = f"flow '{flow.name}' is also in {found[flow.name].file}"
                raise source.error(("flow",), message, code=SAME_NAME)
            found[flow.name] = flow
            sources[flow.name] = source
        library |= found
    if faults := check_library(library, sources):
        raise _first(faults)
    return link(library, sources), sources


def read_flow(path: Path, *, checked: bool = True) -> tuple[Flow, Source]:
    """Read and check one file; its source tells where everything stands.

    FlowError says what is wrong, and `FlowError.all` everything that is. Without `checked` only the shape is checked.
    Sub-flows are not linked: `load_library` or `link` does that.
    """
    source, text = read_source(path)
    return _flow(source, text, checked=checked), source


def read_source(path: Path) -> tuple[Source, str]:
    """Read a file's values, and its text; FlowError when it is no YAML."""
    file = _shown(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FlowError(file, 0, 0, f"cannot be read: {error.strerror}", code=FILE) from None
    if len(data) > MAX_BYTES:
        raise FlowError(file, 0, 0, f"larger than {MAX_BYTES} bytes", code=FILE)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FlowError(file, line, 1, "not UTF-8 text", code=FILE) from None
    return Source(text, file), text


def parse_flow(text: str, file: str, *, checked: bool = True) -> Flow:
    """Read and check a flow's text; `file` is the name its errors carry.

    Without `checked` only its shape is: such a flow may lead nowhere and give secrets away, and is not to go live.
    """
    return _flow(Source(text, file), text, checked=checked)


def _flow(source: Source, text: str, *, checked: bool = True) -> Flow:
    faults = list(source.faults)
    value = source.value
    if not isinstance(value, dict):
        raise source.error((), "expected 'flow:', 'start:' and 'nodes:'", code=SHAPE)
    nodes = _read_nodes(source, value.get("nodes"), faults)
    header = read_struct(source, Header, {key: item for key, item in value.items() if key != "nodes"}, (), faults)
    if faults or header is None:
        raise _first(faults)
    flow = Flow(
        name=header.flow,
        version=hashlib.sha256(text.encode()).hexdigest()[:12],
        file=source.file,
        answer=header.answer or _answer(nodes.values()),
        start=header.start,
        nodes=nodes,
        variables=header.variables,
        language=header.language,
        parameters=header.parameters,
        results=header.results,
        on_hangup=header.on_hangup,
        step_limit=header.step_limit,
    )
    if checked and (faults := check(flow, source)):
        raise _first(faults)
    return flow


def _shown(path: Path) -> str:
    """Name a file as its user would: relative when it lies below the working directory."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _first(faults: list[FlowError]) -> FlowError:
    first, *others = sorted(faults, key=lambda fault: (fault.file, fault.line, fault.column))
    return FlowError(
        first.file, first.line, first.column, first.message, first.suggestion, tuple(others), code=first.code
    )


def _answer(nodes: Iterable[Node]) -> Literal["now", "on_connect"]:
    """A flow that speaks or listens answers; one that only connects leaves that to the party called."""
    return "now" if any(node.speaks or node.listens for node in nodes) else "on_connect"


def _read_nodes(source: Source, value: Plain, faults: list[FlowError]) -> dict[str, Node]:
    if not isinstance(value, dict) or not value:
        faults.append(source.error(("nodes",), "'nodes:' must name at least one node", code=SHAPE))
        return {}
    nodes: dict[str, Node] = {}
    for name, content in value.items():
        place: Place = ("nodes", name)
        if not name.isidentifier():
            message = f"'{name}' is not a node name; use letters, digits and _"
            faults.append(source.error(place, message, key=True, code=SHAPE))
        if not isinstance(content, dict):
            faults.append(source.error(place, f"node '{name}' must be a mapping with 'type:'", code=SHAPE))
            continue
        kind = content.get("type")
        if not isinstance(kind, str) or kind not in NODE_TYPES:
            known = f"one of {', '.join(NODE_TYPES)}"
            if "type" in content:
                fault = source.error(
                    (*place, "type"),
                    f"'{kind}' is not a type of node",
                    did_you_mean(str(kind), NODE_TYPES) or known,
                    code=UNKNOWN_TYPE,
                )
            else:
                fault = source.error(place, f"node '{name}' has no 'type:'", known, key=True, code=UNKNOWN_TYPE)
            faults.append(fault)
            continue
        fields = {key: item for key, item in content.items() if key != "type"}
        node = read_struct(source, NODE_TYPES[kind], fields, place, faults)
        if node is not None:
            nodes[name] = node
    return nodes
