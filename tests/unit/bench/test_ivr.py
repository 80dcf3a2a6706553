"""INVITEs at one agent, and the callers they belong to."""

from __future__ import annotations

import struct

import pytest

from bench.capture import Packet
from bench.extension import Keyed
from bench.ivr import invited, judge, pairs
from bench.load import Result


def invite(call_id: str, at: float, to: int = 5190) -> Packet:
    """An INVITE that reaches an address."""
    text = f"INVITE sip:agent@127.0.0.1:5190 SIP/2.0\r\nTo: <sip:agent@127.0.0.1>\r\nCall-ID: {call_id}\r\n"
    return Packet(at, ("127.0.0.1", 5560), ("127.0.0.1", to), text.encode())


def keyed(port: int, digits: str, at: float) -> list[Packet]:
    """A caller's events: ten packets a digit, 20 ms apart, digits 400 ms apart."""
    out = []
    for place, digit in enumerate(digits):
        for n in range(10):
            event = struct.pack("!BBH", int(digit), 0x8A if n == 9 else 0x0A, n * 160)
            head = struct.pack("!BBHII", 128, 96, n, place * 4000 + 5, 7)
            moment = at + place * 0.4 + n * 0.02
            out.append(Packet(moment, ("127.0.0.1", port), ("127.0.0.1", 10000), head + event))
    return out


def test_an_invite_sent_again_is_one_call() -> None:
    """Its Call-ID tells; INVITEs to others, and other requests, do not count."""
    other = invite("c", 0.5)._replace(payload=b"OPTIONS sip:agent@127.0.0.1 SIP/2.0\r\nCall-ID: c\r\n")
    packets = [invite("a", 1.0), invite("b", 1.2), invite("a", 1.5), invite("d", 1.6, to=5560), other]
    assert invited(packets) == [1.0, 1.2]


def test_who_has_waited_longest_is_put_through_first() -> None:
    """Two callers who are ready before either INVITE get them in their order."""
    first, second = Keyed("1234", 1.0, 1.2), Keyed("5678", 1.1, 1.3)
    assert pairs([second, first], [1.15, 1.2]) == [(first, 1.15), (second, 1.2)]


def test_a_caller_nobody_was_called_for_does_not_shift_the_others() -> None:
    """An INVITE long after its digits is that of the next caller; one before any digit is nobody's."""
    lost, served = Keyed("1234", 1.0, 1.2), Keyed("5678", 9.0, 9.2)
    assert pairs([lost, served], [0.5, 9.003]) == [(served, 9.003)]


def test_latency_is_counted_from_both_ends_of_the_last_digit() -> None:
    """An INVITE 2 ms after the first packet of the fourth digit is 178 ms before its last packet."""
    result = Result("ivr")
    judge(result, [*keyed(31000, "1234", 100.0), invite("a", 101.202)])
    assert result.figures["from_first_p50_ms"] == pytest.approx(2, abs=0.01)
    assert result.figures["from_last_p99_ms"] == pytest.approx(-178, abs=0.01)
    assert result.notes == []


def test_callers_who_key_too_little_are_the_load_s_own_fault() -> None:
    """They are named, and their INVITE is nobody's."""
    result = Result("ivr")
    judge(result, [*keyed(31000, "123", 100.0), invite("a", 101.0)])
    assert result.notes == ["1 callers keyed something else than 4 digits, e.g. 123"]
    assert result.figures["from_first_p50_ms"] is None
