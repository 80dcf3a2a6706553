"""The Replaces header field: which dialog a new INVITE takes the place of (RFC 3891)."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from switchboard.sip.errors import LocalError, ParseError
from switchboard.sip.headers import is_token, parse_parameters

# callid = word [ "@" word ], RFC 3261 §25.1; a word has neither white space, semicolons, commas nor '='.
_CALL_ID: Final = re.compile(
    r"[A-Za-z0-9\-.!%*_+`'~()<>:\\\"/\[\]?{}]+(?:@[A-Za-z0-9\-.!%*_+`'~()<>:\\\"/\[\]?{}]+)?\Z"
)


class Replaces(msgspec.Struct, frozen=True):
    """A dialog as its other side names it: `to_tag` is the tag of whoever receives this, `from_tag` its peer's."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    def __str__(self) -> str:
        """Write the value; raises LocalError when a field would break out of its place."""
        early = ";early-only" if self.early_only else ""
        text = f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{early}"
        try:
            same = parse_replaces(text) == self
        except ParseError as error:
            raise LocalError(f"Replaces cannot be written: {error.reason}") from error
        if not same:
            raise LocalError("Replaces cannot be written: a field holds a delimiter")
        return text


def parse_replaces(value: str) -> Replaces:
    """Parse the one value; both tags must be there (RFC 3891 §6.1). Raises ParseError with status 400."""
    call_id, _, rest = value.strip(" \t").partition(";")
    params = parse_parameters(f";{rest}" if rest else "", "Replaces")
    to_tag, from_tag = params.get("to-tag"), params.get("from-tag")
    if not _CALL_ID.match(call_id := call_id.rstrip(" \t")):
        raise ParseError("malformed Call-ID", header="Replaces", section="RFC 3891 §6.1")
    if to_tag is None or from_tag is None or not is_token(to_tag) or not is_token(from_tag):
        raise ParseError("both tags are needed", header="Replaces", section="RFC 3891 §6.1")
    if params.get("early-only") is not None:
        raise ParseError("early-only has no value", header="Replaces", section="RFC 3891 §6.1")
    return Replaces(call_id, to_tag, from_tag, "early-only" in params)
