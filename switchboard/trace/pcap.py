"""Capture files of messages: the libpcap format with raw IP packets, each message one UDP datagram.

LINKTYPE_RAW (101) begins with the IP header. What went over a stream is written as a datagram too: what matters here
is which message went where and when, and any analyser reads it.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

LINKTYPE_RAW: Final = 101
SNAPLEN: Final = 262_144
LONGEST: Final = 65_535 - 40 - 8
"""Octets of a message; longer ones are cut."""
_UDP: Final = 17
_TTL: Final = 64


class Packet(NamedTuple):
    """One message: UTC microseconds, where from, where to."""

    at_us: int
    source: tuple[str, int]
    destination: tuple[str, int]
    payload: bytes


def capture(packets: Iterable[Packet]) -> bytes:
    """The whole file."""
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAPLEN, LINKTYPE_RAW)
    return header + b"".join(_record(packet) for packet in packets)


def _record(packet: Packet) -> bytes:
    frame = _frame(packet)
    seconds, micros = divmod(packet.at_us, 1_000_000)
    return struct.pack("<IIII", seconds, micros, len(frame), len(frame)) + frame


def _frame(packet: Packet) -> bytes:
    """RFC 791 or RFC 8200, and RFC 768."""
    source, destination = ipaddress.ip_address(packet.source[0]), ipaddress.ip_address(packet.destination[0])
    payload = packet.payload[:LONGEST]
    length = 8 + len(payload)
    ends = source.packed + destination.packed
    datagram = struct.pack("!HHHH", packet.source[1], packet.destination[1], length, 0)
    if source.version == 6:
        pseudo = ends + struct.pack("!IHBB", length, 0, 0, _UDP)
        head = struct.pack("!IHBB", 6 << 28, length, _UDP, _TTL) + ends
    else:
        pseudo = ends + struct.pack("!BBH", 0, _UDP, length)
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0x4000, _TTL, _UDP, 0) + ends
        head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    total = _checksum(pseudo + datagram + payload) or 0xFFFF
    return head + datagram[:6] + struct.pack("!H", total) + payload


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
