"""What the queue engine's actions mean for the plain model beside it, and which of them may be at all."""

from __future__ import annotations

from routing.acd import actions as act
from tests.support.queue_events import CALLBACK_REST, ToldEvents
from tests.support.queue_model import SeenAgent, SeenEntry

HOURS_HOLD = 1.5
"""For so long the answer whether a group is open may be kept."""


class ToldActions(ToldEvents):
    """One method an action."""

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
        if entry is None or (entry.callback and action.reason == "callback"):
            kept = action.reason == "callback" and action.entry in self._gone
            assert kept or action.entry == self._refused, f"{action} of somebody who does not wait"
        else:
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
            ahead = [one for one in self.entries.values() if one.group is entry.group and one.score < entry.score]
            least = sum(one.status == "waiting" for one in ahead)
            # A callback may have its turn again at this very instant.
            most = least + sum(one.status == "resting" and one.rests_until <= self.now for one in ahead)
            assert least + 1 <= action.position <= most + 1, f"{action}, but {least} to {most} are ahead"
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
                on_the_line=True,
            )
        )

    def _CallbackOver_done(self, action: act.CallbackOver) -> None:
        entry = self.entries.get(action.callback)
        if entry is not None and entry.callback:
            self._end(entry, action.outcome)
