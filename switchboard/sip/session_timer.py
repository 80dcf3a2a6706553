"""Session timers as they are written (RFC 4028 §4, §5): Session-Expires, Min-SE, option tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from switchboard.sip.errors import ParseError
from switchboard.sip.headers import is_digits, parse_parameters

if TYPE_CHECKING:
    from switchboard.sip.headers import Headers

LEAST: Final = 90
"""Seconds; no session interval may be shorter (RFC 4028 §4)."""
_DIGITS: Final = 9

Refresher = Literal["", "uac", "uas"]


class SessionExpires(NamedTuple):
    """An interval in seconds, and which side refreshes; "" when that is left to the answer."""

    interval: int
    refresher: Refresher = ""


def parse_session_expires(value: str) -> SessionExpires:
    """Read `1800;refresher=uas`; raises ParseError, 400 is owed."""
    text, semicolon, rest = value.partition(";")
    interval = _seconds(text.strip(" \t"), "Session-Expires")
    refresher = (parse_parameters(semicolon + rest, "Session-Expires").get("refresher") or "").lower()
    if refresher == "uac":
        return SessionExpires(interval, "uac")
    return SessionExpires(interval, "uas" if refresher == "uas" else "")


def parse_min_se(value: str) -> int:
    """Read the seconds of a Min-SE, whatever parameters follow; raises ParseError."""
    return _seconds(value.partition(";")[0].strip(" \t"), "Min-SE")


def _seconds(text: str, header: str) -> int:
    if not is_digits(text) or len(text) > _DIGITS:
        raise ParseError("malformed value", header=header, section="RFC 4028 §4", status=400)
    return int(text)


def lists(headers: Headers, name: str, tag: str) -> bool:
    """Tell whether a header of option tags, `supported` or `require`, names this one (given in lower case)."""
    text = headers.first.get(name)
    if text is None or (headers.more is None and tag not in text.lower()):
        return False
    return any(value.lower() == tag for value in headers.values(name))
