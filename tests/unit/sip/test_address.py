"""name-addr and addr-spec."""

from __future__ import annotations

import pytest

from switchboard.sip.address import NameAddr, parse_name_addr, quote_display, scan_tag, scan_usual
from switchboard.sip.errors import LocalError, ParseError

PARSED = [
    ("<sip:a@h>", NameAddr("", "sip:a@h")),
    ("sip:a@h", NameAddr("", "sip:a@h")),
    ("sip:a@h;tag=x", NameAddr("", "sip:a@h", {"tag": "x"})),
    ("sip:a@h ; tag = x ;y", NameAddr("", "sip:a@h", {"tag": "x", "y": None})),
    ("<sip:a@h;lr>;tag=x", NameAddr("", "sip:a@h;lr", {"tag": "x"})),
    ('"A. B" <sip:a@h>;TAG=x', NameAddr("A. B", "sip:a@h", {"tag": "x"})),
    ('"A \\"B\\" \\\\" <sip:a@h>;tag=x', NameAddr('A "B" \\', "sip:a@h", {"tag": "x"})),
    ('"<sip:evil@x>;tag=1" <sip:a@h>;tag=2', NameAddr("<sip:evil@x>;tag=1", "sip:a@h", {"tag": "2"})),
    ('"a\\">" <sip:a@h>;tag=2', NameAddr('a">', "sip:a@h", {"tag": "2"})),
    ("caller<sip:a@h>", NameAddr("caller", "sip:a@h")),
    ("Agent Smith  <sip:a@h>", NameAddr("Agent Smith", "sip:a@h")),
    ("张三 <sip:a@h>", NameAddr("张三", "sip:a@h")),
    ('<sip:a@h>;x="a;b,c\\"";tag=1', NameAddr("", "sip:a@h", {"x": '"a;b,c\\""', "tag": "1"})),
    ("<tel:+8610>", NameAddr("", "tel:+8610")),
    ("  <sip:a@h>\t", NameAddr("", "sip:a@h")),
]

MALFORMED = [
    "",
    "<>",
    "<sip:a@h",
    "sip:a@h>",
    '"A <sip:a@h>',
    '"A\\" <sip:a@h>',
    'A "B" <sip:a@h>',
    "Bell, Alexander <sip:a@h>",
    "A\\B <sip:a@h>",
    "A\0 <sip:a@h>",
    "sip:a@h?Route=x",
    "sip:a@h,b",
    "sip: a@h",
    "<sip:a@h> x",
    "<sip:a@h>, <sip:b@h>",
    "<sip:a@h>;",
    "<sip:a@h>;;tag=x",
    "<sip:a@h>;tag=",
    "<sip:a@h>;tag=a b",
    "<sip:a@h>;tag=x;Tag=y",
    '<sip:a@h>;x="',
    "<sip:a@h>;tag=<x>",
    "<sip:a@h>" + "".join(f";p{i}" for i in range(65)),
]


@pytest.mark.parametrize(("text", "value"), PARSED)
def test_parses(text: str, value: NameAddr) -> None:
    """Display name, URI and parameters are told apart, and survive being written and read again."""
    assert parse_name_addr(text) == value
    assert parse_name_addr(str(value)) == value
    assert scan_tag(text) == value.tag


@pytest.mark.parametrize("text", MALFORMED)
def test_refuses(text: str) -> None:
    """What cannot be told apart is refused with 400 and the name of its header."""
    with pytest.raises(ParseError) as caught:
        parse_name_addr(text, "To")
    assert (caught.value.status, caught.value.header) == (400, "To")
    assert scan_usual(text) is None
    assert scan_tag(text) is None


def test_scan_agrees_with_the_full_parser() -> None:
    """The one-match scan gives what the full parser gives, or gives up."""
    taken = 0
    for text, value in PARSED:
        usual = scan_usual(text)
        if usual is not None:
            taken += 1
            assert usual == (value.uri, value.tag)
    assert taken >= 5


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Alice", "Alice"),
        ("", '""'),
        ("A B", '"A B"'),
        ('A"B\\', '"A\\"B\\\\"'),
        ("A\r\nVia: x", '"A  Via: x"'),
        ("A\0\x1f\x7f", '"A   "'),
        ("13956781234", "13956781234"),
        ("李", '"李"'),
    ],
)
def test_display_is_written_safely(text: str, written: str) -> None:
    """A display name cannot end its quotes or its line, whatever it holds."""
    assert quote_display(text) == written


@pytest.mark.parametrize("uri", ["sip:a>b", "sip:a\r\nX: y", 'sip:"a"', "sip:a b", "sip:\x7f", "sip:<"])
def test_writer_refuses_bad_uri(uri: str) -> None:
    """A URI that would leave its brackets is never written."""
    with pytest.raises(LocalError):
        str(NameAddr("", uri))


@pytest.mark.parametrize(
    "params",
    [{"tag": "a;b"}, {"tag": "a\r\nX: y"}, {"a b": None}, {"": None}, {"tag": ""}, {"t": '"'}, {"a": "b,c"}],
)
def test_writer_refuses_bad_parameters(params: dict[str, str | None]) -> None:
    """A parameter that would become another one, or a line of its own, is never written."""
    with pytest.raises(LocalError):
        str(NameAddr("", "sip:a@h", params))
