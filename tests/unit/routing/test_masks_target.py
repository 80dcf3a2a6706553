"""The written forms of a target, and that a real number cannot hide in one of them."""

from __future__ import annotations

import pytest

from routing.masks.target import (
    AorTarget,
    SipTarget,
    TargetError,
    is_public_number,
    parse_number,
    parse_open_target,
)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("sip:agent@127.0.0.1:5190", SipTarget("sip:agent@127.0.0.1:5190")),
        ("SIP:100001@10.0.0.1;transport=udp", SipTarget("SIP:100001@10.0.0.1;transport=udp")),
        ("sips:desk@example.com", SipTarget("sips:desk@example.com")),
        ("sip:gateway.example.com", SipTarget("sip:gateway.example.com")),
        ("sip:{extension}@127.0.0.1", SipTarget("sip:{extension}@127.0.0.1")),
        ("aor:alice", AorTarget("alice")),
        ("AOR:bob@switchboard.local", AorTarget("bob@switchboard.local")),
        ("13956781234", None),
        ("", None),
        ("tel:+8613956781234", None),
    ],
)
def test_reads_targets(text: str, target: SipTarget | AorTarget | None) -> None:
    """SIP URIs and accounts are read, anything else is left to be a number."""
    assert parse_open_target(text) == target


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sip:", "not a SIP URI"),
        ("sip:a b@host", "not a SIP URI"),
        ("sip:a@host>", "not a SIP URI"),
        ("sip:" + "a" * 300 + "@host", "not a SIP URI"),
        ("sip:13956781234@gateway", "real number"),
        ("sip:+8613956781234@gateway", "real number"),
        ("sip:013956781234;user=phone@gateway", "real number"),
        ("sip:01088880000:secret@gateway", "real number"),
        ("sip:+14155550123@gateway", "real number"),
        ("aor:", "not a softphone account"),
        ("aor:a@b@c", "not a softphone account"),
        ("aor:13956781234", "real number"),
        ("aor:+86 139 5678 1234@host", "not a softphone account"),
    ],
)
def test_refuses_bad_targets_without_quoting_them(text: str, reason: str) -> None:
    """What is wrong is said, and nothing of the text is repeated."""
    with pytest.raises(TargetError, match=reason) as caught:
        parse_open_target(text)
    assert "5678" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "digits"),
    [("+86 139 5678 1234", "13956781234"), ("4001", "4001"), ("400-800-1234", "4008001234"), ("95588", "95588")],
)
def test_reads_numbers(text: str, digits: str) -> None:
    """A number in any form becomes its digits."""
    assert parse_number(text) == digits


@pytest.mark.parametrize(
    "text", ["", "12", "alice", "1" * 21, "139-5678-123x", "+", "139567812345", "1395678123", "4008001234,1"]
)
def test_refuses_what_is_no_number(text: str) -> None:
    """Too short, too long and other text is refused."""
    with pytest.raises(TargetError, match="not a telephone number"):
        parse_number(text)


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("13956781234", True),
        ("8613956781234", True),
        ("01088880000", True),
        ("+14155550123", True),
        ("123456", False),
        ("4008001234", False),
        ("95588", False),
        ("alice", False),
    ],
)
def test_knows_public_numbers(text: str, public: bool) -> None:
    """Numbers of people and offices are told from extensions, service numbers and names."""
    assert is_public_number(text) is public
