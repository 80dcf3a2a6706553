"""URIs: grammar, equivalence, escapes."""

from __future__ import annotations

import pytest

from switchboard.sip.errors import LocalError, ParseError
from switchboard.sip.uri import (
    Uri,
    is_sip_uri,
    is_usual_uri,
    is_well_formed,
    parse_uri,
    same_uri,
    unescape,
)

PARSED = [
    ("sip:alice@atlanta.com", Uri("sip", "alice", None, "atlanta.com")),
    (
        "sip:alice:secretword@atlanta.com;transport=tcp",
        Uri("sip", "alice", "secretword", "atlanta.com", None, {"transport": "tcp"}),
    ),
    (
        "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
        Uri("sips", "alice", None, "atlanta.com", None, {}, "subject=project%20x&priority=urgent"),
    ),
    (
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        Uri("sip", "+1-212-555-1212", "1234", "gateway.com", None, {"user": "phone"}),
    ),
    ("sip:atlanta.com;method=REGISTER", Uri("sip", host="atlanta.com", params={"method": "REGISTER"})),
    ("sip:alice;day=tuesday@atlanta.com", Uri("sip", "alice;day=tuesday", None, "atlanta.com")),
    ("SIP:[2001:db8::1]:5070;lr", Uri("sip", host="[2001:db8::1]", port=5070, params={"lr": None})),
    ("sip:a:@b", Uri("sip", "a", "", "b")),
    ("sip:*67#@10.0.0.1", Uri("sip", "*67#", None, "10.0.0.1")),
    ("sip:a?b@c", Uri("sip", "a?b", None, "c")),
    ("sip:x@h;p=", Uri("sip", "x", None, "h", None, {"p": ""})),
    ("tel:+86-10-8888-0000", Uri("tel", "+86-10-8888-0000")),
    ("tel:7042;phone-context=example.com", Uri("tel", "7042", params={"phone-context": "example.com"})),
    ("urn:service:sos", Uri("urn", opaque="service:sos")),
    ("Isbn:2983792873", Uri("isbn", opaque="2983792873")),
]

MALFORMED = [
    "",
    "sip",
    "sip:",
    ":alice@atlanta.com",
    "1x:alice",
    "sip:@atlanta.com",
    "sip:alice@",
    "sip:ali ce@atlanta.com",
    "sip:alice@atlanta.com ",
    "<sip:alice@atlanta.com>",
    "sip:alice@bob@atlanta.com",
    "sip:al%4ice@atlanta.com",
    "sip:alice:pass word@atlanta.com",
    "sip:alice@atlanta.com:",
    "sip:alice@atlanta.com:x",
    "sip:alice@atlanta.com:65536",
    "sip:alice@atlanta.com:999999",
    "sip:alice@atlanta.com:٣",
    "sip:alice@[2001:db8::1",
    "sip:2001:db8::10",
    "sip:alice@atlanta.com;",
    "sip:alice@atlanta.com;;lr",
    "sip:alice@atlanta.com;lr;LR",
    "sip:alice@atlanta.com;a=b c",
    "sip:alice@atlanta.com?a=<b>",
    "sip:alice@atlanta.com\r\nVia: x",
    "tel:",
    "tel:-",
    "tel:+",
    "tel:+1 212",
    "tel:1;a;a",
    "urn:",
    "urn:a b",
    "urn:<x>",
    "sip:a@b" + ";p" * 65,
    "sip:a@b" + "".join(f";p{i}" for i in range(65)),
]


@pytest.mark.parametrize(("text", "uri"), PARSED)
def test_parses(text: str, uri: Uri) -> None:
    """The parts of a URI are found, and writing it gives the text again."""
    assert parse_uri(text) == uri
    scheme, colon, rest = text.partition(":")
    assert str(uri) == scheme.lower() + colon + rest
    assert is_well_formed(text)


@pytest.mark.parametrize("text", MALFORMED)
def test_refuses(text: str) -> None:
    """What breaks the grammar is refused with 400, by the quick check as well."""
    with pytest.raises(ParseError) as caught:
        parse_uri(text)
    assert caught.value.status == 400
    assert not is_well_formed(text)
    assert not is_usual_uri(text)


