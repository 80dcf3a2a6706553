"""All that the engine knows, and what an event has set in motion until it is settled.

A floor is the room where agents sit. Its parts are changed by the modules beside it, one concern each.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final

from routing.acd import agents, entries, groups
from routing.acd.actions import Action
from routing.acd.due import Deadlines
from routing.acd.hours import LocalClock

OFFER_SLACK: Final = 3.0
"""An offer that was not answered so long after its timeout is lost: the agent gets another."""
LEAST_PAUSE: Final = 1.0
"""No pause after a failed offer is shorter, else a phone that is busy would be rung without end."""
CALLBACK_REST: Final = 10.0
"""A callback rests so long at most for its caller to hang up, and for the line of an agent who hung up to be free."""
CALLING_LIMIT: Final = 120.0
"""A callback's caller is called for so long at most."""
CLEARING_LIMIT: Final = 5.0
"""The agent's phone is hung up so long after a callback that came to nothing, whether that was told or not."""

Subject = agents.AgentStatus | entries.Entry


class Floor:
    """Agents, groups, those who wait; `out` collects the actions of the event at hand."""

    __slots__ = (
        "agents",
        "arrivals",
        "clock",
        "due",
        "emptied",
        "entries",
        "freed",
        "groups",
        "joined",
        "numbers",
        "out",
        "outcomes",
        "random",
        "seeking",
    )

    def __init__(self, random: Callable[[], float], clock: LocalClock) -> None:
        self.random = random
        self.clock = clock
        self.agents: dict[str, agents.AgentStatus] = {}
        self.groups: dict[str, groups.GroupStatus] = {}
        self.entries: dict[str, entries.Entry] = {}
        self.due: Deadlines[Subject] = Deadlines()
        self.out: list[Action] = []
        self.freed: dict[agents.AgentStatus, None] = {}
        """Agents who have become free."""
        self.seeking: dict[entries.Entry, None] = {}
        """Those for whom more agents may do than before."""
        self.emptied: dict[groups.GroupStatus, None] = {}
        """Groups that have lost their last agent."""
        self.arrivals = 0
        self.numbers = 0
        self.joined = 0
        self.outcomes = 0

    def arm(self, subject: Subject) -> None:
        """Let the subject's time be known."""
        at = subject.deadline
        if at != subject.armed:
            subject.armed = at
            if at == inf:
                self.due.cancel(subject)
            else:
                self.due.set(subject, at)

    def disarm(self, subject: Subject) -> None:
        """Nothing is due of the subject any more."""
        if subject.armed != inf:
            subject.armed = inf
            self.due.cancel(subject)
