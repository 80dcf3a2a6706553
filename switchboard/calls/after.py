"""What a flow still does when its caller has hung up: a webhook, say. The call itself is over and closed by then."""

from __future__ import annotations

from typing import Final

import msgspec

from ivr_flows import machine
from ivr_flows.actions import Action, Http
from ivr_flows.events import CallerGone, Event, TimerDue
from ivr_flows.model import Flow
from ivr_flows.position import Position
from switchboard.calls.exchange import Exchange
from switchboard.sip.transaction.table import Input

MOST: Final = 5000
"""Flows that may go on at a time after their callers have left; beyond, they end with the call."""

LONGEST: Final = 60.0
"""Seconds after which nobody waits for them any more."""


class Afterlife(msgspec.Struct, eq=False):
    """A flow without a caller; `timer` belongs to the deadline heap."""

    call_id: str
    flow: Flow
    position: Position
    until: float
    armed: float | None = None
    timer: int = 0


def caller_gone(x: Exchange, call_id: str, flow: Flow | None, position: Position, now: float) -> None:
    """Tell the flow that its caller has left, and let it finish."""
    if flow is None or position.ended:
        return
    if len(x.afterlives) >= MOST:
        return
    life = x.afterlives[call_id] = Afterlife(call_id, flow, position, now + LONGEST)
    after_event(x, life, CallerGone(), now)


def after_event(x: Exchange, life: Afterlife, event: Event, now: float) -> None:
    """An answer has come, or time has passed."""
    if x.afterlives.get(life.call_id) is not life:
        return
    if now >= life.until:
        _forget(x, life)
        return
    try:
        _, actions = machine.step(life.flow, life.position, event, now, x.clock)
        _perform(x, life, actions, now)
    except Exception:
        # Its timer may be spent: better forgotten than kept for ever.
        _forget(x, life)
        raise


def after_due(x: Exchange, now: float) -> None:
    """Let every deadline that has come be known."""
    while (due := x.after_heap.pop_due(now)) is not None:
        life = due[0]
        life.armed = None
        after_event(x, life, TimerDue(), now)


def _perform(x: Exchange, life: Afterlife, actions: list[Action], now: float) -> None:
    """Only requests are left to be made: nobody listens."""
    for action in actions:
        if isinstance(action, Http):
            x.backends.request(
                action, lambda event: x.run(lambda then: after_event(x, life, event, then)), life.call_id
            )
    if life.position.ended:
        _forget(x, life)
        return
    if life.armed is not None:
        x.after_heap.cancel(life)
    due = life.position.deadline
    life.armed = life.until if due is None else min(due, life.until)
    x.after_heap.schedule(life.armed, life, Input.TIMER_B)


def _forget(x: Exchange, life: Afterlife) -> None:
    if x.afterlives.pop(life.call_id, None) is None:
        return
    x.backends.cancel(life.call_id)
    if life.armed is not None:
        x.after_heap.cancel(life)
        life.armed = None
