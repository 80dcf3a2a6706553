"""Bencoding: how dictionaries travel in rtpengine's control protocol. Text and octets are one thing in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

Plain: TypeAlias = "str | int | Sequence[Plain] | Mapping[str, Plain]"
"""What can be sent."""
Value: TypeAlias = "str | int | list[Value] | dict[str, Value]"
"""What is read; octets that are no UTF-8 are escaped."""

MAX_DEPTH: Final = 16
"""Lists and dictionaries within each other; answers have eight."""


class BencodeError(ValueError):
    """What cannot be read."""


def encode(value: Plain) -> bytes:
    """Return a value's octets; a dictionary's keys are sorted, as the format wants it."""
    parts: list[bytes] = []
    _write(value, parts)
    return b"".join(parts)


def _write(value: Plain, parts: list[bytes]) -> None:
    if isinstance(value, str):
        octets = value.encode(errors="surrogateescape")
        parts.append(b"%d:%b" % (len(octets), octets))
    elif isinstance(value, int):
        parts.append(b"i%de" % value)
    elif isinstance(value, Mapping):
        parts.append(b"d")
        for key in sorted(value):
            _write(key, parts)
            _write(value[key], parts)
        parts.append(b"e")
    else:
        parts.append(b"l")
        for one in value:
            _write(one, parts)
        parts.append(b"e")


def decode(data: bytes) -> Value:
    """Return the value that `data` holds from its first octet to its last; raises BencodeError."""
    try:
        value, end = _read(data, 0, 0)
    except (IndexError, ValueError) as error:
        raise BencodeError(str(error)) from None
    if end != len(data):
        raise BencodeError(f"{len(data) - end} octets after the end")
    return value


def _read(data: bytes, at: int, depth: int) -> tuple[Value, int]:
    kind = data[at]
    if kind == 0x69:  # i
        end = data.index(b"e", at)
        return _number(data[at + 1 : end], signed=True), end + 1
    if kind in b"ld":
        if depth == MAX_DEPTH:
            raise BencodeError("too deep")
        return _read_many(data, at + 1, depth + 1, named=kind == 0x64)
    colon = data.index(b":", at)
    end = colon + 1 + _number(data[at:colon])
    if end > len(data):
        raise BencodeError("text that ends early")
    return data[colon + 1 : end].decode(errors="surrogateescape"), end


def _read_many(data: bytes, at: int, depth: int, *, named: bool) -> tuple[Value, int]:
    found: list[Value] = []
    while data[at] != 0x65:  # e
        value, at = _read(data, at, depth)
        found.append(value)
    if not named:
        return found, at + 1
    names = found[::2]
    if len(found) % 2 or not all(isinstance(name, str) for name in names):
        raise BencodeError("dictionary of other things than names and values")
    return {str(name): value for name, value in zip(names, found[1::2], strict=True)}, at + 1


def _number(octets: bytes, *, signed: bool = False) -> int:
    digits = octets[1:] if signed and octets[:1] == b"-" else octets
    if not digits.isdigit() or len(digits) > 20:
        raise BencodeError(f"{octets[:20]!r} is no number")
    return int(octets)
