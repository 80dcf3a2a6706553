"""Header lines and the grammar all header values share."""

from __future__ import annotations

import pytest

from switchboard.sip.errors import LocalError, ParseError, ProtocolError, SipError
from switchboard.sip.headers import (
    COMPACT,
    MAX_PARAMETERS,
    Headers,
    canonical,
    format_parameters,
    is_digits,
    is_token,
    parse_parameters,
    quote,
    refuse_control,
    split_commas,
    unfold,
    unquote,
)

LINES = [
    "Via: SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b",
    "v:SIP/2.0/UDP c",
    "SUBJECT :  hello ",
    "X-Own: a",
    "x-own: b, ,c",
    "m: <sip:a@h>",
    "Empty:",
]


class TestHeaders:
    """Look-up by canonical name."""

    def test_order_and_raw_names_are_kept(self) -> None:
        """Iterating gives each line's own name and stripped value in order."""
        headers = Headers(LINES)
        assert list(headers)[:3] == [
            ("Via", "SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b"),
            ("v", "SIP/2.0/UDP c"),
            ("SUBJECT", "hello"),
        ]
        assert len(headers) == len(LINES)
        assert "('m', '<sip:a@h>')" in repr(headers)

    @pytest.mark.parametrize("name", ["via", "Via", "VIA", "v", "V"])
    def test_any_spelling_finds_all_lines(self, name: str) -> None:
        """Long, compact and oddly written names find the same lines."""
        headers = Headers(LINES)
        assert headers.get(name) == "SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b"
        assert headers.getall(name) == ["SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b", "SIP/2.0/UDP c"]
        assert headers.values(name) == ["SIP/2.0/UDP a;branch=1", "SIP/2.0/UDP b", "SIP/2.0/UDP c"]
        assert headers.repeated(name)
        assert name in headers

    def test_single_absent_and_empty(self) -> None:
        """A single line, none and an empty one are told apart."""
        headers = Headers(LINES)
        assert headers.getall("contact") == ["<sip:a@h>"]
        assert (headers.get("from"), headers.getall("from"), "from" in headers) == (None, [], False)
        assert (headers.get("empty"), headers.values("empty"), "empty" in headers) == ("", [], True)
        assert headers.values("x-own") == ["a", "b", "c"]
        assert headers.has_repeated
        assert not headers.repeated("contact")
        assert not Headers(["a: b"]).has_repeated

    def test_start_skips_the_first_lines(self) -> None:
        """The start line is not taken for a header."""
        headers = Headers(["INVITE sip:a SIP/2.0", "To: x"], 1)
        assert list(headers) == [("To", "x")]
        assert headers.malformed is None

    @pytest.mark.parametrize("line", ["no colon", "Via", "", "bad name: x", ": x", "na\0me: x", "näme: x"])
    def test_a_line_that_is_no_header_is_remembered(self, line: str) -> None:
        """The first line that is no header is kept for the validator, the others are still found."""
        headers = Headers(["To: x", line, "worse", "From: y"])
        assert headers.malformed == line
        assert (headers.get("to"), headers.get("from")) == ("x", "y")

    def test_lines_without_colon_are_not_iterated(self) -> None:
        """A line without a colon has no pair."""
        assert list(Headers(["To: x", "nothing"])) == [("To", "x")]


@pytest.mark.parametrize(("short", "long"), COMPACT.items())
def test_compact_forms(short: str, long: str) -> None:
    """Every registered compact form stands for its long name, in either case."""
    assert canonical(short) == canonical(short.upper()) == canonical(long.title()) == long


def test_unfold() -> None:
    """Continuation lines are joined by one space; one before the first line has nothing to join."""
    assert unfold(["a: b", " c", "\td ", "e: f"]) == ["a: b c d", "e: f"]
    assert unfold(["a:  ", "   b"]) == ["a: b"]
    assert unfold([" x", " y"]) == [" x y"]


