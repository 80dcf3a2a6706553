"""YAML text into plain values, remembering where each one stands.

Scalars follow YAML 1.2: `on` and `no` are words, `0123` and `1:30` are text, `true` and `false` are booleans.
"""

from __future__ import annotations

import re

import yaml

from ivr_flows.errors import FlowError

Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]
Path = tuple[str | int, ...]
Mark = tuple[int, int]

MAX_BYTES = 1 << 20
MAX_VALUES = 50_000  # counts an alias each time it is used: a small file cannot unfold into a large one
MAX_DEPTH = 20
NOT_YAML = "not-yaml"

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\Z")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}\Z")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


class Source:
    """One file's values, with the line and column (from 1) of every key and value."""

    __slots__ = ("_count", "faults", "file", "keys", "places", "value")

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.places: dict[Path, Mark] = {}
        self.keys: dict[Path, Mark] = {}
        self.faults: list[FlowError] = []
        self._count = 0
        try:
            root = _compose(text)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            raise FlowError(file, line, column, f"not YAML: {error.problem or error.context}", code=NOT_YAML) from None
        except yaml.YAMLError as error:
            raise FlowError(file, 1, 1, f"not YAML: {str(error).splitlines()[0]}", code=NOT_YAML) from None
        except RecursionError:
            raise FlowError(file, 1, 1, "not YAML: nested too deeply", code=NOT_YAML) from None
        if root is None:
            raise FlowError(file, 1, 1, "the file is empty", code=NOT_YAML)
        self.value = self._plain(root, ())

    def error(
        self, path: Path, message: str, suggestion: str = "", *, key: bool = False, code: str = "invalid"
    ) -> FlowError:
        """Return an error at the value (or the key) of a path, or at what is nearest above it."""
        mark = self.keys.get(path) if key else None
        while mark is None:
            mark = self.places.get(path)
            path = path[:-1]
        return FlowError(self.file, *mark, message, suggestion, code=code)

    def _plain(self, node: yaml.Node, path: Path) -> Plain:
        mark = (node.start_mark.line + 1, node.start_mark.column + 1)
        self.places[path] = mark
        self._count += 1
        if self._count > MAX_VALUES or len(path) > MAX_DEPTH:
            raise FlowError(self.file, *mark, "too many values, or nested too deeply", code=NOT_YAML)
        if node.tag not in _TAGS:
            raise FlowError(self.file, *mark, f"tags such as {node.tag} are not used here", code=NOT_YAML)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(item, (*path, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return node.value if node.style else _scalar(node.value)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Plain]:
        result: dict[str, Plain] = {}
        for key_node, value_node in node.value:
            mark = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if not isinstance(key_node, yaml.ScalarNode):
                raise FlowError(self.file, *mark, "a key must be a word", code=NOT_YAML)
            key = key_node.value
            if key in result:
                self.faults.append(FlowError(self.file, *mark, f"'{key}' is given twice", code="twice"))
                continue
            self.keys[*path, key] = mark
            result[key] = self._plain(value_node, (*path, key))
        return result


class _Loader(yaml.CBaseLoader):
    """The fast reader; it recurses in C, so that depth must be refused before the stack is used up."""

    _depth = 0

    def descend_resolver(self, current_node: object, current_index: object) -> None:
        self._depth += 1
        if self._depth > 10 * MAX_DEPTH:
            raise RecursionError

    def ascend_resolver(self) -> None:
        self._depth -= 1


def _compose(text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError:
        return yaml.compose(text, Loader=yaml.BaseLoader)  # says more clearly what is wrong, and where


_TAGS = frozenset({f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str")})


def _scalar(text: str) -> str | int | float | bool | None:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return text
