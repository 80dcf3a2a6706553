"""The Replaces header field."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.sip.errors import LocalError, ParseError
from switchboard.sip.replaces import Replaces, parse_replaces

PARSED = [
    ("a@h;to-tag=1;from-tag=2", Replaces("a@h", "1", "2")),
    ("a@h ; from-tag = 2 ; to-tag=1", Replaces("a@h", "1", "2")),
    (
        "98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff",
        Replaces("98732@sip.example.com", "ff87ff", "r33th4x0r"),
    ),
    ("a;to-tag=1;from-tag=2;early-only", Replaces("a", "1", "2", early_only=True)),
    ("a;to-tag=0;from-tag=2;x=y;flag", Replaces("a", "0", "2")),
    ('x<a>[b]{c}"/?:@h;TO-TAG=1;From-Tag=2', Replaces('x<a>[b]{c}"/?:@h', "1", "2")),
]

MALFORMED = [
    "",
    "a",
    ";to-tag=1;from-tag=2",
    "a;to-tag=1",
    "a;from-tag=1",
    "a;to-tag;from-tag=2",
    "a;to-tag=1;from-tag=2;to-tag=3",
    "a;to-tag=1;from-tag=2;early-only=yes",
    "a;to-tag=1;from-tag=2, b;to-tag=1;from-tag=2",
    "a b;to-tag=1;from-tag=2",
    "a@b@c;to-tag=1;from-tag=2",
    'a;to-tag="1";from-tag=2',
    "a;to-tag=1;from-tag=2;",
]

TOKEN = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=12)


@pytest.mark.parametrize(("text", "value"), PARSED)
def test_parses(text: str, value: Replaces) -> None:
    """Call-ID, both tags and the flag are told apart, in any order, and survive being written and read again."""
    assert parse_replaces(text) == value
    assert parse_replaces(str(value)) == value


@pytest.mark.parametrize("text", MALFORMED)
def test_refuses(text: str) -> None:
    """A value without both tags, or with anything twice, owes its sender 400."""
    with pytest.raises(ParseError) as caught:
        parse_replaces(text)
    assert (caught.value.status, caught.value.header) == (400, "Replaces")


@given(TOKEN, TOKEN, TOKEN, st.booleans())
def test_what_is_written_is_read(call_id: str, to_tag: str, from_tag: str, early: bool) -> None:
    """Any value of tokens survives."""
    value = Replaces(call_id, to_tag, from_tag, early)
    assert parse_replaces(str(value)) == value


@pytest.mark.parametrize(
    "value", [Replaces("a;to-tag=9", "1", "2"), Replaces("a", "1\r\nX: y", "2"), Replaces("", "1", "2")]
)
def test_does_not_write_what_breaks_out(value: Replaces) -> None:
    """A delimiter in a field never reaches the wire."""
    with pytest.raises(LocalError):
        str(value)
