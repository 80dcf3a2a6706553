"""Capture files: read back field by field, and by another reader if there is one."""

from __future__ import annotations

import ipaddress
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from switchboard.trace.pcap import LONGEST, Packet, capture

A, B = ("192.0.2.1", 5060), ("192.0.2.2", 5190)
MESSAGE = b"OPTIONS sip:a@192.0.2.2 SIP/2.0\r\nCall-ID: one\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"


def ones_sum(data: bytes) -> int:
    """The one's complement sum of 16-bit words; 0xFFFF when a checksum within is right."""
    data += b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_a_packet_is_a_datagram_with_right_checksums() -> None:
    """The global header, the record's time and lengths, IPv4 and UDP."""
    data = capture([Packet(1_700_000_000_123_456, A, B, MESSAGE)])
    assert struct.unpack("<IHHiIII", data[:24]) == (0xA1B2C3D4, 2, 4, 0, 0, 262144, 101)
    assert struct.unpack("<IIII", data[24:40]) == (1_700_000_000, 123_456, 28 + len(MESSAGE), 28 + len(MESSAGE))
    ip, udp = data[40:60], data[60:68]
    assert (ip[0], ip[9], int.from_bytes(ip[2:4], "big")) == (0x45, 17, 28 + len(MESSAGE))
    assert (ip[12:16], ip[16:20]) == (bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))
    assert ones_sum(ip) == 0xFFFF
    assert struct.unpack("!HHH", udp[:6]) == (5060, 5190, 8 + len(MESSAGE))
    assert data[68:] == MESSAGE
    assert ones_sum(ip[12:20] + struct.pack("!HH", 17, 8 + len(MESSAGE)) + udp + MESSAGE) == 0xFFFF


def test_ipv6_has_its_own_header() -> None:
    """Version 6, payload length, the checksum over its pseudo header."""
    ends = ("2001:db8::1", 5060), ("2001:db8::2", 5061)
    frame = capture([Packet(0, *ends, MESSAGE + b"x")])[40:]
    assert (frame[0] >> 4, int.from_bytes(frame[4:6], "big"), frame[6]) == (6, 9 + len(MESSAGE), 17)
    assert frame[8:24] == ipaddress.ip_address("2001:db8::1").packed
    assert ones_sum(frame[8:40] + struct.pack("!II", 9 + len(MESSAGE), 17) + frame[40:]) == 0xFFFF


def test_what_is_too_long_is_cut() -> None:
    """A datagram has 65,535 octets at most."""
    data = capture([Packet(0, A, B, b"x" * 70_000), Packet(1, B, A, b"y")])
    assert int.from_bytes(data[42:44], "big") == 28 + LONGEST
    assert data.endswith(b"y")


@pytest.mark.skipif(
    shutil.which("tcpdump") is None and shutil.which("tshark") is None,
    reason="needs tcpdump or tshark: apt-get install tcpdump",
)
def test_another_reader_understands_it(tmp_path: Path) -> None:
    """Both packets, without a complaint."""
    file = tmp_path / "call.pcap"
    file.write_bytes(capture([Packet(0, A, B, MESSAGE), Packet(5, B, A, MESSAGE)]))
    tool = ["tshark", "-r"] if shutil.which("tshark") else ["tcpdump", "-nn", "-r"]
    read = subprocess.run([*tool, str(file)], capture_output=True, text=True, check=True, timeout=60)
    assert read.stdout.count("OPTIONS") == 2
