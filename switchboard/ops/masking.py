"""What leaves in a log line: no telephone number in clear, no line break or control character."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Final

LONGEST: Final = 4096
"""Characters kept of one value."""

_UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")
_UUID7: Final = r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b"
_MOBILE: Final = r"(?<!\d)1[3-9]\d[-. ]\d{4}[-. ]\d{4}(?!\d)"
_WITH_AREA: Final = r"(?<![\w.-])\(?0\d{2,3}\)?[-. ]\d{3,4}[-. ]\d{4}(?!\d)"
_INTERNATIONAL: Final = r"(?<=\+)\d(?:[-. ()]{0,2}\d){6,}"
_ENCODED: Final = r"(?:%3\d){7,}"
_DIGITS: Final = re.compile(rf"({_UUID7})|{_MOBILE}|{_WITH_AREA}|{_INTERNATIONAL}|{_ENCODED}|\d{{7,}}")
_OUR_ID: Final = re.compile(r"[0-9a-f]{16,64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SERVICE_NUMBER: Final = re.compile(r"[48]00[0-9]{7}")
_PLAIN: Final = (int, float, bool, type(None))

IDENTIFIERS: Final = frozenset({"call_id", "leg", "leg_id", "dialog", "segment_id", "sha256"})
"""Keys whose values are ours and hexadecimal; whatever else stands there is masked like any text."""

SERVICE: Final = frozenset({"called"})
"""Keys that may show a 400 or 800 number, which is published."""

TIMES: Final = frozenset({"timestamp"})
"""Keys written by our own processors only."""


def mask_text(text: str) -> str:
    """Every run of seven or more digits, and a number in groups, loses its middle: ``139****1234``.

    A number whose digits are percent-encoded is not shown at all.
    UUIDs of version 7, which are ours, stay whole.
    """
    return _DIGITS.sub(_mask_match, text)


def _mask_match(match: re.Match[str]) -> str:
    if match[1] is not None:
        return match[1]
    run = match[0]
    if run[0] == "%":
        return "****"
    keep = 3 if len(run) >= 11 else 2 if len(run) >= 8 else 1
    return f"{run[:keep]}****{run[-(4 if keep == 3 else keep) :]}"


def one_line(text: str) -> str:
    """Without line breaks, control characters and others that cannot be seen.

    Nothing takes their place: a blank could split a number so that its parts pass for short ones.
    """
    return _UNSEEN.sub("", text)


def clean(value: object) -> object:
    """A value as it may be logged: numbers and booleans as they are, everything else as safe text."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, bytes):
        return clean_text(value.decode("utf-8", "replace"))
    if isinstance(value, Mapping):
        return {clean_text(str(key)): clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [clean(item) for item in value]
    return clean_text(str(value))


def clean_text(text: str) -> str:
    """Text as it may be logged; unseen characters go first, lest they split a number."""
    safe = mask_text(one_line(text.encode("utf-8", "replace").decode("utf-8")))
    return safe if len(safe) <= LONGEST else safe[:LONGEST] + "…"


def clean_event(logger: object, name: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """The structlog processor that every line passes before it is rendered."""
    for key, value in event.items():
        if isinstance(value, str):
            if key in TIMES or (key in IDENTIFIERS and _OUR_ID.fullmatch(value)):
                continue
            if key in SERVICE and _SERVICE_NUMBER.fullmatch(value):
                continue
            if key == "exception":  # keeps its lines, each indented: none can pass for a line of its own
                event[key] = "\n".join(f"    {clean_text(line)}" for line in value.splitlines())
            else:
                event[key] = clean_text(value)
        elif not isinstance(value, _PLAIN):
            event[key] = clean(value)
    return event
