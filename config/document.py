"""YAML text as plain values together with the place of each of them."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

import yaml

from config.errors import ConfigError

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]  # the base is chosen at run time: libyaml when it is there
    """Scalars as YAML 1.2 reads them: no octal, no base 60, no dates, and yes/no/on/off are plain text."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # the base class reads this very attribute


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), [c if c != "\0" else "" for c in _first]
    )

_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\[\.\.\.\]")


class Place(NamedTuple):
    """Line and column, both counted from 1."""

    line: int
    column: int


class Document:
    """One YAML document: ``data`` as plain values, and the place of any of them by its path."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            if root is None:
                raise ConfigError(file, 1, 1, "the file is empty", "start from a copy of config/default.yaml")
            self._root: yaml.Node = root
            self._reject_duplicates(root, set())
            self.data: object = loader.construct_document(root)
        except yaml.MarkedYAMLError as problem:
            raise self._unreadable(problem) from None
        except RecursionError:
            raise ConfigError(file, None, None, "not readable as YAML: nested too deeply") from None
        except (yaml.YAMLError, ValueError) as problem:
            reason = next(iter(str(problem).splitlines()), type(problem).__name__)
            raise ConfigError(file, None, None, f"not readable as YAML: {reason}") from None
        finally:
            loader.dispose()

    def place(self, path: str, key: str | None = None) -> Place:
        """Where ``$.sip.listen[0].port`` stands, or the key ``key`` in it; the nearest parent if absent."""
        node = self._root
        for name, index in _STEP.findall(path.removeprefix("$")):
            found = _child(node, name, index)
            if found is None:
                break
            node = found
        if key is not None and isinstance(node, yaml.MappingNode):
            for key_node, _ in node.value:
                if key_node.value == key:
                    node = key_node
                    break
        return Place(node.start_mark.line + 1, node.start_mark.column + 1)

    def error(self, path: str, message: str, hint: str | None = None, *, key: str | None = None) -> ConfigError:
        """A ConfigError that points at ``path``."""
        line, column = self.place(path, key)
        return ConfigError(self.file, line, column, message, hint)

    def _reject_duplicates(self, node: yaml.Node, seen: set[int]) -> None:
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            return
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for item in node.value:
                self._reject_duplicates(item, seen)
            return
        keys: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode):
                if key.value in keys:
                    message = f"key '{key.value}' is written twice, first on line {keys[key.value]}"
                    raise ConfigError(self.file, line, key.start_mark.column + 1, message, "keep one of them")
                keys[key.value] = line
            self._reject_duplicates(value, seen)

    def _unreadable(self, problem: yaml.MarkedYAMLError) -> ConfigError:
        mark = problem.problem_mark or problem.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        reason = problem.problem or problem.context or "not readable as YAML"
        hint = "check the indentation (spaces, not tabs) and the brackets here"
        return ConfigError(self.file, line, column, f"not valid YAML: {reason}", hint)


def _child(node: yaml.Node, name: str, index: str) -> yaml.Node | None:
    if name and isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == name:
                assert isinstance(value, yaml.Node)
                return value
    if index and isinstance(node, yaml.SequenceNode) and int(index) < len(node.value):
        item = node.value[int(index)]
        assert isinstance(item, yaml.Node)
        return item
    return None
