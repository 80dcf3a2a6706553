"""Who is believed to call, and who may be told of it (RFC 3323, RFC 3325)."""

from __future__ import annotations

import pytest

from routing.masks.secret import RealNumber
from switchboard.calls.identity import caller_of, user_of
from switchboard.sip.message import Request, parse_datagram
from tests.support.exchange import World
from tests.unit.calls.phone_lines import Phone

NUMBER, OTHER = "13911112222", "13733334444"
ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1'


def invite(*lines: str, sender: str = f"<sip:{NUMBER}@x>;tag=1") -> Request:
    """An INVITE with these lines."""
    head = ["INVITE sip:4001@x SIP/2.0", "Via: SIP/2.0/UDP x;branch=z9hG4bK1", f"From: {sender}", "To: <sip:4001@x>"]
    head += ["Call-ID: 1", "CSeq: 1 INVITE", "Max-Forwards: 70", *lines, "Content-Length: 0", "", ""]
    message = parse_datagram("\r\n".join(head).encode())
    assert isinstance(message, Request)
    return message


def clear(number: RealNumber | None) -> str:
    """A number as it is."""
    return number.reveal("a test compares it") if number is not None else ""


@pytest.mark.parametrize(
    ("lines", "sender", "believed", "number"),
    [
        ((), f"<sip:{NUMBER}@x>;tag=1", True, NUMBER),
        ((), "<tel:+8613911112222;phone-context=x>;tag=1", True, NUMBER),
        ((), ANONYMOUS, True, ""),
        ((f"P-Asserted-Identity: <sip:{OTHER}@x>",), f"<sip:{NUMBER}@x>;tag=1", True, OTHER),
        ((f"P-Asserted-Identity: <sip:{OTHER}@x>",), f"<sip:{NUMBER}@x>;tag=1", False, NUMBER),
        ((f"P-Asserted-Identity: <sip:{OTHER}@x>",), ANONYMOUS, True, OTHER),
        ((f"P-Asserted-Identity: <sip:{OTHER}@x>",), ANONYMOUS, False, ""),
        # RFC 3325 §9.1: one of sip or sips, and one of tel.
        ((f'P-Asserted-Identity: "A, B" <sip:x.invalid>, <tel:{OTHER}>',), ANONYMOUS, True, OTHER),
        (("P-Asserted-Identity: <sip:x.invalid>", f"P-Asserted-Identity: <tel:{OTHER}>"), ANONYMOUS, True, OTHER),
        (("P-Asserted-Identity: <sip:Anonymous@x>",), f"<sip:{NUMBER}@x>;tag=1", True, NUMBER),
    ],
)
def test_the_number_is_the_one_that_can_be_believed(
    lines: tuple[str, ...], sender: str, believed: bool, number: str
) -> None:
    """What is asserted wins where it is believed, and counts for nothing elsewhere."""
    assert clear(caller_of(invite(*lines, sender=sender), believed=believed).number) == number


@pytest.mark.parametrize(
    ("lines", "sender", "withheld"),
    [
        ((), f"<sip:{NUMBER}@x>;tag=1", False),
        ((), ANONYMOUS, True),
        (("Privacy: id",), f"<sip:{NUMBER}@x>;tag=1", True),
        (("Privacy: header;ID;critical",), f"<sip:{NUMBER}@x>;tag=1", True),
        (("Privacy: user",), f"<sip:{NUMBER}@x>;tag=1", True),
        (("Privacy: none",), f"<sip:{NUMBER}@x>;tag=1", False),
        (("Privacy: none",), ANONYMOUS, False),
        (("Privacy: header",), f"<sip:{NUMBER}@x>;tag=1", False),
        (("Privacy: idle",), f"<sip:{NUMBER}@x>;tag=1", False),
    ],
)
def test_privacy_is_what_the_caller_asks_for(lines: tuple[str, ...], sender: str, withheld: bool) -> None:
    """By its value of Privacy; without one, an anonymous From says it."""
    assert caller_of(invite(*lines, sender=sender)).withheld is withheld


def test_users_are_read_from_any_form() -> None:
    """name-addr and addr-spec, sip and tel."""
    assert [user_of(text) for text in ("<sip:a:b@x>", "sip:a@x;tag=1", '"<" <tel:12;x=y>', "<sip:x>", "")] == [
        "a",
        "a",
        "12",
        "",
        "",
    ]


class TestCalls:
    """What becomes of it."""

    def test_a_caller_who_withholds_the_number_is_anonymous_to_people(self) -> None:
        """Nobody is shown it, masked or not, nor where it is from; a flow is not told either."""
        world = World()
        lines = ("Privacy: id", f"P-Asserted-Identity: <sip:{OTHER}@x>")
        world.dial("4001", headers=lines, caller="anonymous")
        world.advance(60)
        (record,) = world.journal.records
        assert (record.caller_masked, record.province) == ("anonymous", "")
        assert record.legs[0].peer == "anonymous"
        assert not any(OTHER.encode() in data for _, to, data in world.sent if to == world.agent.address)
        assert record.caller_fingerprint == world.vault.fingerprint(RealNumber(OTHER)), "a mask still knows its people"

    def test_what_a_phone_asserts_is_not_believed(self) -> None:
        """It may say so of itself; its account is what has been proved."""
        world = World()
        Phone(world, world.phone, "alice").register().dialled("4001", f"P-Asserted-Identity: <sip:{OTHER}@x>")
        world.advance(60)
        (record,) = world.journal.records
        assert record.caller_fingerprint == world.vault.fingerprint(RealNumber("alice"))

    @pytest.mark.parametrize("trusted", [True, False])
    def test_a_carrier_may_be_outside_our_trust_domain(self, trusted: bool) -> None:
        """Then only From says who calls."""
        world = World(trusted=trusted)
        world.dial("4001", headers=(f"P-Asserted-Identity: <sip:{OTHER}@x>",), caller=NUMBER)
        world.advance(60)
        (record,) = world.journal.records
        assert record.caller_fingerprint == world.vault.fingerprint(RealNumber(OTHER if trusted else NUMBER))
