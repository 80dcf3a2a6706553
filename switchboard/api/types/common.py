"""What the views of the API have in common: pages, problems, regions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Generic, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

T = TypeVar("T")

Moment: TypeAlias = Annotated[datetime, Meta(tz=True)]
"""RFC 3339 in UTC."""

Role: TypeAlias = Literal["agent", "supervisor", "admin", "auditor"]
Phase: TypeAlias = Literal["routing", "flow", "queued", "connecting", "talking", "parked", "ending", "ended"]
LegStateName: TypeAlias = Literal["invited", "early", "answered", "confirmed", "cancelling", "ended"]


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what is shown."""


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Some of a list; `next` is the cursor of the next page, None at the end."""

    items: list[T]
    next: str | None = None


class Fault(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One wrong value: where it stands, by a JSON pointer (RFC 6901) into the body or the name of a parameter."""

    pointer: str | None = None
    parameter: str | None = None
    detail: str = ""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457: what went wrong, as `application/problem+json`."""

    type: str = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""
    instance: str = ""
    errors: list[Fault] = []


class Region(View, frozen=True, kw_only=True):
    """归属地 of a number, from data that age; empty texts where it is not known."""

    province: str = ""
    city: str = ""
    carrier: str = ""


class Band(View, frozen=True, kw_only=True):
    """How long a wait may be, in seconds."""

    at_least: float
    at_most: float
