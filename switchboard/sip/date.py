"""Date: when a response was made, in the one form that there is (RFC 3261 §20.17)."""

from __future__ import annotations

from email.utils import formatdate
from functools import lru_cache


@lru_cache(maxsize=4)
def date_line(seconds: int) -> str:
    """The header line for a time in whole UTC seconds since 1970."""
    return f"Date: {formatdate(seconds, usegmt=True)}"
