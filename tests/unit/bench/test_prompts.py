"""How evenly callers hear, and what is made of how they were let go."""

from __future__ import annotations

import numpy as np
import pytest

from bench.callers import Stream
from bench.errors import BenchError
from bench.load import Calls, Load, Result
from bench.prompts import Cadence, cadence, count, hear, measure, times
from bench.sipp import Totals

START = 1_000.0


def stream(offsets: list[float], seq: list[int] | None = None, markers: tuple[int, ...] = ()) -> Stream:
    """Packets so many seconds after START; the places of `markers` begin something new."""
    numbers = list(range(len(offsets))) if seq is None else seq
    at = np.array([round((START + offset) * 1e9) for offset in offsets], np.int64)
    return Stream(at, np.array(numbers, np.int64), np.array([n in markers for n in range(len(offsets))], np.bool_))


EVEN = [n * 0.02 for n in range(101)]


def test_an_even_stream_deviates_by_nothing() -> None:
    """A hundred intervals of 20 ms."""
    heard = cadence(stream(EVEN), START, START + 2.0)
    assert heard.deviations == pytest.approx(np.zeros(100), abs=1e-3)
    assert (heard.lost, len(heard.pauses), heard.packets, heard.whole) == (0, 0, 101, True)


def test_one_late_packet_is_two_deviations() -> None:
    """It comes late, and the next one sooner after it."""
    late = [offset + (0.007 if n == 50 else 0) for n, offset in enumerate(EVEN)]
    deviations = cadence(stream(late), START, START + 2.0).deviations
    assert sorted(deviations)[-2:] == pytest.approx([7, 7], abs=1e-3)
    assert sorted(deviations)[-3] == pytest.approx(0, abs=1e-3)


def test_a_stall_that_skips_no_number_is_a_deviation() -> None:
    """Whoever sends nothing for 60 ms and goes on is 40 ms off."""
    stalled = [offset + (0.04 if n >= 50 else 0) for n, offset in enumerate(EVEN)]
    assert max(cadence(stream(stalled), START, START + 2.04).deviations) == pytest.approx(40, abs=1e-3)


def test_lost_packets_are_counted_over_the_end_of_the_numbers() -> None:
    """Two missing at 65535 and 0; the interval around them is no deviation of the cadence."""
    seq = [65530, 65531, 65532, 65533, 65534, 1, 2]
    offsets = [n * 0.02 for n in (0, 1, 2, 3, 4, 7, 8)]
    heard = cadence(stream(offsets, seq), START, START + 0.16)
    assert heard.lost == 2
    assert max(heard.deviations) == pytest.approx(0, abs=1e-3)


def test_a_new_prompt_begins_with_a_pause_not_with_a_deviation() -> None:
    """The marker tells."""
    paused = [offset + (0.013 if n >= 50 else 0) for n, offset in enumerate(EVEN)]
    heard = cadence(stream(paused, markers=(50,)), START, START + 2.013)
    assert heard.pauses == pytest.approx([33], abs=1e-3)
    assert max(heard.deviations) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(("first", "last"), [(0.5, 2.0), (0.0, 1.5)])
def test_who_comes_late_or_leaves_early_was_not_there(first: float, last: float) -> None:
    """Neither is one who never heard anything."""
    offsets = [offset for offset in EVEN if first <= offset <= last]
    assert not cadence(stream(offsets), START, START + 2.0).whole
    assert not cadence(stream([]), START, START + 2.0).whole


def test_only_what_lies_between_the_moments_counts() -> None:
    """A stall before all are there is nobody's."""
    offsets = [-1.0, -0.5, *EVEN]
    assert max(cadence(stream(offsets), START, START + 2.0).deviations) == pytest.approx(0, abs=1e-3)


def totals(successful: int, reasons: dict[str, int]) -> Totals:
    """What SIPp counted."""
    return Totals(10, successful, sum(reasons.values()), 0, 0, 0, 0, reasons)


def test_a_wrong_cause_is_a_lost_digit_and_other_failures_are_not() -> None:
    """Of ten calls two were let go wrongly and one never ended."""
    result = Result("prompts")
    count(result, totals(7, {"FailedRegexpDoesntMatch": 2, "FailedTimeoutOnRecv": 1}), 10, 0)
    assert (result.figures["failed"], result.figures["digits_lost"]) == (1, 2)
    assert result.notes == ["callers: 1 x FailedTimeoutOnRecv"]


def test_digits_that_were_never_sent_are_told() -> None:
    """A caller who heard nothing keyed nothing."""
    result = Result("prompts")
    count(result, totals(10, {}), 10, 3)
    assert result.notes == ["3 callers could not key all their digits: they heard nothing, or too late"]


def test_the_worst_caller_is_shown_beside_all() -> None:
    """One of two callers is 9 ms off each time, for a hundredth of all packets."""
    planned = times(0.0, Calls(2, 2, 4.0))
    assert (planned.all_there, planned.silent, planned.end) == (2.0, 3.0, 4.0)
    good = Cadence(np.zeros(990), 0, np.array([25.0]), 990, True)
    bad = Cadence(np.full(9, 9.0), 3, np.array([]), 10, False)
    result = Result("prompts")
    hear(result, [good, bad], planned)
    assert (result.figures["deviation_p99_ms"], result.figures["worst_caller_p99_ms"]) == (0.0, 9.0)
    assert (result.figures["absent"], result.figures["lost"], result.figures["pause_p99_ms"]) == (1, 3, 25.0)


def test_silence_is_told() -> None:
    """A flow that plays for half of the time is no measurement of playing."""
    result = Result("prompts")
    hear(result, [Cadence(np.zeros(49), 0, np.array([]), 50, True)], times(0.0, Calls(1, 1, 4.0)))
    assert result.notes == ["callers heard something 50% of the time only"]


@pytest.mark.parametrize(("hold", "message"), [(5.0, "3 s longer"), (90.0, "at most 80")])
def test_calls_of_a_wrong_length_are_refused(hold: float, message: str, load: Load) -> None:
    """All must be there together, and no prompt may end before the next key."""
    with pytest.raises(BenchError, match=message):
        measure(load, Calls(100, 20, hold))
