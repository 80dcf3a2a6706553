"""The latest messages: what is kept, and what makes room."""

from __future__ import annotations

from switchboard.net.message_ring import EACH, Datagrams, MessageRing

PEER = ("192.0.2.1", 5060)


def keep(ring: MessageRing, at: float, outgoing: bool, messages: Datagrams) -> None:
    """Have it keep messages with the octets that they are."""
    ring.keep(at, outgoing, messages, sum(len(data) for data, _ in messages))


def test_messages_are_kept_in_order_and_by_reference() -> None:
    """The very lists that came are given back, from a moment on; an empty one is not kept."""
    ring = MessageRing(octets=10_000, calls=10)
    first, second = [(b"one", PEER)], [(b"two", PEER), (b"three", PEER)]
    keep(ring, 1.0, False, first)
    keep(ring, 1.5, False, [])
    keep(ring, 2.0, True, second)
    assert [(kept.at, kept.outgoing) for kept in ring.since(0.0)] == [(1.0, False), (2.0, True)]
    assert ring.since(0.0)[1].messages is second
    assert [kept.messages for kept in ring.since(2.0)] == [second]
    assert ring.size == 3 * EACH + 11


def test_the_oldest_make_room() -> None:
    """Never more than the limit; a batch goes as a whole."""
    ring = MessageRing(octets=3 * (EACH + 100), calls=10)
    for at in range(10):
        keep(ring, float(at), False, [(b"x" * 100, PEER)])
    assert [kept.at for kept in ring.since(0.0)] == [7.0, 8.0, 9.0]
    assert ring.size == 3 * (EACH + 100)
    keep(ring, 10.0, False, [(b"x" * 100_000, PEER)])
    assert ring.since(0.0) == []
    assert ring.size == 0


def test_the_calls_that_began_last_are_known() -> None:
    """With all their dialogs, since the batch in which the first was named."""
    ring = MessageRing(octets=10_000, calls=2)
    keep(ring, 5.0, False, [(b"x", PEER)])
    ring.note("a", "a-1")
    keep(ring, 6.0, False, [(b"x", PEER)])
    ring.note("b", "b-1")
    ring.note("a", "a-2")
    known = ring.known("a")
    assert known is not None
    assert (known.since, known.call_ids) == (5.0, ("a-1", "a-2"))
    ring.note("c", "c-1")
    assert ring.known("a") is None
    assert ring.known("b") is not None
    assert ring.counts()["trace_calls"] == 2


def test_what_no_known_call_can_own_is_given_up() -> None:
    """Messages that came before the oldest call that is known go with the one before it."""
    ring = MessageRing(octets=100_000, calls=2)
    for at, call in enumerate("abcd"):
        keep(ring, float(at), False, [(b"x", PEER)])
        ring.note(call, f"{call}-1")
        keep(ring, at + 0.5, True, [(b"x", PEER)])
    assert [kept.at for kept in ring.since(0.0)] == [2.0, 2.5, 3.0, 3.5]
    assert ring.size == 4 * (EACH + 1)


def test_as_many_calls_again_take_no_more() -> None:
    """Once as many calls as are known have come, the same number again leaves the same behind."""
    ring = MessageRing(octets=100_000, calls=10)
    sizes = []
    for turn in range(3):
        for place in range(15):
            at = turn * 100.0 + place
            keep(ring, at, False, [(b"INVITE", PEER)])
            ring.note(f"{turn}-{place}", "a")
            keep(ring, at + 0.5, False, [(b"BYE", PEER)])
        sizes.append(ring.size)
    assert len(set(sizes)) == 1
    assert ring.counts() == {"trace_octets": sizes[0], "trace_calls": 10}
