"""Control packets of RTP (RFC 3550 §6): sender and receiver reports, who sends them, and the goodbye."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

SENDER_REPORT: Final = 200
RECEIVER_REPORT: Final = 201
SOURCE_DESCRIPTION: Final = 202
GOODBYE: Final = 203

MAX_PACKETS: Final = 16
"""Packets of one datagram that are looked at; an honest one has three."""
_CNAME: Final = 1
_HEADER: Final = struct.Struct("!BBHI")
"""Version, padding, count; type; length in words less one; the sender's SSRC."""
_SENDER: Final = struct.Struct("!IIIII")
_BLOCK: Final = struct.Struct("!II IIII")
_SIGN: Final = 0x800000


class Block(msgspec.Struct, frozen=True, gc=False):
    """What a receiver tells of one source (RFC 3550 §6.4.1).

    `fraction` is of 256, `jitter` in timestamp units, `lsr` and `dlsr` in 1/65536 s; `lsr` 0: no report yet.
    """

    ssrc: int
    fraction: int
    lost: int
    highest: int
    jitter: int
    lsr: int
    dlsr: int


class SenderInfo(msgspec.Struct, frozen=True, gc=False):
    """What a sender tells of its own stream: `ntp` in 2^-32 s, and how much it has sent."""

    ntp: int
    ts: int
    packets: int
    octets: int


class Report(msgspec.Struct, frozen=True, gc=False):
    """A sender report, or a receiver report where `sender` is None."""

    ssrc: int
    sender: SenderInfo | None
    blocks: tuple[Block, ...] = ()


class Compound(msgspec.Struct, frozen=True, gc=False):
    """The packets of one datagram that are of use here; `goodbye` lists the sources that leave."""

    reports: tuple[Report, ...]
    goodbye: tuple[int, ...] = ()


def middle(ntp: int) -> int:
    """The middle 32 of the 64 bits of an NTP time: 1/65536 s (RFC 3550 §4)."""
    return ntp >> 16 & 0xFFFFFFFF


def build_report(report: Report) -> bytes:
    """One SR or RR packet; `blocks` are 31 at most."""
    sender = report.sender
    body = b""
    if sender is not None:
        ntp = sender.ntp
        body = _SENDER.pack(
            ntp >> 32 & 0xFFFFFFFF, ntp & 0xFFFFFFFF, sender.ts, sender.packets & 0xFFFFFFFF, sender.octets & 0xFFFFFFFF
        )
    for block in report.blocks:
        # The cumulative loss has 24 bits with a sign and stops at its ends (RFC 3550 §6.4.1).
        lost = max(-_SIGN, min(_SIGN - 1, block.lost)) & 0xFFFFFF
        body += _BLOCK.pack(
            block.ssrc, block.fraction << 24 | lost, block.highest & 0xFFFFFFFF, block.jitter & 0xFFFFFFFF,
            block.lsr, block.dlsr & 0xFFFFFFFF,
        )  # fmt: skip
    kind = RECEIVER_REPORT if sender is None else SENDER_REPORT
    return _packet(kind, len(report.blocks), report.ssrc, body)


def build_description(ssrc: int, cname: bytes) -> bytes:
    """One SDES packet with a canonical name of up to 255 octets (RFC 3550 §6.5)."""
    item = bytes((_CNAME, len(cname))) + cname
    # A chunk ends with one zero octet or more, up to the next word.
    return _packet(SOURCE_DESCRIPTION, 1, ssrc, item + bytes(4 - len(item) % 4))


def build_goodbye(ssrc: int) -> bytes:
    """One BYE packet (RFC 3550 §6.6)."""
    return _packet(GOODBYE, 1, ssrc, b"")


def _packet(kind: int, count: int, ssrc: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, kind, 1 + len(body) // 4, ssrc) + body


def parse_compound(data: bytes) -> Compound | None:
    """What a datagram tells; None where it is no valid compound packet (RFC 3550 A.2).

    Its lengths must add up to the datagram, its first packet must be a report without padding, and only the last
    may be padded. Packets of types unknown here are passed over.
    """
    size = len(data)
    start = 0
    reports: list[Report] = []
    goodbye: tuple[int, ...] = ()
    for _ in range(MAX_PACKETS):
        if size - start < 4:
            return None
        first, kind, words = struct.unpack_from("!BBH", data, start)
        end = start + 4 * (words + 1)
        if first >> 6 != 2 or end > size:
            return None
        body_end = end
        if first & 0x20:
            padding = data[end - 1]
            if start == 0 or end != size or not padding or padding % 4 or padding > end - start - 4:
                return None
            body_end -= padding
        count = first & 0x1F
        if kind in (SENDER_REPORT, RECEIVER_REPORT):
            report = _report(data, start, body_end, kind, count)
            if report is None:
                return None
            reports.append(report)
        elif start == 0:
            return None
        elif kind == GOODBYE:
            if start + 4 + 4 * count > body_end:
                return None
            goodbye += struct.unpack_from(f"!{count}I", data, start + 4)
        if end == size:
            return Compound(tuple(reports), goodbye)
        start = end
    return None


def _report(data: bytes, start: int, end: int, kind: int, count: int) -> Report | None:
    at = start + _HEADER.size
    first = at + (_SENDER.size if kind == SENDER_REPORT else 0)
    # What follows the blocks is an extension of some profile (RFC 3550 §6.4.3).
    if first + count * _BLOCK.size > end:
        return None
    ssrc = int.from_bytes(data[start + 4 : at], "big")
    sender = None
    if kind == SENDER_REPORT:
        high, low, ts, packets, octets = _SENDER.unpack_from(data, at)
        sender = SenderInfo(high << 32 | low, ts, packets, octets)
    blocks = []
    for place in range(count):
        source, losses, highest, jitter, lsr, dlsr = _BLOCK.unpack_from(data, first + place * _BLOCK.size)
        lost = losses & 0xFFFFFF
        blocks.append(Block(source, losses >> 24, lost - (lost & _SIGN) * 2, highest, jitter, lsr, dlsr))
    return Report(ssrc, sender, tuple(blocks))
