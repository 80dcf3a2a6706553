"""What the engine knows of a group: its idle agents in the order of the strategy, and its queue in order of service.

Everything is kept sorted, so that whoever comes next is found without looking at all: idle agents by the rank that the
strategy gives them, those who wait by place, and those who look for an agent in a bucket for each requirement, since
an agent who does not fit one of a bucket fits none of it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from math import inf
from typing import Final, Literal

import msgspec

from routing.acd import strategies
from routing.acd.agents import Seat
from routing.acd.entries import Entry, Outcome, Place
from routing.acd.estimate import Band, Estimator
from routing.acd.hours import ALWAYS, Hours, LocalClock, parse_hours
from routing.acd.joining import Census, overflow_after
from routing.acd.model import Group, Overflow
from routing.acd.requirement import ANYBODY, Requirement, Step, parse_requirement
from routing.acd.rows import Row

EMPTY_BUCKETS: Final = 64
"""Up to this many buckets those that nobody is in are kept, for what they know of agents."""
HOURS_HOLD: Final = 1.0
"""For so many seconds the answer whether a group is open is not asked for again."""
MOST_ROWS: Final = 8
"""For so many requirements the idle agents who fit are kept in order; for others they are put in order when needed."""


class Bucket:
    """Those who look for an agent and require the same."""

    __slots__ = ("_fits", "places", "row", "step")

    def __init__(self, step: Step) -> None:
        self.step = step
        self.places: list[Place] = []
        self.row: Row[Seat] | None = None
        """The idle agents who fit, once somebody has asked for them."""
        self._fits: dict[str, bool] = {}

    def fits(self, seat: Seat) -> bool:
        """Whether the agent can do what is required."""
        if self.step.anybody:
            return True
        known = self._fits.get(seat.id)
        if known is None:
            known = self._fits[seat.id] = self.step.met(seat.skills)
        return known

    def forget(self, agent: str) -> None:
        """The agent's skills are others."""
        self._fits.pop(agent, None)


def _nobody() -> Row[Seat]:
    return Row("longest_idle", ANYBODY.steps[0])


class GroupStatus(msgspec.Struct, eq=False):
    """One group: rules, members, those who wait, figures."""

    group: Group
    requirement: Requirement = ANYBODY
    hours: Hours = ALWAYS
    callback_hours: Hours = ALWAYS
    overflow: tuple[Overflow, ...] = ()
    """The rules that hold after some waiting, the soonest first."""

    seats: dict[str, Seat] = {}
    idle: Row[Seat] = msgspec.field(default_factory=_nobody)
    asked: strategies.Place = strategies.NOBODY
    """Who was asked last."""
    present: int = 0
    signed_in: int = 0
    capacity: float = 0.0
    """Those present, each by one over the number of their groups."""
    alerted: bool = False

    line: list[Place] = []
    """All in the queue, in order of service."""
    buckets: dict[int, Bucket] = {}
    looking: int = 0
    """How many are in buckets."""
    rowed: list[Bucket] = []
    """The buckets that keep a row, that which was used last at the end."""
    rings: list[Place] = []
    """Those for whom phones ring, and more may."""
    callers: int = 0
    """Those in the queue who are on the line."""
    callbacks: dict[bytes, Entry] = {}
    """All open callbacks by caller, also those outside of the queue."""
    joined: int = 0
    outcomes: Counter[Outcome | Literal["moved"]] = msgspec.field(default_factory=Counter)
    in_time: int = 0
    """How many were answered or called back within the time of the service level."""
    estimator: Estimator = msgspec.field(default_factory=Estimator)
    _asked_open: tuple[float, bool] = (-inf, True)
    _asked_callback: tuple[float, bool] = (-inf, True)

    @property
    def name(self) -> str:
        """The group's name."""
        return self.group.name

    def configure(self, group: Group) -> None:
        """Take over new rules; RequirementError and HoursError say what cannot be read, and nothing is changed."""
        requirement = parse_requirement(group.requirement)
        hours, callback_hours = parse_hours(group.hours), parse_hours(group.callbacks.hours or group.hours)
        self.group, self.requirement, self.hours, self.callback_hours = group, requirement, hours, callback_hours
        self.overflow = overflow_after(group)
        self._asked_open = self._asked_callback = (-inf, True)
        if group.strategy != self.idle.strategy:
            self.idle = Row(group.strategy, ANYBODY.steps[0], self.idle)
            for bucket in self.rowed:
                bucket.row = None
            self.rowed.clear()

    def is_open(self, clock: LocalClock, now: float) -> bool:
        """Whether callers may come."""
        if not self.hours.entries:
            return True
        if not 0.0 <= now - self._asked_open[0] < HOURS_HOLD:
            self._asked_open = (now, self.hours.open_by(clock, now))
        return self._asked_open[1]

    def calls_back(self, clock: LocalClock, now: float, *, afresh: bool = False) -> bool:
        """Whether callers may be called back."""
        if not self.callback_hours.entries:
            return True
        if afresh or not 0.0 <= now - self._asked_callback[0] < HOURS_HOLD:
            self._asked_callback = (now, self.callback_hours.open_by(clock, now))
        return self._asked_callback[1]

    def sit(self, seat: Seat) -> None:
        """The agent is free."""
        self.idle.add(seat)
        for bucket in self.rowed:
            if bucket.row is not None and bucket.fits(seat):
                bucket.row.add(seat)

    def rise(self, seat: Seat) -> None:
        """The agent is free no more."""
        self.idle.remove(seat)
        for bucket in self.rowed:
            if bucket.row is not None:
                bucket.row.remove(seat)

    def row(self, bucket: Bucket) -> Row[Seat]:
        """The idle agents who fit those of a bucket; it is kept from now on, unless others are asked for more often."""
        if bucket.step.anybody:
            return self.idle
        rowed = self.rowed
        if bucket.row is None:
            bucket.row = Row(self.group.strategy, bucket.step, (seat for seat in self.idle if bucket.fits(seat)))
            rowed.append(bucket)
            if len(rowed) > MOST_ROWS:
                rowed.pop(0).row = None
        elif rowed[-1] is not bucket:
            rowed.remove(bucket)
            rowed.append(bucket)
        return bucket.row

    def bucket(self, step: Step) -> Bucket:
        """Where those look for an agent who require that."""
        found = self.buckets.get(id(step))
        if found is None:
            found = self.buckets[id(step)] = Bucket(step)
        return found

    def leave_bucket(self, bucket: Bucket, place: Place) -> None:
        """One looks no more; a bucket that nobody is in any more is kept only while there are few."""
        del bucket.places[bisect_left(bucket.places, place)]
        self.looking -= 1
        if not bucket.places and len(self.buckets) > EMPTY_BUCKETS:
            del self.buckets[id(bucket.step)]
            if bucket.row is not None:
                self.rowed.remove(bucket)

    def forget(self, agent: str) -> None:
        """The agent's skills are others."""
        for bucket in self.buckets.values():
            bucket.forget(agent)

    def position(self, entry: Entry) -> int:
        """The place in the queue, 1 is next; of somebody who is not in it, the place they would have."""
        return bisect_left(self.line, entry.place) + 1

    def band(self, position: int, *, free: bool = False) -> Band | None:
        """How long somebody at that position will wait; None when nothing is known."""
        return self.estimator.band(position, self.capacity, free=free)

    def note_served(self, waited: float) -> None:
        """Somebody has got what they waited for."""
        self.in_time += waited <= self.group.service_level

    def census(self, is_open: bool, band: Band | None) -> Census:
        """What joining depends on."""
        return Census(self.callers, self.present, self.signed_in, is_open, band[1] if band is not None else None)