@pytest.mark.parametrize(
    "uri",
    [
        Uri("sip", "alice@evil.com", None, "atlanta.com"),
        Uri("sip", "alice\r\nVia: x", None, "atlanta.com"),
        Uri("sip", "a:b", None, "atlanta.com"),
        Uri("sip", "a", "b@c", "atlanta.com"),
        Uri("sip", "a", None, "atlanta.com;lr"),
        Uri("sip", "a", None, "atlanta.com", 70000),
        Uri("sip", "a", None, "atlanta.com", None, {"a;b": None}),
        Uri("sip", "a", None, "atlanta.com", None, {"a": "b\nc"}),
        Uri("sip", "a", None, "atlanta.com", None, {}, "a=b>"),
        Uri("tel", "12;ext=1"),
        Uri("tel"),
        Uri("urn", opaque="a\r\n"),
    ],
)
def test_writer_refuses_injection(uri: Uri) -> None:
    """A field that would become another part of the URI, or a line of its own, is never written."""
    with pytest.raises(LocalError):
        str(uri)


# RFC 3261 §19.1.4, both lists in full, and RFC 3966 §4.
SAME = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
    ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    ("sip:a%2fb@h", "sip:a%2Fb@h"),
    ("tel:+86-10-8888", "tel:+86.10.88(88)"),
    ("tel:12;a=1;b=2", "TEL:12;b=2;A=1"),
    ("urn:x", "URN:x"),
]
DIFFERENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:carol@chicago.com", "sips:carol@chicago.com"),
    ("sip:carol:a@chicago.com", "sip:carol:b@chicago.com"),
    ("sip:chicago.com", "sip:carol@chicago.com"),
    ("sip:%00@h", "sip:%00%00@h"),
    ("sip:a%3Bb@h", "sip:a;b@h"),
    ("sip:a@h;ttl=1", "sip:a@h"),
    ("sip:a@h;maddr=x", "sip:a@h;user=x"),
    ("tel:+8610", "tel:8610"),
    ("tel:12;a=1", "tel:12"),
    ("tel:12;a", "tel:12;a=1"),
    ("urn:x", "urn:X"),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_equivalent(first: str, second: str) -> None:
    """These pairs name the same resource, in either order."""
    assert same_uri(first, second)
    assert same_uri(parse_uri(second), parse_uri(first))


@pytest.mark.parametrize(("first", "second"), DIFFERENT)
def test_not_equivalent(first: str, second: str) -> None:
    """These pairs name different resources, in either order."""
    assert not same_uri(first, second)
    assert not same_uri(second, first)


def test_address_of_record() -> None:
    """An address-of-record has no parameters, needless escapes or capitals in its domain."""
    assert parse_uri("sip:%61Lice%2f@AtLanta.com:5060;lr").aor == "aLice%2F@atlanta.com"
    assert parse_uri("sip:Atlanta.com").aor == "atlanta.com"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("abc", "abc"),
        ("a%20b", "a b"),
        ("%2541", "%41"),
        ("%Z%45", "%ZE"),
        ("100%", "100%"),
        ("%4", "%4"),
        ("%00x", "\0x"),
        ("%E4%BD%A0", "你"),
        ("%ff", "\udcff"),
    ],
)
def test_unescape(text: str, plain: str) -> None:
    """Escapes are undone once; what is no escape stays."""
    assert unescape(text) == plain
    assert Uri("sip", text, None, "h").user_text == plain


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("4008001234", "4008001234"),
        ("a%40b%3Ac", "a@b:c"),
        ("a%0D%0Ab", "a\r\nb"),
        ("%E4%BD%A0", "你"),
        ("a%20b%23", "a b#"),
    ],
)
def test_an_escaped_user_is_read(text: str, plain: str) -> None:
    """Delimiters, line ends and letters of any alphabet among it."""
    assert parse_uri(f"sip:{text}@h").user_text == plain


def test_is_sip() -> None:
    """Only sip and sips are SIP URIs."""
    texts = ("sip:h", "SIPS:h", "tel:1", "http://h")
    assert [is_sip_uri(text) for text in texts] == [parse_uri(text).is_sip for text in texts]
    assert [parse_uri(text).is_sip for text in texts] == [
        True,
        True,
        False,
        False,
    ]
