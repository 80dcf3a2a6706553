"""What events mean for the plain model beside the queue engine, as their own descriptions say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import inf

from routing.acd import events as ev
from routing.acd.hours import Local, parse_hours
from routing.acd.model import Group
from tests.support.queue_model import SeenAgent, SeenEntry, SeenTalk, SeenWrapUp

CALLBACK_REST = 10.0


class ToldEvents:
    """All that is known of groups, agents, and those who wait; one method an event."""

    def __init__(self, clock: Callable[[float], Local], now: float) -> None:
        self.clock = clock
        self.now = now
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
        self._refused = ""

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
        if event.entry in self.entries:
            return
        if event.group not in self.groups:
            self._refused = event.entry
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
                on_the_line=True,
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
            entry.on_the_line = False

    def _Picked(self, event: ev.Picked) -> None:
        self._picked = event.entry

    def _CallerCleared(self, event: ev.CallerCleared) -> None:
        entry = self.entries.get(event.callback)
        if entry is not None and entry.on_the_line:
            entry.on_the_line = False
            entry.rests_until = min(entry.rests_until, self.now)

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
        entry.calling, entry.on_the_line = None, False
        entry.status, entry.rests_until = "resting", self.now + entry.group.callbacks.retry_after
        if entry.attempts >= entry.group.callbacks.attempts:
            self._end(entry, "attempts")

    def _CallbackAsked(self, event: ev.CallbackAsked) -> None:
        self._asked = event.caller

    def _unring(self, agent: SeenAgent) -> None:
        if agent.offer is not None:
            agent.offer.offers.pop(agent.agent.id, None)
            agent.offer = None

    def _end(self, entry: SeenEntry, outcome: str) -> None:
        del self.entries[entry.id]
        self._gone[entry.id] = entry
        self.ended[outcome] += 1

    def _open(self, entry: SeenEntry, before: float) -> bool:
        hours = parse_hours(entry.group.callbacks.hours or entry.group.hours)
        return hours.open_by(self.clock, self.now - before)

    def has_hours(self, name: str) -> bool:
        """Whether a group is not always open to call back."""
        group = self.groups[name]
        return bool(group.hours or group.callbacks.hours)
