"""Files of audio over HTTP: whole, or the octets that a Range asks for (RFC 9110 §14), piece by piece."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Final, NamedTuple

from litestar.params import HeaderParameter
from litestar.response import Stream

from switchboard.api.problems import ApiError

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


async def send_file(directory: Path, path: str, asked: str | None, name: str) -> Stream:
    """Stream a wav file below a directory; raises `ApiError` when it is not there."""
    file = directory / path
    try:
        size = await asyncio.to_thread(_size, directory, file)
    except OSError:
        raise ApiError("not-found", "The file is not there; it may have been deleted.") from None
    span = read_range(asked, size)
    whole = span is None
    span = span or Span(0, size - 1)
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(span.length),
        "Content-Disposition": f'inline; filename="{name}.wav"',
    }
    if not whole:
        headers["Content-Range"] = f"bytes {span.first}-{span.last}/{size}"
    return Stream(_pieces(file, span), status_code=200 if whole else 206, media_type="audio/wav", headers=headers)


def _size(directory: Path, file: Path) -> int:
    if not file.resolve().is_relative_to(directory.resolve()):
        raise FileNotFoundError
    return file.stat().st_size


async def _pieces(file: Path, span: Span) -> AsyncIterator[bytes]:
    at = span.first
    while at <= span.last:
        piece = await asyncio.to_thread(_read, file, at, min(PIECE, span.last - at + 1))
        if not piece:
            return
        at += len(piece)
        yield piece


def _read(file: Path, at: int, length: int) -> bytes:
    with file.open("rb") as opened:
        opened.seek(at)
        return opened.read(length)
