"""Buckets of requests."""

from __future__ import annotations

import pytest

from switchboard.api import pace as pace_module
from switchboard.api.pace import Pace, Rate
from switchboard.api.problems import ApiError
from tests.unit.api.conftest import FakeClock


def test_a_burst_then_the_rate(clock: FakeClock) -> None:
    """Three at once, then two a second; the answer says how long to wait, in whole seconds."""
    pace = Pace(clock, {"user": Rate(each_second=2.0, burst=3.0)})
    assert [pace.take("user a") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert pace.take("user b") == 0.0
    clock.now += 0.5
    assert pace.take("user a") == 0.0
    with pytest.raises(ApiError) as refused:
        pace.admit("user a")
    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})
    assert pace.refused == 1
    clock.now += 1000.0
    assert [pace.take("user a") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_the_table_is_bounded(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asked last is kept."""
    monkeypatch.setattr(pace_module, "MOST_CLIENTS", 3)
    pace = Pace(clock, {"address": Rate(each_second=1.0, burst=1.0)})
    for name in "abcdef":
        pace.take(f"address {name}")
    assert len(pace) == 3
    assert pace.take("address f") > 0
