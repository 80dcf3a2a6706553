"""Bencoding there and back, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.rtpengine.bencode import MAX_DEPTH, BencodeError, Value, decode, encode

VALUES: st.SearchStrategy[Value] = st.recursive(
    st.text(max_size=20) | st.integers(-(10**18), 10**18),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_written_is_read(value: Value) -> None:
    """Texts, numbers, lists and dictionaries in each other."""
    assert decode(encode(value)) == value


@given(st.binary(max_size=60))
def test_whatever_comes_is_read_or_refused(data: bytes) -> None:
    """There is no other error."""
    try:
        decode(data)
    except BencodeError:
        return


def test_the_format_is_that_of_its_definition() -> None:
    """Keys sorted, lengths in octets."""
    assert encode({"b": [1, "é"], "a": -3}) == b"d1:ai-3e1:bli1e2:\xc3\xa9ee"


@pytest.mark.parametrize(
    "data",
    [b"", b"i12", b"ie", b"i1_0e", b"5:abc", b"-1:a", b"l", b"d1:a", b"di1ei2ee", b"i1ei2e", b"x", b"9" * 30 + b":"],
)
def test_what_is_broken_is_refused(data: bytes) -> None:
    """Cut off, badly counted, or followed by more."""
    with pytest.raises(BencodeError):
        decode(data)


def test_nothing_is_read_too_deep() -> None:
    """A datagram of brackets is no way to exhaust the stack."""
    decode(b"l" * MAX_DEPTH + b"e" * MAX_DEPTH)
    with pytest.raises(BencodeError):
        decode(b"l" * 30_000 + b"e" * 30_000)
