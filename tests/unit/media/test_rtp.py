"""RTP packets and the continuity of what a peer hears."""

from __future__ import annotations

import pytest
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from media.rtp.outgoing import Outgoing
from media.rtp.packet import Packet, is_rtcp, parse

packets = st.builds(
    Packet,
    payload_type=st.integers(0, 127),
    seq=st.integers(0, 65535),
    ts=st.integers(0, 2**32 - 1),
    ssrc=st.integers(0, 2**32 - 1),
    payload=st.binary(max_size=200),
    marker=st.booleans(),
)


@given(packets)
def test_a_packet_comes_back_equal(packet: Packet) -> None:
    """Parsing undoes building."""
    assert parse(bytes(packet)) == packet


@given(packets, st.lists(st.integers(0, 2**32 - 1), max_size=15), st.integers(0, 20))
def test_another_implementation_reads_the_same(packet: Packet, csrc: list[int], padding: int) -> None:
    """aiortc agrees on packets with contributing sources and padding, both ways."""
    theirs = RtpPacket(
        payload_type=packet.payload_type,
        marker=int(packet.marker),
        sequence_number=packet.seq,
        timestamp=packet.ts,
        ssrc=packet.ssrc,
        payload=packet.payload,
    )
    theirs.csrc = csrc
    theirs.padding_size = padding
    assert parse(theirs.serialize()) == packet
    assert RtpPacket.parse(bytes(packet)).payload == packet.payload


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"\x80\x08\x00\x01\x00\x00\x00\x00\x00\x00\x00", "eleven octets"),
        (b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12), "STUN"),
        (b"\x40\x08" + bytes(10), "version 1"),
        (b"\x8f\x08" + bytes(10), "fifteen sources announced, none there"),
        (b"\x90\x08" + bytes(10), "extension announced, none there"),
        (b"\x90\x08" + bytes(10) + b"\xbe\xde\x00\x04" + bytes(8), "extension cut"),
        (b"\xa0\x08" + bytes(10) + b"\xff" * 4, "more padding than packet"),
        (b"\xa0\x08" + bytes(10) + bytes(4), "padding of none"),
    ],
)
def test_what_is_no_packet_is_none(data: bytes, why: str) -> None:
    """RFC 3550 A.1: version and lengths must fit."""
    assert parse(data) is None, why


def test_an_extension_is_left_out() -> None:
    """The payload begins behind the header extension (RFC 3550 §5.3.1)."""
    data = b"\x90\x08\x00\x01" + bytes(8) + b"\xbe\xde\x00\x01\x10\xff\x00\x00" + b"audio"
    packet = parse(data)
    assert packet is not None
    assert packet.payload == b"audio"


@given(st.binary(max_size=100))
def test_any_datagram_is_survived(data: bytes) -> None:
    """Garbage is a packet or it is none."""
    packet = parse(data)
    assert packet is None or len(packet.payload) <= len(data) - 12
    assert not (is_rtcp(data) and len(data) < 4)


@pytest.mark.parametrize(
    ("data", "rtcp"),
    [
        (b"\x80\xc8\x00\x06", True),
        (b"\x81\xc9\x00\x07", True),
        (b"\x80\xcb\x00", False),
        (b"\x80\x88\x00\x06", False),
        (b"\x40\xc8\x00\x06", False),
    ],
)
def test_rtcp_on_the_same_port_is_recognised(data: bytes, rtcp: bool) -> None:
    """RFC 5761 §4."""
    assert is_rtcp(data) is rtcp


class TestOutgoing:
    """Outgoing."""

    def test_a_first_source_begins_at_the_given_values(self) -> None:
        """Nothing was sent, so no time has passed."""
        assert Outgoing(1, 65535, 2**32 - 1).resume(now=100.0) == (0, 159)

    def test_a_new_source_goes_on_after_the_time_that_passed(self) -> None:
        """One sequence number on, and as many samples as the silence lasted (RFC 3550 §5.1)."""
        out = Outgoing(1, 0, 0)
        out.sent(1000, 8000, now=10.0)
        assert out.resume(now=10.5) == (1001, 8000 + 4000)

    def test_time_never_stands_still(self) -> None:
        """A source that takes over within a frame gets the next frame's timestamp, wrapping if need be."""
        out = Outgoing(1, 0, 0)
        out.sent(65535, 2**32 - 100, now=10.0)
        assert out.resume(now=10.001) == (0, 60)
