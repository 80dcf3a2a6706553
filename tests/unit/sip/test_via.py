"""Via values."""

from __future__ import annotations

import pytest

from switchboard.sip.errors import LocalError, ParseError
from switchboard.sip.via import Via, is_usual, parse_via, scan_branch

PARSED = [
    ("SIP/2.0/UDP h;branch=z9hG4bKa", Via("SIP/2.0", "UDP", "h", None, {"branch": "z9hG4bKa"})),
    ("SIP/2.0/UDP h:5062", Via("SIP/2.0", "UDP", "h", 5062)),
    ("SIP/2.0/TLS [::1]:5061;rport", Via("SIP/2.0", "TLS", "[::1]", 5061, {"rport": None})),
    (
        "SIP / 2.0 / UDP  h : 5060 ; branch = z9hG4bKa ; rport",
        Via("SIP/2.0", "UDP", "h", 5060, {"branch": "z9hG4bKa", "rport": None}),
    ),
    (
        "SIP/2.0/UDP h;Branch=z9hG4bKa;ttl=16",
        Via("SIP/2.0", "UDP", "h", None, {"branch": "z9hG4bKa", "ttl": "16"}),
    ),
    (
        'SIP/2.0/UDP h;x=";branch=no";branch=yes',
        Via("SIP/2.0", "UDP", "h", None, {"x": '";branch=no"', "branch": "yes"}),
    ),
    ("SIP/2.0/UDP h;branch=a=b@c", Via("SIP/2.0", "UDP", "h", None, {"branch": "a=b@c"})),
]

MALFORMED = [
    "",
    "SIP/2.0/UDP",
    "SIP/2.0 h",
    "SIP/2.0/UDP h i",
    "SIP/2.0/UDP h:",
    "SIP/2.0/UDP h:x",
    "SIP/2.0/UDP h:65536",
    "SIP/2.0/UDP h:123456",
    "SIP/2.0/UDP h;",
    "SIP/2.0/UDP 192.0.2.15;;,;,,",
    "SIP/2.0/UDP h;branch=",
    "SIP/2.0/UDP h;branch=a;branch=b",
    "SIP/2.0/UDP [h];branch=a",
    "SIP/2.0/UDP -h",
]


@pytest.mark.parametrize(("text", "via"), PARSED)
def test_parses(text: str, via: Via) -> None:
    """Protocol, sent-by and parameters are found, and survive being written and read again."""
    assert parse_via(text) == via
    assert parse_via(str(via)) == via
    assert scan_branch(text) == via.branch


@pytest.mark.parametrize("text", MALFORMED)
def test_refuses(text: str) -> None:
    """A malformed Via is refused with 400."""
    with pytest.raises(ParseError) as caught:
        parse_via(text)
    assert (caught.value.status, caught.value.header) == (400, "Via")
    assert not is_usual(text)


@pytest.mark.parametrize(
    ("line", "branch"),
    [
        ("SIP/2.0/UDP a;branch=one, SIP/2.0/UDP b;branch=two", "one"),
        ("SIP/2.0/UDP a, SIP/2.0/UDP b;branch=two", None),
        ("SIP/2.0/UDP a;branch=one;rport,SIP/2.0/UDP b", "one"),
        ("SIP/2.0/UDP a;branch=one ;rport", "one"),
        ("SIP/2.0/UDP a;branch= one", "one"),
        ("SIP/2.0/UDP a", None),
        ("rubbish", None),
        ("SIP/2.0/UDP a;branch=;x", None),
    ],
)
def test_scan_branch(line: str, branch: str | None) -> None:
    """The branch is the one of the first value of the line."""
    assert scan_branch(line) == branch


def test_parameters() -> None:
    """received, rport and ttl are read as address and numbers, and as None when they are none."""
    via = parse_via("SIP/2.0/UDP h;received=[2001:db8::1];rport=5070;ttl=16")
    assert (via.received, via.rport, via.ttl, via.wants_rport) == ("2001:db8::1", 5070, 16, True)
    via = parse_via("SIP/2.0/UDP h;received=2001:db8::1;rport;ttl=256")
    assert (via.received, via.rport, via.ttl, via.wants_rport) == ("2001:db8::1", None, None, True)
    via = parse_via("SIP/2.0/UDP h;rport=x;ttl=1x")
    assert (via.received, via.rport, via.ttl) == (None, None, None)
    via = parse_via("SIP/2.0/UDP h")
    assert (via.branch, via.wants_rport, via.rport, via.ttl) == (None, False, None, None)


def test_usual_lines_are_known_by_one_match() -> None:
    """What common elements send needs no full parser; anything rarer does."""
    assert is_usual("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhds")
    assert is_usual("SIP/2.0/UDP pc33.atlanta.com;rport;branch=z9hG4bK776asdhds")
    assert is_usual("SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK776asdhds;rport")
    assert not is_usual("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK")
    assert not is_usual("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa, SIP/2.0/UDP b")


@pytest.mark.parametrize(
    "via",
    [
        Via("SIP/2.0", "UDP", "h\r\nX: y"),
        Via("SIP/2.0", "UDP", "h", 5060, {"branch": "a\r\nX: y"}),
        Via("SIP/2.0", "UDP X", "h"),
        Via("SIP/2.0", "UDP", "h;a"),
        Via("SIP", "UDP", "h"),
    ],
)
def test_writer_refuses_injection(via: Via) -> None:
    """A field that would break out of its place is never written."""
    with pytest.raises(LocalError):
        str(via)
