"""Keyed digits and the INVITEs they lead to."""

from __future__ import annotations

import struct

import pytest

from bench.capture import Packet
from bench.extension import _latencies, invited, judge, keyed_digits
from bench.load import Result


def keyed(port: int, digits: str, at: float, payload_type: int = 96) -> list[Packet]:
    """A caller's events: ten packets a digit, 20 ms apart, and reserved bits set as SIPp does."""
    out = []
    for place, digit in enumerate(digits):
        for n in range(10):
            event = bytes([int(digit), 0x4A | (0x80 if n == 9 else 0)]) + struct.pack("!H", n * 160)
            head = struct.pack("!BBHII", 128, payload_type | (0 if n else 128), n, place * 4000 + 5, 7)
            moment = at + place * 0.4 + n * 0.02
            out.append(Packet(moment, ("127.0.0.1", port), ("127.0.0.1", 10000), head + event))
    return out


def invite(extension: str, at: float) -> Packet:
    """An INVITE that reaches the agent."""
    start = f"INVITE sip:{extension}@127.0.0.1:5190 SIP/2.0\r\n".encode()
    return Packet(at, ("127.0.0.1", 5560), ("127.0.0.1", 5190), start)


def test_digits_are_read_from_events() -> None:
    """Equal digits apart by timestamp are two; the last digit's first and last packet are kept."""
    (call,) = keyed_digits(keyed(31000, "112233", 100.0))
    assert call.digits == "112233"
    assert call.first_at == pytest.approx(102.0)
    assert call.last_at == pytest.approx(102.18)


def test_other_packets_are_no_digits() -> None:
    """Another payload type, another direction and short packets are passed over."""
    other = keyed(31000, "1", 0, payload_type=97) + keyed(10000, "2", 0)
    other.append(Packet(0, ("127.0.0.1", 31000), ("127.0.0.1", 1), b"\x80\x60"))
    assert keyed_digits(other) == []


def test_the_first_invite_counts() -> None:
    """A repeated INVITE does not make the transfer later, and only those at the agent count."""
    away = invite("654321", 1.0)._replace(destination=("127.0.0.1", 5560))
    assert invited([invite("123456", 1.0), invite("123456", 1.5), away]) == {"123456": 1.0}


def test_everybody_reached_is_no_fault() -> None:
    """Two callers, two extensions, two INVITEs."""
    packets = keyed(31000, "111111", 0) + keyed(31004, "222222", 0) + [invite("111111", 3), invite("222222", 3)]
    result = Result("extension")
    judge(result, packets, ["111111", "222222"])
    assert (result.figures["not_reached"], result.figures["wrong_agent"], result.notes) == (0, 0, [])


def test_a_wrong_agent_and_a_missing_one_are_named() -> None:
    """An extension nobody was invited for, one nobody keyed, and a caller who did not key are found out."""
    result = Result("extension")
    judge(result, [*keyed(31000, "111111", 0), invite("999999", 3)], ["111111", "222222"])
    assert (result.figures["not_reached"], result.figures["wrong_agent"]) == (2, 1)
    assert [note.split(" ", 1)[1] for note in result.notes] == [
        "callers did not key what they should, e.g. 222222",
        "extensions not reached, e.g. 111111, 222222",
        "extensions reached without being keyed, e.g. 999999",
    ]


def test_latency_is_counted_from_both_ends_of_the_last_digit() -> None:
    """An INVITE 3 ms after the last digit's first packet is 177 ms before its last."""
    result = Result("extension")
    _latencies(result, "idle_", [*keyed(31000, "111111", 0), invite("111111", 2.003)])
    assert result.figures["idle_from_first_p50_ms"] == pytest.approx(3)
    assert result.figures["idle_from_last_p99_ms"] == pytest.approx(-177)
