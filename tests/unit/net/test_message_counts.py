"""Counting SIP messages by their first octets."""

from __future__ import annotations

from switchboard.net.message_counts import MessageCounts

PEER = ("192.0.2.1", 5060)


def test_messages_are_counted_by_method_and_class() -> None:
    """Requests by method, responses by the class of their status, the rest together."""
    counts = MessageCounts()
    for data in (b"INVITE sip:a SIP/2.0", b"INVITE sip:b SIP/2.0", b"SIP/2.0 180 R", b"SIP/2.0 183 S", b"\x00\xff"):
        counts.received([(data, PEER)])
    for data in (b"SIP/2.0 486 Busy", b"ACK sip:a SIP/2.0", b"13956781234 x", b"SIP/2.0 999 ?", b""):
        counts.sent([(data, PEER)])
    assert counts.read() == {
        ("in", "INVITE"): 2,
        ("in", "1xx"): 2,
        ("in", "other"): 1,
        ("out", "4xx"): 1,
        ("out", "ACK"): 1,
        ("out", "other"): 3,
    }


def test_octets_are_told() -> None:
    """Those of all messages that were counted together, either way."""
    counts = MessageCounts()
    assert counts.received([(b"INVITE sip:a", PEER), (b"BYE sip:b", PEER)]) == 21
    assert counts.sent([(b"SIP/2.0 200 OK", PEER)]) == 14
    assert counts.sent([]) == 0


def test_garbage_takes_bounded_memory() -> None:
    """Ten thousand different beginnings are one entry in the end, and none is lost."""
    counts = MessageCounts()
    for number in range(10_000):
        counts.received([(f"{number:09d}".encode(), PEER)])
    assert counts.read() == {("in", "other"): 10_000}
    assert len(counts._received) <= 65
