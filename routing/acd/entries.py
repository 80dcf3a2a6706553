"""One who waits: a caller, or a callback that keeps a caller's place."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Literal

import msgspec

from routing.acd.estimate import Band
from routing.acd.model import LeaveReason
from routing.acd.requirement import ANYBODY, Requirement

if TYPE_CHECKING:
    from routing.acd.agents import AgentStatus
    from routing.acd.announcing import Announcer
    from routing.acd.groups import Bucket, GroupStatus

Place = tuple[float, int, str]
"""The key of the score, the number of arrival, and the id: smaller is served first."""

CallbackOutcome = Literal["reached", "attempts", "expired", "withdrawn", "replaced", "failed"]
Outcome = Literal["answered", "gone"] | LeaveReason | CallbackOutcome
"""How waiting ends, once for everybody."""


class Callback(msgspec.Struct):
    """What is particular to a callback."""

    attempts: int = 0
    expires: float = inf
    rests_until: float = inf
    """It is not its turn before; infinite while it is in the queue or being called."""
    closed: bool = False
    """It rests since it is out of hours."""
    clearing: bool = False
    """It rests since its caller may not have hung up yet."""
    agent: AgentStatus | None = None
    """Who is on the phone while the caller is being called."""
    calling_until: float = inf
    caller_first: bool = False
    """In the attempt that is under way the caller is called before the agent."""


class Entry(msgspec.Struct, eq=False, kw_only=True):
    """Somebody in the queue of a group, or a callback that rests outside of it."""

    id: str
    place: Place
    since: float
    """When the waiting began, in whatever group."""
    group: GroupStatus
    joined: float
    """When it began in this group."""
    priority: int = 0
    vip: int = 0
    own_requirement: Requirement | None = None
    preferred: str = ""
    caller: bytes = b""
    max_wait: float | None = None
    callback: Callback | None = None

    requirement: Requirement = ANYBODY
    waited: float = 0.0
    """The waiting that the requirement has taken note of: the begin of the step that holds."""
    queued: bool = False
    """In the group's queue: not a callback that rests or is being called."""
    offers: dict[str, AgentStatus] = {}
    bucket: Bucket | None = None
    """Those of the group who require the same."""
    shown: bool = False
    """Looking for an agent, in the bucket or with the preferred agent."""
    alone: AgentStatus | None = None
    """The preferred agent, while nobody else will do."""
    rings_on: bool = False
    """Phones ring, and more may."""
    single: bool = False
    """Taken out of turn: no phone rings beside that one."""
    owed: int = 0
    """Phones that ought to ring besides, with `progressive`."""
    said: tuple[Band, float] | None = None
    """The wait that was expected, and when."""
    announcer: Announcer | None = None
    passed: dict[str, float] = {}
    """Groups it has been in, and when it left them."""

    relaxes: float = inf
    patient_until: float = inf
    leaves: float = inf
    overflows: float = inf
    overflow_next: int = 0
    steps: float = inf
    """When one more phone rings."""
    armed: float = inf

    @property
    def position(self) -> int:
        """The place in the queue, 1 is next; 0 outside of it."""
        return self.group.position(self) if self.queued else 0

    @property
    def resting(self) -> bool:
        """Whether it is a callback that may not be called now."""
        return self.callback is not None and self.callback.rests_until < inf

    @property
    def deadline(self) -> float:
        """When time alone changes something. Nobody times out whose agent's phone rings."""
        if self.offers:
            return self.steps
        if (callback := self.callback) is not None:
            if callback.agent is not None:
                return callback.calling_until
            return min(callback.rests_until, callback.expires, self.relaxes, self.patient_until)
        says = self.announcer.due if self.announcer is not None else inf
        return min(self.relaxes, self.patient_until, self.leaves, self.overflows, says)
