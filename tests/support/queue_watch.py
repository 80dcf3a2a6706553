"""A queue engine under watch: a plain model follows its events and actions, and says when the two part.

The model shares nothing with the engine but the reading of requirements and hours. After each event it holds that

1. an agent has at most one offer, and an offer is made only to who is idle, fits, and is not resting;
2. nobody waits while an agent who fits is free, and no rule holds it back;
3. who is offered an agent is the one with the best score among those whom the agent fits, heavier groups first;
4. the state told of every agent is what follows from phone, calls, offers and choice;
5. everybody who joined leaves once: nothing is heard of them after that;
6. time goes on: nothing is due that was due before, and no phone rings longer than it may.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import inf
from typing import Protocol

from routing.acd import actions as act
from routing.acd import events as ev
from routing.acd.actions import Action
from routing.acd.events import Event
from routing.acd.hours import Local, parse_hours
from routing.acd.model import Group
from tests.support.queue_checks import check_order, check_strategy
from tests.support.queue_model import EPSILON, SeenAgent, SeenEntry, SeenTalk, SeenWrapUp

CALLBACK_REST = 10.0
HOURS_HOLD = 1.5
"""For so long the answer whether a group is open may be kept."""
LONGEST_RING = 130.0
"""Beyond an offer's timeout: while a callback's caller is called first the agent is kept."""


class Engine(Protocol):
    """What is watched."""

    def handle(self, event: Event, now: float) -> list[Action]:
        """Take an event; what is to be done."""

    def next_due(self) -> float | None:
        """When time matters next."""


class Watch:
    """An engine, the model, and the history of both."""

    def __init__(self, engine: Engine, clock: Callable[[float], Local], now: float = 0.0) -> None:
        self.engine = engine
        self.clock = clock
        self.now = now
        self.history: list[tuple[Event, float, list[Action]]] = []
        self.groups: dict[str, Group] = {}
        self.agents: dict[str, SeenAgent] = {}
        self.entries: dict[str, SeenEntry] = {}
        self.ended: Counter[str] = Counter()
        self.joined = 0
        self._arrivals = 0
        self._numbers = 0
        self._offered: list[tuple[SeenEntry, SeenAgent]] = []
        self._picked = ""
        """Who is served out of turn in the event at hand."""
        self._gone: dict[str, SeenEntry] = {}
        """Those who have left in the event at hand."""
        self._asked = b""

    # --- driving ---

    def tell(self, event: Event) -> list[Action]:
        """Something happens; AssertionError when the engine does not do what it must."""
        self._offered, self._picked = [], ""
        for agent in self.agents.values():
            agent.settle(self.now)
        getattr(self, f"_{type(event).__name__}", self._nothing)(event)
        done = self.engine.handle(event, self.now)
        self.history.append((event, self.now, done))
        for action in done:
            self._settle()
            getattr(self, f"_{type(action).__name__}_done", self._nothing)(action)
        self._settle()
        self._check(event)
        return done

    def wait(self, seconds: float) -> None:
        """Time passes, and the engine is told whenever it wants to be."""
        until = self.now + seconds
        while (due := self.engine.next_due()) is not None and due <= until:
            assert due >= self.now - EPSILON, "something is due in the past"
            self.now = max(self.now, due)
            self.tell(ev.TimeDue())
            following = self.engine.next_due()
            assert following is None or following > self.now, "what was due is still due"
        self.now = until
        self.tell(ev.TimeDue())

    def sleep(self, seconds: float) -> None:
        """Time passes, and the engine is told late."""
        self.now += seconds
        self.tell(ev.TimeDue())

    @property
    def offers(self) -> list[tuple[SeenEntry, SeenAgent]]:
        """All that are out."""
        return [(agent.offer, agent) for agent in self.agents.values() if agent.offer is not None]

    @property
    def talks(self) -> list[tuple[str, SeenAgent]]:
        """All calls from queues."""
        return [(entry, agent) for agent in self.agents.values() for entry in agent.talks]

    @property
    def waiting(self) -> list[SeenEntry]:
        """All in queues."""
        return [entry for entry in self.entries.values() if entry.status == "waiting"]

    # --- what events mean ---

    def _nothing(self, _: object) -> None:
        """Not of interest."""

    def _GroupSet(self, event: ev.GroupSet) -> None:
        self.groups[event.group.name] = event.group
        for entry in self.entries.values():
            if entry.group.name == event.group.name:
                entry.group = event.group

    def _GroupRemoved(self, event: ev.GroupRemoved) -> None:
        self.groups.pop(event.group, None)

    def _AgentSet(self, event: ev.AgentSet) -> None:
        known = self.agents.get(event.agent.id)
        if known is None or (known.removed and not known.talks and not known.calls):
            self._numbers += 1
            self.agents[event.agent.id] = SeenAgent(event.agent, self._numbers)
            return
        newly = event.agent.always and not known.agent.always
        known.agent, known.removed = event.agent, False
        if newly and known.phone_up and not known.signed_in:
            self._begin(known)

    def _AgentRemoved(self, event: ev.AgentRemoved) -> None:
        if (agent := self.agents.get(event.agent)) is not None:
            self._leave(agent)
            agent.removed = True

    def _SignedIn(self, event: ev.SignedIn) -> None:
        agent = self.agents.get(event.agent)
        if agent is not None and not agent.signed_in and not agent.removed:
            self._begin(agent)

    def _SignedOut(self, event: ev.SignedOut) -> None:
        agent = self.agents.get(event.agent)
        if agent is not None and agent.signed_in:
            self._leave(agent)

    def _PhoneChanged(self, event: ev.PhoneChanged) -> None:
        agent = self.agents.get(event.agent)
        if agent is None or agent.phone_up == event.up:
            return
        agent.phone_up = event.up
        if event.up and agent.agent.always and not agent.signed_in and not agent.removed:
            self._begin(agent)
        elif not event.up and agent.agent.always:
            self._leave(agent)

    def _begin(self, agent: SeenAgent) -> None:
        agent.signed_in, agent.taken, agent.talked, agent.unanswered, agent.rests_until = True, 0, 0.0, 0, 0.0
        agent.choose("idle")

    def _leave(self, agent: SeenAgent) -> None:
        agent.signed_in, agent.wrap_up = False, None
        agent.choose("idle")

    def _StateSet(self, event: ev.StateSet) -> None:
        agent = self.agents.get(event.agent)
        if agent is None or not agent.signed_in:
            return
        if agent.wrap_up is not None and agent.wrap_up.until < inf:
            agent.wrap_up = None
        if event.state == "idle":
            if agent.chosen != "idle":
                agent.idle_since = self.now
            agent.rests_until, agent.unanswered = 0.0, 0
        agent.choose(event.state, event.lasts)

    def _WrapUpDone(self, event: ev.WrapUpDone) -> None:
        if (agent := self.agents.get(event.agent)) is not None:
            agent.wrap_up = None

    def _CallBegan(self, event: ev.CallBegan) -> None:
        if (agent := self.agents.get(event.agent)) is not None:
            agent.calls.add(event.call)

    def _CallOver(self, event: ev.CallOver) -> None:
        agent = self.agents.get(event.agent)
        if agent is not None and event.call in agent.calls:
            agent.calls.remove(event.call)
            agent.held.discard(event.call)

    def _HoldChanged(self, event: ev.HoldChanged) -> None:
        agent = self.agents.get(event.agent)
        if agent is not None and (event.call in agent.calls or event.call in agent.talks):
            (agent.held.add if event.held else agent.held.discard)(event.call)

    def _CallerJoined(self, event: ev.CallerJoined) -> None:
        if event.entry in self.entries or event.group not in self.groups:
            return
        since = self.now if event.since is None else event.since
        self._enter(
            SeenEntry(
                id=event.entry,
                group=self.groups[event.group],
                since=since,
                score=self._score(since, event.priority, event.vip),
                joined=self.now,
                own=event.requirement,
                preferred=event.preferred,
                caller=event.caller,
                max_wait=event.max_wait,
            )
        )

    def _CallbackRestored(self, event: ev.CallbackRestored) -> None:
        twin = any(
            one.callback and one.caller == event.caller and one.group.name == event.group for one in self.callbacks
        )
        if event.callback in self.entries or event.group not in self.groups or not event.caller or twin:
            return
        self._enter(
            SeenEntry(
                id=event.callback,
                group=self.groups[event.group],
                since=event.since,
                score=self._score(event.since, event.priority, event.vip),
                joined=self.now,
                own=event.requirement,
                caller=event.caller,
                callback=True,
                status="resting",
                attempts=event.attempts,
                rests_until=self.now + event.rest,
            )
        )

    @property
    def callbacks(self) -> list[SeenEntry]:
        """All that are open."""
        return [entry for entry in self.entries.values() if entry.callback]

    def _score(self, since: float, priority: int, vip: int) -> tuple[float, int]:
        self._arrivals += 1
        return since - 60.0 * priority - 120.0 * vip, self._arrivals

    def _enter(self, entry: SeenEntry) -> None:
        entry.expires = entry.since + entry.group.callbacks.expire
        entry.patient_until = self.now + entry.group.preferred_patience
        self.entries[entry.id] = entry
        self.joined += 1

    def _CallerGone(self, event: ev.CallerGone) -> None:
        if (entry := self.entries.get(event.entry)) is not None:
            self._end(entry, "gone")

    def _OfferAccepted(self, event: ev.OfferAccepted) -> None:
        agent = self.agents.get(event.agent)
        entry = agent.offer if agent is not None else None
        if agent is None or entry is None or entry.id != event.entry:
            return
        self._unring(agent)
        agent.unanswered, agent.wrap_up = 0, None
        own = agent.agent.wrap_up
        talk = SeenTalk(entry.group.name, self.now, entry.group.wrap_up if own is None else own)
        agent.talks[entry.id] = talk
        if entry.callback and not entry.caller_first:
            talk.counts = False
            entry.status, entry.calling = "calling", agent
        else:
            agent.taken += 1
            self._end(entry, "answered")

    def _OfferFailed(self, event: ev.OfferFailed) -> None:
        agent = self.agents.get(event.agent)
        if agent is not None and agent.offer is not None and agent.offer.id == event.entry:
            self._failed(agent, agent.offer.group, event.why)

    def _failed(self, agent: SeenAgent, rules: Group, why: str) -> None:
        self._unring(agent)
        agent.idle_since = self.now
        agent.rests_until = self.now + max(1.0, rules.refuse_pause)
        agent.unanswered += why == "no_answer"
        if (
            why == "no_answer"
            and agent.unanswered >= rules.no_answer_limit
            and rules.no_answer_state != "idle"
            and agent.chosen == "idle"
        ):
            agent.unanswered, agent.rests_until = 0, 0.0
            agent.choose(rules.no_answer_state)

    def _TalkEnded(self, event: ev.TalkEnded) -> None:
        agent = self.agents.get(event.agent)
        talk = agent.talks.pop(event.entry, None) if agent is not None else None
        if agent is None or talk is None:
            return
        agent.held.discard(event.entry)
        if talk.counts:
            agent.talked += self.now - talk.began
            agent.wrap_up = SeenWrapUp(talk.wrap_up) if talk.wrap_up > 0 and agent.signed_in else None
        entry = self.entries.get(event.entry)
        if entry is not None and entry.calling is agent:
            entry.status, entry.calling, entry.rests_until = "resting", None, self.now + CALLBACK_REST

    def _Picked(self, event: ev.Picked) -> None:
        self._picked = event.entry

    def _CallbackEnded(self, event: ev.CallbackEnded) -> None:
        entry = self.entries.get(event.callback)
        if entry is None or not entry.callback:
            return
        agent = entry.calling
        if agent is not None and event.reached:
            agent.taken += 1
            agent.talks[entry.id].counts, agent.talks[entry.id].began = True, self.now
            self._end(entry, "reached")
        elif agent is not None:
            agent.talks[entry.id].hang_up_by = self.now + 5.0
            self._attempt_failed(entry)
        elif entry.offers and entry.caller_first:
            if event.reached:
                entry.callback, entry.joined = False, self.now
                for one in entry.offers.values():
                    one.offered_at = self.now
            else:
                for one in tuple(entry.offers.values()):
                    self._unring(one)
                self._attempt_failed(entry)
        elif event.reached:
            self._end(entry, "reached")

    def _attempt_failed(self, entry: SeenEntry) -> None:
        entry.attempts += 1
        entry.calling = None
        entry.status, entry.rests_until = "resting", self.now + entry.group.callbacks.retry_after
        if entry.attempts >= entry.group.callbacks.attempts:
            self._end(entry, "attempts")

    # --- what actions mean ---

    def _Offer_done(self, action: act.Offer) -> None:
        entry, agent = self.entries.get(action.entry), self.agents.get(action.agent)
        assert entry is not None, f"{action} is for somebody who does not wait"
        assert agent is not None, f"{action} is for nobody"
        assert not agent.removed
        assert entry.group.name == action.group
        assert agent.offer is None, f"{action} while {agent.agent.id} is offered {agent.offer and agent.offer.id}"
        assert agent.signed_in
        assert agent.phone_up
        if entry.id == self._picked:
            assert not agent.talks, f"{action} in a talk"
            agent.rests_until = 0.0
        else:
            self._check_regular(action, entry, agent)
        assert action.callback == entry.callback
        entry.status = "waiting"
        self._offered.append((entry, agent))
        entry.caller_first = action.caller_first
        agent.offer, agent.offered_at = entry, self.now
        entry.offers[agent.agent.id] = agent

    def _check_regular(self, action: act.Offer, entry: SeenEntry, agent: SeenAgent) -> None:
        assert agent.free(self.now), f"{action} while {agent.state()} (rests until {agent.rests_until})"
        preferred = entry.preferred == agent.agent.id and self.now <= entry.patient_until
        assert preferred or entry.fits(agent, self.now), f"{action} to one who does not fit {entry.step(self.now)}"
        assert not entry.offers or entry.group.strategy in ("ring_all", "progressive"), f"{action} is the second"
        if entry.callback:
            assert entry.status == "waiting" or entry.rests_until <= self.now, f"{action} of one who rests"
            assert self._open(entry, 0.0) or self._open(entry, HOURS_HOLD), f"{action} out of hours"

    def _Withdraw_done(self, action: act.Withdraw) -> None:
        agent = self.agents.get(action.agent)
        if agent is None:
            return
        if agent.offer is not None and agent.offer.id == action.entry:
            self._unring(agent)
        elif (talk := agent.talks.get(action.entry)) is not None and not talk.counts:
            del agent.talks[action.entry]
            agent.held.discard(action.entry)
            entry = self.entries.get(action.entry)
            if entry is not None and entry.calling is agent:
                self._attempt_failed(entry)

    def _Alert_done(self, action: act.Alert) -> None:
        if action.kind == "offer_lost":
            agent, entry = self.agents[action.subject], self.entries[action.detail]
            if entry.callback and entry.caller_first:
                self._attempt_failed(entry)
            else:
                self._failed(agent, entry.group, "unreachable")

    def _Leave_done(self, action: act.Leave) -> None:
        entry = self.entries.get(action.entry)
        if entry is not None and (not entry.callback or action.reason != "callback"):
            assert not entry.offers, f"{action} while a phone rings"
            self._end(entry, action.reason)

    def _Moved_done(self, action: act.Moved) -> None:
        entry = self.entries[action.entry]
        assert entry.group.name == action.before
        assert not entry.offers
        entry.group = self.groups[action.group]
        if self.now > entry.joined:
            entry.preferred = ""
        entry.joined, entry.patient_until = self.now, self.now + entry.group.preferred_patience

    def _AgentChanged_done(self, action: act.AgentChanged) -> None:
        agent = self.agents[action.agent]
        assert action.before == agent.told, f"{action}, but {agent.told} was told last"
        assert action.at == self.now
        if action.state == "idle" and action.before not in ("ringing", "idle"):
            agent.idle_since = self.now
        agent.told = action.state

    def _Announce_done(self, action: act.Announce) -> None:
        entry = self.entries.get(action.entry)
        assert entry is not None, f"{action} to somebody who does not wait"
        assert not entry.callback
        assert not entry.offers, f"{action} while a phone rings"
        if action.position and not self.has_hours(entry.group.name):
            ahead = sum(one.group is entry.group and one.score < entry.score for one in self.waiting)
            assert action.position == ahead + 1, f"{action}, but {ahead} are ahead"
        if action.wait is not None:
            assert 0.0 <= action.wait[0] <= action.wait[1]

    def _CallbackTaken_done(self, action: act.CallbackTaken) -> None:
        if not action.accepted:
            assert action.reason
            return
        entry = self.entries[action.entry]
        score, since = entry.score, entry.since
        if action.replaced and (older := self._gone.pop(action.replaced, None)) is not None:
            score, since = min(score, older.score), min(since, older.since)
        self._end(entry, "callback")
        self._enter(
            SeenEntry(
                id=action.callback,
                group=self.groups[action.group],
                since=since,
                score=score,
                joined=self.now,
                own=entry.own,
                caller=self._asked or entry.caller,
                callback=True,
                status="resting",
                rests_until=self.now + CALLBACK_REST,
            )
        )

    def _CallbackAsked(self, event: ev.CallbackAsked) -> None:
        self._asked = event.caller

    def _CallbackOver_done(self, action: act.CallbackOver) -> None:
        entry = self.entries.get(action.callback)
        if entry is not None and entry.callback:
            self._end(entry, action.outcome)

    # --- the end, and the checks ---

    def _unring(self, agent: SeenAgent) -> None:
        if agent.offer is not None:
            agent.offer.offers.pop(agent.agent.id, None)
            agent.offer = None

    def _end(self, entry: SeenEntry, outcome: str) -> None:
        del self.entries[entry.id]
        self._gone[entry.id] = entry
        self.ended[outcome] += 1

    def _settle(self) -> None:
        for agent in self.agents.values():
            agent.settle(self.now)

    def _check(self, event: Event) -> None:
        for agent in self.agents.values():
            self._check_agent(agent)
        for entry in self.entries.values():
            self._check_entry(entry)
        callable_now = [one for one in self.waiting if not one.callback or self._open(one, 0.0)]
        for entry, agent in self._offered:
            if agent.offer is entry and entry.id != self._picked:
                check_order(entry, agent, callable_now, self.now)
        if len(self._offered) == 1 and isinstance(event, ev.CallerJoined):
            entry, agent = self._offered[0]
            if not entry.preferred:
                check_strategy(entry, agent, self.agents.values(), self.now)
        assert self.joined == len(self.entries) + self.ended.total()
        self._gone.clear()

    def _check_agent(self, agent: SeenAgent) -> None:
        assert agent.told == agent.state(), f"{agent.agent.id} is told {agent.told}, and is {agent.state()}"
        assert agent.offer is None or agent.offer.id in self.entries, "a phone rings for somebody who has left"
        if agent.offer is not None:
            timeout = agent.agent.ring_timeout or agent.offer.group.ring_timeout
            assert self.now <= max(agent.offered_at + timeout, 0.0) + LONGEST_RING, "a phone rings for ever"
        for talk in agent.talks.values():
            assert talk.hang_up_by >= self.now, "an agent is left in a callback that came to nothing"

    def _check_entry(self, entry: SeenEntry) -> None:
        if entry.callback and not (self._open(entry, 0.0) and self._open(entry, HOURS_HOLD)):
            return
        if entry.status == "resting" and entry.rests_until <= self.now:
            entry.status = "waiting"
        if entry.status != "waiting" or entry.offers:
            return
        if not entry.callback and entry.group.max_wait is not None:
            assert self.now < entry.joined + entry.group.max_wait + EPSILON, f"{entry.id} waits beyond its limit"
        assert not entry.callback or self.now < entry.expires
        preferred = self.agents.get(entry.preferred)
        if preferred is not None and self.now < entry.patient_until:
            return
        for agent in self.agents.values():
            if agent.free(self.now - 2 * EPSILON) and not agent.removed and entry.fits(agent, self.now):
                raise AssertionError(f"{entry.id} waits, and {agent.agent.id} is free")

    def _open(self, entry: SeenEntry, before: float) -> bool:
        hours = parse_hours(entry.group.callbacks.hours or entry.group.hours)
        return hours.open_by(self.clock, self.now - before)

    def has_hours(self, name: str) -> bool:
        """Whether a group is not always open to call back."""
        group = self.groups[name]
        return bool(group.hours or group.callbacks.hours)
