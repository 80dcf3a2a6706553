"""Taking somebody out of turn."""

from __future__ import annotations

from math import inf

from routing.acd.events import Picked
from routing.acd.floor import Floor
from routing.acd.offering import offer
from routing.acd.presence import take_back, withdraw
from routing.acd.queueing import enlist


def picked(x: Floor, event: Picked, now: float) -> None:
    """Offer this one to the agent who wants it, whatever state is chosen and whoever is rung for it.

    Nothing happens when the agent has no phone or is in a call, or when a callback's caller is being called.
    """
    agent, entry = x.agents.get(event.agent), x.entries.get(event.entry)
    if agent is None or entry is None or not agent.signed_in or not agent.phone_up or agent.calls:
        return
    if agent.offer is entry or (entry.callback is not None and entry.callback.agent is not None):
        return
    take_back(x, agent)
    withdraw(x, entry, now)
    if entry.callback is not None and not entry.queued:
        entry.callback.rests_until, entry.callback.closed, entry.callback.clearing = inf, False, False
        enlist(x, entry)
    x.seeking.pop(entry, None)
    agent.rests_until = inf
    entry.single = True
    offer(x, entry, agent, now)
