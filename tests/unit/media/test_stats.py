"""Reception statistics (RFC 3550 A.1, A.3, A.8)."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.rtp.stats import MAX_DROPOUT, MAX_MISORDER, Reception


def hear(numbers: list[int], ssrc: int = 1, reception: Reception | None = None) -> Reception:
    """A stream of these sequence numbers, evenly spaced by its own timestamps."""
    reception = Reception() if reception is None else reception
    for seq in numbers:
        reception.audio(seq & 0xFFFF, (seq * 160) & 0xFFFFFFFF, ssrc, seq * 0.02)
    return reception


@pytest.mark.parametrize(
    ("numbers", "received", "lost", "why"),
    [
        ([], 0, 0, "nothing came"),
        (list(range(100)), 100, 0, "all came"),
        ([5, 6, 9, 10], 4, 2, "a gap"),
        ([5, 7, 6, 8], 4, 0, "two changed places"),
        ([5, 6, 6, 7], 4, 0, "one came twice"),
        ([5, 6, 6, 8], 4, 1, "a duplicate hides no loss"),
        ([5, 8, 6, 6, 6, 9], 6, 1, "nor does one that is late"),
        ([5, 7, 5, 4, 8], 5, 1, "nor one from before the first"),
        ([65534, 65535, 65536, 65538], 4, 1, "the number wrapped"),
        ([10, 9, 8, 11], 4, 0, "the first ones late"),
        ([0, 20000, 1, 2], 3, 0, "one stray number is not the stream's"),
        ([0, 1, 20000, 20001, 20002], 4, 0, "two in sequence are a restart"),
        ([0, 2, 20000, 20001, 20003], 4, 2, "what was lost before a restart stays lost"),
        ([0, MAX_DROPOUT - 1], 2, MAX_DROPOUT - 2, "the longest gap that counts as loss"),
    ],
)
def test_counts(numbers: list[int], received: int, lost: int, why: str) -> None:
    """Received and lost for each kind of trouble."""
    reception = hear(numbers)
    assert (reception.received, reception.lost) == (received, lost), why


@given(st.integers(0, 70000), st.sets(st.integers(1, 998), max_size=200))
def test_loss_is_what_is_missing(start: int, missing: set[int]) -> None:
    """Any pattern of loss between the first and the last packet is counted exactly."""
    reception = hear([start + n for n in range(1000) if n not in missing])
    assert reception.lost == len(missing)
    assert reception.received == 1000 - len(missing)


@given(
    st.integers(0, 70000),
    st.sets(st.integers(1, 998), max_size=200),
    st.lists(st.integers(0, 999), max_size=300),
    st.randoms(use_true_random=False),
)
def test_loss_is_what_is_missing_whatever_comes_twice(
    start: int, missing: set[int], twice: list[int], dice: random.Random
) -> None:
    """Copies come up to half the reach of lateness later, and the packets themselves out of order by that much."""
    reach = MAX_MISORDER // 2
    sent = [n for n in range(1, 999) if n not in missing]
    order = sorted([(n + dice.randrange(reach), n) for n in [*sent, *(n for n in twice if n in set(sent))]])
    reception = hear([start, *(start + n for _, n in order), start + 999])
    assert reception.lost == len(missing)
    assert reception.bursts == len([n for n in missing if n - 1 not in missing])
    (_, expected, received) = reception.stream()
    assert (expected, received) == (1000, len(order) + 2)


def test_a_new_source_keeps_the_old_ones_losses() -> None:
    """An SSRC change begins a new sequence; both streams' losses add up."""
    reception = hear([1, 3])
    hear([40000, 40001, 40003], ssrc=2, reception=reception)
    assert (reception.received, reception.lost) == (5, 2)


def test_events_count_without_timing() -> None:
    """Telephone events share the sequence, but their fixed timestamp is no jitter."""
    reception = hear([1, 2])
    assert reception.other(3, 1) is False
    hear([4], reception=reception)
    assert (reception.received, reception.lost, reception.jitter_ms) == (4, 0, 0.0)


def test_jitter_follows_a_8() -> None:
    """J += (|D| - J) / 16, in units of 1/8000 s, as computed by hand."""
    reception = Reception()
    delays = [0.0, 0.005, 0.0, 0.010]
    expected = highest = 0.0
    for seq, delay in enumerate(delays):
        reception.audio(seq, seq * 160, 1, 100.0 + seq * 0.02 + delay)
        if seq:
            expected += (abs(delay - delays[seq - 1]) * 8000.0 - expected) / 16.0
            highest = max(highest, expected)
    assert reception.jitter_ms == pytest.approx(expected / 8.0)
    assert reception.jitter_max_ms == pytest.approx(highest / 8.0)


def test_a_steady_late_stream_has_no_jitter() -> None:
    """Only differences of delay count."""
    assert hear(list(range(50))).jitter_ms == pytest.approx(0.0, abs=1e-6)


def test_a_timestamp_that_wraps_or_jumps_is_no_jitter() -> None:
    """The timestamp wraps every 149 hours, and a sender may start it anew."""
    reception = Reception()
    for seq in range(20):
        reception.audio(seq, (2**32 - 1600 + seq * 160) & 0xFFFFFFFF, 1, seq * 0.02)
    assert reception.jitter_ms == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("numbers", "bursts", "why"),
    [
        (list(range(100)), 0, "nothing lost"),
        ([n for n in range(100) if n not in (10, 30, 50)], 3, "one by one"),
        ([n for n in range(100) if not 10 <= n < 40], 1, "all at once"),
        ([65534, 65535, 65540, 65541, 65545], 2, "over the end of the numbers"),
        ([5, 7, 6, 8], 0, "late ones leave no gap"),
        ([5, 9, 7, 10], 2, "one in the midst of a gap makes two of it"),
        ([5, 9, 6, 8, 10], 1, "those at its ends make it shorter"),
        ([5, 6, 6, 7], 0, "a duplicate"),
    ],
)
def test_losses_in_a_row_are_one_burst(numbers: list[int], bursts: int, why: str) -> None:
    """What the burst ratio of the E-model is made of."""
    assert hear(numbers).bursts == bursts, why


def test_the_stream_so_far() -> None:
    """Where the source of now began, what it should have sent and what came of it; those before do not count."""
    reception = hear([1, 3])
    assert reception.stream() == ((1, 1), 3, 2)
    hear([40000, 40001, 40004], ssrc=2, reception=reception)
    assert reception.stream() == ((2, 40000), 5, 3)
    assert Reception().stream()[1:] == (0, 0)
