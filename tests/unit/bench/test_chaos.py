"""The bad network itself: its dice fall as they are told to, its addresses are exchanged, a seed repeats it."""

from __future__ import annotations

import random

import pytest

from bench.chaos import Faces, Faults, Flow, Relay
from bench.errors import BenchError

FACES = Faces("127.1.1.2", "127.1.1.4", "127.1.1.3")
DIFFERENT = [number.to_bytes(4, "big") for number in range(20_000)]


def losses(faults: Faults, seed: int = 1) -> list[bool]:
    """Which of many different datagrams are lost."""
    flow = Flow(random.Random(seed))
    return [flow.is_lost(faults, data) for data in DIFFERENT]


@pytest.mark.parametrize("burst", [1.0, 3.0, 10.0])
def test_the_share_of_what_is_lost_does_not_depend_on_bursts(burst: float) -> None:
    """A fifth, in bursts of the mean length asked for."""
    lost = losses(Faults(loss=0.2, burst=burst))
    assert sum(lost) / len(lost) == pytest.approx(0.2, abs=0.03)
    bursts = sum(now and not before for before, now in zip([False, *lost], lost, strict=False))
    # Two bursts may follow one another without a gap.
    assert sum(lost) / bursts == pytest.approx(burst / 0.8 if burst == 1.0 else burst, rel=0.3)


def test_a_seed_repeats_the_dice() -> None:
    """The same seed loses the same; another one others."""
    faults = Faults(loss=0.3)
    assert losses(faults) == losses(faults)
    assert losses(faults) != losses(faults, seed=2)


def test_what_is_sent_again_gets_through_at_last() -> None:
    """The same octets are lost three times at most; others go on being lost."""
    flow, faults = Flow(random.Random(1)), Faults(loss=0.9, burst=50, mercy=3)
    lost = [flow.is_lost(faults, b"INVITE") for _ in range(50)]
    assert sum(lost) == 3
    assert sum(flow.is_lost(faults, data) for data in DIFFERENT[:100]) > 50


def test_jitter_overtakes_nothing_and_reordering_does() -> None:
    """Times of arrival of what is sent every 20 ms; copies come after what they copy."""
    flow, faults = Flow(random.Random(1)), Faults(delay=0.05, jitter=0.06)
    times = [flow.due(faults, 0.02 * n)[0] for n in range(500)]
    assert times == sorted(times)
    assert all(0.05 <= at - 0.02 * n <= 0.11 + 0.001 for n, at in enumerate(times))
    flow, faults = Flow(random.Random(1)), Faults(reorder=0.2, hold=0.05, duplicate=0.5)
    copies = [flow.due(faults, 0.02 * n) for n in range(500)]
    assert [at for at, *_ in copies] != sorted(at for at, *_ in copies)
    assert flow.counts["reordered"] == pytest.approx(100, abs=35)
    assert sum(len(each) == 2 for each in copies) == flow.counts["doubled"]
    assert all(each == sorted(each) for each in copies)


def test_addresses_are_exchanged_both_ways() -> None:
    """Neither side sees the other's; the body keeps its length, and without media its text."""
    message = (
        b"INVITE sip:x@127.1.1.4:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.1.1.2:4000\r\n\r\n"
        b"c=IN IP4 127.1.1.2\r\nm=audio 0 RTP/AVP 8\r\n"
    )
    relay = Relay(FACES, Faults(), Faults(), 1, media=True)
    there = relay._exchange("in", message)
    assert b"x@127.0.0.1:5060" in there
    assert there.count(b"127.1.1.3") == 2
    assert len(there) == len(message)
    assert relay._exchange("out", there) == message
    signalling = Relay(FACES, Faults(), Faults(), 1, media=False)._exchange("in", message)
    assert b"c=IN IP4 127.1.1.2" in signalling
    with pytest.raises(BenchError, match="length"):
        Faces("127.0.0.20", "127.1.1.4", "127.1.1.3")
