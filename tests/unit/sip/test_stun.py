"""Keep-alives of STUN on the port of SIP, judged by aioice's own codec."""

from __future__ import annotations

import struct

import pytest
from aioice import stun as oracle
from hypothesis import given
from hypothesis import strategies as st

from switchboard.sip.core import SipCore
from switchboard.sip.flow import Udp6Address
from switchboard.sip.outgoing import Address
from switchboard.sip.stun import answer
from switchboard.sip.timers import Timers

FOUR: Address = ("192.0.2.33", 40123)
SIX: Address = Udp6Address(("2001:db8::7:8", 50321))


def binding(**attributes: object) -> bytes:
    """A Binding request as a phone sends it."""
    message = oracle.Message(message_method=oracle.Method.BINDING, message_class=oracle.Class.REQUEST)
    message.attributes.update(attributes)
    return bytes(message)


class TestAnswer:
    """RFC 5389 as RFC 5626 §4.4.2 uses it."""

    @pytest.mark.parametrize("source", [FOUR, SIX])
    def test_a_phone_learns_how_its_nat_shows_it(self, source: Address) -> None:
        """In XOR-MAPPED-ADDRESS, with the transaction id of its request."""
        request = binding(SOFTWARE="phone")
        reply = answer(request, source)
        assert reply is not None
        parsed = oracle.parse_message(reply)
        assert parsed.message_class is oracle.Class.RESPONSE
        assert parsed.transaction_id == oracle.parse_message(request).transaction_id
        assert parsed.attributes["XOR-MAPPED-ADDRESS"] == tuple(source)

    def test_a_client_of_rfc_3489_gets_the_plain_address(self) -> None:
        """Its transaction id has 16 octets and no cookie."""
        identity = bytes(range(16))
        reply = answer(struct.pack("!HH", 1, 0) + identity, FOUR)
        assert reply == struct.pack("!HH", 0x0101, 12) + identity + bytes.fromhex("0001000800019cbbc0000221")

    def test_what_has_to_be_understood_and_is_not_is_named(self) -> None:
        """RFC 5389 §7.3.1: 420, with the attributes."""
        request = binding()
        odd = struct.pack("!HHI", 0x0033, 4, 7)
        reply = answer(request[:2] + struct.pack("!H", 8) + request[4:] + odd, FOUR)
        assert reply is not None
        assert reply[:2] == b"\x01\x11"
        assert b"\x00\x00\x04\x14Unknown Attribute" in reply
        assert reply.endswith(struct.pack("!HHHxx", 0x000A, 2, 0x0033))
        assert struct.unpack("!H", reply[2:4])[0] == len(reply) - 20

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\0" * 4,
            b"\0" * 20,
            binding()[:-1],
            b"\x01\x01" + binding()[2:],
            binding() + b"\0" * 4,
            struct.pack("!HHI", 1, 8, 0x2112A442) + bytes(12) + struct.pack("!HHI", 6, 40, 0),
            struct.pack("!HHI", 1, 600, 0x2112A442) + bytes(612),
        ],
        ids=("empty", "short", "no kind", "cut", "response", "longer", "attribute cut", "too long"),
    )
    def test_anything_else_gets_silence(self, data: bytes) -> None:
        """Cut, padded, responses, indications, too large."""
        assert answer(data, FOUR) is None

    @given(st.binary(max_size=600).map(lambda tail: b"\0\1" + tail))
    def test_garbage_never_raises(self, data: bytes) -> None:
        """And an answer is never much larger than the question."""
        reply = answer(data, SIX)
        assert reply is None or len(reply) <= len(data) + 60


class TestCore:
    """Beside SIP on the same port."""

    def test_one_whose_transaction_id_has_spaces_is_answered(self) -> None:
        """Though it looks like a request line with a method, a URI and a version."""
        core = SipCore(local=("192.0.2.1", 5060), timers=Timers(), random_token=lambda: "x", user_agent="t")
        core.receive(bytes.fromhex("000100002112a4426076a2479de7206220f395f3"), FOUR, 1.0)
        ((reply, _),) = core.take_datagrams()
        assert oracle.parse_message(reply).attributes["XOR-MAPPED-ADDRESS"] == FOUR

    def test_the_core_answers_it_and_tells_nobody(self) -> None:
        """No transaction, no event; what is no STUN either is passed over."""
        core = SipCore(local=("192.0.2.1", 5060), timers=Timers(), random_token=lambda: "x", user_agent="t")
        core.receive(binding(), FOUR, 1.0)
        ((reply, to),) = core.take_datagrams()
        assert to == FOUR
        assert oracle.parse_message(reply).attributes["XOR-MAPPED-ADDRESS"] == FOUR
        core.receive(b"\0\0\0\0", FOUR, 1.0)
        core.receive(b"\r\n\r\n", FOUR, 1.0)
        assert not core.take_datagrams()
        assert not core.take_events()
        assert not any(core.counts().values())
