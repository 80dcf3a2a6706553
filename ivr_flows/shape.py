"""Plain values into the structs of the model, and what does not fit told in an author's words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Final, Literal, TypeVar, get_args, get_origin

import msgspec

from ivr_flows.errors import FlowError, did_you_mean, nearest
from ivr_flows.nodes.base import PATTERNS, Duration
from ivr_flows.source import Path as Place
from ivr_flows.source import Plain, Source

UNKNOWN_KEY: Final = "unknown-key"
MISSING_KEY: Final = "missing-key"
MISSING_EXIT: Final = "missing-exit"
WRONG_VALUE: Final = "wrong-value"

T = TypeVar("T", bound=msgspec.Struct)

_AT = re.compile(r"\A(?P<what>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>[^`]*)`)?\Z", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[([0-9]+)\]|(\[\.\.\.\])")
_EXPECTED = re.compile(
    r"Expected `(?P<wanted>[^`]+)`(?:, got `(?P<got>\w+)`)?(?P<length> of length)?(?P<bound> [<>]=? [0-9.]+)?\Z"
)
_PATTERN = re.compile(r"Expected `str` matching regex '(.*)'\Z")
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


def read_struct(
    source: Source, kind: type[T], value: dict[str, Plain], place: Place, faults: list[FlowError]
) -> T | None:
    """Turn plain values into a struct; None when faults were found, which are added to `faults`."""
    found = list(_wrong_keys(source, kind, value, place))
    if not found:
        try:
            return msgspec.convert(value, kind, dec_hook=_custom)
        except msgspec.ValidationError as error:
            found = [_translated(source, kind, str(error), place, value)]
    faults += found
    return None


def _wrong_keys(source: Source, kind: type[msgspec.Struct], value: Plain, place: Place) -> Iterator[FlowError]:
    """Yield a fault for every unknown and missing key, in nested structs as well."""
    if not isinstance(value, dict):
        return
    fields = _fields(kind)
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


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(kind)}


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
    if kind is object:
        return value  # whatever JSON may hold
    return kind(value)


def _translated(
    source: Source, kind: type[msgspec.Struct], text: str, place: Place, value: dict[str, Plain]
) -> FlowError:
    """Turn the decoder's words into ours, at the place it names."""
    match = _AT.match(text)
    assert match is not None
    what, at_key = match["what"], match["key"] is not None
    path = (*place, *_path(kind, match["path"] or "", value, at_key=at_key))
    if wrong := _CHOICE.match(what):
        words = _choices(kind, str(path[len(place)]))
        advice = did_you_mean(wrong[1], words) or f"one of {', '.join(words)}"
        return source.error(path, f"'{wrong[1]}' is not known", advice, key=at_key, code=WRONG_VALUE)
    if expected := _EXPECTED.match(what):
        wanted, got = expected["wanted"], expected["got"]
        what = f"expected {_plain_words(wanted)}{expected['length'] or ''}{expected['bound'] or ''}"
        if got:
            what += f", got {_plain_words(got)}"
        if wanted == "str" and got in _SCALARS:
            what += "; put it in quotes"
    elif pattern := _PATTERN.match(what):
        what = f"expected {PATTERNS[pattern[1]]}"
    return source.error(path, what, key=at_key, code=WRONG_VALUE)


def _path(kind: type[msgspec.Struct], text: str, value: dict[str, Plain], *, at_key: bool) -> Place:
    """Read the decoder's path, which does not say at which key of a mapping it failed: that is tried out."""
    path: Place = ()
    at: Plain = value
    for key, index, unnamed in _STEP.findall(text + ("[...]" if at_key else "")):
        step: str | int | None = key or (int(index) if index else None)
        if unnamed and isinstance(at, dict):
            step = next((name for name in at if _fails(kind, _only(value, path, name))), None)
        if step is None:
            break
        path = (*path, step)
        at = at[step]  # type: ignore[index]  # the decoder has been there
    return path


def _only(value: Plain, path: Place, name: str) -> Plain:
    """Return a copy in which the mapping at a path has lost all other keys."""
    if not path:
        assert isinstance(value, dict)
        return {name: value[name]}
    step, *rest = path
    if isinstance(value, list):
        return [_only(item, tuple(rest), name) if index == step else item for index, item in enumerate(value)]
    assert isinstance(value, dict)
    return {key: _only(item, tuple(rest), name) if key == step else item for key, item in value.items()}


def _fails(kind: type[msgspec.Struct], value: Plain) -> bool:
    try:
        msgspec.convert(value, kind, dec_hook=_custom)
    except msgspec.ValidationError:
        return True
    return False


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
