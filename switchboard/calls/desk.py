"""The desk: agents and groups among the calls. What happens goes to the queue engine, what it wants is done at once.

An agent's state is never kept here: the engine derives it from the phone, the calls and what the agent has set.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable
from typing import Final, cast

import msgspec

from routing.acd.actions import Action, AgentChanged, Alert, CallbackOver, CallbackTaken, Leave, Moved, Offer, Withdraw
from routing.acd.engine import Engine
from routing.acd.events import (
    AgentRemoved,
    AgentSet,
    CallBegan,
    CallerGone,
    CallOver,
    Event,
    GroupRemoved,
    GroupSet,
    HoldChanged,
    OfferFailed,
    PhoneChanged,
    SignedIn,
    SignedOut,
    StateSet,
    TalkEnded,
    TimeDue,
    WrapUpDone,
)
from routing.acd.model import Agent, ChosenState, Group
from routing.masks.target import AorTarget, TargetError, parse_open_target
from switchboard.calls.calling_back import call_back, give_up, over, taken
from switchboard.calls.causes import FAILED
from switchboard.calls.ending import end_call
from switchboard.calls.exchange import Exchange
from switchboard.calls.news import AgentNews, AlertNews, QueueNews, QueueStep
from switchboard.calls.serving import PERFORM
from switchboard.sip.errors import SipError
from switchboard.sip.uri import parse_uri

MOST_EVENTS: Final = 100_000
"""Events handled one after the other before the engine is taken to run in circles."""


_PERFORM: Final = cast(
    "dict[type[Action], Callable[[Exchange, Action, float], None]]",
    {**PERFORM, Withdraw: give_up, CallbackTaken: taken, CallbackOver: over},
)


class Desk:
    """Implements `calls.neighbours.Desk`; all methods belong into the loop's order of events."""

    def __init__(self, exchange: Exchange, engine: Engine) -> None:
        """`exchange` is told where the desk is."""
        self.exchange = exchange
        self.engine = engine
        self.agents: dict[str, Agent] = {}
        self.groups: dict[str, Group] = {}
        self._at: dict[str, set[str]] = {}
        """Agents by the address-of-record of their phones, or by the URI of fixed ones."""
        self._events: deque[Event] = deque()
        self._busy = False
        exchange.desk = self

    # --- events and what they lead to ---

    def tell(self, event: Event, now: float) -> None:
        """Something happened; one event after the other, in the order in which they came."""
        self._events.append(event)
        if self._busy:
            return
        self._busy = True
        try:
            for _ in range(MOST_EVENTS):
                if not self._events:
                    return
                self._handle(self._events.popleft(), now)
            self._events.clear()
            self.exchange.log("queue.failed", reason="events in circles")
        finally:
            self._busy = False

    def _handle(self, event: Event, now: float) -> None:
        listening = self.exchange.feed.listening
        entry = self.engine.entries.get(getattr(event, "entry", "")) if listening else None
        before = entry.group.name if entry is not None and entry.queued else ""
        actions = self.engine.handle(event, now)
        if listening:
            self._tell_queue(event, before, actions, now)
        for action in actions:
            self._perform(action, now)

    def _tell_queue(self, event: Event, before: str, actions: list[Action], now: float) -> None:
        """What has happened to the queues, for whoever listens."""
        entry = getattr(event, "entry", "")
        known = self.engine.entries.get(entry)
        after = known.group.name if known is not None and known.queued else ""
        if after and not before:
            self._publish("joined", after, entry, now)
        for action in actions:
            if isinstance(action, Moved):
                self._publish("moved", action.group, action.entry, now, action.before)
            elif isinstance(action, Leave):
                self._publish("left", action.group, action.entry, now, action.to or action.reason)
            elif isinstance(action, CallbackTaken) and action.accepted:
                self._publish("callback", action.group, action.callback, now, action.entry)
            elif isinstance(action, CallbackOver):
                self._publish("callback_over", action.group, action.callback, now, action.outcome)
        if before and not after and not any(isinstance(action, Leave) for action in actions):
            detail = event.why if isinstance(event, CallerGone) else "answered"
            self._publish("left", before, entry, now, detail)

    def _publish(self, step: QueueStep, group: str, entry: str, now: float, detail: str = "") -> None:
        x, waiting = self.exchange, self.engine.waiting(group)
        x.feed.publish(
            QueueNews(step=step, group=group, entry=entry, waiting=waiting, at_us=x.utc_us(now), detail=detail)
        )

    def _perform(self, action: Action, now: float) -> None:
        x = self.exchange
        if isinstance(action, AgentChanged):
            self._agent_changed(action)
        elif isinstance(action, Alert):
            if x.feed.listening:
                x.feed.publish(
                    AlertNews(kind=action.kind, subject=action.subject, at_us=x.utc_us(now), detail=action.detail)
                )
        else:
            try:
                if isinstance(action, Offer) and action.callback:
                    call_back(x, action, now)
                else:
                    _PERFORM[type(action)](x, action, now)
            except Exception as error:  # noqa: BLE001 - one caller's fault must not be the ruin of the others'
                entry = getattr(action, "entry", "")
                x.log("queue.failed", call_id=entry, reason=type(error).__name__, exc_info=error)
                call = x.call_waiting_as(entry)
                if call is not None:
                    end_call(x, call, FAILED, "switch", now)
                if isinstance(action, Offer):
                    self.tell(OfferFailed(entry, action.agent, "unreachable"), now)

    def _agent_changed(self, action: AgentChanged) -> None:
        x = self.exchange
        x.log(
            "agent.state",
            agent=action.agent,
            state=action.state,
            before=action.before,
            reason=action.reason,
            by=action.by,
        )
        if x.feed.listening:
            x.feed.publish(
                AgentNews(
                    agent=action.agent,
                    state=action.state,
                    before=action.before,
                    at_us=x.utc_us(action.at),
                    reason=action.reason,
                    by=action.by,
                )
            )

    def next_due(self) -> float | None:
        """When the engine wants to be told that time has passed."""
        return self.engine.next_due()

    # --- who there is ---

    def load(self, agents: Iterable[Agent], groups: Iterable[Group], now: float) -> None:
        """Make agents and groups those given, and no others; what is in progress goes on."""
        wanted, known = {one.name: one for one in groups}, {one.id: one for one in agents}
        for name, group in wanted.items():
            if self.groups.get(name) != group:
                self.set_group(group, now)
        for agent in known.values():
            if self.agents.get(agent.id) != agent:
                self.set_agent(agent, now)
        for gone in [one for one in self.agents if one not in known]:
            self.remove_agent(gone, now)
        for left in [one for one in self.groups if one not in wanted]:
            self.remove_group(left, now)

    def set_group(self, group: Group, now: float) -> None:
        """A group is new or has changed."""
        self.groups[group.name] = group
        self.tell(GroupSet(group), now)

    def remove_group(self, name: str, now: float) -> None:
        """A group is no more."""
        if self.groups.pop(name, None) is not None:
            self.tell(GroupRemoved(name), now)

    def set_agent(self, agent: Agent, now: float) -> None:
        """An agent is new or has changed."""
        self._forget_phone(agent.id)
        self.agents[agent.id] = agent
        aor = self._aor(agent.phone)
        for line in _spellings(agent.phone) if aor is None else (aor,):
            self._at.setdefault(line, set()).add(agent.id)
        self.tell(AgentSet(agent), now)
        self.tell(PhoneChanged(agent.id, aor is None or bool(self.exchange.registrar.lookup(aor, now))), now)

    def remove_agent(self, agent: str, now: float) -> None:
        """An agent is no more; a call that is up goes on."""
        self._forget_phone(agent)
        if self.agents.pop(agent, None) is not None:
            self.tell(AgentRemoved(agent), now)

    def _forget_phone(self, agent: str) -> None:
        known = self.agents.get(agent)
        if known is None:
            return
        aor = self._aor(known.phone)
        for line in _spellings(known.phone) if aor is None else (aor,):
            agents = self._at.get(line, set())
            agents.discard(agent)
            if not agents:
                self._at.pop(line, None)

    def _aor(self, phone: str) -> str | None:
        """The address-of-record that a phone registers, None for one at a fixed address."""
        try:
            target = parse_open_target(phone)
        except TargetError:
            return None
        if not isinstance(target, AorTarget):
            return None
        return target.aor if "@" in target.aor else f"{target.aor}@{self.exchange.settings.domain}"

    def group(self, name: str) -> Group | None:
        """A skill group."""
        return self.groups.get(name)

    def free_agent(self, group: str, now: float) -> str:
        """The agent of the group whose turn it is; "" when nobody is free."""
        return self.engine.next_idle(group)

    def serves(self, agent: str, group: str) -> bool:
        """Whether an agent belongs to a group."""
        known = self.agents.get(agent)
        return known is not None and group in known.groups

    def refuses(self, group: str, now: float) -> str:
        """Why nobody may join a group now; "" when they may."""
        return self.engine.refusal(group, now) or ""

    def in_call(self, agent: str, besides: Collection[str]) -> bool:
        """Whether the agent is in a call, or rung for one, that is none of those `besides`."""
        status = self.engine.agents.get(agent)
        return status is not None and any(one and one not in besides for one in (*status.calls, status.offered))

    def offered(self, entry: str, agent: str, now: float) -> bool:
        """Whether the agent is offered this one; what is due by now is done first."""
        due = self.engine.next_due()
        if due is not None and due <= now:
            self.tell(TimeDue(), now)
        status = self.engine.agents.get(agent)
        return status is not None and status.offered == entry

    def phone_of(self, agent: str) -> str | None:
        """The target of an agent's phone."""
        known = self.agents.get(agent)
        return known.phone if known is not None else None

    def agent_at(self, phone: str) -> str:
        """The one agent whose phone this target is; "" for nobody's, and for one that several share."""
        fixed = phone.startswith("sip")
        agents = self._at.get(phone if fixed else self._aor(phone) or "", ())
        return next(iter(agents)) if len(agents) == 1 else ""

    def colleagues(self, one: str, other: str) -> bool:
        """Whether the agents of two phones, addresses-of-record, belong to one group."""
        known = self.groups.keys()
        groups = {group for agent in self._at.get(one, ()) for group in known & self.agents[agent].groups.keys()}
        return any(not groups.isdisjoint(self.agents[agent].groups) for agent in self._at.get(other, ()))

    def phones_changed(self, now: float) -> None:
        """Phones may have registered, or be registered no more."""
        registrar = self.exchange.registrar
        for aor in registrar.take_changes():
            up = bool(registrar.lookup(aor, now))
            for agent in sorted(self._at.get(aor, ())):
                self.tell(PhoneChanged(agent, up), now)

    # --- what agents do ---

    def sign_in(self, agent: str, by: str, now: float) -> None:
        """An agent begins to work."""
        self.tell(SignedIn(agent, by), now)

    def sign_out(self, agent: str, by: str, now: float, why: str = "") -> None:
        """An agent goes home."""
        self.tell(SignedOut(agent, by, why), now)

    def set_state(
        self, agent: str, state: ChosenState, by: str, now: float, *, reason: str = "", lasts: float | None = None
    ) -> None:
        """An agent, or a supervisor for them, has chosen a state; `lasts` in seconds, None until changed."""
        self.tell(StateSet(agent, state, reason, by, lasts), now)

    def wrap_up_done(self, agent: str, by: str, now: float) -> None:
        """The work after the call is done."""
        self.tell(WrapUpDone(agent, by), now)

    # --- what their phones do ---

    def call_began(self, agent: str, call: str, now: float) -> None:
        """The agent is in a call that did not come from a queue."""
        self.tell(CallBegan(agent, call), now)

    def call_over(self, agent: str, call: str, now: float) -> None:
        """That call is over for the agent."""
        self.tell(CallOver(agent, call), now)

    def held(self, agent: str, call: str, held: bool, now: float) -> None:
        """The agent holds the other party, or has come back."""
        self.tell(HoldChanged(agent, call, held), now)

    def talk_ended(self, entry: str, agent: str, now: float) -> None:
        """The agent's part in the talk with one from a queue is over."""
        self.tell(TalkEnded(entry, agent), now)


def _spellings(phone: str) -> frozenset[str]:
    """A fixed SIP URI with its usual port written and not; nothing for what is none."""
    try:
        uri = parse_uri(phone)
    except SipError:
        return frozenset()
    secured = uri.scheme == "sips" or (uri.params.get("transport") or "").lower() == "tls"
    usual = 5061 if secured else 5060
    if not uri.is_sip or uri.port not in (None, usual):
        return frozenset({phone})
    return frozenset({phone, *(str(msgspec.structs.replace(uri, port=port)) for port in (None, usual))})
