"""Files of audio over HTTP: whole, or the octets that a Range asks for (RFC 9110 §14), piece by piece."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Final, NamedTuple

from litestar.params import HeaderParameter
from litestar.response import Stream

from media.recording_files import AudioReader
from media.recording_keys import KeyRing
from switchboard.api.problems import ApiError
from switchboard.ops.log import get_logger

PIECE: Final = 64 * 1024
_RANGE: Final = re.compile(r"\s*bytes\s*=\s*([0-9]{0,15})\s*-\s*([0-9]{0,15})\s*\Z")

RangeHeader = Annotated[
    str | None,
    HeaderParameter(name="Range", max_length=100, required=False, description="`bytes=0-65535`: only these octets."),
]


class Span(NamedTuple):
    """Octets of a file, the last one included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many."""
        return self.last - self.first + 1


class Shape(NamedTuple):
    """What a file is as it is sent."""

    size: int
    suffix: str
    media_type: str


def read_range(text: str | None, size: int) -> Span | None:
    """The octets asked for; None for all of them, as for a form that is not understood (RFC 9110 §14.2).

    Raises `ApiError` for a range beyond the end.
    """
    found = _RANGE.match(text or "")
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        first, last = max(size - int(found[2]), 0), size - 1
    else:
        first, last = int(found[1]), min(int(found[2]) if found[2] else size - 1, size - 1)
        if found[2] and int(found[2]) < first:
            return None
    if first > last:
        raise ApiError("range-not-satisfiable", headers={"Content-Range": f"bytes */{size}"})
    return Span(first, last)


async def send_file(directory: Path, path: str, asked: str | None, name: str, keys: Path) -> Stream:
    """Stream a recording below a directory, opened by the keys in `keys`; raises `ApiError` when it is not there."""
    try:
        shape = await asyncio.to_thread(_shape, directory, directory / path, KeyRing(keys))
    except FileNotFoundError:
        raise ApiError("not-found", "The file is not there; it may have been deleted.") from None
    except OSError as error:
        get_logger().error("recording.unreadable", recording=name, reason=str(error))
        raise ApiError("not-found", "The file cannot be read; the log tells why.") from None
    size = shape.size
    span = read_range(asked, size)
    whole = span is None
    span = span or Span(0, size - 1)
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(span.length),
        "Content-Disposition": f'inline; filename="{name}{shape.suffix}"',
    }
    if not whole:
        headers["Content-Range"] = f"bytes {span.first}-{span.last}/{size}"
    pieces = _pieces(directory / path, KeyRing(keys), span, size)
    return Stream(pieces, status_code=200 if whole else 206, media_type=shape.media_type, headers=headers)


def _shape(directory: Path, file: Path, keys: KeyRing) -> Shape:
    if not file.resolve().is_relative_to(directory.resolve()):
        raise FileNotFoundError
    with AudioReader(file, keys) as reader:
        return Shape(reader.size, reader.suffix, reader.media_type)


async def _pieces(file: Path, keys: KeyRing, span: Span, size: int) -> AsyncIterator[bytes]:
    at = span.first
    while at <= span.last:
        piece = await asyncio.to_thread(_read, file, keys, size, at, min(PIECE, span.last - at + 1))
        if not piece:
            return
        at += len(piece)
        yield piece


def _read(file: Path, keys: KeyRing, size: int, at: int, length: int) -> bytes:
    """Nothing where the file has become another meanwhile."""
    with AudioReader(file, keys) as reader:
        return reader.read(at, length) if reader.size == size else b""
