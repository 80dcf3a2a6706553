"""Agents and groups of the configuration and of the store, set up in the queue engine of a switch."""

from __future__ import annotations

import random
from typing import Final

from config.queues import agents_of, groups_of
from config.schema import Config
from routing.acd.engine import Engine
from routing.acd.hours import LocalClock
from routing.acd.model import Agent, Group
from switchboard.calls.callback_request import restore
from switchboard.calls.desk import Desk
from switchboard.calls.exchange import Exchange
from switchboard.store.store import Store

VIOLATED: Final = "queue.violated"
"""An invariant of the queue engine does not hold: a fault of ours."""


def open_desk(config: Config, exchange: Exchange, clock: LocalClock) -> Desk:
    """The desk of a switch; nobody is there yet. With log level debug the engine checks itself after every event."""
    engine = Engine(random.SystemRandom().random, clock, watch=config.log.level == "debug")
    engine.report = lambda found: exchange.log(VIOLATED, found=found)
    return Desk(exchange, engine)


def staff(desk: Desk, config: Config, store: Store, now: float) -> None:
    """Bring in agents and groups, the stored ones winning over the configured, and those who wait to be called back."""
    agents, groups = known_staff(config, store)
    desk.load(agents, groups, now)
    if desk.exchange.settings.outbound is not None:
        for request in store.callbacks.open_requests():
            restore(desk.exchange, request, now)


def known_staff(config: Config, store: Store) -> tuple[list[Agent], list[Group]]:
    """All agents and groups; waits for the database."""
    agents = store.desk.agents.overlay({one.id: one for one in agents_of(config)})
    groups = store.desk.groups.overlay({one.name: one for one in groups_of(config)})
    return list(agents.values()), list(groups.values())
