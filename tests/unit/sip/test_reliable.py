"""RSeq and RAck as they are written (RFC 3262 §7)."""

from __future__ import annotations

import pytest

from switchboard.sip.errors import ParseError
from switchboard.sip.reliable import RAck, parse_rack, parse_rseq


def test_what_is_written() -> None:
    """Numbers below 2**32, white space in between."""
    assert parse_rack("776656  1\tINVITE") == RAck(776656, 1, "INVITE")
    assert parse_rseq("4294967295") == 2**32 - 1


@pytest.mark.parametrize("text", ["", "1 INVITE", "1 2 3 INVITE", "x 1 INVITE", "1 -1 INVITE", "4294967296 1 INVITE"])
def test_what_is_no_rack(text: str) -> None:
    """400 is owed."""
    with pytest.raises(ParseError) as caught:
        parse_rack(text)
    assert caught.value.status == 400
