"""Reliable provisional responses as they are written (RFC 3262 §7): RSeq and RAck."""

from __future__ import annotations

from typing import Final, NamedTuple

from switchboard.sip.errors import ParseError
from switchboard.sip.headers import is_digits

MAX_RSEQ: Final = 2**32 - 1


class RAck(NamedTuple):
    """Which response a PRACK acknowledges: its RSeq, and the CSeq of its request."""

    rseq: int
    cseq: int
    method: str


def parse_rseq(value: str) -> int:
    """Read the number of a response; raises ParseError."""
    return _number(value, "RSeq")


def parse_rack(value: str) -> RAck:
    """Read `776656 1 INVITE`; raises ParseError, 400 is owed."""
    parts = value.split()
    if len(parts) != 3:
        raise ParseError("malformed value", header="RAck", section="RFC 3262 §7.2")
    return RAck(_number(parts[0], "RAck"), _number(parts[1], "RAck"), parts[2])


def _number(text: str, header: str) -> int:
    if not is_digits(text) or len(text) > 10 or not 0 <= int(text) <= MAX_RSEQ:
        raise ParseError("malformed value", header=header, section="RFC 3262 §7.1")
    return int(text)
