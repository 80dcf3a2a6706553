"""The queue engine: events of agents, callers and time go in, actions come out.

It does nothing by itself and reads no clock: `handle` is told what has happened and when, and `next_due` says when
time alone would change something. All that follows from an event follows at once. Under the same events and the same
`random` it does the same.

What holds after every event (`check` says what does not):

* An agent holds at most one offer, and none while a call is up.
* Nobody looks for an agent while one is free who fits, but for these rules: a failed offer lets the agent rest for the
  group's `refuse_pause`, at least a second; whoever waits for a preferred agent waits for that one alone, for the
  group's patience, as long as that agent is idle or at work on a call; a callback rests until its caller has hung up,
  between attempts, and out of hours; an agent goes to the heaviest group first.
* Of those who could go to an agent, the best score goes first; equal scores go by arrival. The score counts all of the
  waiting, also that in other groups, and a callback has the score of its caller.
* No state is without a way out: each ends by an event or by a deadline that is armed, and offers that nobody answers
  for, callbacks that nobody reports on, and phones that nobody hangs up after these are given up by deadlines.
* Everybody who came has exactly one outcome: answered, gone, or left for a reason; a callback is over exactly once.
* One caller has at most one callback in a group.

An event about somebody who is not known, or who is not in the state that it is about, changes nothing: late and
repeated ones are harmless. The agent of a late OfferAccepted gets a Withdraw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any, Final

import msgspec

from routing.acd import callbacks, configuring, invariants, joining, leaving, offering, picking, presence
from routing.acd import events as told
from routing.acd.actions import Action
from routing.acd.agents import AgentStatus
from routing.acd.assigning import settle
from routing.acd.entries import Entry
from routing.acd.estimate import Band
from routing.acd.events import Event
from routing.acd.floor import Floor
from routing.acd.groups import GroupStatus
from routing.acd.hours import LocalClock
from routing.acd.model import LeaveReason, State


def _time_due(x: Floor, event: told.TimeDue, now: float) -> None:
    """What is due has been handled before any event."""


HANDLERS: Final[Mapping[type[Event], Callable[[Floor, Any, float], None]]] = {
    told.GroupSet: configuring.set_group,
    told.GroupRemoved: configuring.remove_group,
    told.AgentSet: configuring.set_agent,
    told.AgentRemoved: configuring.remove_agent,
    told.SignedIn: presence.sign_in,
    told.SignedOut: presence.sign_out,
    told.StateSet: presence.set_state,
    told.WrapUpDone: presence.wrap_up_done,
    told.PhoneChanged: presence.phone_changed,
    told.CallBegan: presence.call_began,
    told.CallOver: presence.call_over,
    told.HoldChanged: presence.hold_changed,
    told.CallerJoined: leaving.joined,
    told.CallerGone: leaving.gone,
    told.OfferAccepted: offering.accepted,
    told.OfferFailed: offering.failed,
    told.TalkEnded: offering.talk_ended,
    told.Picked: picking.picked,
    told.CallbackAsked: callbacks.asked,
    told.CallbackRestored: callbacks.restored,
    told.CallerCleared: callbacks.cleared,
    told.CallbackEnded: callbacks.ended,
    told.TimeDue: _time_due,
}


def _report_nothing(found: tuple[str, ...]) -> None:
    """Nobody is interested."""


class AgentShown(msgspec.Struct, frozen=True):
    """An agent at one moment, in plain data."""

    id: str
    state: State
    reason: str
    by: str
    since: float
    phone_up: bool
    offered: str
    calls: tuple[str, ...]
    free: bool
    taken: int
    talked: float
    idle_since: float


class EntryShown(msgspec.Struct, frozen=True):
    """One who waits at one moment, in plain data."""

    id: str
    group: str
    position: int
    since: float
    offers: tuple[str, ...]
    alone: str
    callback: bool
    attempts: int
    resting: bool
    calling: str


class Snapshot(msgspec.Struct, frozen=True):
    """All that tests and debugging look at; equal histories have equal ones."""

    agents: dict[str, AgentShown]
    entries: dict[str, EntryShown]
    queues: dict[str, tuple[str, ...]]
    outcomes: dict[str, dict[str, int]]
    due: float | None


class Engine:
    """Queues of all groups, and their agents. `random` gives numbers in [0, 1), `clock` turns instants into local time.

    With `watch` the invariants are checked after every event; what does not hold is counted, kept and reported.
    """

    def __init__(self, random: Callable[[], float], clock: LocalClock, *, watch: bool = False) -> None:
        self._floor = Floor(random, clock)
        self._watch = watch
        self.violations = 0
        """How often an invariant did not hold."""
        self.last_violations: tuple[str, ...] = ()
        self.report: Callable[[tuple[str, ...]], None] = _report_nothing
        """Told what does not hold; the first twenty sentences."""

    def handle(self, event: Event, now: float) -> list[Action]:
        """What follows from the event; what has come due before it follows first."""
        x = self._floor
        due = x.due.next()
        if due is not None and due <= now:
            self._pass(now)
        HANDLERS[type(event)](x, event, now)
        settle(x, now)
        due = x.due.next()
        if due is not None and due <= now:
            self._pass(now)
        done, x.out = x.out, []
        if self._watch and (found := self.check(now)):
            self.violations += len(found)
            self.last_violations = tuple(found[:20])
            self.report(self.last_violations)
        return done

    def next_due(self) -> float | None:
        """When TimeDue is to be handled; None: only an event changes anything."""
        return self._floor.due.next()

    @property
    def agents(self) -> Mapping[str, AgentStatus]:
        """All agents by id; to be read only."""
        return self._floor.agents

    @property
    def groups(self) -> Mapping[str, GroupStatus]:
        """All groups by name; to be read only."""
        return self._floor.groups

    @property
    def entries(self) -> Mapping[str, Entry]:
        """All who wait and all open callbacks by id; to be read only."""
        return self._floor.entries

    def queue(self, group: str) -> Sequence[Entry]:
        """Who waits in a group, in order of service; callbacks that rest or are being called are not among them."""
        status = self._floor.groups.get(group)
        return [self._floor.entries[place[2]] for place in status.line] if status is not None else []

    def callbacks(self, group: str) -> Sequence[Entry]:
        """All open callbacks of a group, in order of service."""
        status = self._floor.groups.get(group)
        return sorted(status.callbacks.values(), key=_place) if status is not None else []

    def waiting(self, group: str) -> int:
        """How many are in the queue of a group, callbacks included."""
        status = self._floor.groups.get(group)
        return len(status.line) if status is not None else 0

    def next_idle(self, group: str) -> str:
        """The agent of a group who would be asked now by whoever requires nothing; "" when nobody is free."""
        status = self._floor.groups.get(group)
        first = next(status.idle.in_turn(status.asked, self._floor.random), None) if status is not None else None
        return first.id if first is not None else ""

    def refusal(self, group: str, now: float) -> LeaveReason | None:
        """Why a group would let nobody join now and send them nowhere else either; None: they may come."""
        status = self._floor.groups.get(group)
        if status is None:
            return "failed"
        rules = status.group
        band = status.band(len(status.line) + 1) if rules.max_estimate is not None else None
        reason = joining.refusal(rules, status.census(status.is_open(self._floor.clock, now), band))
        if reason is None or (reason in ("full", "estimate") and status.idle):
            return None
        return None if joining.overflow_on(rules, reason) else reason

    def estimate(self, entry: str) -> Band | None:
        """How long one who waits will wait from now, from and to in seconds; None when nothing is known."""
        found = self._floor.entries.get(entry)
        if found is None or not found.queued:
            return None
        return found.group.band(found.position, free=bool(found.offers))

    def check(self, now: float) -> list[str]:
        """Which invariants do not hold, as short sentences; `now` is the time of the last event."""
        return list(invariants.violations(self._floor, now))

    def snapshot(self) -> Snapshot:
        """Everything at one moment, in plain data."""
        x = self._floor
        return Snapshot(
            {agent.id: _agent_shown(agent) for agent in x.agents.values()},
            {entry.id: _entry_shown(entry) for entry in x.entries.values()},
            {name: tuple(place[2] for place in group.line) for name, group in x.groups.items()},
            {name: {str(key): n for key, n in group.outcomes.items()} for name, group in x.groups.items()},
            x.due.next(),
        )

    def _pass(self, now: float) -> None:
        """Let time do what it does until nothing is due; agents first, so that nobody leaves whom they could take."""
        x = self._floor
        while (due := x.due.next()) is not None and due <= now:
            for entry in self._pass_agents(now):
                if x.entries.get(entry.id) is entry:
                    leaving.entry_due(x, entry, now)
            settle(x, now)

    def _pass_agents(self, now: float) -> list[Entry]:
        """The entries that are due, among them those that the agents who are due have let go."""
        x = self._floor
        entries: dict[Entry, None] = {}
        while due := x.due.pop(now):
            for subject in due:
                subject.armed = inf
            for subject in due:
                if isinstance(subject, AgentStatus):
                    offering.past_due(x, subject, now)
                else:
                    entries[subject] = None
        return list(entries)


def _place(entry: Entry) -> tuple[float, int, str]:
    return entry.place


def _agent_shown(agent: AgentStatus) -> AgentShown:
    return AgentShown(
        agent.id,
        agent.state,
        agent.reason,
        agent.by,
        agent.since,
        agent.phone_up,
        agent.offered,
        agent.calls,
        agent.free,
        agent.taken,
        agent.talked,
        agent.idle_since,
    )


def _entry_shown(entry: Entry) -> EntryShown:
    callback = entry.callback
    return EntryShown(
        entry.id,
        entry.group.name,
        entry.position,
        entry.since,
        tuple(entry.offers),
        entry.alone.id if entry.alone is not None else "",
        callback is not None,
        callback.attempts if callback is not None else 0,
        entry.resting,
        callback.agent.id if callback is not None and callback.agent is not None else "",
    )
