"""INVITEs of callers, and those of the agents found for them."""

from __future__ import annotations

import pytest

from bench.load import Result
from bench.queues import judge, waits
from tests.unit.bench.test_ivr import invite


def test_who_came_first_is_served_first() -> None:
    """Two callers at once get the agents' INVITEs in their order."""
    assert waits([1.0, 1.001], [1.003, 1.002]) == pytest.approx([0.002, 0.002])


def test_a_caller_without_an_agent_does_not_shift_the_others() -> None:
    """An INVITE long after a caller is that of the next; one before any caller is nobody's."""
    assert waits([1.0, 9.0], [0.5, 9.003]) == pytest.approx([0.003])


def test_callers_and_agents_are_told_apart_by_their_ports() -> None:
    """INVITEs to the target are callers', those to 5190 are agents'; each counts once."""
    result = Result("queue")
    packets = [invite("a", 1.0, to=5560), invite("x", 1.002), invite("b", 1.01, to=5560), invite("y", 1.016)]
    judge(result, [*packets, invite("x", 1.5), invite("b", 1.51, to=5560)], 5560)
    assert result.figures["invite_p50_ms"] == pytest.approx(2, abs=0.01)
    assert result.figures["invite_p99_ms"] == pytest.approx(6, abs=0.01)
    assert result.figures["invite_max_ms"] == pytest.approx(6, abs=0.01)


def test_nothing_seen_is_nothing_measured() -> None:
    """Without packets no figure is made up."""
    result = Result("queue")
    judge(result, [], 5560)
    assert set(result.figures.values()) == {None}
