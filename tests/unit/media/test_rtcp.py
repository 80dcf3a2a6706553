"""RTCP packets (RFC 3550 §6), each way against another implementation, and what is none."""

from __future__ import annotations

import pytest
from aiortc.rtp import (
    RtcpByePacket,
    RtcpPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
)
from hypothesis import given
from hypothesis import strategies as st

from media.rtp.rtcp import (
    MAX_PACKETS,
    Block,
    Compound,
    Report,
    SenderInfo,
    build_description,
    build_goodbye,
    build_report,
    middle,
    parse_compound,
)

_word = st.integers(0, 0xFFFFFFFF)
_lost = st.integers(-0x800000, 0x7FFFFF)
blocks = st.builds(Block, _word, st.integers(0, 255), _lost, _word, _word, _word, _word)
senders = st.builds(SenderInfo, st.integers(0, (1 << 64) - 1), _word, _word, _word)
reports = st.builds(Report, _word, st.none() | senders, st.lists(blocks, max_size=31).map(tuple))

RR = build_report(Report(7, None))
SR = build_report(Report(7, SenderInfo(1 << 32, 2, 3, 4), (Block(9, 1, -2, 3, 4, 5, 6),)))


@given(reports)
def test_a_report_comes_back_as_it_was(report: Report) -> None:
    """Built and parsed, alone and followed by the rest of a compound packet."""
    data = build_report(report)
    assert parse_compound(data) == Compound((report,))
    whole = data + build_description(report.ssrc, b"name") + build_goodbye(report.ssrc)
    assert parse_compound(whole) == Compound((report,), (report.ssrc,))


@given(reports, st.binary(min_size=1, max_size=40))
def test_another_implementation_reads_the_same(report: Report, cname: bytes) -> None:
    """Each field of what we build, as aiortc understands it."""
    parsed = RtcpPacket.parse(build_report(report) + build_description(report.ssrc, cname) + build_goodbye(report.ssrc))
    told, description, bye = parsed
    assert isinstance(told, RtcpSrPacket | RtcpRrPacket)
    assert isinstance(description, RtcpSdesPacket)
    assert isinstance(bye, RtcpByePacket)
    assert (told.ssrc, description.chunks, bye.sources) == (
        report.ssrc, [RtcpSourceInfo(report.ssrc, [(1, cname)])], [report.ssrc],
    )  # fmt: skip
    info = told.sender_info if isinstance(told, RtcpSrPacket) else None
    if report.sender is None:
        assert isinstance(told, RtcpRrPacket)
    else:
        assert info is not None
        sender = report.sender
        assert (info.ntp_timestamp, info.rtp_timestamp, info.packet_count, info.octet_count) == (
            sender.ntp, sender.ts, sender.packets, sender.octets,
        )  # fmt: skip
    assert [_fields(block) for block in told.reports] == [_fields(block) for block in report.blocks]


def _fields(block: RtcpReceiverInfo | Block) -> tuple[int, ...]:
    if isinstance(block, Block):
        return block.ssrc, block.fraction, block.lost, block.highest, block.jitter, block.lsr, block.dlsr
    losses = block.fraction_lost, block.packets_lost
    return block.ssrc, *losses, block.highest_sequence, block.jitter, block.lsr, block.dlsr


@given(_word, senders, st.lists(blocks, max_size=5))
def test_what_another_implementation_builds_is_read(ssrc: int, sender: SenderInfo, told: list[Block]) -> None:
    """Its SR, SDES and BYE mean to us what they were made of."""
    made = RtcpSrPacket(
        ssrc,
        RtcpSenderInfo(sender.ntp, sender.ts, sender.packets, sender.octets),
        [RtcpReceiverInfo(b.ssrc, b.fraction, b.lost, b.highest, b.jitter, b.lsr, b.dlsr) for b in told],
    )
    data = bytes(made) + bytes(RtcpSdesPacket([RtcpSourceInfo(ssrc, [(1, b"x@y")])])) + bytes(RtcpByePacket([ssrc]))
    assert parse_compound(data) == Compound((Report(ssrc, sender, tuple(told)),), (ssrc,))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "nothing"),
        (RR[:3], "no header"),
        (RR[:7], "its length is beyond the end"),
        (b"\x40" + RR[1:], "version 1"),
        (RR + b"\x00", "an octet too many"),
        (RR + RR[:4], "the second packet is cut"),
        (build_goodbye(7) + RR, "no report first"),
        (build_description(7, b"x"), "no report first"),
        (b"\x82" + SR[1:], "a block too many"),
        (b"\x81" + RR[1:], "a block that is not there"),
        (b"\x80\xc8\x00\x01" + bytes(4), "a sender report without its sender"),
        (b"\x80\xc9\x00\x00", "a report of nobody"),
        (b"\xa0" + RR[1:], "the first is padded"),
        (RR + b"\xa0\xcb\x00\x01\x00\x00\x00\x00", "padding of nothing"),
        (RR + b"\xa0\xcb\x00\x01\x00\x00\x00\x08", "padding longer than the packet"),
        (RR + b"\x82\xcb\x00\x01\x00\x00\x00\x07", "a goodbye of two in the room of one"),
        (RR * (MAX_PACKETS + 1), "more packets than anybody sends"),
    ],
)
def test_what_is_no_compound_packet(data: bytes, why: str) -> None:
    """The checks of RFC 3550 A.2, and the bounds of each packet."""
    assert parse_compound(data) is None, why


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (RR + b"\x80\xcc\x00\x02" + bytes(8), Compound((Report(7, None),))),
        (RR + b"\xa1\xcb\x00\x02\x00\x00\x00\x09\x00\x00\x00\x04", Compound((Report(7, None),), (9,))),
        (RR[:2] + b"\x00\x02" + RR[4:] + bytes(4), Compound((Report(7, None),))),
        (SR + RR, Compound((Report(7, SenderInfo(1 << 32, 2, 3, 4), (Block(9, 1, -2, 3, 4, 5, 6),)), Report(7, None)))),
    ],
    ids=["an application's packet", "a padded goodbye", "a profile's extension", "two reports"],
)
def test_what_is_taken_though_unusual(data: bytes, found: Compound) -> None:
    """Unknown packets and extensions are passed over."""
    assert parse_compound(data) == found


@given(st.binary(max_size=200))
def test_garbage_is_none_or_read(data: bytes) -> None:
    """Nothing makes the parser fail, nor read beyond the end."""
    parse_compound(data)
    parse_compound(RR + data)
    parse_compound(SR[:30] + data)


def test_loss_stops_at_the_ends_of_its_24_bits() -> None:
    """As RFC 3550 §6.4.1 wants, both ways."""
    for lost, told in ((1 << 30, 0x7FFFFF), (-(1 << 30), -0x800000), (-1, -1)):
        compound = parse_compound(build_report(Report(1, None, (Block(2, 0, lost, 0, 0, 0, 0),))))
        assert compound is not None
        assert compound.reports[0].blocks[0].lost == told


def test_the_middle_of_an_ntp_time() -> None:
    """RFC 3550 §4: the low half of the seconds, the high half of the fraction."""
    assert middle(0xB44DB705_20000000) == 0xB7052000
