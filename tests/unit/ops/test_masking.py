"""What a log line may contain."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.values import Hidden
from routing.masks.secret import RealNumber
from switchboard.ops.masking import LONGEST, clean, clean_event, clean_text

CALL_ID = "0190a1b2-0000-7000-8000-139567812345"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("13956781234", "139****1234"),
        ("+8613956781234", "+861****1234"),
        ("sip:13956781234@10.0.0.1:5060", "sip:139****1234@10.0.0.1:5060"),
        ("4008001234", "40****34"),
        ("88880000", "88****00"),
        ("8888000", "8****0"),
        ("888800", "888800"),
        ("139 5678 1234 or 139-5678-1234", "139****1234 or 139****1234"),
        ("139.5678.1234", "139****1234"),
        ("010-8888-6666 (0755) 888 6666", "010****6666 (07****6666"),
        ("tel:+86-139-5678-1234;x=1 +44 20 7946 0958", "tel:+86-****1234;x=1 +44 ****0958"),
        ("sip:%31%33%39%35%36%37%38@10.0.0.1", "sip:****@10.0.0.1"),
        (
            "2026-11-22 10:00 +0800, 0.5 1.25 and 192.168.100.1234",
            "2026-11-22 10:00 +0800, 0.5 1.25 and 192.168.100.1234",
        ),
        ("13956781234 13912345678", "139****1234 139****5678"),
        ("１３９５６７８１２３４", "１３９****１２３４"),
        ("139567\r\n81234", "139****1234"),
        ("139567\x0081234", "139****1234"),
        ("139567\u200b81234", "139****1234"),
        ("10.0.0.1:5060 and 2026-01-02T03:04:05.678901Z", "10.0.0.1:5060 and 2026-01-02T03:04:05.678901Z"),
        (f"call {CALL_ID} up", f"call {CALL_ID} up"),
        ("00000000-0000-4000-8000-013956781234", "00****00-0000-4000-8000-013****1234"),
        ("call.ended\n2026 forged", "call.ended2026 forged"),
        ("\x1b[31mred\u202e", "[31mred"),
        ("surrogate \udcff", "surrogate ?"),
    ],
)
def test_text_is_masked_and_on_one_line(text: str, expected: str) -> None:
    """Runs of seven digits and more lose their middle, however they were hidden; our ids stay."""
    assert clean_text(text) == expected


@given(st.text(), st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), st.text())
def test_no_surrounding_lets_a_mobile_number_through(before: str, number: str, after: str) -> None:
    """Whatever stands around it, a number of eleven digits never appears whole."""
    assert number not in clean_text(f"{before}{number}{after}")


@given(st.text())
def test_nothing_breaks_the_line(text: str) -> None:
    """No character that ends a line or moves a cursor survives, and the line can be encoded."""
    cleaned = clean_text(text)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", cleaned)
    assert len(cleaned.splitlines()) <= 1
    cleaned.encode("utf-8")


@given(st.integers(0, 2**80 - 1))
def test_our_ids_stay_whole(bits: int) -> None:
    """Every UUID of version 7 passes unchanged."""
    number = (bits << 48) & ((1 << 128) - 1)
    text = str(uuid.UUID(int=number | bits % (1 << 48)))
    ours = text[:14] + "7" + text[15:19] + "8" + text[20:]
    assert clean_text(f"id={ours}") == f"id={ours}"


def test_long_values_are_cut() -> None:
    """A peer cannot fill the disk with one value."""
    assert clean_text("x" * 100_000) == "x" * LONGEST + "…"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (13956781234, 13956781234),
        (5060, 5060),
        (1.5, 1.5),
        (True, True),
        (None, None),
        (b"13956781234\xff", "139****1234\ufffd"),
        (["13956781234"], ["139****1234"]),
        (("13956781234",), ["139****1234"]),
        ({"13956781234": {"to": "13956781234"}}, {"139****1234": {"to": "139****1234"}}),
        (Hidden("13956781234"), "Hidden(***)"),
        (RealNumber("13956781234"), "139****1234"),
        (ValueError("bad 13956781234"), "bad 139****1234"),
    ],
)
def test_values_of_every_type_are_masked(value: object, expected: object) -> None:
    """Numbers and booleans are ours and stay; whatever is or contains text is masked."""
    assert clean(value) == expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"event": "call.opened", "call_id": CALL_ID}, {"event": "call.opened", "call_id": CALL_ID}),
        ({"call_id": "0123456789012345678901234567abcd"}, {"call_id": "0123456789012345678901234567abcd"}),
        ({"call_id": "13956781234"}, {"call_id": "139****1234"}),
        ({"call_id": "13956781234@10.0.0.1"}, {"call_id": "139****1234@10.0.0.1"}),
        ({"other": "0123456789012345678901234567abcd"}, {"other": "012****4567abcd"}),
        ({"timestamp": "2026-01-02T03:04:05.678901234Z"}, {"timestamp": "2026-01-02T03:04:05.678901234Z"}),
        ({"exception": "a\nb 13956781234"}, {"exception": "    a\n    b 139****1234"}),
        ({"port": 5060, "x": ["13956781234"]}, {"port": 5060, "x": ["139****1234"]}),
    ],
)
def test_events_keep_our_ids_only(event: dict[str, object], expected: dict[str, object]) -> None:
    """A key that may hold an id of ours does not let a peer's number through."""
    assert clean_event(None, "info", event) == expected


def test_a_published_number_is_shown_where_it_was_called() -> None:
    """400 and 800 numbers under `called` only; nobody's own number passes there."""
    event = clean_event(None, "info", {"called": "4008001234", "event": "4008001234"})
    assert event == {"called": "4008001234", "event": "40****34"}
    assert clean_event(None, "info", {"called": "13956781234"}) == {"called": "139****1234"}
