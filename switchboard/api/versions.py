"""Versions of configuration objects as entity tags, and the preconditions of changes (RFC 9110 §8.8.3, §13.1)."""

from __future__ import annotations

import re
from typing import Annotated, Final

from litestar.params import HeaderParameter

from switchboard.api.problems import ApiError

_TAG: Final = re.compile(r'(?:W/)?"([0-9]{1,15})"\Z')

IfMatch = Annotated[
    str | None,
    HeaderParameter(name="If-Match", max_length=64, required=False, description="The ETag of what is to be changed."),
]
IfNoneMatch = Annotated[
    str | None,
    HeaderParameter(name="If-None-Match", max_length=64, required=False, description="`*` to make something new."),
]


def etag(version: int) -> dict[str, str]:
    """The header that names a version."""
    return {"ETag": f'"{version}"'}


def expected_version(if_match: str | None, if_none_match: str | None = None) -> int | None:
    """The version a change is meant for, None when there must be none yet.

    Raises `ApiError` without any precondition: nobody overwrites what they have not seen.
    """
    if if_match is not None:
        found = _TAG.match(if_match.strip())
        if found is None:
            raise ApiError("precondition-failed", "If-Match is not an ETag of this resource.")
        return int(found[1])
    if if_none_match is not None and if_none_match.strip() == "*":
        return None
    raise ApiError("precondition-required", 'Send If-Match with the ETag, or If-None-Match: "*" for something new.')
