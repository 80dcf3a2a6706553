"""Landing numbers (落地号): carriers deliver a call of a 400 number on a line of its own; which number was dialled?

It is looked for where carriers write it: in the Request-URI, in To, in Diversion (RFC 5806), in History-Info
(RFC 7044), and at last in a table of the trunk. What is no number of ours is passed over: a header may name anyone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal

import msgspec

from routing.numbers import Number, canonical_number, normalise

Source = Literal["request", "to", "diversion", "history-info", "table", "none"]

MAX_VALUE: Final = 4096
MAX_ENTRIES: Final = 20
"""Headers are the sender's; what is read of them stays bounded."""


class Landing(msgspec.Struct, frozen=True):
    """The number that was dialled, what was dialled after it, and where it was found."""

    number: str
    extension: str
    source: Source

    @property
    def dialled(self) -> str:
        """Number and extension as one user part."""
        return f"{self.number},{self.extension}" if self.extension else self.number


def recover(
    request: str,
    *,
    to: str = "",
    diversion: Iterable[str] = (),
    history: Iterable[str] = (),
    table: Mapping[str, str] | None = None,
    ours: Callable[[str], bool] | None = None,
) -> Landing:
    """The number dialled, from the Request-URI (or its user part) and the values of the headers.

    `table` leads from landing numbers to the numbers published. `ours` says whether a number, in its one form, is
    one that is published; without it every 400 and 800 number is. The landing number itself, when nothing is found.
    """
    landing = _read(request)
    mine = ours if ours is not None else _is_published
    if mine(landing.number):
        return Landing(landing.number, landing.extension, "request")
    places: tuple[tuple[Source, Iterable[str]], ...] = (
        ("to", [to] if to else []),
        # The last Diversion and the first History-Info are the oldest: what the caller dialled.
        ("diversion", reversed(_entries(diversion))),
        ("history-info", _entries(history)),
    )
    for source, values in places:
        for value in values:
            found = _read(_uri_of(value))
            if mine(found.number):
                return Landing(found.number, found.extension or landing.extension, source)
    published = _from_table(table or {}, landing.number)
    if published:
        return Landing(published, landing.extension, "table")
    return Landing(landing.number, landing.extension, "none")


def dialled_part(uri: str) -> str:
    """What was dialled: the user part of a SIP URI, or a tel URI with its parameters; text without a scheme as is.

    `sip:4008001234;ext=12@host`, `tel:4008001234;ext=12` and `sip:4008001234@host;ext=12` all have the extension.
    """
    scheme, colon, rest = uri.partition(":")
    scheme = scheme.strip().lower()
    if not colon or scheme not in ("sip", "sips", "tel"):
        return uri
    rest = rest.partition("?")[0]
    if scheme == "tel":
        return rest
    user, at, host = rest.rpartition("@")
    if not at:
        return ""
    params = [param for param in host.split(";")[1:] if param.lower().startswith(("ext=", "postd="))]
    return ";".join([user.partition(":")[0], *params])


def _read(uri: str) -> Number:
    return normalise(dialled_part(uri[:MAX_VALUE].strip()))


def _is_published(number: str) -> bool:
    return normalise(number).kind == "service"


def _from_table(table: Mapping[str, str], landing: str) -> str:
    """The published number of a landing number; both may be written in any form."""
    known = table.get(landing)
    if known is None:
        known = next((value for key, value in table.items() if canonical_number(key) == landing), "")
    return canonical_number(known)


def _entries(values: Iterable[str]) -> list[str]:
    """The entries of a header: values and, within them, what commas outside quotes and brackets separate."""
    entries: list[str] = []
    for value in values:
        entries += _split(value[:MAX_VALUE])
        if len(entries) >= MAX_ENTRIES:
            break
    return entries[:MAX_ENTRIES]


def _split(value: str) -> list[str]:
    parts, begin, quoted, inside, escaped = [], 0, False, False, False
    for at, character in enumerate(value):
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"' and not inside:
            quoted = not quoted
        elif not quoted and character in "<>":
            inside = character == "<"
        elif character == "," and not quoted and not inside:
            parts.append(value[begin:at])
            begin = at + 1
    parts.append(value[begin:])
    return [part.strip() for part in parts if part.strip()]


def _uri_of(value: str) -> str:
    """The URI of a name-addr or addr-spec (RFC 3261 section 20.10); header parameters are not part of it."""
    text, at = value, 0
    if text.lstrip().startswith('"'):  # a display name may hold anything, also <
        at = _closing_quote(text, text.index('"'))
    begin = text.find("<", at)
    if begin >= 0:
        return text[begin + 1 : text.find(">", begin) if ">" in text[begin:] else len(text)]
    # Without brackets every ; behind the host begins a parameter of the header.
    end = text.find(";", max(text.rfind("@"), 0))
    return text if end < 0 else text[:end]


def _closing_quote(text: str, begin: int) -> int:
    at = begin + 1
    while at < len(text) and text[at] != '"':
        at += 2 if text[at] == "\\" else 1
    return min(at + 1, len(text))
