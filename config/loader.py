"""Reads a configuration file into the schema; whatever is wrong becomes one ConfigError line."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import UnionType
from typing import Any, Final, TypeVar, get_args, get_type_hints

import msgspec

from config.advice import advice
from config.checks import findings
from config.document import Document
from config.errors import ConfigError
from config.errors import suggestion as suggestion
from config.schema import Config
from config.values import Duration, ExtensionRange, Hidden, PortRange

Part = TypeVar("Part", bound=msgspec.Struct)

DEFAULT: Final = Path(__file__).with_name("default.yaml")
"""The packaged configuration, used when none is named."""

_VALUES: Final = (Duration, PortRange, ExtensionRange, Hidden)
_WHERE: Final = re.compile(r"^(?P<text>.*?)(?: - at `(?:key in )?(?P<path>\$.*)`)?$", re.DOTALL)
_TYPES: Final = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list ([…] or lines starting with '-')",
    "object": "a mapping (key: value)",
    "null": "nothing",
}


def load_config(path: Path | None = None) -> Config:
    """Read and check a configuration; None means the packaged default. Raises ConfigError."""
    file = path or DEFAULT
    document = read_document(file)
    try:
        config = msgspec.convert(document.data, Config, dec_hook=_decode)
    except msgspec.ValidationError as problem:
        raise _explain(document, str(problem)) from None
    config = _complete(config, file)
    for pointer, message, hint in findings(config):
        raise document.error(pointer, message, hint)
    return config


def config_advice(config: Config, path: Path | None = None) -> list[str]:
    """What in a configuration that was read from `path` is better done otherwise, each in one line."""
    found = list(advice(config))
    if not found:
        return []
    document = read_document(path or DEFAULT)
    return [str(document.error(pointer, message, hint)) for pointer, message, hint in found]


def read_document(path: Path) -> Document:
    """The file's YAML with places; ConfigError when it cannot be opened or is no YAML."""
    name = shown(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as problem:
        reason = (problem.strerror or str(problem)).lower()
        hint = "check the path and its permissions"
        raise ConfigError(name, None, None, f"cannot be read: {reason}", hint) from None
    except UnicodeDecodeError as problem:
        line = path.read_bytes().count(b"\n", 0, problem.start) + 1
        raise ConfigError(name, line, None, "is not UTF-8 text", "save the file as UTF-8") from None
    return Document(name, text)


def config_error(path: Path | None, pointer: str, message: str, hint: str | None = None) -> ConfigError:
    """A ConfigError at ``sip.listen[0]`` and the like, for checks that only the caller can make."""
    try:
        return read_document(path or DEFAULT).error(pointer, message, hint)
    except ConfigError:
        return ConfigError(shown(path or DEFAULT), None, None, message, hint)


def shown(path: Path) -> str:
    """The path as people write it: relative when the file is below the working directory."""
    try:
        return os.fspath(path.absolute().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return os.fspath(path)


def _decode(kind: type, value: object) -> object:
    for known in _VALUES:
        if kind is known:
            return known.parse(value)
    raise NotImplementedError(kind)  # how msgspec is told that a type is none of ours


def _complete(config: Config, file: Path) -> Config:
    """Fill in what follows from elsewhere: the media address, and paths relative to the file."""
    base = file.absolute().parent
    own = config.media.address or config.sip.listen[0].host
    six = next((listen.host for listen in config.sip.listen if ":" in listen.host), "")
    media = msgspec.structs.replace(
        config.media,
        address=own,
        address6=config.media.address6 or ("" if ":" in own else six),
        prompts=tuple(os.fspath(base / entry) for entry in config.media.prompts),
    )
    flows = tuple(os.fspath(base / entry) for entry in config.flows)
    sip = msgspec.structs.replace(
        config.sip,
        listen=tuple(_beside(base, listen, "certificate", "key", "client_ca") for listen in config.sip.listen),
        connections=_beside(base, config.sip.connections, "server_ca"),
    )
    return msgspec.structs.replace(config, media=media, flows=flows, sip=sip)


def _beside(base: Path, section: Part, *names: str) -> Part:
    """A section whose files, where any are named, are relative to a directory."""
    named = {name: getattr(section, name) for name in names}
    return msgspec.structs.replace(section, **{name: os.fspath(base / path) for name, path in named.items() if path})


def _explain(document: Document, problem: str) -> ConfigError:
    """msgspec's message in plain words, at its line."""
    match = _WHERE.match(problem)
    text, path = (match["text"], match["path"] or "$") if match else (problem, "$")
    name = path.removeprefix("$").lstrip(".")
    if found := re.search(r"contains unknown field `(.*?)`", text):
        key, known = found[1], _fields_at(path)
        where = f" under {name}" if name else ""
        hint = suggestion(key, known) or f"known here: {', '.join(known)}"
        return document.error(path, f"unknown key '{key}'{where}", hint, key=key)
    if found := re.search(r"missing required field `(.*?)`", text):
        return document.error(path, f"{name or 'the file'} needs the key '{found[1]}'")
    if found := re.match(r"Invalid enum value ['`]?(.*?)['`]?$", text):
        known = [str(value) for value in get_args(_kind_at(path))]
        hint = suggestion(found[1], known) or f"known here: {', '.join(known)}"
        return document.error(path, f"{name}: unknown value '{found[1]}'", hint)
    return document.error(path, f"{name or 'the file'}: {_reworded(text)}", _quote_hint(text))


def _reworded(text: str) -> str:
    text = text.strip()
    if found := re.fullmatch(r"Expected `(.*?)`, got `(.*?)`", text):
        wanted = " or ".join(_TYPES.get(kind, kind) for kind in found[1].split(" | ") if kind != "null")
        return f"expected {wanted}, found {_TYPES.get(found[2], found[2])}"
    if found := re.fullmatch(r"Expected `array` of length >= 1(?:, got .*)?", text):
        return "expected at least one entry"
    if re.fullmatch(r"Expected `str` of length >= 1(?:, got .*)?", text):
        return "expected text that is not empty"
    if found := re.fullmatch(r"Expected `(.*?)` (<|<=|>|>=) (.*)", text):
        word = {"<": "below", "<=": "at most", ">": "above", ">=": "at least"}[found[2]]
        return f"expected {_TYPES.get(found[1], found[1])} of {word} {found[3].split('.')[0]}"
    if text.startswith("Expected `str` matching regex"):
        return "expected a name of letters, digits, '.', '_' and '-'"
    return text[:1].lower() + text[1:]


def _quote_hint(text: str) -> str | None:
    if re.fullmatch(r"Expected `str(?: \| null)?`, got `(?:int|float|bool)`", text.strip()):
        return 'write it in quotes: "…"'
    return None


def _fields_at(path: str) -> list[str]:
    """The keys known in the struct at a path."""
    return [field.encode_name for field in msgspec.structs.fields(_kind_at(path))]


def _kind_at(path: str) -> Any:
    """The type of the value at a path such as ``$.sip.listen[0]``."""
    kind: Any = Config
    for name, index in re.findall(r"\.([A-Za-z_]+)|\[(\d+|\.\.\.)\]", path):
        kind = _without_none(kind)
        if name:
            hints = get_type_hints(kind)
            field = next(f for f in msgspec.structs.fields(kind) if f.encode_name == name)
            kind = hints[field.name]
        elif index:
            kind = get_args(kind)[0]
    return _without_none(kind)


def _without_none(kind: Any) -> Any:
    """The type of a section that may be left out."""
    known = [one for one in get_args(kind) if one is not type(None)]
    return known[0] if isinstance(kind, UnionType) and len(known) == 1 else kind
