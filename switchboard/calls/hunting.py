"""Looking for an agent of a group: its members ring one after the other, round after round, while the caller waits."""

from __future__ import annotations

import math
from typing import Final, Literal

from ivr_flows.events import Event, QueueEnded, TransferEnded
from routing.masks.target import TargetError, parse_open_target
from switchboard.calls.call import Call, Hunt
from switchboard.calls.causes import UNKNOWN, Cause
from switchboard.calls.cdr import open_segment
from switchboard.calls.connecting import invite_agent, outcome_of
from switchboard.calls.exchange import Exchange

PAUSE: Final = 2.0
"""Seconds between two rounds in which everybody was busy."""


def begin_hunt(
    x: Exchange, call: Call, name: str, max_wait: float, now: float, *, transfer: bool = False
) -> Event | None:
    """Begin to look for somebody of the group; an event when that is over at once.

    `transfer` is how a flow that asked for a party, not for a queue, is told.
    """
    group = x.settings.groups.get(name)
    if group is None:
        return TransferEnded("failed") if transfer else QueueEnded("failed")
    call.hunt = Hunt(group=name, left=list(group.members), until=now + max_wait, transfer=transfer)
    open_segment(call, "queue", x.utc_us(now), name)
    return _next(x, call, now)


def ring_group(x: Exchange, call: Call, name: str, now: float) -> Event | None:
    """Ring everybody of the group once, for a call without a flow; an event when nobody can be rung."""
    group = x.settings.groups.get(name)
    if group is None:
        return QueueEnded("failed")
    call.hunt = Hunt(group=name, left=list(group.members), until=math.inf, once=True)
    return _next(x, call, now)


def hunt_failed(x: Exchange, call: Call, cause: Cause, now: float) -> Event | None:
    """The member that rang is not to be had; an event when the search is over."""
    if call.hunt is not None and outcome_of(cause) != "unregistered":
        call.hunt.reached = True
    return _next(x, call, now)


def hunt_due(x: Exchange, call: Call, now: float) -> Event | None:
    """The next round, when its time has come."""
    hunt = call.hunt
    if hunt is None or hunt.resume_at is None or hunt.resume_at > now:
        return None
    hunt.resume_at, hunt.reached = None, False
    hunt.left = list(x.settings.groups[hunt.group].members)
    return _next(x, call, now)


def _next(x: Exchange, call: Call, now: float) -> Event | None:
    hunt = call.hunt
    assert hunt is not None
    group = x.settings.groups[hunt.group]
    while hunt.left and now < hunt.until:
        failure = _ring(x, call, hunt.left.pop(0), group.ring_timeout, now)
        if failure is None:
            return None
        hunt.reached = hunt.reached or outcome_of(failure) not in ("unregistered", "unknown")
    if now >= hunt.until:
        return _over(x, call, "timeout", now)
    if hunt.once:
        return _over(x, call, "failed", now)
    if not hunt.reached:
        return _over(x, call, "empty", now)
    hunt.resume_at = min(now + PAUSE, hunt.until)
    return None


def _ring(x: Exchange, call: Call, member: str, ring_timeout: float, now: float) -> Cause | None:
    try:
        target = parse_open_target(member)
    except TargetError:
        target = None
    return invite_agent(x, call, target, ring_timeout, now) if target is not None else UNKNOWN


def _over(x: Exchange, call: Call, outcome: Literal["timeout", "failed", "empty"], now: float) -> Event:
    if call.position is not None:
        open_segment(call, "ivr", x.utc_us(now), call.record.flow)
    transfer = call.hunt is not None and call.hunt.transfer
    call.hunt = None
    call.speaking = 0
    if call.ringback and call.caller.lease is not None:
        x.media.stop_play(call.caller.lease)
    call.ringback = ""
    return TransferEnded(_TRANSFERS[outcome]) if transfer else QueueEnded(outcome)


def found_and_left(call: Call) -> Event:
    """The agent who was found has hung up after the talk."""
    queued = call.hunt is not None and not call.hunt.transfer
    call.hunt = None
    return QueueEnded("completed") if queued else TransferEnded("completed")


_TRANSFERS: Final[dict[str, Literal["no_answer", "failed", "unregistered"]]] = {
    "timeout": "no_answer",
    "failed": "failed",
    "empty": "unregistered",
}
