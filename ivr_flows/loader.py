"""Flow files into checked flows; every fault names its file, line and column."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar, get_args, get_origin

import msgspec

from ivr_flows.checks import check
from ivr_flows.errors import FlowError, did_you_mean, nearest
from ivr_flows.linking import link
from ivr_flows.model import NODE_TYPES, Duration, Flow, Header, Node
from ivr_flows.source import MAX_BYTES, Plain, Source
from ivr_flows.source import Path as Place

__all__ = ["LIBRARY", "TESTS", "link", "load_flow", "load_library", "parse_flow", "read_flow"]

LIBRARY: Final = Path(__file__).parent / "library"
"""The flows that come with the switch."""
TESTS: Final = ".test.yaml"
"""How the names of files end that hold tests of flows."""

# Kinds of faults that reading finds; they never change.
FILE: Final = "file"
SHAPE: Final = "shape"
UNKNOWN_KEY: Final = "unknown-key"
MISSING_KEY: Final = "missing-key"
MISSING_EXIT: Final = "missing-exit"
UNKNOWN_TYPE: Final = "unknown-type"
WRONG_VALUE: Final = "wrong-value"
SAME_NAME: Final = "same-name"

T = TypeVar("T", bound=msgspec.Struct)

_AT = re.compile(r"\A(?P<what>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>[^`]*)`)?\Z", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[([0-9]+)\]|(\[\.\.\.\])")
_EXPECTED = re.compile(r"Expected `(?P<wanted>[^`]+)`(?:, got `(?P<got>\w+)`)?(?P<bound> [<>]=? [0-9.]+)?\Z")
_CHOICE = re.compile(r"Invalid enum value '(.*)'\Z", re.DOTALL)
_EXITS = frozenset(
    {"next", "else", "accepted", "declined", "own_number", "verified", "failed", "unavailable"}
    | {"on_timeout", "on_invalid", "on_error", "on_empty", "on_refused", "on_none"}
)
_SCALARS = frozenset({"int", "float", "bool", "null"})
_WORDS = {
    "array": "a list",
    "object": "a mapping",
    "str": "text",
    "int": "a whole number",
    "bool": "true or false",
    "float": "a number",
    "null": "nothing",
}


def load_flow(path: Path) -> Flow:
    """Read and check one file; FlowError says what is wrong, and `FlowError.all` everything that is.

    Its sub-flows are not linked: `load_library` or `link` does that.
    """
    return read_flow(path)[0]


def load_library(paths: Iterable[Path] = (LIBRARY,)) -> dict[str, Flow]:
    """Read the flows of files and directories, by name, and link them to each other.

    A later path's flow replaces an earlier one's of the same name; tests beside the flows are passed over.
    """
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
    return link(library, sources)


def read_flow(path: Path) -> tuple[Flow, Source]:
    """Read and check one file; its source tells where everything stands."""
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
    source = Source(text, file)
    return _flow(source, text), source


def parse_flow(text: str, file: str) -> Flow:
    """Read and check a flow's text; `file` is the name its errors carry."""
    return _flow(Source(text, file), text)


def _flow(source: Source, text: str) -> Flow:
    faults = list(source.faults)
    value = source.value
    if not isinstance(value, dict):
        raise source.error((), "expected 'flow:', 'start:' and 'nodes:'", code=SHAPE)
    nodes = _read_nodes(source, value.get("nodes"), faults)
    header = _read(source, Header, {key: item for key, item in value.items() if key != "nodes"}, (), faults)
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
    if faults := check(flow, source):
        raise _first(faults)
    return flow


