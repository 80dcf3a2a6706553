"""What queues and agents look like from outside: read at each scrape, with the names of groups as labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from routing.acd.engine import Engine
from routing.acd.groups import GroupStatus
from switchboard.ops.metrics import Metrics

Pairs = dict[tuple[str, ...], float]

_GAUGES: Final[tuple[tuple[str, str, Callable[[GroupStatus], float]], ...]] = (
    ("queue_waiting", "Callers who wait, by group.", lambda group: group.callers),
    ("queue_callbacks", "Open callbacks, by group.", lambda group: len(group.callbacks)),
    ("queue_idle_agents", "Agents of a group who could be rung now.", lambda group: len(group.idle)),
    (
        "queue_estimate_share_within",
        "Share of waits that ended within the announced range.",
        lambda group: group.estimator.counts().share_within,
    ),
)
_COUNTERS: Final[tuple[tuple[str, str, Callable[[GroupStatus], float]], ...]] = (
    ("queue_joined", "Callers who joined a group.", lambda group: group.joined),
    ("queue_in_time", "Callers served within the group's service level.", lambda group: group.in_time),
    (
        "queue_estimate_said_seconds",
        "Sum of the announced waits, each the middle of its range.",
        lambda group: group.estimator.counts().said_seconds,
    ),
    (
        "queue_estimate_real_seconds",
        "Sum of the real waits of these callers.",
        lambda group: group.estimator.counts().real_seconds,
    ),
    (
        "queue_estimate_error_seconds",
        "Sum of the differences between announced and real waits.",
        lambda group: group.estimator.counts().error_seconds,
    ),
)


def measure_queues(metrics: Metrics, engine: Engine) -> None:
    """Show groups, agents and the engine's own check of itself."""
    readings = metrics.readings
    for name, text, read in _GAUGES:
        readings.gauge(f"switchboard_{name}", text, _by_group(engine, read), ("group",))
    for name, text, read in _COUNTERS:
        readings.counter(f"switchboard_{name}_total", text, _by_group(engine, read), ("group",))
    readings.counter(
        "switchboard_queue_outcomes_total", "How waiting ended.", lambda: _outcomes(engine), ("group", "outcome")
    )
    readings.counter(
        "switchboard_queue_estimates_total",
        "Waits compared with the announced range.",
        lambda: _estimates(engine),
        ("group", "result"),
    )
    readings.gauge("switchboard_agents", "Agents by state.", lambda: _states(engine), ("state",))
    metrics.counter(
        "switchboard_queue_violations_total",
        "Invariants of the queue engine that did not hold; checked with log level debug only.",
        lambda: engine.violations,
    )


def _by_group(engine: Engine, read: Callable[[GroupStatus], float]) -> Callable[[], Pairs]:
    return lambda: {(name,): read(group) for name, group in engine.groups.items()}


def _outcomes(engine: Engine) -> Pairs:
    return {
        (name, str(outcome)): count
        for name, group in engine.groups.items()
        for outcome, count in group.outcomes.items()
    }


def _estimates(engine: Engine) -> Pairs:
    found: Pairs = {}
    for name, group in engine.groups.items():
        counts = group.estimator.counts()
        found[name, "within"], found[name, "below"], found[name, "above"] = counts.within, counts.below, counts.above
    return found


def _states(engine: Engine) -> Pairs:
    states = Counter(agent.state for agent in engine.agents.values())
    return {(state,): count for state, count in states.items()}
