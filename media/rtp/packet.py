"""The RTP packet (RFC 3550 §5.1)."""

from __future__ import annotations

import struct
from typing import Final

import msgspec

HEADER: Final = struct.Struct("!BBHII")
"""Version, padding, extension, CSRC count; marker, payload type; sequence; timestamp; SSRC."""

PLAIN: Final = 0x80
"""The first octet of nearly every packet: version 2, no padding, no extension, no CSRC."""

MARKER: Final = 0x80


class Packet(msgspec.Struct, gc=False, frozen=True):
    """A parsed packet; CSRC list, header extension and padding are left out."""

    payload_type: int
    seq: int
    ts: int
    ssrc: int
    payload: bytes
    marker: bool = False

    def __bytes__(self) -> bytes:
        second = self.payload_type | (MARKER if self.marker else 0)
        return HEADER.pack(PLAIN, second, self.seq, self.ts, self.ssrc) + self.payload


def parse(data: bytes) -> Packet | None:
    """The packet in a datagram, None when it is none (RFC 3550 §5.1, A.1)."""
    if len(data) < HEADER.size:
        return None
    first, second, seq, ts, ssrc = HEADER.unpack_from(data)
    if first >> 6 != 2:
        return None
    start = HEADER.size + 4 * (first & 0x0F)
    if first & 0x10:
        # One extension: its profile's two octets, then its length in words (RFC 3550 §5.3.1).
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    end = len(data)
    if first & 0x20:
        padding = data[-1]
        if not padding:
            return None
        end -= padding
    if start > end:
        return None
    return Packet(second & 0x7F, seq, ts, ssrc, data[start:end], bool(second & MARKER))


def is_rtcp(data: bytes) -> bool:
    """Whether a datagram that came to an RTP port is RTCP (RFC 5761 §4: types 192-223)."""
    return len(data) >= 4 and data[0] >> 6 == 2 and 192 <= data[1] <= 223