def _shown(path: Path) -> str:
    """Name a file as its user would: relative when it lies below the working directory."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _first(faults: list[FlowError]) -> FlowError:
    first, *others = sorted(faults, key=lambda fault: (fault.line, fault.column))
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
            message = f"'{name}' is no node name; use letters, digits and _"
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
                    f"'{kind}' is no type of node",
                    did_you_mean(str(kind), NODE_TYPES) or known,
                    code=UNKNOWN_TYPE,
                )
            else:
                fault = source.error(place, f"node '{name}' has no 'type:'", known, key=True, code=UNKNOWN_TYPE)
            faults.append(fault)
            continue
        fields = {key: item for key, item in content.items() if key != "type"}
        node = _read(source, NODE_TYPES[kind], fields, place, faults)
        if node is not None:
            nodes[name] = node
    return nodes


def _read(source: Source, kind: type[T], value: dict[str, Plain], place: Place, faults: list[FlowError]) -> T | None:
    """Turn plain values into a struct; None when faults were found."""
    found = list(_wrong_keys(source, kind, value, place))
    if not found:
        try:
            return msgspec.convert(value, kind, dec_hook=_custom)
        except msgspec.ValidationError as error:
            found = [_translated(source, kind, str(error), place)]
    faults += found
    return None


def _wrong_keys(source: Source, kind: type[msgspec.Struct], value: Plain, place: Place) -> Iterator[FlowError]:
    """Yield a fault for every unknown and missing key, in nested structs as well."""
    if not isinstance(value, dict):
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    meant = set()
    for key, item in value.items():
        field = fields.get(key)
        if field is None:
            meant.add(nearest(key, fields))
            known = did_you_mean(key, fields) or f"known here: {', '.join(sorted(fields))}"
            yield source.error((*place, key), f"unknown key '{key}'", known, key=True, code=UNKNOWN_KEY)
            continue
        inner, repeated = _struct_in(field.type)
        if inner is not None and repeated and isinstance(item, list):
            for index, element in enumerate(item):
                yield from _wrong_keys(source, inner, element, (*place, key, index))
        elif inner is not None:
            yield from _wrong_keys(source, inner, item, (*place, key))
    for key, field in fields.items():
        if field.required and key not in value and key not in meant:
            exit_ = key in _EXITS
            where = f" of '{place[1]}'" if len(place) > 1 else ""
            yield source.error(
                place,
                f"exit '{key}'{where} is not wired" if exit_ else f"'{key}:'{where} is missing",
                key=True,
                code=MISSING_EXIT if exit_ else MISSING_KEY,
            )


def _struct_in(kind: object) -> tuple[type[msgspec.Struct] | None, bool]:
    """Return the struct a field holds, and whether it holds a list of them."""
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    repeated = get_origin(kind) is tuple
    inner = get_args(kind)[0] if repeated else kind
    return (inner, repeated) if isinstance(inner, type) and issubclass(inner, msgspec.Struct) else (None, False)


def _custom(kind: type, value: object) -> object:
    """Read the types of our own: durations, expressions, texts with variables, prompts."""
    if kind is Duration:
        if not isinstance(value, str | int | float):
            raise ValueError("write a duration such as 5s")
        return Duration.read(value)
    return kind(value)


def _translated(source: Source, kind: type[msgspec.Struct], text: str, place: Place) -> FlowError:
    """Turn the decoder's words into ours, at the place it names."""
    match = _AT.match(text)
    assert match is not None
    what, path, at_key = match["what"], place, match["key"] is not None
    for key, index, unnamed in _STEP.findall(match["path"] or ""):
        if not unnamed:
            path = (*path, key or int(index))
    if wrong := _CHOICE.match(what):
        words = _choices(kind, str(path[len(place)]))
        advice = did_you_mean(wrong[1], words) or f"one of {', '.join(words)}"
        return source.error(
            (*path, wrong[1]) if at_key else path, f"'{wrong[1]}' is not known", advice, key=at_key, code=WRONG_VALUE
        )
    if expected := _EXPECTED.match(what):
        wanted, got = expected["wanted"], expected["got"]
        what = f"expected {_plain_words(wanted)}{expected['bound'] or ''}"
        if got:
            what += f", got {_plain_words(got)}"
        if wanted == "str" and got in _SCALARS:
            what += "; put it in quotes"
    return source.error(path, what, code=WRONG_VALUE)


def _choices(kind: type[msgspec.Struct], name: str) -> list[str]:
    """Return the words a field takes, as its value or as its keys."""
    field = next(field for field in msgspec.structs.fields(kind) if field.encode_name == name)
    todo: list[object] = [field.type]
    words: list[str] = []
    while todo:
        part = todo.pop()
        if get_origin(part) is Literal:
            words += get_args(part)
        else:
            todo += get_args(part)
    return words


def _plain_words(kinds: str) -> str:
    return " or ".join(_WORDS.get(kind.strip(), kind.strip()) for kind in kinds.split("|"))
