"""Refer-To, Referred-By and Refer-Sub."""

from __future__ import annotations

import pytest

from switchboard.sip.errors import ParseError
from switchboard.sip.headers import Headers
from switchboard.sip.message import Request
from switchboard.sip.refer import ReferTo, parse_refer_to, refer_to_of, referred_by_of, wants_subscription
from switchboard.sip.replaces import Replaces
from switchboard.sip.uri import Uri


def refer(*lines: str) -> Request:
    """A REFER with these header lines."""
    return Request("REFER", "sip:a@h", Headers(list(lines)))


PARSED = [
    ("<sip:b@h>", ReferTo(Uri("sip", "b", host="h"))),
    ("sip:b@h", ReferTo(Uri("sip", "b", host="h"))),
    (
        '"Bob, at the desk" <sip:b@h:5080;transport=udp>;x=y',
        ReferTo(Uri("sip", "b", host="h", port=5080, params={"transport": "udp"})),
    ),
    ("<sip:b@h;method=INVITE>", ReferTo(Uri("sip", "b", host="h"))),
    ("<sip:b@h;method=bye>", ReferTo(Uri("sip", "b", host="h"), method="BYE")),
    ("<tel:+8613956781234>", ReferTo(Uri("tel", "+8613956781234"))),
    (
        "<sip:b@h?Replaces=12adf2f34456gs5%3Bto-tag%3D12345%3Bfrom-tag%3D54321>",
        ReferTo(Uri("sip", "b", host="h"), replaces=Replaces("12adf2f34456gs5", "12345", "54321")),
    ),
    (
        "<sip:b@h;user=phone?Require=replaces&rePlaces=c%40h%3Bto-tag%3D1%3Bfrom-tag%3D2%3Bearly-only>",
        ReferTo(Uri("sip", "b", host="h", params={"user": "phone"}), replaces=Replaces("c@h", "1", "2", True)),
    ),
    (
        "<sip:b@h?%52eplaces=c%3Bto-tag%3D1%3Bfrom-tag%3D2>",
        ReferTo(Uri("sip", "b", host="h"), replaces=Replaces("c", "1", "2")),
    ),
    ("<sip:b@h?Route=%3Csip:evil%3E&Contact=x>", ReferTo(Uri("sip", "b", host="h"))),
    ("<http://h/x?y=z>", ReferTo(Uri("http", opaque="//h/x?y=z"))),
]

MALFORMED = [
    "",
    "<sip:b@>",
    "sip:b@h?Replaces=c%3Bto-tag%3D1%3Bfrom-tag%3D2",
    "<sip:b@h?Replaces=c>",
    "<sip:b@h?Replaces=c%253Bto-tag%253D1%253Bfrom-tag%253D2>",
    "<sip:b@h?Replaces=c%3Bto-tag%3D1%3Bfrom-tag%3D2&Replaces=d%3Bto-tag%3D1%3Bfrom-tag%3D2>",
    "<sip:b@h?" + "&".join(["a=b"] * 66) + ">",
]


@pytest.mark.parametrize(("text", "value"), PARSED)
def test_reads_where_a_refer_points(text: str, value: ReferTo) -> None:
    """URI, method and the embedded Replaces are told apart; other embedded headers are left out."""
    assert parse_refer_to(text) == value
    assert refer_to_of(refer(f"Refer-To: {text}")) == value
    assert refer_to_of(refer(f"r: {text}")) == value


@pytest.mark.parametrize("text", MALFORMED)
def test_refuses_what_points_nowhere(text: str) -> None:
    """It owes its sender 400; escapes are undone once, never twice."""
    with pytest.raises(ParseError) as caught:
        parse_refer_to(text)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "lines", [(), ("Refer-To: <sip:a@h>", "Refer-To: <sip:b@h>"), ("Refer-To: <sip:a@h>, <sip:b@h>",)]
)
def test_one_refer_to_is_needed(lines: tuple[str, ...]) -> None:
    """None and several are refused with 400."""
    with pytest.raises(ParseError) as caught:
        refer_to_of(refer(*lines))
    assert caught.value.status == 400


def test_reads_who_refers() -> None:
    """Referred-By is an address; without it nobody is named; a malformed one is refused."""
    found = referred_by_of(refer("Referred-By: Alice <sip:alice@h>;cid=x"))
    assert found is not None
    assert (found.display, found.uri) == ("Alice", "sip:alice@h")
    assert referred_by_of(refer("b: sip:alice@h")) is not None
    assert referred_by_of(refer()) is None
    with pytest.raises(ParseError):
        referred_by_of(refer("Referred-By: <sip:@>"))


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ((), True),
        (("Refer-Sub: true",), True),
        (("Refer-Sub: false",), False),
        (("Refer-Sub: False ;x=y",), False),
        (("Refer-Sub: no",), True),
    ],
)
def test_a_referrer_is_told_unless_it_says_no(lines: tuple[str, ...], wanted: bool) -> None:
    """Only `false` does without the subscription."""
    assert wants_subscription(refer(*lines)) is wanted
