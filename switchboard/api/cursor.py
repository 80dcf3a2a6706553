"""Places in a list, given out as opaque texts: a list goes on behind the last item shown, whatever came meanwhile."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Final, TypeVar

import msgspec
from litestar.params import QueryParameter

from switchboard.api.problems import ApiError

T = TypeVar("T")

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
LARGEST: Final = 63
"""Bits of a number that the database takes."""

Limit = Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="At most so many.")]
Cursor = Annotated[str | None, QueryParameter(max_length=400, description="`next` of the page before.")]


def write_cursor(place: object) -> str:
    """A place, of plain values, as a text."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).rstrip(b"=").decode()


def read_cursor(text: str | None, type_: type[T]) -> T | None:
    """The place in a text; None without one. Raises `ApiError` for what is no cursor of this list."""
    if text is None:
        return None
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        place = msgspec.json.decode(data, type=type_)
        if any(isinstance(part, int) and part.bit_length() > LARGEST for part in _parts(place)):
            raise ValueError("a number that no list has")
    except (ValueError, binascii.Error, msgspec.MsgspecError, RecursionError):
        raise ApiError("invalid-request", "The cursor is not of this list; begin without one.") from None
    return place


def _parts(place: object) -> tuple[object, ...]:
    return place if isinstance(place, tuple) else (place,)
