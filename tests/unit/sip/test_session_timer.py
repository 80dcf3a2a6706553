"""Session-Expires and Min-SE as they are written, option tags (RFC 4028 §4, §5)."""

from __future__ import annotations

import pytest

from switchboard.sip.errors import ParseError
from switchboard.sip.headers import Headers
from switchboard.sip.session_timer import SessionExpires, lists, parse_min_se, parse_session_expires


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1800", SessionExpires(1800)),
        ("1800;refresher=uac", SessionExpires(1800, "uac")),
        ("90 ; Refresher = UAS", SessionExpires(90, "uas")),
        ("4000;refresher=nobody;x=y", SessionExpires(4000)),
    ],
)
def test_session_expires(text: str, expected: SessionExpires) -> None:
    """Interval and refresher; what is no refresher is left out."""
    assert parse_session_expires(text) == expected


@pytest.mark.parametrize("text", ["", "-1", "soon", "1e3", "9" * 12, "90;;", "\u0661"])
def test_what_is_no_session_expires(text: str) -> None:
    """400 is owed."""
    with pytest.raises(ParseError) as caught:
        parse_session_expires(text)
    assert caught.value.status == 400


def test_min_se() -> None:
    """Seconds, with parameters that mean nothing."""
    assert parse_min_se("120;x=y") == 120
    with pytest.raises(ParseError):
        parse_min_se("")


@pytest.mark.parametrize(
    ("lines", "listed"),
    [
        (["Supported: timer"], True),
        (["k: 100rel,Timer"], True),
        (["Supported: 100rel", "Supported: timer"], True),
        (["Supported: timers, xtimer"], False),
        (["Require: timer"], False),
        ([], False),
    ],
)
def test_option_tags(lines: list[str], listed: bool) -> None:
    """One tag of a list, in whatever line, by its whole name."""
    assert lists(Headers(lines), "supported", "timer") is listed
