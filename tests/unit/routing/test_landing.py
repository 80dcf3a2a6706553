"""Landing numbers: the number dialled, found in every place where carriers write it."""

from __future__ import annotations

import pytest

from routing.landing import MAX_ENTRIES, Landing, dialled_part, recover

LANDING = "sip:01088881111@192.0.2.1"
MAIN = "4008001234"


@pytest.mark.parametrize(
    ("uri", "part"),
    [
        ("sip:4008001234@host", "4008001234"),
        ("sip:4008001234@host:5060;user=phone?x=y", "4008001234"),
        ("sip:4008001234;ext=123456@host;user=phone", "4008001234;ext=123456"),
        ("sip:4008001234;phone-context=+86;ext=12@host", "4008001234;phone-context=+86;ext=12"),
        ("sip:4008001234@host;ext=123456;transport=udp", "4008001234;ext=123456"),
        ("sip:4008001234*123456@host", "4008001234*123456"),
        ("sips:4008001234%2C123456:secret@host", "4008001234%2C123456"),
        ("sip:4008001234:secret;ext=1@host", "4008001234"),
        ("sip:4008001234;ext=1:secret@host", "4008001234;ext=1"),
        ("tel:+86-400-800-1234;ext=12;phone-context=+86", "+86-400-800-1234;ext=12;phone-context=+86"),
        ("TEL:4008001234", "4008001234"),
        ("4008001234,12", "4008001234,12"),
        ("sip:host", ""),
        ("urn:service:sos", "urn:service:sos"),
        ("", ""),
    ],
)
def test_dialled_part(uri: str, part: str) -> None:
    """The user part with what belongs to the number."""
    assert dialled_part(uri) == part


CASES: list[tuple[str, dict[str, object], Landing]] = [
    ("sip:4008001234@h", {}, Landing(MAIN, "", "request")),
    ("sip:+864008001234@h", {"to": "<sip:4009999999@h>"}, Landing(MAIN, "", "request")),
    ("sip:4008001234;ext=123456@h", {}, Landing(MAIN, "123456", "request")),
    (LANDING, {"to": "<sip:4008001234@h>"}, Landing(MAIN, "", "to")),
    (LANDING, {"to": '"4009999999 <x>" <sip:+864008001234@h;user=phone>;tag=1'}, Landing(MAIN, "", "to")),
    (LANDING, {"to": '"a\\"<sip:4009999999@h>" <sip:4008001234@h>'}, Landing(MAIN, "", "to")),
    (LANDING, {"to": "sip:4008001234@h;tag=1"}, Landing(MAIN, "", "to")),
    (LANDING, {"to": "sip:4008001234;ext=12@h"}, Landing(MAIN, "12", "to")),
    (LANDING, {"to": "<tel:400-800-1234;ext=12>;tag=1"}, Landing(MAIN, "12", "to")),
    (LANDING, {"to": "tel:4008001234;tag=1"}, Landing(MAIN, "", "to")),
    (LANDING, {"to": "4008001234 <sip:01088881111@h>"}, Landing("01088881111", "", "none")),
    ("sip:01088881111,123456@h", {"to": "<sip:4008001234@h>"}, Landing(MAIN, "123456", "to")),
    ("sip:01088881111,123456@h", {"to": "<sip:4008001234*7@h>"}, Landing(MAIN, "7", "to")),
    (
        LANDING,
        {"to": "<sip:01088881111@h>", "diversion": ["<sip:4008001234@h>;reason=unconditional;counter=1"]},
        Landing(MAIN, "", "diversion"),
    ),
    (
        LANDING,
        {"diversion": ["<sip:4009999999@h>;reason=user-busy, <sip:4008001234@h>;reason=unknown"]},
        Landing(MAIN, "", "diversion"),
    ),
    (
        LANDING,
        {"diversion": ["<sip:4009999999@h>", "<sip:4008001234@h>", "<sip:13956781234@h>"]},
        Landing(MAIN, "", "diversion"),
    ),
    (LANDING, {"diversion": ['"Shop, <north>" <tel:+864008001234>;privacy=off']}, Landing(MAIN, "", "diversion")),
    (
        LANDING,
        {
            "history": [
                "<sip:4008001234@h?Reason=SIP%3Bcause%3D302>;index=1, <sip:4009999999@h>;index=1.1",
                "<sip:01088881111@h>;index=1.1.1",
            ]
        },
        Landing(MAIN, "", "history-info"),
    ),
    (
        LANDING,
        {"diversion": ["<sip:13956781234@h>"], "history": ["<sip:13956781234@h>;index=1, <sip:4008001234@h>;index=2"]},
        Landing(MAIN, "", "history-info"),
    ),
    (LANDING, {"table": {"01088881111": "4008001234"}}, Landing(MAIN, "", "table")),
    ("sip:+861088881111,5@h", {"table": {"010-8888 1111": "400 800 1234"}}, Landing(MAIN, "5", "table")),
    (LANDING, {"to": "<sip:4008001234@h>", "table": {"01088881111": "4009999999"}}, Landing(MAIN, "", "to")),
    (LANDING, {"table": {"01088882222": "4008001234"}}, Landing("01088881111", "", "none")),
    (LANDING, {}, Landing("01088881111", "", "none")),
    ("sip:h", {}, Landing("", "", "none")),
    (
        LANDING,
        {"to": "", "diversion": ["", ",", "<", '"', "<sip:>"], "history": ["junk"]},
        Landing("01088881111", "", "none"),
    ),
]


@pytest.mark.parametrize(("request_uri", "headers", "expected"), CASES)
def test_recover(request_uri: str, headers: dict[str, object], expected: Landing) -> None:
    """Request-URI, To, the oldest Diversion, the oldest History-Info, the table, in this order."""
    assert recover(request_uri, **headers) == expected  # type: ignore[arg-type]


def test_only_numbers_of_ours() -> None:
    """A 400 number that is not published here is passed over; another number that is, is found."""
    ours = {"4008001234", "02188880000"}.__contains__
    headers = ["<sip:4007777777@h>", "<sip:+862188880000@h>"]
    assert recover(LANDING, to="<sip:4009999999@h>", diversion=headers, ours=ours) == Landing(
        "02188880000", "", "diversion"
    )
    assert recover("sip:02188880000@h", ours=ours).source == "request"
    assert recover("sip:4009999999@h", to="<sip:4008001234@h>", ours=ours) == Landing("4008001234", "", "to")


def test_dialled() -> None:
    """Number and extension as one user part, for the dial plan."""
    assert recover("sip:4008001234*12@h").dialled == "4008001234,12"
    assert recover("sip:4008001234@h").dialled == "4008001234"


def test_what_is_read_is_bounded() -> None:
    """Of thousands of entries only the first few are looked at."""
    many = ["<sip:1@h>," * 100] * 100
    assert recover(LANDING, diversion=[*many, "<sip:4008001234@h>"]).source == "none"
    assert recover(LANDING, history=["<sip:1@h>"] * (MAX_ENTRIES - 1) + ["<sip:4008001234@h>"]).number == MAIN
    assert recover(LANDING, to="<" * 100_000).source == "none"
