"""What the engine knows of an agent, and the state that follows from it.

| state                | holds when (the first that does)         | ends by                                   |
|----------------------|------------------------------------------|-------------------------------------------|
| talking              | a call is up that is not held            | TalkEnded, CallOver, HoldChanged          |
| held                 | every call that is up is held            | TalkEnded, CallOver, HoldChanged          |
| ringing              | an offer is out                          | an answer to it, or the offer's guard     |
| offline              | not signed in, or the phone is not there | SignedIn, PhoneChanged                    |
| wrap_up              | the work after a call is not done        | WrapUpDone, StateSet, or its time         |
| busy, break, meeting | chosen                                   | StateSet, or the time that it lasts       |
| idle                 | else                                     | an offer, or any of the above             |

Calls of one's own count only while signed in; a call from a queue counts always.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import TYPE_CHECKING, Final

import msgspec

from routing.acd.model import Agent, ChosenState, State

if TYPE_CHECKING:
    from routing.acd.entries import Entry, Place
    from routing.acd.groups import GroupStatus

PRESENT: Final[frozenset[State]] = frozenset({"idle", "ringing", "talking", "held", "wrap_up"})
"""Idle or at work on a call: somebody who will come back without anybody's doing."""


class Talk(msgspec.Struct):
    """A call from a queue that the agent is in."""

    group: str
    began: float
    wrap_up: float
    counts: bool = True
    """False while a callback's caller is being called: nobody has been served yet."""


class WrapUp(msgspec.Struct):
    """Work after a call. It begins when no call is up any more; until then `until` is infinite."""

    group: str
    seconds: float
    talked: float
    began: float = 0.0
    until: float = inf


class Seat(msgspec.Struct, eq=False):
    """An agent as a member of one group, as strategies see it."""

    id: str
    agent: AgentStatus
    group: GroupStatus
    level: int
    order: int
    skills: Mapping[str, int]

    @property
    def idle_since(self) -> float:
        """When the agent became idle."""
        return self.agent.idle_since

    @property
    def calls(self) -> int:
        """Calls taken since signing in."""
        return self.agent.taken

    @property
    def talked(self) -> float:
        """Seconds talked since signing in."""
        return self.agent.talked


class AgentStatus(msgspec.Struct, eq=False):
    """One agent. `state`, `reason`, `by` and `since` are what follows from the rest, as it was told last."""

    agent: Agent
    number: int
    """The place in the configuration."""
    state: State = "offline"
    reason: str = ""
    by: str = ""
    since: float = 0.0

    signed_in: bool = False
    phone_up: bool = False
    removed: bool = False
    """No more an agent, but a call is still up."""
    chosen: ChosenState = "idle"
    chosen_reason: str = ""
    chosen_by: str = ""
    chosen_lasts: float | None = None
    chosen_anew: bool = False
    """Chosen, but not yet in effect: its time has not begun."""
    offer: Entry | None = None
    talks: dict[str, Talk] = {}
    own_calls: dict[str, float] = {}
    """Calls that did not come from a queue, and when they began."""
    held: set[str] = set()
    wrap_up: WrapUp | None = None
    unanswered: int = 0
    """Offers in a row that were not answered."""

    taken: int = 0
    """Calls from queues since signing in."""
    talked: float = 0.0
    """Seconds in them."""
    idle_since: float = 0.0

    seats: dict[str, Seat] = {}
    heaviest: list[Seat] = []
    """The seats, those of the heaviest groups first."""
    wanted: list[Place] = []
    """Those who wait for this agent alone, in order of service."""
    free: bool = False
    """Idle, and no failed offer holds back the next one."""
    counted: tuple[bool, bool] = (False, False)
    """As what the groups count the agent: present, signed in."""

    offer_until: float = inf
    chosen_until: float = inf
    break_until: float = inf
    """When a break is too long."""
    rests_until: float = inf
    """No offer is made until then; infinite when there may be."""
    clearing: str = ""
    """A callback that came to nothing, and whose agent has not hung up yet."""
    cleared_by: float = inf
    """When the phone counts as hung up."""
    armed: float = inf

    @property
    def id(self) -> str:
        """The agent's id."""
        return self.agent.id

    @property
    def calls(self) -> tuple[str, ...]:
        """The ids of all calls that are up."""
        return (*self.talks, *self.own_calls)

    @property
    def groups(self) -> Mapping[str, int]:
        """Levels by group."""
        return self.agent.groups

    @property
    def offered(self) -> str:
        """The id of the one for whom the phone rings, or empty."""
        return self.offer.id if self.offer is not None else ""

    @property
    def order(self) -> int:
        """The place in top_down."""
        return self.agent.order if self.agent.order >= 0 else self.number

    @property
    def deadline(self) -> float:
        """When time alone changes something."""
        wrap_up = self.wrap_up.until if self.wrap_up is not None else inf
        return min(self.offer_until, wrap_up, self.chosen_until, self.break_until, self.rests_until, self.cleared_by)

    def limits(self) -> Iterator[float]:
        """How long a break may be, as the groups see it."""
        return (seat.group.group.break_limit for seat in self.heaviest if seat.group.group.break_limit is not None)


def derive(agent: AgentStatus) -> State:
    """The state that follows from phone, calls, offer and choice; see the table on top."""
    if agent.talks or (agent.own_calls and agent.signed_in):
        held = agent.held
        return "held" if held and all(call in held for call in agent.calls) else "talking"
    if agent.offer is not None:
        return "ringing"
    if not (agent.signed_in and agent.phone_up):
        return "offline"
    if agent.wrap_up is not None:
        return "wrap_up"
    return agent.chosen
