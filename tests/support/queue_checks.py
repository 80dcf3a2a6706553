"""Whether the right one was offered the right agent, worked out anew from a plain model."""

from __future__ import annotations

from collections.abc import Iterable

from tests.support.queue_model import SeenAgent, SeenEntry


def check_order(entry: SeenEntry, agent: SeenAgent, waiting: Iterable[SeenEntry], now: float) -> None:
    """Nobody whom the agent fits, and who is better placed, is left without an offer."""
    for other in waiting:
        if other is entry or other.offers or other.place >= entry.place or not other.fits(agent, now):
            continue
        if other.preferred not in ("", agent.agent.id) and now < other.patient_until:
            continue  # may wait for the preferred agent alone
        raise AssertionError(f"{agent.agent.id} is offered to {entry.id} before {other.id}")


def check_strategy(entry: SeenEntry, agent: SeenAgent, agents: Iterable[SeenAgent], now: float) -> None:
    """Nobody who fits and was idle as well would have been asked before, by the group's strategy."""
    idle = [one for one in agents if one is not agent and one.free(now) and entry.fits(one, now)]
    mine = _rank(entry, agent, now)
    for other in idle:
        assert mine <= _rank(entry, other, now), f"{agent.agent.id} is asked before {other.agent.id}"


def _rank(entry: SeenEntry, agent: SeenAgent, now: float) -> tuple[float, ...]:
    """The part of the strategy's order that does not depend on chance or memory."""
    level = agent.agent.groups[entry.group.name]
    match entry.group.strategy:
        case "random":
            return ()
        case "round_robin":
            return (level,)
        case "skill_best":
            step, skills = entry.step(now), agent.agent.skills
            met = [every for every in step.either if all(one.met(skills) for one in every)]
            return -max((sum(skills.get(one.skill, 0) for one in every) for every in met), default=0), level
        case "fewest_calls":
            return level, agent.taken, agent.idle_since
        case "least_talk_time":
            return level, agent.talked, agent.idle_since
        case "top_down":
            return level, agent.order
        case _:
            return level, agent.idle_since