@pytest.mark.parametrize(
    ("value", "items"),
    [
        ("a", ["a"]),
        ("a, b ,c", ["a", "b", "c"]),
        ("a,,b,", ["a", "", "b", ""]),
        ('"a,b" <x,y>, c', ['"a,b" <x,y>', "c"]),
        ('"a\\",b", c', ['"a\\",b"', "c"]),
        ('"open, a', ['"open, a']),
        ("<open, a", ["<open, a"]),
        ('<a">,b', ['<a">', "b"]),
    ],
)
def test_split_commas(value: str, items: list[str]) -> None:
    """Commas separate only outside quotes and brackets; an unclosed one swallows the rest."""
    assert split_commas(value) == items


class TestParameters:
    """Parameters behind a header value."""

    def test_parse(self) -> None:
        """Names lose their case, values keep theirs and their quotes."""
        assert parse_parameters(' ; A = B;c;d="x;\\"y" ', "X") == {"a": "B", "c": None, "d": '"x;\\"y"'}
        assert parse_parameters("", "X") == {}

    @pytest.mark.parametrize("text", ["a", ";", ";;", ";=b", ";a=", ";a b", ";a=b c", ";a;A", ';a="', ";ä"])
    def test_refuse(self, text: str) -> None:
        """What breaks the grammar, or comes twice, is refused."""
        with pytest.raises(ParseError):
            parse_parameters(text, "X")

    def test_bound(self) -> None:
        """More than the bound is refused, the bound itself is not."""
        text = "".join(f";p{i}" for i in range(MAX_PARAMETERS))
        assert len(parse_parameters(text, "X")) == MAX_PARAMETERS
        with pytest.raises(ParseError):
            parse_parameters(text + ";one-more", "X")

    def test_format(self) -> None:
        """Writing is the inverse of parsing."""
        assert format_parameters({"a": "b", "c": None}) == ";a=b;c"
        assert format_parameters({}) == ""

    @pytest.mark.parametrize("value", ["a b", "a;b", "a\r\nb", "a\0", '"a', ""])
    def test_format_refuses(self, value: str) -> None:
        """A value that would break out is never written."""
        with pytest.raises(LocalError):
            format_parameters({"a": value})


def test_quotes() -> None:
    """Quoting hides quotes, backslashes and line ends; unquoting undoes it."""
    assert quote('a"b\\c') == '"a\\"b\\\\c"'
    assert unquote('"a\\"b\\\\c"') == 'a"b\\c'
    assert quote("a\r\nb\0") == '"a  b "'
    assert [unquote(text) for text in ('"a"', "a", '"', '""', '"\\x"')] == ["a", "a", '"', "", "x"]


def test_token_and_digits() -> None:
    """Tokens and digits are ASCII and never empty; a line end at the end does not slip through."""
    assert [is_token(text) for text in ("a-.!%*_+`'~9", "", "a b", "ä", "a\n")] == [
        True,
        False,
        False,
        False,
        False,
    ]
    assert [is_digits(text) for text in ("09", "", "-1", "1_0", "٣", "1\n", "²")] == [True] + [False] * 6


def test_refuse_control() -> None:
    """Text without control characters passes, other text does not."""
    assert refuse_control("héllo") == "héllo"
    for text in ("a\r", "a\n", "a\0", "\x7f"):
        with pytest.raises(LocalError):
            refuse_control(text)


class TestErrors:
    """The tree of errors."""

    def test_base_is_abstract(self) -> None:
        """The base names nobody's fault, so it cannot be raised."""
        with pytest.raises(TypeError):
            SipError("x")

    def test_text_and_fields(self) -> None:
        """An error reads as one line and knows the status owed."""
        error = ProtocolError("malformed value", status=400, header="CSeq", section="RFC 3261 §20.16")
        assert str(error) == "CSeq: malformed value (RFC 3261 §20.16)"
        assert (error.status, error.header) == (400, "CSeq")
        assert str(LocalError("x")) == "x"
        assert LocalError("x").status is None
        assert ParseError("x").status == 400
        assert ParseError("x", status=None).partial is None
