"""Queues and agents in the metrics."""

from __future__ import annotations

from routing.acd.events import CallerGone, CallerJoined
from switchboard.ops.metrics import Metrics
from switchboard.queue_metrics import measure_queues
from tests.unit.calls.queue_stage import QueueStage


def test_what_a_scrape_shows() -> None:
    """Waiting, outcomes and states, by their names."""
    stage = QueueStage("anna", "ben")
    desk, now = stage.world.desk, stage.world.now
    for name in ("anna", "ben"):
        desk.set_state(name, "meeting", name, now)
    desk.engine.handle(CallerJoined(entry="one", group="shop"), now)
    desk.engine.handle(CallerJoined(entry="two", group="shop"), now)
    desk.engine.handle(CallerGone("two"), now)
    metrics = Metrics()
    measure_queues(metrics, desk.engine)
    text = metrics.render().decode()
    assert 'switchboard_queue_waiting{group="shop"} 1.0' in text
    assert 'switchboard_queue_joined_total{group="shop"} 2.0' in text
    assert 'switchboard_queue_outcomes_total{group="shop",outcome="gone"} 1.0' in text
    assert 'switchboard_agents{state="meeting"} 2.0' in text
    assert "switchboard_queue_violations_total 0.0" in text
    assert metrics.readings.failures == 0
