"""Reads the UDP payloads of a capture file (libpcap format, Ethernet or Linux cooked, IPv4)."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

_LINK_HEADER = {1: 14, 113: 16}


class Captured(NamedTuple):
    """One datagram: seconds since the first, and its payload."""

    at: float
    payload: bytes


def read_udp(path: Path) -> list[Captured]:
    """All UDP datagrams of a capture, in order."""
    data = path.read_bytes()
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}.get(data[:4])
    if order is None:
        raise ValueError(f"{path} is no capture of microsecond resolution")
    link = struct.unpack_from(order + "I", data, 20)[0]
    at = 24
    first: float | None = None
    found = []
    while at + 16 <= len(data):
        seconds, micros, length, _ = struct.unpack_from(order + "IIII", data, at)
        frame = data[at + 16 : at + 16 + length]
        at += 16 + length
        ip = frame[_LINK_HEADER[link] :]
        header = 4 * (ip[0] & 0x0F)
        if ip[9] != 17:
            continue
        size = struct.unpack_from("!H", ip, header + 4)[0]
        when = seconds + micros / 1e6
        first = when if first is None else first
        found.append(Captured(when - first, ip[header + 8 : header + size]))
    return found
